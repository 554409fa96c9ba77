"""The figures of a study, drawn from its results and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ensnare.analyses.failures import failure_warnings
from ensnare.analyses.rounds import rounds_ending
from ensnare.analyses.scaling_curves import curve_factors
from ensnare.analyses.tables import read_table
from ensnare.archive.results import StudyResults
from ensnare.report.draw_scaling import ScalingFigure
from ensnare.report.drawn_study import DrawnStudy
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
from ensnare.report.figures.scaling import Quantity
from ensnare.report.figures.style import save
from ensnare.report.figures.sweeps import plot_sweep
from ensnare.report.names import SCALING_FIGURES, FigureName, figure_names
from ensnare.report.sections import status_counts
from ensnare.store.outcome import Status
from ensnare.study.sweep import case_label

_TABLES = {  # of the estimates by kind of figure
    "sobol": "sobol_indices",
    "second": "sobol_indices",
    "ranksobol": "rank_sobol_indices",
    "morris": "morris",
    "correlations": "correlations",
}


def draw_figures(results: StudyResults, tables: Mapping[str, Path], *, processes: int = 1) -> None:
    """Draw and save every figure of a study, in several processes at once.

    `tables` maps the names of the tables of its analyses to their CSV files.
    """
    frames = {name: read_table(path, results.study.factors) for name, path in tables.items()}
    study = DrawnStudy(results, frames, "; ".join(failure_warnings(results)))
    results.paths.figures.mkdir(parents=True, exist_ok=True)
    names = figure_names(results.study)
    shares = [names[k::processes] for k in range(processes)]
    # forked processes share the memory of the samples and of the imported plotting library
    forked = get_context("fork")
    others = [forked.Process(target=_draw, args=(study, share)) for share in shares[1:]]
    for process in others:
        process.start()
    _draw(study, shares[0])
    for process, share in zip(others, shares[1:], strict=True):
        process.join()
        if process.exitcode:
            # it was killed, or an error stopped it, which is raised here again
            _draw(study, share)


def _draw(study: DrawnStudy, names: Sequence[FigureName]) -> None:
    """Draw and save some figures."""
    for name in names:
        save(_DRAW[name.kind](study, name), study.results.paths.figures / str(name))


def _estimates(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw estimates for each input: of one case, against a sweep, or along an axis."""
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


def _of_one_case(study: DrawnStudy, name: FigureName, frame: pd.DataFrame) -> Figure:
    """Draw estimates for each input of a study without factors as a ranking."""
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
            return plot_sobol(frame, output=output, warning=warning, estimates=RANK_SOBOL)
        case _:
            return plot_sobol(frame, output=output, warning=warning)


def _exceedance(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw the probability of being beyond one of the thresholds of an output."""
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
        study.independent(name),
        item.threshold,
        probability=(value, low, high),
        label=name.output,
        unit=unit,
        below=event == "below",
        warning=study.warning,
    )


def _distribution(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw the distribution of an output, of one case or of each."""
    unit, warning = study.output(name).unit, study.warning
    if study.factors:
        return plot_distributions_by_case(study.by_case(name), name.output, unit, warning=warning)
    statistics = None
    if "statistics" in study.tables:
        rows = study.rows("statistics", name)
        statistics = dict(zip(rows["statistic"], rows["value"], strict=True))
    y = study.independent(name)
    return plot_distribution(y, statistics, label=name.output, unit=unit, warning=warning)


def _curves(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw an array output along its axis, of one case or of each."""
    axis = study.results.axes[name.output]
    labels = {"axis_label": study.axis_label(name), "output_label": study.label(name)}
    if study.factors:
        return plot_curves_by_case(axis, study.by_case(name), **labels, warning=study.warning)
    return plot_curves(axis, study.independent(name), **labels, warning=study.warning)


def _scatter(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw an output against each input."""
    results = study.results
    ran = results.status != Status.NOT_RUN  # a partial archive has samples that were not run
    place = np.concatenate([[0], np.cumsum(ran)])  # of each row among those that were run
    return plot_scatter(
        {input_: values[ran] for input_, values in results.inputs.items()},
        results.outputs[name.output][ran],
        units=study.units,
        output_label=study.label(name),
        cases={
            case_label(case): slice(place[rows.start], place[rows.stop])
            for case, rows in results.by_case()
        },
    )


def _scaling(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw time, speed-up or efficiency of a scaling study."""
    quantity: Quantity = "time_s" if name.kind == "time" else name.kind  # type: ignore[assignment]
    return ScalingFigure(study.results.study, study.tables, quantity).draw()


def _design(study: DrawnStudy, _name: FigureName) -> Figure:
    """Draw the points of a constrained design."""
    results = study.results
    _, first = results.by_case()[0]  # every case has the same points
    points = {name: values[first] for name, values in results.inputs.items()}
    return plot_pairs({"": points}, units=study.units)


def _sweep(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw an output against the first factor (a scaling study: the count), others as series."""
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


def _regimes(study: DrawnStudy, name: FigureName) -> Figure:
    """Draw an output over the first two factors, with the others joined for the panels."""
    cases = study.results.cases
    first, second, *others = study.factors
    shown = study.results.study.shown_factor
    axes: dict[str, Sequence[object]] = {shown(f): cases[f].tolist() for f in (first, second)}
    if others:
        axes[", ".join(map(shown, others))] = joined([cases[factor].tolist() for factor in others])
    unit, values = study.output(name).unit, study.labelled(name)
    # the legend is in the order of the labels in the study file, not of the samples
    order = list((study.output(name).labels or {}).values())
    return plot_regimes(axes, values, label=name.output, unit=unit, order=order)


def _status(study: DrawnStudy, _name: FigureName) -> Figure:
    """Draw the number of samples by status."""
    return plot_status(status_counts(study.results))


def _failures(study: DrawnStudy, _name: FigureName) -> Figure:
    """Draw the test whether failures depend on inputs, for the case with the lowest p-value."""
    frame, title = study.tables["failures"], ""
    if study.factors:
        lowest = int(np.argmin(frame["p_value"].fillna(2).to_numpy()))
        number = lowest // len(study.results.inputs)
        frame, title = study.in_case(frame, number)
    return plot_failures(frame, title=title)


def _cost(study: DrawnStudy, _name: FigureName) -> Figure:
    """Draw the wall-clock times of samples."""
    return plot_cost(study.results.columns["elapsed_s"])


def _rounds(study: DrawnStudy, _name: FigureName) -> Figure:
    """Draw the rounds of a design that grows by itself."""
    until = getattr(study.results.study.design, "until", None)
    assert until is not None
    return plot_rounds(
        study.tables["rounds"],
        width=until.width,
        budget=until.budget,
        title=rounds_ending(study.results),
        warning=study.warning,
    )


_DRAW: dict[str, Callable[[DrawnStudy, FigureName], Figure]] = {
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
