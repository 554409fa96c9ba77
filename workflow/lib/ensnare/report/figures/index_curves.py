"""Figure of estimates for each input of an array output along the axis of the output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.curves import set_axis
from ensnare.report.figures.estimates import (
    MANY,
    SOBOL,
    Estimates,
    cut_note,
    rows_note,
    short_names,
)
from ensnare.report.figures.style import (
    DASHES,
    LIGHT,
    MARKERS,
    PALETTE,
    FloatArray,
    empty_figure,
    label_axis,
    legend_columns,
    note,
    plain,
    styled,
)

GREY = "#AAAAAA"


def _draw_input(axes: Axes, rows: pd.DataFrame, k: int) -> None:
    """Draw one index of input k along the axis, with its interval as a band."""
    color, n = PALETTE[k % len(PALETTE)], len(rows)
    at = rows["_at"]
    label = str(rows["_label"].iloc[0])
    if n == 1:
        axes.vlines(at, rows["ci_low"], rows["ci_high"], color=color, lw=1.4)
    else:
        axes.fill_between(at, rows["ci_low"], rows["ci_high"], color=color, alpha=0.18, lw=0)
    every = (k * n // 56, max(1, n // 8))
    dash = DASHES[k % len(DASHES)]
    axes.plot(
        at, rows["value"], color=color, ls=dash, lw=1.4, marker=MARKERS[k], ms=4,
        markevery=every, label=label,
    )  # fmt: skip


def _draw_panel(axes: Axes, table: pd.DataFrame, ranked: Sequence[str]) -> None:
    """Draw one index of all inputs: the first few in colour, the rest in grey."""
    coloured = list(ranked if len(ranked) <= MANY - 1 else ranked[: MANY - 2])
    for name in ranked[len(coloured) :]:
        rows = table[table["input"] == name]
        axes.plot(rows["_at"], rows["value"], color=GREY, lw=0.6)
    for k, name in enumerate(coloured):
        rows = table[table["input"] == name]
        if len(rows):
            _draw_input(axes, rows, k)
    if len(ranked) > len(coloured):
        label = f"{len(ranked) - len(coloured)} other inputs"
        axes.plot([], [], color=GREY, lw=0.8, label=label)
    axes.axhline(0, color=LIGHT, lw=1, zorder=0)


def _undefined_note(table: pd.DataFrame) -> str:
    """Return at how many positions no index exists, as text.

    That is so where the output is constant.
    """
    known = table.groupby("position")["value"].count()
    n = int((known == 0).sum())
    return f"undefined at {n} of {len(known)} positions" if n else ""


def _along_axis(table: pd.DataFrame, axis: FloatArray) -> pd.DataFrame:
    """Return the rows sorted along the axis, with their coordinate in the column `_at`.

    Raises ValueError if a position is not on the axis.
    """
    position = table["position"].to_numpy(dtype=int)
    if position.max() >= np.size(axis):
        raise ValueError(
            f"position {position.max()} on an axis of {np.size(axis)}; expected less than that"
        )
    table = table.assign(_at=np.asarray(axis, dtype=float)[position])
    table["input"] = table["input"].astype(str)
    table["_label"] = short_names(table["input"])
    return table.sort_values("_at", kind="stable")


@styled
def plot_estimate_curves(
    table: pd.DataFrame,
    axis: FloatArray,
    *,
    output: str,
    axis_label: str,
    title: str = "",
    warning: str = "",
    estimates: Estimates = SOBOL,
) -> Figure:
    """Plot estimates for the inputs of an array output in one case along its axis.

    `table` is as for `plot_sobol`, with `position`, the index of an element in `axis`, shape (m,),
    whose values may be in any order. There is a panel for each kind of estimate; of more than 7
    inputs the 6 largest are in colour. Raises ValueError if a position is not on the axis.
    """
    table = table[table["index"].isin(list(estimates.kinds))]
    if not table["value"].notna().any():
        return empty_figure("no estimate could be made")
    ranked = estimates.ranked(table.assign(input=table["input"].astype(str)), "mean")
    table = _along_axis(table, axis)
    shown = [i for i in estimates.kinds if (table["index"] == i).any()]
    figure = Figure(figsize=(7.2, 1.6 + 2.2 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    limits = estimates.limits(table)
    for axes, index in zip(grid, shown, strict=True):
        _draw_panel(axes, table[table["index"] == index], ranked)
        axes.set_ylim(limits)
        label_axis(axes, "y", estimates.kinds[index], n_ticks=5)
    set_axis(grid[-1], axis)
    label_axis(grid[-1], "x", axis_label)
    handles, texts = grid[-1].get_legend_handles_labels()
    columns = legend_columns(figure, texts, 4)
    figure.legend(handles, texts, loc="outside lower center", ncols=columns)
    name = plain(f"{estimates.heading} of {output}", 76)
    dropped = rows_note(table, estimates.counted, "up to ")
    notes = (dropped, _undefined_note(table), cut_note(table, limits))
    note(figure, name, plain(title, 76), *notes, warning=warning)
    return figure
