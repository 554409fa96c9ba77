"""Figures of a parareal study: convergence, trajectories of the iterations, speed-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ensnare.report.figures.axes import distinct, levels_of
from ensnare.report.figures.style import (
    DASHES,
    FAILED,
    MARKERS,
    MUTED,
    PALETTE,
    FloatArray,
    label_axis,
    legend_columns,
    new_figure,
    note,
    number,
    plain,
    plain_names,
    styled,
)

# from yellow to dark blue: the last iterations, which lie on the solution, stand out
MAP = "viridis_r"
MOST_NUMBERS = 400  # cells with their numbers
MOST_TICKS = 20
BEYOND = 0.4  # of the range of the solution is shown above and below it


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour.

    Attributes
    ----------
    name : str
        Its name in the legend; empty for none.
    color, dash, marker : str
        Its style.
    """

    name: str
    color: str
    dash: str
    marker: str


def _series(groups: Sequence[object]) -> tuple[list[Series], list[int]]:
    """Return a style for each distinct group, and the number of the style of each row."""
    found, index = distinct(groups)
    names = plain_names([number(v) if isinstance(v, float) else str(v) for v in found], 24)
    styles = [
        Series(
            name,
            PALETTE[k % len(PALETTE)],
            DASHES[k // len(PALETTE) % len(DASHES)],
            MARKERS[k % len(MARKERS)],
        )
        for k, name in enumerate(names)
    ]
    return styles, index.tolist()


def _legend(figure: Figure, axes: Axes, label: str) -> None:
    """Put a legend of all that has a name below the figure."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            names,
            title=plain(label, 60) or None,
            loc="outside lower center",
            ncols=legend_columns(figure, names, 6),
        )


@styled
def plot_iterations(
    x: Sequence[object],
    y: Sequence[object],
    iterations: Sequence[int],
    exact: Sequence[bool],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    """Plot a heat map of the iterations that cases take, with their numbers.

    Parameters
    ----------
    x, y : sequence, length n
        Levels of two factors.
    iterations : sequence of int, length n
        Iterations of each case.
    exact : sequence of bool, length n
        Whether a case ended only since it was exact; these numbers are in brackets.
    x_label, y_label : str
        Names of the factors.
    """
    columns, rows = levels_of(list(x), x_label), levels_of(list(y), y_label)
    order = [np.argsort(levels.positions).argsort() for levels in (columns, rows)]
    across, up = order[0][columns.index], order[1][rows.index]
    cells = np.full((len(rows.names), len(columns.names)), np.nan)
    cells[up, across] = iterations
    size = (max(4.2, 1.9 + 0.5 * cells.shape[1]), max(2.6, 1.3 + 0.32 * cells.shape[0]))
    figure, axes = new_figure(*size)
    axes.grid(visible=False)
    drawn = axes.pcolormesh(cells, cmap="cividis", edgecolors="white", linewidth=0.8)
    middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
    if cells.size <= MOST_NUMBERS:
        for i, j, k, ends in zip(across, up, iterations, exact, strict=True):
            color = "black" if k > middle else "white"
            text = f"({k})" if ends else str(k)
            axes.text(i + 0.5, j + 0.5, text, ha="center", va="center", color=color)
    for ticks, levels, place in ((axes.set_xticks, columns, 0), (axes.set_yticks, rows, 1)):
        every = -(-len(levels.names) // MOST_TICKS)
        names = plain_names([levels.names[k] for k in np.argsort(order[place])], 16)
        ticks(np.arange(len(names))[::every] + 0.5, names[::every])
    axes.set(xlabel=plain(x_label), ylabel=plain(y_label))
    bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=25)
    bar.ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    bar.set_label("iterations")
    note(figure, "in brackets: ended only when exact" if any(exact) else "")
    return figure


@styled
def plot_maxdif(
    curves: Sequence[FloatArray],
    converged: Sequence[bool],
    groups: Sequence[object],
    *,
    tolerance: float,
    group_label: str = "",
) -> Figure:
    """Plot how much the states of each case change from iteration to iteration.

    Parameters
    ----------
    curves : sequence of ndarray of float, shape (K,)
        Largest change of each case in iteration 1, 2, ...
    converged : sequence of bool
        Whether a case ended below the tolerance; or else since it was exact.
    groups : sequence
        What each case is coloured by.
    tolerance : float
        Where a case ends.
    group_label : str
        Title of the legend.
    """
    figure, axes = new_figure(6.4, 4.2)
    styles, index = _series(groups)
    named: set[int] = set()
    exact = 0
    for curve, ends_below, k in zip(curves, converged, index, strict=True):
        style = styles[k]
        x, y = np.arange(1, len(curve) + 1), np.where(curve > 0, curve, np.nan)
        name = style.name if k not in named and len(styles) > 1 else None
        named.add(k)
        axes.plot(x, y, color=style.color, ls=style.dash, lw=1.1, label=name)
        if ends_below:
            axes.plot(x[-1:], y[-1:], ls="none", marker="o", ms=3.5, color=style.color)
        else:
            exact += 1
            axes.plot(x[-1:], y[-1:], ls="none", marker="x", ms=5, mew=1.3, color=style.color)
    axes.axhline(tolerance, color=FAILED, lw=1.0, ls="--", label="tolerance")
    axes.set_yscale("log")
    axes.margins(y=0.06)
    label_axis(axes, "y", "largest change of a component")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel("iteration")
    _legend(figure, axes, group_label)
    text = f"{exact} of {len(curves)} cases (crosses) ended only when they were exact"
    note(figure, text if exact else "")
    return figure


@styled
def plot_iterates(
    time: FloatArray,
    curves: Mapping[int, FloatArray],
    truths: Mapping[str, FloatArray],
    *,
    components: Sequence[str],
    time_label: str,
    title: str = "",
) -> Figure:
    """Plot the fine trajectory of each iteration, and its error below.

    Parameters
    ----------
    time : ndarray of float, shape (rows,)
        Times.
    curves : mapping of int to ndarray of float, shape (rows, m)
        Trajectory of each iteration.
    truths : mapping of str to ndarray of float, shape (rows, m)
        Solutions to compare with by name; errors are those against the first one. If there is
        none, the last iteration takes its place.
    components : sequence of str, length m
        Names of the numbers of a state; the first one is drawn.
    time_label, title : str
        Label of the axis, and what else to say on top.
    """
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    last = max(curves)
    against = truths or {f"iteration {last}": curves[last]}
    name, truth = next(iter(against.items()))
    norm = Normalize(0.5, last + 0.5)
    colors = matplotlib.colormaps[MAP]
    is_wrong = False
    for k, curve in curves.items():
        upper.plot(time, curve[:, 0], color=colors(norm(k)), lw=0.9)
        error = np.abs(curve - truth).max(axis=1)
        is_wrong |= bool(error.any())
        lower.plot(time, np.where(error > 0, error, np.nan), color=colors(norm(k)), lw=0.8)
    for k, (label, curve) in enumerate(truths.items()):
        style = {"color": ("black", FAILED)[k % 2], "ls": ("--", ":")[k % 2], "lw": 1.4}
        upper.plot(time, curve[:, 0], label=label, **style)
    hidden = _frame(upper, truth[:, 0], curves)
    if is_wrong:
        lower.set_yscale("log")
    label_axis(upper, "y", components[0], n_ticks=6)
    label_axis(lower, "y", f"error against {name}", n_ticks=6)
    label_axis(lower, "x", time_label)
    bar = figure.colorbar(ScalarMappable(norm, MAP), ax=[upper, lower], pad=0.02, aspect=35)
    bar.ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    bar.set_label("iteration")
    _legend(figure, upper, "")
    cut = f"{hidden} of {len(curves)} iterations leave the frame" if hidden else ""
    note(figure, plain(title, 76), cut)
    return figure


def _frame(axes: Axes, truth: FloatArray, curves: Mapping[int, FloatArray]) -> int:
    """Show the range of the solution and some more; return how many curves leave it."""
    low, high = float(truth.min()), float(truth.max())
    beyond = BEYOND * (high - low) or 0.5 * abs(high) or 0.5
    ends = (low - beyond, high + beyond)
    axes.set_ylim(*ends)
    firsts = [curve[:, 0] for curve in curves.values()]
    return sum(bool((first < ends[0]).any() or (first > ends[1]).any()) for first in firsts)


@styled
def plot_speedup(
    bound: FloatArray,
    measured: FloatArray,
    groups: Sequence[object],
    *,
    group_label: str = "",
) -> Figure:
    """Plot the measured speed-up of each case against the largest possible one.

    Parameters
    ----------
    bound : ndarray of float, shape (n,)
        Slices over iterations.
    measured : ndarray of float, shape (n,)
        Speed-up by the times of the solves.
    groups : sequence, length n
        What each case is coloured by.
    group_label : str
        Title of the legend.
    """
    figure, axes = new_figure(5.2, 4.2)
    styles, index = _series(groups)
    top = 1.08 * float(max(np.max(bound), np.nanmax(measured), 1.0))
    axes.plot([0, top], [0, top], color=MUTED, lw=0.9, ls="--", label="bound reached")
    axes.axhline(1.0, color=FAILED, lw=0.9, ls=":", label="no gain")
    for k, style in enumerate(styles):
        use = np.array(index) == k
        axes.plot(
            bound[use],
            measured[use],
            ls="none",
            marker=style.marker,
            color=style.color,
            ms=5.5 + 1.5 * k,  # one in the other where cases agree
            mfc="none",
            mew=1.2,
            label=style.name if len(styles) > 1 else None,
        )
    axes.set(xlim=(0, top), ylim=(0, top))
    label_axis(axes, "x", "largest speed-up: slices / iterations")
    label_axis(axes, "y", "measured speed-up")
    _legend(figure, axes, group_label)
    return figure
