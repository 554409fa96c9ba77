"""Figures of array outputs: curves of an output along its axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ensnare.report.figures.axes import label_panels, name_panels, panel_grid
from ensnare.report.figures.samples import thin
from ensnare.report.figures.style import (
    DASHES,
    MARKERS,
    PALETTE,
    FloatArray,
    dropped_note,
    empty,
    finite,
    label_axis,
    legend_columns,
    new_figure,
    note,
    plain,
    plain_names,
    spans_decades,
    styled,
)

MAX_CURVES = 30
MIN_BANDS = 5  # samples; fewer of them are drawn as curves only
MAX_COLOURS = 4  # cases; more of them have a panel each
MAX_PANELS = 24
MAX_VECTOR_CURVE = 1000  # positions; thin curves with more are drawn as an image
GREY = "#8A8A8A"
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)


def sorted_curves(axis: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the axis in ascending order and the curves along it.

    Samples that are NaN throughout are left out. Raises ValueError if the curves, shape (n, m), and
    the axis, shape (m,), differ in length.
    """
    axis, y = np.asarray(axis, dtype=float), np.asarray(y, dtype=float)
    if y.ndim != 2 or axis.shape != y.shape[1:]:
        raise ValueError(
            f"curves of shape {y.shape} on an axis of shape {axis.shape}; expected (n, m) and (m,)"
        )
    order = np.argsort(axis, kind="stable")
    y = np.where(np.isfinite(y), y, np.nan)[:, order]
    return axis[order], y[np.isfinite(y).any(axis=1)]


def quantile_curves(y: FloatArray) -> FloatArray:
    """Return the 5, 25, 50, 75 and 95 % quantiles at each position, shape (5, m)."""
    found = np.full((len(PROBABILITIES), y.shape[1]), np.nan)
    known = np.isfinite(y).any(axis=0)
    if known.any():
        found[:, known] = np.nanquantile(y[:, known], PROBABILITIES, axis=0)
    return found


def is_log_axis(axis: FloatArray) -> bool:
    """Return whether positions span more than 2 decades.

    The middle 90 % decides, so that a linear axis that starts near 0 does not count.
    """
    inner = finite(axis)
    return bool(inner.size) and spans_decades(np.quantile(inner, [0.05, 0.95]), 2)


def _draw_band(axes: Axes, at: FloatArray, ends: FloatArray, color: str, alpha: float) -> None:
    """Fill the area between two curves; at a single position draw a bar."""
    if at.size == 1:
        axes.vlines(at, ends[0], ends[1], color=color, alpha=alpha, lw=14)
    else:
        axes.fill_between(at, ends[0], ends[1], color=color, alpha=alpha, lw=0)


def _draw_samples(axes: Axes, at: FloatArray, y: FloatArray) -> int:
    """Draw some samples as thin curves, and return how many."""
    rows = thin(np.arange(len(y)), MAX_CURVES)
    # A collection is a single element of the drawing, however many curves it has.
    curves = LineCollection([np.column_stack([at, y[row]]) for row in rows], colors=GREY)
    few = len(y) < MIN_BANDS
    curves.set(lw=1.2 if few else 0.5, alpha=1.0 if few else 0.6, zorder=1.5)
    curves.set_rasterized(at.size > MAX_VECTOR_CURVE)
    axes.add_collection(curves)
    if at.size == 1:
        axes.plot(np.repeat(at, len(rows)), y[rows, 0], ls="none", marker="_", color=GREY)
    return len(rows)


def _draw_bands(axes: Axes, at: FloatArray, y: FloatArray) -> None:
    """Draw the median of curves, and the bands that contain 50 and 90 % of them."""
    q05, q25, median, q75, q95 = quantile_curves(y)
    _draw_band(axes, at, np.stack([q05, q95]), PALETTE[0], 0.2)
    _draw_band(axes, at, np.stack([q25, q75]), PALETTE[0], 0.35)
    axes.plot(at, median, color=PALETTE[0], lw=1.8, marker="o" if at.size == 1 else "")


def set_axis(axes: Axes, axis: FloatArray) -> None:
    """Set scale and limits of the x axis from the positions."""
    at = finite(axis)
    low, high = (float(at.min()), float(at.max())) if at.size else (0.0, 0.0)
    if is_log_axis(at):
        axes.set(xscale="log", xlim=(low / (high / low) ** 0.01, high * (high / low) ** 0.01))
    else:
        margin = 0.01 * (high - low) or 0.1 * abs(low) or 1.0
        axes.set_xlim(low - margin, high + margin)


def _set_scales(axes: Axes, at: FloatArray, y: FloatArray) -> None:
    """Set the limits, and log scales where values span decades."""
    set_axis(axes, at)
    axes.set_yscale("log" if spans_decades(y, 3) else "linear")
    axes.autoscale_view(scalex=False)


def _gaps_note(y: FloatArray) -> str:
    """Return how many samples lack values at some positions, as text."""
    n_gaps = int(np.sum(np.isnan(y).any(axis=1)))
    return f"samples with gaps: {n_gaps}" if n_gaps else ""


@styled
def plot_curves(
    axis: FloatArray, y: FloatArray, *, axis_label: str, output_label: str, warning: str = ""
) -> Figure:
    """Plot an array output along its axis: median, bands of 50 and 90 %, some samples.

    `axis`, shape (m,), may be in any order; `y`, shape (n, m), has one sample in each row, NaN
    throughout if it failed. At most 30 samples are drawn as thin curves; fewer than 5 samples have
    no bands. Raises ValueError if the shapes do not agree.
    """
    at, used = sorted_curves(axis, y)
    dropped = dropped_note(len(y) - len(used), len(y))
    figure, axes = new_figure(6.4, 4.1 if warning else 3.8)
    if not len(used):
        empty(axes, f"no sample has a value of {plain(output_label)}")
        note(figure, dropped, warning=warning)
        return figure
    n_drawn = _draw_samples(axes, at, used)
    bands = ""
    if len(used) >= MIN_BANDS:
        _draw_bands(axes, at, used)
        bands = "line: median; bands: 50 % and 90 % of the samples"
    _set_scales(axes, at, used)
    label_axis(axes, "x", axis_label)
    label_axis(axes, "y", output_label)
    grey = f"grey: {n_drawn} samples"
    note(figure, f"n = {len(used)}", bands, grey, dropped, _gaps_note(used), warning=warning)
    return figure


def _draw_case(axes: Axes, at: FloatArray, y: FloatArray, k: int, label: str) -> None:
    """Draw the median and the 90 % band of case k in its colour."""
    color, dash = PALETTE[k % len(PALETTE)], DASHES[k % len(DASHES)]
    q05, _, median, _, q95 = quantile_curves(y)
    if len(y) > 1:
        _draw_band(axes, at, np.stack([q05, q95]), color, 0.15)
    every = (k * at.size // 32, max(1, at.size // 8))
    axes.plot(
        at, median, color=color, ls=dash, lw=1.6, marker=MARKERS[k], markevery=every, label=label
    )


def _counts(groups: Mapping[str, FloatArray], cases: Mapping[str, FloatArray]) -> list[str]:
    """Return `n = 98 of 100` for each case."""
    sizes = [(len(y), len(groups[case])) for case, y in cases.items()]
    return [f"n = {used}" if used == n else f"n = {used} of {n}" for used, n in sizes]


def _draw_together(at: FloatArray, cases: Mapping[str, FloatArray], counts: list[str]) -> Figure:
    """Draw a few cases in one set of axes, each in its colour."""
    figure, axes = new_figure(6.4, 4.7)
    names = plain_names(list(cases))
    for k, (name, count, y) in enumerate(zip(names, counts, cases.values(), strict=True)):
        _draw_case(axes, at, y, k, f"{name} ({count})")
    handles, texts = axes.get_legend_handles_labels()
    columns = legend_columns(figure, texts, 2)
    figure.legend(handles, texts, loc="outside lower center", ncols=columns, fontsize="small")
    return figure


def _draw_apart(at: FloatArray, cases: Mapping[str, FloatArray], counts: list[str]) -> Figure:
    """Draw each case in its own panel, with the medians of all cases in grey behind it."""
    figure, panels = panel_grid(len(cases), 3)
    medians = [quantile_curves(y)[2] for y in cases.values()]
    for axes, y in zip(panels, cases.values(), strict=True):
        behind = LineCollection([np.column_stack([at, m]) for m in medians], colors="#BBBBBB")
        behind.set(lw=0.6, zorder=1.2)
        axes.add_collection(behind)
        if len(y):
            _draw_bands(axes, at, y)
        else:
            text: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
            axes.text(0.5, 0.5, "no sample", fontsize="small", **text)
    name_panels(panels, list(cases), counts)
    return figure


@styled
def plot_curves_by_case(
    axis: FloatArray,
    groups: Mapping[str, FloatArray],
    *,
    axis_label: str,
    output_label: str,
    warning: str = "",
) -> Figure:
    """Plot an array output along its axis in each case of a sweep.

    `groups` holds the samples of each case, as `y` of `plot_curves`. Up to 4 cases share the axes
    in different colours (median, 90 % band); more of them, at most 24, have a panel each (50 % band
    too). Raises ValueError if the shapes do not agree.
    """
    shown = dict(list(groups.items())[:MAX_PANELS])
    clean = {name: sorted_curves(axis, y) for name, y in shown.items()}
    if not any(len(y) for _, y in clean.values()):
        figure, axes = new_figure(6.4, 2.0)
        empty(axes, f"no sample has a value of {plain(output_label)}")
        return figure
    at = next(iter(clean.values()))[0]
    cases = {name: y for name, (_, y) in clean.items()}
    together = len(cases) <= MAX_COLOURS
    draw = _draw_together if together else _draw_apart
    figure = draw(at, cases, _counts(shown, cases))
    _set_scales(figure.axes[0], at, np.concatenate(list(cases.values())))
    label_panels(figure, figure.axes, axis_label, plain(output_label, 40).replace(r"\$", "$"))
    n, n_used = sum(map(len, shown.values())), sum(map(len, cases.values()))
    bands = "lines: medians; bands: 90 %" if together else "line: median; bands: 50 % and 90 %"
    grey = "" if together else "grey: medians of the other cases"
    cut = f"first {MAX_PANELS} of {len(groups)} cases" if len(groups) > len(shown) else ""
    note(figure, bands, grey, dropped_note(n - n_used, n), cut, warning=warning)
    return figure
