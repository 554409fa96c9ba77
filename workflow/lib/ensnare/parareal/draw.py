"""Draws and saves all figures of a parareal study, from its archive and its fine solves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ensnare.parareal.figures import plot_iterates, plot_iterations, plot_maxdif, plot_speedup
from ensnare.parareal.results import CaseResults, join, read_solves, slice_files
from ensnare.report.figures.axes import joined
from ensnare.report.figures.regimes import plot_regimes
from ensnare.report.figures.style import axis_label, save
from ensnare.report.figures.sweeps import plot_sweep
from ensnare.report.names import FigureName, drawn_cases, figure_files, figure_names
from ensnare.store.derived import note_derived

if TYPE_CHECKING:
    from ensnare.parareal.archive import PararealResults

MOST_ROWS = 4000  # of a trajectory that are drawn; of a longer one every second, third, ...


def draw_parareal_figures(results: PararealResults) -> None:
    """Draw every figure of a parareal study and save it as SVG and PNG.

    Raises ArchiveError if a fine solve is missing or damaged: the archive has the trajectory of the
    last iteration only, so those of earlier ones are read from the files of the fine solves.
    """
    results.paths.figures.mkdir(parents=True, exist_ok=True)
    for name in figure_names(results.study):
        save(_DRAW[name.kind](results, name), results.paths.figures / str(name))
    note_derived(results.paths, figure_files(results.study, results.paths))


def _groups(results: PararealResults) -> tuple[list[object], str]:
    """Return the group of each case, the level of the first factor, and the name of that factor."""
    if not results.factors:
        return [""] * len(results.cases), ""
    first = results.factors[0]
    levels: list[object] = [case.case.get(first, "") for case in results.cases]
    return levels, results.study.shown_factor(first)


def _iterations(results: PararealResults, _name: FigureName) -> Figure:
    """Draw the numbers of iterations over one factor, two, or more (the others as panels)."""
    counts = [case.iterations for case in results.cases]
    levels: dict[str, Sequence[object]] = {
        results.study.shown_factor(factor): [case.case.get(factor, "") for case in results.cases]
        for factor in results.factors
    }
    first, *others = levels
    if not others:
        return plot_sweep(
            levels[first],
            np.array(counts, float),
            level_label=first,
            output_label="iterations to convergence",
        )
    second, *more = others
    if not more:
        exact = [not case.converged for case in results.cases]
        return plot_iterations(
            levels[first], levels[second], counts, exact, x_label=first, y_label=second
        )
    axes = {first: levels[first], second: levels[second]}
    axes[", ".join(more)] = joined([levels[factor] for factor in more])
    return plot_regimes(axes, counts, label="iterations to convergence")


def _maxdif(results: PararealResults, _name: FigureName) -> Figure:
    groups, label = _groups(results)
    parareal = results.study.parareal
    assert parareal is not None
    return plot_maxdif(
        [case.maxdif[1:] for case in results.cases],
        [case.converged for case in results.cases],
        groups,
        tolerance=parareal.tolerance,
        group_label=label,
    )


def _trajectory(results: PararealResults, name: FigureName) -> Figure:
    case = results.cases[drawn_cases(len(results.cases))[name.number]]
    parareal = results.study.parareal
    assert parareal is not None
    every = slice(None, None, -(-len(case.time) // MOST_ROWS))
    truths = {"serial fine": case.serial, "exact": case.exact}
    return plot_iterates(
        case.time[every],
        {k: _curve(results, case, k)[every] for k in range(1, case.iterations + 1)},
        {label: curve[every] for label, curve in truths.items() if curve is not None},
        components=results.components,
        time_label=axis_label("t", parareal.unit),
        title=case.label,
    )


def _curve(results: PararealResults, case: CaseResults, k: int) -> np.ndarray:
    return join(read_solves(slice_files(results.paths, case.key, k, case.slices)))


def _speedup(results: PararealResults, _name: FigureName) -> Figure:
    groups, label = _groups(results)
    return plot_speedup(
        np.array([case.speedup_bound for case in results.cases]),
        np.array([case.speedup_measured for case in results.cases]),
        groups,
        group_label=label,
    )


_DRAW: dict[str, Callable[[PararealResults, FigureName], Figure]] = {
    "iterations": _iterations,
    "maxdif": _maxdif,
    "iterates": _trajectory,
    "speedup": _speedup,
}
