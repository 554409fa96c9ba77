"""Figure of an output against the factors of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ensnare.report.figures.axes import Levels, distinct, label_levels, levels_of
from ensnare.report.figures.style import (
    DASHES,
    MARKERS,
    MAX_VECTOR_POINTS,
    PALETTE,
    FloatArray,
    empty,
    failed_ticks,
    label_axis,
    legend_columns,
    new_figure,
    note,
    number,
    plain,
    plain_names,
    spans_decades,
    styled,
)


def _draw_series(
    axes: Axes, levels: Levels, values: FloatArray, series: NDArray[np.intp], k: int
) -> None:
    """Draw the rows of series k: every value, and a line through the medians.

    Categories have no line; there the series stand side by side.
    """
    color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
    use = (series == k) & np.isfinite(values)
    index = levels.index[use]
    n = int(series.max(initial=0)) + 1
    side = 0.0 if levels.numeric else (k - (n - 1) / 2) * min(0.15, 0.6 / n)
    at = levels.positions[index] + side
    many = index.size > MAX_VECTOR_POINTS
    axes.plot(at, values[use], ls="none", marker=marker, color=color, rasterized=many)
    if not levels.numeric or not use.any():
        return
    present = np.unique(index)
    medians = np.array([np.median(values[use][index == i]) for i in present])
    order = np.argsort(levels.positions[present])
    dash = DASHES[k // len(PALETTE) % len(DASHES)]
    axes.plot(levels.positions[present][order], medians[order], ls=dash, lw=1.3, color=color)


def _draw_failed(figure: Figure, axes: Axes, at: FloatArray, n: int) -> None:
    """Draw failed samples as red ticks, and write how many there are."""
    failed_ticks(axes, at, 9)
    note(figure, f"{at.size} of {n} samples failed (red ticks)" if at.size else "")


def _add_legend(figure: Figure, found: Sequence[object], label: str, *, lines: bool) -> None:
    """Write below the figure which colour, marker and dash belong to which series."""
    names = [number(v) if isinstance(v, float) else str(v) for v in found]
    handles = []
    for k in range(len(names)):
        dash = DASHES[k // len(PALETTE) % len(DASHES)] if lines else "none"
        color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
        handles.append(Line2D([], [], color=color, marker=marker, ls=dash, lw=1.3))
    shown = plain_names(names, 24)
    figure.legend(
        handles,
        shown,
        title=plain(label, 60),
        loc="outside lower center",
        ncols=legend_columns(figure, shown, 5),
    )


@styled
def plot_sweep(
    levels: Sequence[object],
    values: FloatArray,
    *,
    level_label: str,
    output_label: str,
    series: Sequence[object] | None = None,
    series_label: str = "",
) -> Figure:
    """Plot an output against one factor of a sweep, with a second factor as series.

    `levels` and `series` are the levels of both factors for each sample. Numbers are joined by a
    line through the medians, categories are not. `values`, shape (n,), is NaN where the sample
    failed, which is drawn as a red tick on the axis. The value axis is logarithmic beyond 2
    decades.
    """
    placed = levels_of(list(levels), level_label)
    found, of_row = distinct(list(series) if series is not None else [None] * len(values))
    figure, axes = new_figure(6.4, 3.9)
    if not found:
        empty(axes, "no sample")
        return figure
    for k in range(len(found)):
        _draw_series(axes, placed, values, of_row, k)
    axes.set_yscale("log" if spans_decades(values, 2) else "linear")
    _draw_failed(figure, axes, placed.positions[placed.index[~np.isfinite(values)]], len(values))
    label_levels(axes, placed)
    label_axis(axes, "y", output_label)
    if series is not None:
        _add_legend(figure, found, series_label, lines=placed.numeric)
    return figure
