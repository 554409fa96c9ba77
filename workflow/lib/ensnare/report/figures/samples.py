"""Figures of the samples themselves: scatter plots, status and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ensnare.report.figures.distributions import draw_histogram
from ensnare.report.figures.style import (
    LIGHT,
    MAX_VECTOR_POINTS,
    PALETTE,
    FloatArray,
    axis_label,
    empty,
    failed_ticks,
    finite,
    label_axis,
    label_linear,
    legend_columns,
    new_figure,
    note,
    number,
    plain,
    plain_names,
    spans_decades,
    styled,
)

RowArray = NDArray[np.intp]
MAX_POINTS = 5000
MAX_TICKS = 300  # more ticks would hide where failures are frequent
THINNING_SEED = 0
STATUS_COLORS = {"ok": PALETTE[0], "skipped": LIGHT}
OTHER_STATUS = PALETTE[1]


@dataclass(frozen=True)
class _Points:
    """The rows to draw, the same in all panels."""

    y: FloatArray
    ok: RowArray
    failed: RowArray
    colors: str | NDArray[np.str_]  # of the rows `ok`


def thin(rows: RowArray, n_max: int) -> RowArray:
    """Return at most `n_max` of the rows, the same ones each time.

    Every k-th row would pick one block of a Saltelli design, or a lattice out of a Sobol' sequence,
    so the choice is random with a fixed seed.
    """
    if rows.size <= n_max:
        return rows
    chosen = np.random.default_rng(THINNING_SEED).choice(rows.size, n_max, replace=False)
    return rows[np.sort(chosen)]


def is_logarithmic(values: FloatArray) -> bool:
    """Return whether values of more than a decade lie more evenly on a logarithmic axis.

    The middle 90 % decides, so that a uniform input that starts near 0 stays on a linear axis.
    """
    inner = finite(values)
    if inner.size == 0 or inner.min() <= 0:
        return False
    quantiles = np.quantile(inner, [0.05, 0.5, 0.95])
    if not spans_decades(quantiles, 1):
        return False
    (a, b, c), (la, lb, lc) = quantiles, np.log(quantiles)
    return bool(abs((lb - la) / (lc - la) - 0.5) < abs((b - a) / (c - a) - 0.5))


def _draw_panel(axes: Axes, values: FloatArray, points: _Points, label: str) -> None:
    """Draw the output against one input, and failed samples as ticks at the bottom."""
    size, alpha = (9, 0.7) if points.ok.size <= MAX_VECTOR_POINTS else (4, 0.35)
    axes.scatter(
        values[points.ok],
        points.y[points.ok],
        s=size,
        alpha=alpha,
        c=points.colors,
        linewidths=0,
        rasterized=points.ok.size > MAX_VECTOR_POINTS,
    )
    failed_ticks(axes, values[points.failed], 6)
    if is_logarithmic(values):
        axes.set_xscale("log")
    label_axis(axes, "x", label, n_ticks=4)
    text = axes.get_xlabel()
    axes.set_xlabel(text if len(text) < 22 else text.replace(" [", "\n["))


def _panel_grid(n_inputs: int) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels: 3 in a row, or 5 if there are more than 9."""
    n_panels = max(n_inputs, 1)
    n_columns = min(n_panels, 3 if n_panels <= 9 else 5)
    n_rows = -(-n_panels // n_columns)
    width_in = max(3.8, 0.7 + (2.3 if n_columns <= 3 else 1.75) * n_columns)
    figure = Figure(figsize=(width_in, 0.7 + 1.75 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel().tolist()
    for axes in panels[n_panels:]:
        axes.remove()
    return figure, panels[:n_panels]


@styled
def plot_scatter(
    x: Mapping[str, FloatArray],
    y: FloatArray,
    *,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    output_label: str,
    cases: Mapping[str, slice] | None = None,
) -> Figure:
    """Plot one output against each input, in one small panel for each input.

    `x` holds the inputs by name and `y` the output, all of shape (n,); `y` is NaN where a sample
    failed, which is drawn as a red tick at the bottom. `labels` and `units` are those of inputs by
    name. `cases` are the rows of each case by its label; they differ in colour if there are enough
    colours. A panel has at most 5000 points and 300 ticks.
    """
    y = np.asarray(y, dtype=float)
    ok, failed = np.flatnonzero(np.isfinite(y)), np.flatnonzero(~np.isfinite(y))
    shown = thin(ok, MAX_POINTS)
    if coloured := cases if cases and 1 < len(cases) <= len(PALETTE) else {}:
        # in random order, so that no case covers the others
        shown = np.random.default_rng(THINNING_SEED).permutation(shown)
    colors = _colors(coloured, y.size)[shown] if coloured else PALETTE[0]
    points = _Points(y, shown, thin(failed, MAX_TICKS), colors)
    figure, grid = _panel_grid(len(x))
    texts = plain_names([(labels or {}).get(name, name) for name in x], 20)
    for axes, text, (name, values) in zip(grid, texts, x.items(), strict=False):
        label = axis_label(text.replace(r"\$", "$"), (units or {}).get(name, ""))
        _draw_panel(axes, np.asarray(values, dtype=float), points, label)
    _label_output(figure, grid[0], y, output_label)
    drawn = f"{points.ok.size} of {ok.size} points drawn" if points.ok.size < ok.size else ""
    ticks = "red ticks" if failed.size <= MAX_TICKS else f"red ticks: {MAX_TICKS} of them"
    lost = f"{failed.size} of {y.size} samples failed ({ticks})" if failed.size else ""
    note(figure, drawn, lost)
    _name_cases(figure, list(coloured))
    return figure


def _colors(cases: Mapping[str, slice], n: int) -> NDArray[np.str_]:
    """Return the colour of each row by its case, shape (n,)."""
    colors = np.full(n, PALETTE[0])
    for rows, color in zip(cases.values(), PALETTE, strict=False):
        colors[rows] = color
    return colors


def _name_cases(figure: Figure, names: list[str]) -> None:
    """Write below a figure which colour belongs to which case."""
    if names:
        texts = plain_names(names)
        marks = [Line2D([], [], marker="o", ls="none", ms=4, color=color) for color in PALETTE]
        columns = legend_columns(figure, texts, 4)
        figure.legend(marks[: len(texts)], texts, loc="outside lower center", ncols=columns)


def _label_output(figure: Figure, axes: Axes, y: FloatArray, label: str) -> None:
    """Write the label of the shared output axis once, beside the grid."""
    if spans_decades(y, 3):
        axes.set_yscale("log")
    label_axis(axes, "y", label, n_ticks=5)
    text = axes.get_ylabel()
    axes.set_ylabel("")
    figure.supylabel(text, fontsize="medium")


@styled
def plot_status(counts: Mapping[str, int]) -> Figure:
    """Plot the number of samples with each status, with their share, one bar for each."""
    shown = {status: int(n) for status, n in counts.items() if n}
    figure, axes = new_figure(5.6, 0.7 + 0.32 * max(len(shown), 1))
    total = sum(shown.values())
    if not shown:
        empty(axes, "no sample has run")
        return figure
    colors = [STATUS_COLORS.get(status, OTHER_STATUS) for status in shown]
    axes.barh(range(len(shown)), list(shown.values()), color=colors, height=0.65)
    for row, n in enumerate(shown.values()):
        share = number(100 * n / total, 3)
        axes.annotate(
            f"{n} ({share} %)", (n, row), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(shown)), [plain(status) for status in shown])
    axes.set(ylim=(len(shown) - 0.5, -0.5), xlim=(0, 1.25 * max(shown.values())))
    axes.grid(visible=False, axis="y")
    label_linear(axes.xaxis, "samples", n_ticks=5, integer=True)
    return figure


@styled
def plot_cost(elapsed_s: FloatArray) -> Figure:
    """Plot the histogram of the wall-clock time of a sample [s]; NaN where it is unknown.

    The axis is logarithmic if times span more than a decade. The median is marked.
    """
    figure, axes = new_figure(5.6, 2.8)
    found = finite(elapsed_s)
    if found.size == 0:
        empty(axes, "no time is known")
        return figure
    beyond = draw_histogram(axes, found, log=spans_decades(found, 1))
    median = float(np.median(found))
    text = f"median {number(median)} s"
    axes.axvline(median, color=PALETTE[1], lw=1.4, label=text)
    figure.legend(loc="outside lower center")
    label_axis(axes, "x", "time per sample [s]")
    n_unknown = np.size(elapsed_s) - found.size
    unknown = f"{n_unknown} without a time" if n_unknown else ""
    note(figure, f"n = {found.size}", unknown, beyond)
    return figure
