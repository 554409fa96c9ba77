"""Figures of a scaling study: time, speed-up and efficiency against the count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from ensnare.report.figures.style import (
    DASHES,
    FAILED,
    MARKERS,
    MAX_VECTOR_POINTS,
    MUTED,
    PALETTE,
    FloatArray,
    empty,
    label_axis,
    label_linear,
    legend_columns,
    new_figure,
    note,
    plain,
    plain_names,
    styled,
)

Line = tuple[FloatArray, FloatArray]  # counts, values
Quantity = Literal["time_s", "speedup", "efficiency"]
LABELS = {"time_s": "time [s]", "speedup": "speed-up", "efficiency": "efficiency"}
# the two laws of a curve often coincide: a narrow dotted line on a broad one shows both
LINES: dict[str, dict[str, Any]] = {
    "amdahl": {"ls": ":", "lw": 1.4, "zorder": 2.5},
    "gustafson": {"ls": ":", "lw": 1.4, "zorder": 2.5},
    "universal": {"ls": "-", "lw": 3.2, "alpha": 0.35, "zorder": 2},
}
LAW_NAMES = {
    "amdahl": "Amdahl's law, fitted",
    "gustafson": "Gustafson's law, fitted",
    "universal": "universal scalability law, fitted",
}
_SHIFT = 0.012  # between curves, as a share of the width of the axes
_DARK = PALETTE[-1]
_MOST_LINEAR = 40  # ratio of counts up to which axes are linear, on which saturation can be seen
_MOST_REASONS = 4
_MOST_TICKS = 14


@dataclass(frozen=True)
class ScalingCurve:
    """One curve: one case of the sweep at all counts."""

    label: str  # the case; empty if there is only one
    counts: FloatArray
    value: FloatArray  # NaN where there is no time
    low: FloatArray  # ends of the interval; NaN where there is none
    high: FloatArray
    laws: Mapping[str, Line] = field(default_factory=dict)  # fitted laws by name
    runs: Line | None = None  # single runs
    accounted: Line | None = None  # elapsed times of the same runs by SLURM
    holes: Mapping[int, str] = field(default_factory=dict)  # counts without a time, and why


@styled
def plot_scaling(
    curves: Sequence[ScalingCurve],
    quantity: Quantity,
    ideal: Sequence[Line],
    *,
    count_label: str,
    subtitle: str = "",
    value_label: str = "",
) -> Figure:
    """Plot time (log-log), speed-up or efficiency against the count.

    `ideal` holds the lines without any loss as (counts, values). `count_label` is the factor that
    is counted, such as `ranks`; `value_label` names the value if it is not `quantity`; `subtitle`
    says what points and bars are. Points have intervals, fitted laws are lines, and counts without
    a time are red crosses.
    """
    figure, axes = new_figure(6.4, 4.3)
    counts = np.unique(np.concatenate([c.counts for c in curves])) if curves else np.empty(0)
    known = [c for c in curves if np.isfinite(c.value).any()]
    if not known:
        empty(axes, "no run has a time")
        _write_notes(figure, curves, count_label, subtitle)
        return figure
    linear = quantity == "speedup" and counts.max() <= _MOST_LINEAR * counts.min()
    _set_scales(axes, quantity, linear=linear)
    for line in ideal:
        axes.plot(*line, color=MUTED, ls="--", lw=1, zorder=1)
    for k, curve in enumerate(curves):
        _draw_curve(axes, curve, k, _shift(counts, k, len(curves), linear=linear))
    _set_limits(axes, curves, counts, quantity, linear=linear)
    _draw_holes(axes, curves)
    _label_counts(axes, counts, count_label, linear=linear)
    label_axis(axes, "y", value_label or LABELS[quantity])
    _write_notes(figure, curves, count_label, subtitle)
    _add_legend(figure, curves, ideal=bool(ideal))
    return figure


def _set_scales(axes: Axes, quantity: Quantity, *, linear: bool) -> None:
    """Set logarithmic axes where the quantity needs them."""
    if not linear:
        axes.set_xscale("log")
    if quantity == "time_s" or (quantity == "speedup" and not linear):
        axes.set_yscale("log")


def _shift(
    counts: FloatArray, k: int, n: int, *, linear: bool
) -> Callable[[FloatArray], FloatArray]:
    """Return a function that shifts the counts of curve k of n, so that bars do not overlap."""
    share = (k - (n - 1) / 2) * min(_SHIFT, 4 * _SHIFT / n)
    if linear:
        return lambda at: at + share * float(np.ptp(counts))
    return lambda at: at * float(np.exp(share * max(1.0, np.log(counts.max() / counts.min()))))


def _draw_curve(
    axes: Axes, curve: ScalingCurve, k: int, place: Callable[[FloatArray], FloatArray]
) -> None:
    """Draw laws, single runs, and points with their intervals."""
    several = bool(curve.label)
    color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
    for name in _laws_shown(curve, several=several):
        dark = LINES[name]["ls"] == ":" and not several
        axes.plot(*curve.laws[name], color=_DARK if dark else color, **LINES[name])
    if curve.runs is not None:
        many = curve.runs[0].size > MAX_VECTOR_POINTS
        at, values = curve.runs
        axes.plot(place(at), values, ls="none", marker=".", ms=4, color=color, alpha=0.45,
                  zorder=2, rasterized=many)  # fmt: skip
    if curve.accounted is not None:
        at, values = curve.accounted
        axes.plot(place(at), values, ls="none", marker=marker, ms=9, mfc="none", mec=color, mew=0.8)
    bars = np.isfinite(curve.low) & np.isfinite(curve.high)
    axes.vlines(place(curve.counts)[bars], curve.low[bars], curve.high[bars], color=color, lw=1.4,
                zorder=3)  # fmt: skip
    axes.plot(place(curve.counts), curve.value, ls="none", marker=marker, color=color, zorder=4)


def _laws_shown(curve: ScalingCurve, *, several: bool) -> list[str]:
    """Return which laws to draw: for several curves only the last, more general one."""
    return list(curve.laws)[-1:] if several else list(curve.laws)


def _set_limits(
    axes: Axes, curves: Sequence[ScalingCurve], counts: FloatArray, quantity: Quantity, *,
    linear: bool,
) -> None:  # fmt: skip
    """Set limits that show all counts and points; lines may leave the axes."""
    low, high = counts.min(), counts.max()
    margin = (high - low or 1) * 0.06
    axes.set_xlim((max(0, low - margin), high + margin) if linear else (low / 1.25, high * 1.25))
    values = np.concatenate(
        [part[np.isfinite(part)] for c in curves for part in (c.value, c.low, c.high)]
        + [c.runs[1][np.isfinite(c.runs[1])] for c in curves if c.runs is not None]
        + [c.accounted[1][np.isfinite(c.accounted[1])] for c in curves if c.accounted is not None]
    )
    if quantity == "efficiency":
        axes.set_ylim(0, 1.1 * max(1.0, values.max()))
    elif linear:
        axes.set_ylim(0, 1.12 * max(values.max(), 1.0))
    else:
        axes.set_ylim(values.min() / 1.6, values.max() * 1.4)


def _draw_holes(axes: Axes, curves: Sequence[ScalingCurve]) -> None:
    """Mark counts without a time at the upper edge, so that they do not look like a value."""
    at = sorted({count for curve in curves for count in curve.holes})
    if not at:  # an empty line that is not clipped would still take space in the layout
        return
    place = axes.get_xaxis_transform()
    for count in at:
        if all(count in curve.holes for curve in curves):
            axes.axvline(count, color=FAILED, lw=0.8, ls=":", alpha=0.7, zorder=1)
    axes.plot(at, [1.0] * len(at), transform=place, ls="none", marker="x", ms=7, mew=1.8,
              color=FAILED, zorder=5, clip_on=False)  # fmt: skip


def _label_counts(axes: Axes, counts: FloatArray, label: str, *, linear: bool) -> None:
    """Write the measured counts on the axis, if there is room for them."""
    if linear:
        label_linear(axes.xaxis, label, integer=True)
        return
    if counts.size > _MOST_TICKS:
        label_axis(axes, "x", label)
        return
    axes.xaxis.set_major_locator(FixedLocator(counts.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.12g}"))
    axes.set_xlabel(plain(label))


def _write_notes(figure: Figure, curves: Sequence[ScalingCurve], label: str, subtitle: str) -> None:
    """Write above the figure what points are, and why counts have no time."""
    by_reason: dict[str, list[str]] = {}
    for curve in curves:
        for count, reason in curve.holes.items():
            where = f"{count}{f' ({plain(curve.label, 24)})' if curve.label else ''}"
            by_reason.setdefault(reason, []).append(where)
    notes = [
        f"no time at {label} {', '.join(where[:_MOST_REASONS])}"
        f"{' …' if len(where) > _MOST_REASONS else ''}: {plain(reason, 90)}"
        for reason, where in by_reason.items()
    ]
    more = [f"{len(notes) - _MOST_REASONS} more reasons"] if len(notes) > _MOST_REASONS else []
    note(figure, subtitle, *notes[:_MOST_REASONS], *more)


def _add_legend(figure: Figure, curves: Sequence[ScalingCurve], *, ideal: bool) -> None:
    """Write below the figure which curve is which, and what the lines are."""
    handles: list[Line2D] = []
    names: list[str] = []
    several = len(curves) > 1
    labels = plain_names([curve.label or "measured" for curve in curves], 30)
    for k, label in enumerate(labels):
        color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
        handles.append(Line2D([], [], color=color, marker=marker, ls="none"))
        names.append(label)
    dark = MUTED if several else PALETTE[0]
    laws = dict.fromkeys(n for curve in curves for n in _laws_shown(curve, several=several))
    for name in laws:
        color = _DARK if LINES[name]["ls"] == ":" and not several else dark
        handles.append(Line2D([], [], color=color, **LINES[name]))
        names.append(LAW_NAMES[name])
    if ideal:
        handles.append(Line2D([], [], color=MUTED, ls=DASHES[1], lw=1))
        names.append("ideal")
    if any(curve.accounted is not None for curve in curves):
        handles.append(Line2D([], [], color=dark, marker="o", ms=9, mfc="none", ls="none"))
        names.append("elapsed time by SLURM")
    if any(curve.holes for curve in curves):
        handles.append(Line2D([], [], color=FAILED, marker="x", ls="none", mew=1.8))
        names.append("no time")
    figure.legend(
        handles, names, loc="outside lower center", ncols=legend_columns(figure, names, 4)
    )
