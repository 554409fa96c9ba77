"""Figures of the distribution of one output."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.style import (
    FAILED,
    LIGHT,
    MUTED,
    PALETTE,
    FloatArray,
    axis_label,
    dropped_note,
    empty,
    finite,
    label_axis,
    label_linear,
    new_figure,
    note,
    number,
    plain,
    plain_names,
    spans_decades,
    styled,
    tick_digits,
)

MAX_BINS = 80
MAX_VIOLIN_POINTS = 2000


def _drawn_range(y: FloatArray) -> tuple[float, float]:
    """Return the range to draw: everything, unless a few outliers would flatten the rest."""
    low, high = np.quantile(y, [0.01, 0.99])
    whole = float(y.max() - y.min())
    if low == high or whole <= 6 * (high - low):
        return float(y.min()), float(y.max())
    margin = 0.5 * (high - low)
    return float(max(y.min(), low - margin)), float(min(y.max(), high + margin))


def _beyond_note(y: FloatArray, low: float, high: float) -> str:
    """Return how many values lie outside the range that is drawn, as text."""
    n_beyond = int(np.sum((y < low) | (y > high)))
    if not n_beyond:
        return ""
    return f"{n_beyond} beyond the axis (min {number(y.min())}, max {number(y.max())})"


def bin_edges(y: FloatArray, low: float, high: float, *, log: bool) -> FloatArray:
    """Return the edges of at most 80 bins of equal width (of equal ratio on a log axis).

    The width follows Freedman and Diaconis (1981), Z. Wahrsch. verw. Geb. 57, 453-476,
    doi:10.1007/BF01025868. Whole numbers have one bin each.
    """
    if low == high:
        half = 0.5 * abs(low) or 0.5
        return np.array([low - half, low + half])
    if not log and high - low < MAX_BINS and np.array_equal(y, np.round(y)):
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0)
    values = np.log10(y) if log else y
    start, stop = (np.log10(low), np.log10(high)) if log else (low, high)
    lower, upper = np.quantile(values, [0.25, 0.75])
    width = 2 * (upper - lower) / values.size ** (1 / 3)
    sturges = int(np.ceil(np.log2(values.size))) + 1
    n_bins = int(np.ceil((stop - start) / width)) if width > 0 else sturges
    n_bins = min(MAX_BINS, max(n_bins, sturges))
    edges: FloatArray = np.linspace(float(start), float(stop), n_bins + 1)
    edges = 10**edges if log else edges
    edges[[0, -1]] = low, high  # 10**log10(high) may fall below high and lose a sample
    return edges


def draw_histogram(axes: Axes, y: FloatArray, *, log: bool) -> str:
    """Draw finite values as a histogram, and return a note on values outside the axis."""
    low, high = (float(y.min()), float(y.max())) if log else _drawn_range(y)
    edges = bin_edges(y, low, high, log=log)
    axes.hist(y, bins=edges.tolist(), color=PALETTE[0], alpha=0.55, edgecolor="white", lw=0.5)
    if log:
        axes.set_xscale("log")
    axes.grid(visible=False, axis="x")
    label_linear(axes.yaxis, "samples", integer=True)
    return _beyond_note(y, low, high)


@styled
def plot_distribution(
    y: FloatArray,
    statistics: Mapping[str, float] | None = None,
    *,
    label: str,
    unit: str = "",
    warning: str = "",
) -> Figure:
    """Plot the histogram of one output with its mean and its 5 and 95 % quantiles.

    `y`, shape (n,), is NaN where a sample failed; the figure states how many were dropped. `mean`,
    `q05` and `q95` come from `statistics`, as in the table of that name, or else from `y`. The axis
    is logarithmic if the output is positive and spans more than 3 decades.
    """
    figure, axes = new_figure(6.4, 3.6)
    found = finite(y)
    dropped = dropped_note(np.size(y) - found.size, np.size(y))
    if found.size == 0:
        empty(axes, f"no sample has a value of {plain(label)}")
        note(figure, dropped, warning=warning)
        return figure
    beyond = draw_histogram(axes, found, log=spans_decades(found, 3))
    marks = {"mean": float(found.mean())}
    marks["q05"], marks["q95"] = (float(q) for q in np.quantile(found, [0.05, 0.95]))
    marks |= {k: float(v) for k, v in (statistics or {}).items() if k in marks}
    digits = tick_digits(float(found.min()), float(found.max()))
    short_unit = plain(unit) if len(unit) <= 8 else ""
    names = {"q05": "5 % quantile", "mean": "mean", "q95": "95 % quantile"}
    for (key, name), dash in zip(names.items(), ("--", "-", "-."), strict=True):
        text = f"{name} {number(marks[key], digits)} {short_unit}".rstrip()
        axes.axvline(marks[key], color=PALETTE[1], ls=dash, lw=1.4, label=text)
    label_axis(axes, "x", axis_label(label, unit))
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    note(figure, f"n = {found.size}", dropped, beyond, warning=warning)
    return figure


def _draw_case(axes: Axes, y: FloatArray, row: int, *, violin: bool) -> None:
    """Draw one case as a box plot over the outline of its density."""
    if violin and y.size > 4 and y.max() > y.min():
        thinned = np.sort(y)[:: max(1, y.size // MAX_VIOLIN_POINTS)]
        bodies = axes.violinplot(
            [thinned], [row], orientation="horizontal", widths=0.85, showextrema=False
        )["bodies"]
        for body in bodies:  # type: ignore[attr-defined]
            body.set(facecolor=LIGHT, edgecolor="none", alpha=0.9)
    axes.boxplot(
        [y],
        positions=[row],
        orientation="horizontal",
        widths=0.35,
        whis=(5, 95),
        showfliers=False,
        showmeans=True,
        patch_artist=True,
        boxprops={"facecolor": "white", "edgecolor": PALETTE[0]},
        whiskerprops={"color": PALETTE[0]},
        capprops={"color": PALETTE[0]},
        medianprops={"color": PALETTE[0], "lw": 1.8},
        meanprops={"marker": "D", "mfc": PALETTE[1], "mec": "white", "ms": 4.5},
        manage_ticks=False,
    )


@styled
def plot_distributions_by_case(
    groups: Mapping[str, FloatArray], label: str, unit: str = "", *, warning: str = ""
) -> Figure:
    """Plot the distribution of one output for each case of a sweep, one row for each.

    `groups` holds the output of each case in drawing order, NaN where a sample failed. A row has a
    box (quartiles, median), whiskers (5 and 95 %), the mean, and the density behind them.
    """
    figure, axes = new_figure(6.8, 1.5 + 0.3 * len(groups) + (0.4 if len(groups) < 6 else 0))
    values = {case: finite(y) for case, y in groups.items()}
    everything = np.concatenate([*values.values(), np.empty(0)])
    log = spans_decades(everything, 3)
    limits = _limits(values, everything, log=log)
    counts: list[str] = []
    for row, (case, y) in enumerate(values.items()):
        n = np.size(groups[case])
        if y.size:
            _draw_case(axes, y, row, violin=not log)
        counts.append(f"n = {y.size}" if y.size == n else f"n = {y.size} of {n}")
    axes.set_yticks(range(len(values)), plain_names(list(values)))
    axes.set_ylim(len(values) - 0.4, -0.6)
    _count_axis(axes, counts)
    axes.set(xscale="log" if log else "linear", xlim=limits)
    axes.grid(visible=False, axis="y")
    label_axis(axes, "x", axis_label(label, unit))
    n = sum(np.size(y) for y in groups.values())
    beyond = _beyond_note(everything, *limits) if limits else ""
    legend = "box: quartiles and median; whiskers: 5 and 95 %; diamond: mean"
    note(figure, legend, dropped_note(n - everything.size, n), beyond, warning=warning)
    return figure


def _count_axis(axes: Axes, counts: list[str]) -> None:
    """Write the number of samples to the right of each row, in red where some were dropped."""
    right = axes.twinx()
    right.set_ylim(axes.get_ylim())
    right.grid(visible=False)
    right.set_yticks(range(len(counts)), counts, fontsize="small")
    right.tick_params(length=0)
    for text in right.get_yticklabels():
        text.set_color(FAILED if " of " in text.get_text() else MUTED)


def _limits(
    values: Mapping[str, FloatArray], everything: FloatArray, *, log: bool
) -> tuple[float, float] | None:
    """Return the limits of the value axis: the range drawn of every case, plus a margin."""
    if everything.size == 0:
        return None
    if log:
        return float(everything.min() / 1.3), float(everything.max() * 1.3)
    ranges = np.array([_drawn_range(y) for y in values.values() if y.size])
    low, high = float(ranges[:, 0].min()), float(ranges[:, 1].max())
    margin = 0.04 * (high - low) or 0.05 * abs(low) or 0.5
    return low - margin, high + margin
