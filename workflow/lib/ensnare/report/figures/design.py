"""Figure of a design: each pair of inputs, and each input alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.samples import thin
from ensnare.report.figures.style import (
    MAX_VECTOR_POINTS,
    PALETTE,
    FloatArray,
    axis_label,
    label_linear,
    note,
    plain_names,
    styled,
)

MOST_INPUTS = 8  # with more inputs the panels would be too small
MAX_POINTS = 2000  # of each group in a panel
_PANEL_IN = 1.15
_BINS = 25
Groups = Mapping[str, Mapping[str, FloatArray]]


def _most_dependent(x: Mapping[str, FloatArray]) -> list[str]:
    """Return the inputs to show, in their order: those with the strongest correlations."""
    names = list(x)
    if len(names) <= MOST_INPUTS:
        return names
    columns = np.stack([np.asarray(x[name], dtype=float) for name in names])
    moves = columns.std(axis=1) > 0
    strength = np.zeros(len(names))
    if np.count_nonzero(moves) > 1:
        correlation = np.abs(np.corrcoef(columns[moves]))
        np.fill_diagonal(correlation, 0)
        strength[moves] = correlation.max(axis=0)
    chosen = sorted(np.argsort(-strength, kind="stable")[:MOST_INPUTS])
    return [names[i] for i in chosen]


def _draw_alone(axes: Axes, groups: Groups, name: str) -> None:
    """Draw the histogram of an input, or outlines of histograms for several groups."""
    values = [np.asarray(group[name], dtype=float) for group in groups.values()]
    edges = np.histogram_bin_edges(np.concatenate(values), _BINS).tolist()
    for color, column in zip(PALETTE, values, strict=False):
        if len(values) == 1:
            axes.hist(column, edges, density=True, color=color, alpha=0.8)
        else:
            axes.hist(column, edges, density=True, color=color, histtype="step", linewidth=1.2)
    axes.set_yticks([])
    axes.grid(False)


def _draw_pair(axes: Axes, groups: Groups, across: str, up: str) -> None:
    """Draw one input against another, each group in its colour."""
    for color, group in zip(PALETTE, groups.values(), strict=False):
        x, y = (np.asarray(group[name], dtype=float) for name in (across, up))
        rows = thin(np.arange(x.size), MAX_POINTS)
        many = rows.size > MAX_VECTOR_POINTS
        axes.scatter(
            x[rows],
            y[rows],
            s=2 if many else 6,
            alpha=0.35 if many else 0.7,
            color=color,
            linewidths=0,
            rasterized=many,
        )


def _label(grid: Sequence[Sequence[Axes]], names: Sequence[str], units: Mapping[str, str]) -> None:
    """Write names and ticks along the left and the lower edge only."""
    texts = plain_names(names, 14)
    labels = [
        axis_label(text.replace(r"\$", "$"), units.get(name, ""))
        for text, name in zip(texts, names, strict=True)
    ]
    last = len(names) - 1
    for i, row in enumerate(grid):
        for j, axes in enumerate(row[: i + 1]):
            label_linear(axes.xaxis, labels[j] if i == last else "", 3)
            axes.tick_params(labelbottom=i == last, labelsize="x-small")
            if i == last:
                axes.tick_params(axis="x", labelrotation=45)
            if i != j:
                label_linear(axes.yaxis, labels[i] if j == 0 else "", 3)
                axes.tick_params(labelleft=j == 0)


@styled
def plot_pairs(groups: Groups, *, units: Mapping[str, str] | None = None) -> Figure:
    """Plot each pair of inputs below the diagonal, and each input alone on it.

    `groups` maps the label of a group of points to its inputs by name, each of shape (n,); a single
    group has no legend. The figure shows at most 8 inputs, those with the strongest correlations,
    and 2000 points in a panel.
    """
    first = next(iter(groups.values()))
    names = _most_dependent(first)
    side_in = 0.9 + _PANEL_IN * max(2, len(names))
    figure = Figure(figsize=(side_in, side_in), layout="constrained")
    grid = figure.subplots(len(names), len(names), sharex="col", squeeze=False).tolist()
    for i, up in enumerate(names):
        for j, across in enumerate(names):
            if j > i:
                grid[i][j].remove()
            elif i == j:
                _draw_alone(grid[i][j], groups, up)
            else:
                _draw_pair(grid[i][j], groups, across, up)
    _label(grid, names, units or {})
    _legend(figure, groups)
    sizes = [len(next(iter(group.values()))) for group in groups.values()]
    shown = f"{MAX_POINTS} of {max(sizes)} points drawn" if max(sizes) > MAX_POINTS else ""
    most = f"{len(names)} of {len(first)} inputs: those with the strongest correlations"
    note(figure, most if len(names) < len(first) else "", shown)
    return figure


def _legend(figure: Figure, groups: Groups) -> None:
    """Write which colour belongs to which group, if there are several."""
    if len(groups) < 2:
        return
    handles = [
        figure.axes[0].plot([], [], marker="o", linestyle="", color=color, label=label)[0]
        for color, label in zip(PALETTE, groups, strict=False)
    ]
    figure.legend(handles=handles, loc="upper right", fontsize="small")
