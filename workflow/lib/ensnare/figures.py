"""The figures of a study, drawn from its results and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

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
    # a pick-freeze design repeats values: only the blocks A and B are a sample of the output
    y, unit = results.outputs[output], _units(results)[output]
    block = results.columns.get("block")
    keep = np.ones(len(y), bool) if block is None else block < 2
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
    "distribution": _distribution,
    "scatter": _scatter,
    "sweep": _sweep,
    "status": _status,
    "cost": _cost,
}
