"""Figures of the probability that an output exceeds, or falls below, a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.axes import label_levels, place_levels
from ensnare.report.figures.estimates import rows_note
from ensnare.report.figures.style import (
    MUTED,
    PALETTE,
    FloatArray,
    axis_label,
    dropped_note,
    empty,
    finite,
    label_axis,
    new_figure,
    note,
    number,
    plain,
    spans_decades,
    styled,
)

MAX_STEPS = 2000  # more steps of the curve cannot be distinguished in a figure
RARE = 0.1  # probabilities up to this have a log axis


def exceedance_curve(y: FloatArray, *, below: bool) -> tuple[FloatArray, FloatArray]:
    """Return values and the share of samples beyond each of them, both of shape (k,).

    Beyond means above, or below if `below` is set. `y` must be finite. Of more than 2000 samples
    the curve keeps the 2000 most extreme and about as many evenly chosen ones.
    """
    ordered = np.sort(y) if below else np.sort(y)[::-1]
    n = ordered.size
    tail, rest = np.arange(min(n, MAX_STEPS)), np.linspace(0, n - 1, MAX_STEPS).astype(int)
    chosen = np.unique(np.concatenate([tail, rest]))
    return ordered[chosen], (chosen + 1) / n


def _draw_probability(
    axes: Axes, threshold: float, probability: tuple[float, float, float], text: str
) -> None:
    """Mark the threshold, and the probability with its interval."""
    p, low, high = probability
    bottom, top = axes.get_ylim()
    axes.axvline(threshold, color=MUTED, lw=1.2, ls="--")
    style: dict[str, Any] = {"color": PALETTE[1], "zorder": 4}
    if np.isfinite(low) and np.isfinite(high):
        axes.vlines(threshold, max(low, bottom), high, lw=2.4, **style)
        axes.plot([threshold], [high], marker="_", ms=9, mew=1.6, ls="none", **style)
        if low > bottom:
            axes.plot([threshold], [low], marker="_", ms=9, mew=1.6, ls="none", **style)
    # A log axis cannot show a probability of 0: it is an arrow at the lower end.
    hidden = p <= 0 and axes.get_yscale() == "log"
    at, marker = (bottom, "v") if hidden else (p, "o")
    axes.plot([threshold], [at], marker=marker, ms=7, ls="none", clip_on=False, label=text, **style)
    axes.set_ylim(bottom, top)


def _set_probability_axis(axes: Axes, n: int, probability: tuple[float, float, float]) -> None:
    """Set a log axis for small probabilities, wide enough for the interval."""
    p, low, high = (float(v) for v in np.nan_to_num(probability))
    if not 0 < max(p, high) <= RARE:
        axes.set_ylim(-0.02, 1.03)
        return
    positive = [v for v in (p, low, 1 / n) if v > 0]
    axes.set(yscale="log", ylim=(max(min(positive) / 2, 1e-12), 1.5))


@styled
def plot_exceedance(
    y: FloatArray,
    threshold: float,
    *,
    probability: tuple[float, float, float],
    label: str,
    unit: str = "",
    below: bool = False,
    warning: str = "",
) -> Figure:
    """Plot the share of samples beyond each value, with a threshold and its probability.

    `y` is NaN where a sample failed; `probability` is that of exceeding the threshold (of falling
    below it if `below` is set) and the ends of its interval (NaN: none). The curve is the
    complementary distribution function (`below`: the distribution function), on a log axis if the
    probability is at most 0.1.
    """
    figure, axes = new_figure(6.4, 3.8)
    found = finite(y)
    dropped = dropped_note(np.size(y) - found.size, np.size(y))
    if found.size == 0:
        empty(axes, f"no sample has a value of {plain(label)}")
        note(figure, dropped, warning=warning)
        return figure
    values, share = exceedance_curve(found, below=below)
    axes.step(values, share, where="post", color=PALETTE[0], lw=1.6)
    if spans_decades([*found, threshold], 3):
        axes.set_xscale("log")
    _set_probability_axis(axes, found.size, probability)
    sign, short = "<" if below else ">", plain(unit) if len(unit) <= 8 else ""
    p, low, high = (number(v, 3) for v in probability)
    interval = f" [{low}, {high}]" if np.isfinite(probability[1:]).all() else ""
    event = f"{plain(label, 24)} {sign} {number(threshold)} {short}".rstrip()
    _draw_probability(axes, threshold, probability, f"P({event}) = {p}{interval}")
    label_axis(axes, "x", axis_label(label, unit))
    label_axis(axes, "y", f"P(output {sign} value) [-]")
    figure.legend(loc="outside lower center")
    n_beyond = int(np.sum(found < threshold if below else found > threshold))
    note(
        figure,
        f"n = {found.size}, {n_beyond} beyond the threshold (dashed)",
        dropped,
        warning=warning,
    )
    return figure


@styled
def plot_exceedance_by_case(
    table: pd.DataFrame,
    *,
    label: str,
    unit: str = "",
    factor_columns: Sequence[str],
    warning: str = "",
) -> Figure:
    """Plot the probability of being beyond a threshold against the levels of a sweep.

    `table` has the columns `event` (above or below) and `threshold`, the same throughout, `value`,
    `ci_low`, `ci_high`, `n_used`, `n_dropped`, and one for each factor; one factor is the axis,
    several are joined into one label for each case. The axis is logarithmic if all probabilities
    are at most 0.1.
    """
    figure, axes = new_figure(6.4, 3.6)
    if not table["value"].notna().any():
        empty(axes, f"no sample has a value of {plain(label)}")
        return figure
    levels = place_levels(table, factor_columns)
    at = levels.positions[levels.index]
    axes.vlines(at, table["ci_low"], table["ci_high"], color=PALETTE[0], lw=1.6)
    axes.plot(at, table["value"], ls="none", marker="o", color=PALETTE[0])
    ends = table[["value", "ci_low", "ci_high"]].to_numpy(dtype=float)
    positive = ends[np.isfinite(ends) & (ends > 0)]
    if positive.size and positive.max() <= RARE and (table["value"] > 0).all():
        axes.set(yscale="log", ylim=(positive.min() / 2, 2 * positive.max()))
    else:
        axes.set_ylim(-0.02, max(0.1, 1.05 * positive.max(initial=0.0)))
    label_levels(axes, levels)
    sign = "<" if table["event"].iloc[0] == "below" else ">"
    short = plain(unit) if len(unit) <= 8 else ""
    event = f"{plain(label, 24)} {sign} {number(table['threshold'].iloc[0])} {short}".rstrip()
    label_axis(axes, "y", f"P({event}) [-]", n_ticks=5)
    note(figure, rows_note(table, "samples", "up to "), warning=warning)
    return figure
