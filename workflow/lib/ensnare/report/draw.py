"""The figures of a study, drawn from its results and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ensnare.analyses.failures import failure_warnings
from ensnare.analyses.groups import independent_rows
from ensnare.analyses.rounds import rounds_ending
from ensnare.analyses.scaling_curves import curve_factors
from ensnare.analyses.tables import read_table
from ensnare.archive.results import StudyResults
from ensnare.report.draw_scaling import ScalingFigure
from ensnare.report.figures.axes import joined
from ensnare.report.figures.correlations import plot_correlations
from ensnare.report.figures.curves import plot_curves, plot_curves_by_case
from ensnare.report.figures.design import plot_pairs
from ensnare.report.figures.distributions import plot_distribution, plot_distributions_by_case
from ensnare.report.figures.estimates import (
    CORRELATIONS,
    RANK_SOBOL,
    SECOND,
    SOBOL,
    melted,
    morris_estimates,
)
from ensnare.report.figures.exceedance import plot_exceedance, plot_exceedance_by_case
from ensnare.report.figures.failures import plot_failures
from ensnare.report.figures.index_curves import plot_estimate_curves
from ensnare.report.figures.indices import plot_estimates_by_case, plot_sobol
from ensnare.report.figures.morris import plot_morris
from ensnare.report.figures.pairs_of_inputs import plot_second_order
from ensnare.report.figures.regimes import plot_regimes
from ensnare.report.figures.rounds import plot_rounds
from ensnare.report.figures.samples import plot_cost, plot_scatter, plot_status
from ensnare.report.figures.scaling import Quantity, plot_scaling
from ensnare.report.figures.style import axis_label, save
from ensnare.report.figures.sweeps import plot_sweep
from ensnare.report.names import SCALING_FIGURES, FigureName, figure_names
from ensnare.report.sections import status_counts
from ensnare.store.outcome import Status
from ensnare.study.outputs import Output
from ensnare.study.sweep import Case, case_label


def draw_figures(results: StudyResults, tables: Mapping[str, Path], *, processes: int = 1) -> None:
    """Draw and save every figure of a study.

    Parameters
    ----------
    results : StudyResults
        The archive.
    tables : mapping of str to Path
        The tables of its analyses by name: statistics, sobol_indices ...
    processes : int
        How many draw at once.
    """
    frames = {name: read_table(path, results.study.factors) for name, path in tables.items()}
    study = _Drawn(results, frames, "; ".join(failure_warnings(results)))
    results.paths.figures.mkdir(parents=True, exist_ok=True)
    names = figure_names(results.study)
    shares = [names[k::processes] for k in range(processes)]
    # forked: they share the samples, and have the plotting library
    forked = get_context("fork")
    others = [forked.Process(target=study.draw, args=(share,)) for share in shares[1:]]
    for process in others:
        process.start()
    study.draw(shares[0])
    for process, share in zip(others, shares[1:], strict=True):
        process.join()
        if process.exitcode:  # what stopped it stops us too, with its reason; or it was killed
            study.draw(share)


@dataclass(frozen=True)
class _Drawn:
    """A study to draw: its archive, its tables, and what to warn of in every figure."""

    results: StudyResults
    tables: Mapping[str, pd.DataFrame]
    warning: str

    def draw(self, names: Sequence[FigureName]) -> None:
        """Draw and save some figures."""
        for name in names:
            save(_DRAW[name.kind](self, name), self.results.paths.figures / str(name))

    @property
    def factors(self) -> list[str]:
        return list(self.results.study.factors)

    def with_units(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Return a table with its factors named as axes name them, and these names."""
        shown = {name: self.results.study.shown_factor(name) for name in self.factors}
        return frame.rename(columns=shown), list(shown.values())

    def output(self, name: FigureName) -> Output:
        return next(o for o in self.results.study.model.outputs if o.name == name.output)

    def label(self, name: FigureName) -> str:
        return axis_label(name.output, self.output(name).unit)

    def axis_label(self, name: FigureName) -> str:
        axis = self.output(name).axis
        return axis_label(axis.name, axis.unit) if axis else "position"

    def rows(self, table: str, name: FigureName) -> pd.DataFrame:
        frame = self.tables[table]
        return frame[frame["output"] == name.output]

    def in_case(self, frame: pd.DataFrame, number: int) -> tuple[pd.DataFrame, str]:
        """Return the rows of a case, and how it is called."""
        case: Case = self.results.by_case()[number][0]
        for factor in self.factors:
            level = case.get(factor)
            frame = frame[frame[factor].isna() if level is None else frame[factor] == level]
        return frame, f"case {case_label(case)}" if case else ""

    def by_case(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return the values of independent samples, by case."""
        keep = independent_rows(self.results)
        return {case_label(case): y[at][keep[at]] for case, at in self.results.by_case()}


def _estimates(study: _Drawn, name: FigureName) -> Figure:
    """Draw estimates of each input: of one case, against the sweep, or along an axis."""
    frame = study.rows(_TABLES[name.kind], name)
    unit = study.output(name).unit
    kind = {
        "sobol": SOBOL,
        "second": SECOND,
        "ranksobol": RANK_SOBOL,
        "morris": morris_estimates(unit),
        "correlations": CORRELATIONS,
    }[name.kind]
    if study.output(name).shape is None and not study.factors:
        return _of_one_case(study, name, frame)
    if name.kind == "morris":
        frame = melted(frame, kind.kinds)
    frame = frame.rename(columns={"coefficient": "index"})
    if study.output(name).shape is None:
        frame, columns = study.with_units(frame)
        return plot_estimates_by_case(
            frame,
            output=name.output,
            factor_columns=columns,
            warning=study.warning,
            estimates=kind,
        )
    frame, title = study.in_case(frame, name.number)
    return plot_estimate_curves(
        frame,
        study.results.axes[name.output],
        output=name.output,
        axis_label=study.axis_label(name),
        title=title,
        warning=study.warning,
        estimates=kind,
    )


def _of_one_case(study: _Drawn, name: FigureName, frame: pd.DataFrame) -> Figure:
    """Draw estimates of each input as a ranking."""
    output, warning = name.output, study.warning
    match name.kind:
        case "second":
            return plot_second_order(frame, output=output, warning=warning)
        case "morris":
            unit = study.output(name).unit
            return plot_morris(frame, output=output, unit=unit, warning=warning)
        case "correlations":
            return plot_correlations(frame, output=output, warning=warning)
        case "ranksobol":
            kind = RANK_SOBOL
            return plot_sobol(frame, output=output, warning=warning, estimates=kind)
        case _:
            return plot_sobol(frame, output=output, warning=warning)


def _exceedance(study: _Drawn, name: FigureName) -> Figure:
    items = [i for i in study.results.study.analyses.exceedance or [] if i.output == name.output]
    item, unit = items[name.number], study.output(name).unit
    event = "above" if item.below is None else "below"
    frame = study.rows("exceedance", name)
    frame = frame[(frame["event"] == event) & np.isclose(frame["threshold"], item.threshold)]
    if study.factors:
        frame, columns = study.with_units(frame)
        return plot_exceedance_by_case(
            frame, label=name.output, unit=unit, factor_columns=columns, warning=study.warning
        )
    value, low, high = frame[["value", "ci_low", "ci_high"]].iloc[0]
    return plot_exceedance(
        study.results.outputs[name.output][independent_rows(study.results)],
        item.threshold,
        probability=(value, low, high),
        label=name.output,
        unit=unit,
        below=event == "below",
        warning=study.warning,
    )


def _distribution(study: _Drawn, name: FigureName) -> Figure:
    y, unit = study.results.outputs[name.output], study.output(name).unit
    if study.factors:
        return plot_distributions_by_case(
            study.by_case(y), name.output, unit, warning=study.warning
        )
    statistics = None
    if "statistics" in study.tables:
        rows = study.rows("statistics", name)
        statistics = dict(zip(rows["statistic"], rows["value"], strict=True))
    kept = y[independent_rows(study.results)]
    return plot_distribution(kept, statistics, label=name.output, unit=unit, warning=study.warning)


def _curves(study: _Drawn, name: FigureName) -> Figure:
    y, axis = study.results.outputs[name.output], study.results.axes[name.output]
    labels = {"axis_label": study.axis_label(name), "output_label": study.label(name)}
    if study.factors:
        groups = study.by_case(y)
        return plot_curves_by_case(axis, groups, **labels, warning=study.warning)
    kept = y[independent_rows(study.results)]
    return plot_curves(axis, kept, **labels, warning=study.warning)


def _scatter(study: _Drawn, name: FigureName) -> Figure:
    results = study.results
    ran = results.status != Status.NOT_RUN  # of a partial archive
    place = np.concatenate([[0], np.cumsum(ran)])  # of a row among those
    return plot_scatter(
        {input_: values[ran] for input_, values in results.inputs.items()},
        results.outputs[name.output][ran],
        units={i.name: i.unit for i in results.study.random_inputs},
        output_label=study.label(name),
        cases={
            case_label(case): slice(place[rows.start], place[rows.stop])
            for case, rows in results.by_case()
        },
    )


def _scaling(study: _Drawn, name: FigureName) -> Figure:
    quantity: Quantity = "time_s" if name.kind == "time" else name.kind  # type: ignore[assignment]
    drawn = ScalingFigure(study.results.study, study.tables, quantity)
    return plot_scaling(
        drawn.curves(),
        quantity,
        drawn.ideal(),
        count_label=drawn.scaling.factor,
        subtitle=drawn.subtitle(),
        value_label=drawn.value_label(),
    )


def _design(study: _Drawn, _name: FigureName) -> Figure:
    results = study.results
    _, first = results.by_case()[0]  # every case has the same points
    points = {name: values[first] for name, values in results.inputs.items()}
    units = {i.name: i.unit for i in results.study.random_inputs}
    return plot_pairs({"": points}, units=units)


def _sweep(study: _Drawn, name: FigureName) -> Figure:
    first, *others = study.factors
    if (scaling := study.results.study.scaling) is not None:
        first, others = scaling.factor, curve_factors(study.results.study)
    cases, y = study.results.cases, study.results.outputs[name.output]
    shown = study.results.study.shown_factor
    series = joined([cases[factor].tolist() for factor in others]) if others else None
    return plot_sweep(
        cases[first].tolist(),
        y,
        level_label=shown(first),
        output_label=study.label(name),
        series=series,
        series_label=", ".join(map(shown, others)),
    )


def _regimes(study: _Drawn, name: FigureName) -> Figure:
    cases, y = study.results.cases, study.results.outputs[name.output]
    first, second, *others = study.factors
    shown = study.results.study.shown_factor
    axes: dict[str, Sequence[object]] = {shown(f): cases[f].tolist() for f in (first, second)}
    if others:
        axes[", ".join(map(shown, others))] = joined([cases[factor].tolist() for factor in others])
    labels = study.output(name).labels or {}
    values: list[object] = y.tolist()
    if labels:
        # in the order of the labels, whichever comes first in the samples
        values = [labels.get(f"{v:.12g}", f"{v:g}") if v == v else None for v in y.tolist()]
    return plot_regimes(
        axes, values, label=name.output, unit=study.output(name).unit, order=list(labels.values())
    )


def _status(study: _Drawn, _name: FigureName) -> Figure:
    return plot_status(status_counts(study.results))


def _failures(study: _Drawn, _name: FigureName) -> Figure:
    frame, title = study.tables["failures"], ""
    if study.factors:  # the case whose failures are least random
        lowest = int(np.argmin(frame["p_value"].fillna(2).to_numpy()))
        number = lowest // len(study.results.inputs)
        frame, title = study.in_case(frame, number)
    return plot_failures(frame, title=title)


def _cost(study: _Drawn, _name: FigureName) -> Figure:
    return plot_cost(study.results.columns["elapsed_s"])


def _rounds(study: _Drawn, _name: FigureName) -> Figure:
    until = getattr(study.results.study.design, "until", None)
    assert until is not None
    return plot_rounds(
        study.tables["rounds"],
        width=until.width,
        budget=until.budget,
        title=rounds_ending(study.results),
        warning=study.warning,
    )


_TABLES = {
    "sobol": "sobol_indices",
    "second": "sobol_indices",
    "ranksobol": "rank_sobol_indices",
    "morris": "morris",
    "correlations": "correlations",
}
_DRAW: dict[str, Callable[[_Drawn, FigureName], Figure]] = {
    **dict.fromkeys(_TABLES, _estimates),
    "exceedance": _exceedance,
    **dict.fromkeys(SCALING_FIGURES, _scaling),
    "curves": _curves,
    "distribution": _distribution,
    "scatter": _scatter,
    "design": _design,
    "sweep": _sweep,
    "regimes": _regimes,
    "rounds": _rounds,
    "status": _status,
    "failures": _failures,
    "cost": _cost,
}
