"""Plot functions of a parareal study: convergence, trajectories of the iterations, speed-up.

Arrays in, a matplotlib `Figure` out: like `ensnare.report.figures`, this module knows no study.
"""

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

# from yellow to dark blue, so that the last iterations, closest to the solution, stand out
MAP = "viridis_r"
MOST_NUMBERS = 400  # cells of a heat map; with more of them, they have colours alone
MOST_TICKS = 20  # names of levels at an axis
MARGIN = 0.4  # above and below the solution, as a share of its range


@dataclass(frozen=True)
class Series:
    """The style of the cases of one group, and its name in the legend."""

    name: str  # empty for none
    color: str
    dash: str
    marker: str


def _series(groups: Sequence[object]) -> tuple[list[Series], list[int]]:
    """Return a style for each distinct group, and the index of the style of each case."""
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
    """Put a legend of all labelled artists below the figure."""
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
    """Plot a heat map of the iterations of n cases over the levels x and y of two factors.

    `exact` says which cases did not converge, and ended only when they were exact: their numbers
    are in brackets. The labels are the names of the factors.
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
        for i, j, k, is_exact in zip(across, up, iterations, exact, strict=True):
            color = "black" if k > middle else "white"
            text = f"({k})" if is_exact else str(k)
            axes.text(i + 0.5, j + 0.5, text, ha="center", va="center", color=color)
    for set_ticks, levels, axis in ((axes.set_xticks, columns, 0), (axes.set_yticks, rows, 1)):
        every = -(-len(levels.names) // MOST_TICKS)  # rounded up
        names = plain_names([levels.names[k] for k in np.argsort(order[axis])], 16)
        set_ticks(np.arange(len(names))[::every] + 0.5, names[::every])
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
    """Plot the largest change of the states of each case against the iteration.

    Each of `curves` has shape (K,), for iterations 1 to K of a case. A case that has not converged
    ended only when it was exact, and ends in a cross. Cases of the same group have one colour;
    `group_label` is the title of the legend.
    """
    figure, axes = new_figure(6.4, 4.2)
    styles, index = _series(groups)
    named: set[int] = set()
    exact = 0
    for curve, has_converged, k in zip(curves, converged, index, strict=True):
        style = styles[k]
        x, y = np.arange(1, len(curve) + 1), np.where(curve > 0, curve, np.nan)
        name = style.name if k not in named and len(styles) > 1 else None
        named.add(k)
        axes.plot(x, y, color=style.color, ls=style.dash, lw=1.1, label=name)
        if has_converged:
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
    """Plot the first component of the trajectory of each iteration, and the largest error below.

    `time` has shape (rows,); `curves`, by iteration, and `truths`, by name, have shape (rows, m).
    Errors are the largest ones of a component against the first truth, or against the last
    iteration if there is no truth. `components` are the names of the m numbers of a state.
    """
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    last = max(curves)
    against = truths or {f"iteration {last}": curves[last]}
    name, truth = next(iter(against.items()))
    norm = Normalize(0.5, last + 0.5)
    colors = matplotlib.colormaps[MAP]
    has_errors = False
    for k, curve in curves.items():
        upper.plot(time, curve[:, 0], color=colors(norm(k)), lw=0.9)
        error = np.abs(curve - truth).max(axis=1)
        has_errors |= bool(error.any())
        lower.plot(time, np.where(error > 0, error, np.nan), color=colors(norm(k)), lw=0.8)
    for k, (label, curve) in enumerate(truths.items()):
        style = {"color": ("black", FAILED)[k % 2], "ls": ("--", ":")[k % 2], "lw": 1.4}
        upper.plot(time, curve[:, 0], label=label, **style)
    hidden = _limit_to_solution(upper, truth[:, 0], curves)
    if has_errors:  # a logarithmic axis needs a positive number
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


def _limit_to_solution(axes: Axes, truth: FloatArray, curves: Mapping[int, FloatArray]) -> int:
    """Limit the axis to the range of the solution and a margin; return how many curves leave it.

    Early iterations can be so far away that the solution would be a flat line.
    """
    low, high = float(truth.min()), float(truth.max())
    margin = MARGIN * (high - low) or 0.5 * abs(high) or 0.5
    limits = (low - margin, high + margin)
    axes.set_ylim(*limits)
    firsts = [curve[:, 0] for curve in curves.values()]
    return sum(bool((first < limits[0]).any() or (first > limits[1]).any()) for first in firsts)


@styled
def plot_speedup(
    bound: FloatArray,
    measured: FloatArray,
    groups: Sequence[object],
    *,
    group_label: str = "",
) -> Figure:
    """Plot the measured speed-up of n cases against the largest possible one, slices / iterations.

    Cases of the same group have one colour and marker; `group_label` is the title of the legend.
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
            ms=5.5 + 1.5 * k,  # markers of cases that agree are nested, and all visible
            mfc="none",
            mew=1.2,
            label=style.name if len(styles) > 1 else None,
        )
    axes.set(xlim=(0, top), ylim=(0, top))
    label_axis(axes, "x", "largest speed-up: slices / iterations")
    label_axis(axes, "y", "measured speed-up")
    _legend(figure, axes, group_label)
    return figure
