"""The figures of a study, drawn from its results and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ensnare import plots
from ensnare.figurenames import figure_names
from ensnare.report.collect import status_counts
from ensnare.results import StudyResults
from ensnare.sweep import case_label

Tables = Mapping[str, pd.DataFrame]


def draw_figures(results: StudyResults, tables: Mapping[str, Path]) -> None:
    """Draw and save every figure of a study.

    Parameters
    ----------
    results : StudyResults
        The archive.
    tables : mapping of str to Path
        The tables of its analyses by name: statistics, sobol_indices.
    """
    frames = {name: pd.read_csv(path) for name, path in tables.items()}
    results.paths.figures.mkdir(parents=True, exist_ok=True)
    for name in figure_names(results.study):
        kind, _, output = name.partition("_")
        plots.save(_DRAW[kind](results, frames, output), results.paths.figures / name)


def _sobol(results: StudyResults, tables: Tables, output: str) -> Figure:
    table = tables["sobol_indices"]
    table = table[table["output"] == output]
    factors = list(results.study.factors)
    if factors:
        return plots.plot_sobol_by_case(table, output=output, factor_columns=factors)
    return plots.plot_sobol(table, output=output)


def _distribution(results: StudyResults, tables: Tables, output: str) -> Figure:
    y, unit, keep = results.outputs[output], _units(results)[output], _independent(results)
    if results.study.sweep:
        groups = {case_label(case): y[at][keep[at]] for case, at in results.by_case()}
        return plots.plot_distributions_by_case(groups, output, unit)
    return plots.plot_distribution(y[keep], _statistics(tables, output), label=output, unit=unit)


def _statistics(tables: Tables, output: str) -> dict[str, float] | None:
    if "statistics" not in tables:
        return None
    table = tables["statistics"]
    rows = table[table["output"] == output]
    return dict(zip(rows["statistic"], rows["value"], strict=True))


def _curves(results: StudyResults, _tables: Tables, output: str) -> Figure:
    y, keep = results.outputs[output], _independent(results)
    label = plots.axis_label(output, _units(results)[output])
    axis, axis_label = results.axes[output], _axis_label(results, output)
    if not results.study.sweep:
        return plots.plot_curves(axis, y[keep], axis_label=axis_label, output_label=label)
    groups = {case_label(case): y[at][keep[at]] for case, at in results.by_case()}
    return plots.plot_curves_by_case(axis, groups, axis_label=axis_label, output_label=label)


def _sobol_curves(results: StudyResults, tables: Tables, output: str) -> Figure:
    table = tables["sobol_indices"]
    table = table[table["output"] == output]
    title = ""
    case = results.by_case()[0][0]
    for factor, level in case.items():  # one case has room; the table has them all
        table = table[table[factor] == level]
        title = f"case {case_label(case)}"
    return plots.plot_sobol_curves(
        table,
        results.axes[output],
        output=output,
        axis_label=_axis_label(results, output),
        title=title,
    )


def _axis_label(results: StudyResults, output: str) -> str:
    axis = next(o.axis for o in results.study.model.outputs if o.name == output)
    return plots.axis_label(axis.name, axis.unit) if axis else "position"


def _independent(results: StudyResults) -> NDArray[np.bool_]:
    """Return which samples count: a pick-freeze design repeats the values of blocks A and B."""
    block = results.columns.get("block")
    return np.ones(len(results), bool) if block is None else np.asarray(block < 2)


def _scatter(results: StudyResults, _tables: Tables, output: str) -> Figure:
    units = {i.name: i.unit for i in results.study.random_inputs}
    label = plots.axis_label(output, _units(results)[output])
    return plots.plot_scatter(
        results.inputs, results.outputs[output], units=units, output_label=label
    )


def _sweep(results: StudyResults, _tables: Tables, output: str) -> Figure:
    first, *others = results.study.factors
    label = plots.axis_label(output, _units(results)[output])
    levels = results.cases[first].tolist()
    if not others:
        return plots.plot_sweep(
            levels, results.outputs[output], level_label=first, output_label=label
        )
    columns = [results.cases[factor].tolist() for factor in others]
    series = [_case_text(row) for row in zip(*columns, strict=True)]
    return plots.plot_sweep(
        levels,
        results.outputs[output],
        level_label=first,
        output_label=label,
        series=series,
        series_label=", ".join(others),
    )


def _case_text(levels: Sequence[object]) -> str:
    """Return levels of several factors as one text; those that do not exist are left out."""
    return ", ".join(str(level) for level in levels if level not in ("", None) and level == level)


def _status(results: StudyResults, _tables: Tables, _output: str) -> Figure:
    return plots.plot_status(status_counts(results))


def _cost(results: StudyResults, _tables: Tables, _output: str) -> Figure:
    return plots.plot_cost(results.columns["elapsed_s"])


def _units(results: StudyResults) -> dict[str, str]:
    return {output.name: output.unit for output in results.study.model.outputs}


_DRAW: dict[str, Callable[[StudyResults, Tables, str], Figure]] = {
    "sobol": _sobol,
    "sobolcurves": _sobol_curves,
    "curves": _curves,
    "distribution": _distribution,
    "scatter": _scatter,
    "sweep": _sweep,
    "status": _status,
    "cost": _cost,
}
