"""Figures of Sobol' indices in one case, and of any estimates against the levels of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from ensnare.report.figures.axes import Levels, label_levels, place_levels
from ensnare.report.figures.estimates import (
    INDICES,
    MANY,
    SOBOL,
    Estimates,
    cut_note,
    draw_rows,
    draw_undefined,
    rows_note,
    short_names,
)
from ensnare.report.figures.style import (
    LIGHT,
    MARKERS,
    MUTED,
    PALETTE,
    empty,
    empty_figure,
    label_axis,
    legend_columns,
    new_figure,
    note,
    plain,
    styled,
)


def _draw_index(axes: Axes, rows: pd.DataFrame, order: Sequence[str], index: str) -> None:
    """Draw one index (first or total) of every input as a point with its interval."""
    shift = {"first": -0.17, "total": 0.17}[index]
    k = list(INDICES).index(index)
    found = rows[rows["index"] == index].set_index("input").reindex(list(order))
    at = np.arange(len(order)) + shift
    axes.hlines(at, found["ci_low"], found["ci_high"], color=PALETTE[k], lw=1.6)
    fill = PALETTE[k] if index == "first" else "white"
    style: dict[str, Any] = {
        "ls": "none",
        "marker": MARKERS[k],
        "mec": PALETTE[k],
        "mfc": fill,
        "mew": 1.3,
    }
    axes.plot(found["value"], at, label=INDICES[index], **style)


@styled
def plot_sobol(
    table: pd.DataFrame,
    *,
    output: str,
    title: str = "",
    warning: str = "",
    estimates: Estimates = SOBOL,
) -> Figure:
    """Plot first-order and total Sobol' indices of one output in one case.

    `table` has the columns `input`, `index` (first or total; other rows are not drawn), `value`,
    `ci_low`, `ci_high` (NaN: no interval is drawn), `n_used` and `n_dropped`. There is one row for
    each input, in the order of the table, or in descending order if there are more than 8.
    """
    table = table[table["index"].isin(list(INDICES))]
    inputs = [str(name) for name in table["input"].unique()]
    order = estimates.ranked(table) if len(inputs) > MANY else inputs
    figure, axes = new_figure(6.4, 1.5 + (0.22 if len(order) > MANY else 0.34) * len(order))
    if not order:
        empty(axes, "no index could be estimated")
        return figure
    draw_rows(axes, order)
    for index in [i for i in INDICES if (table["index"] == i).any()]:
        _draw_index(axes, table, order, index)
    draw_undefined(axes, table, order)
    limits = estimates.limits(table)
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set(xlim=limits, xlabel="Sobol' index [-]")
    figure.legend(loc="outside lower center", ncols=2)
    name = plain(f"{estimates.heading} of {output}", 76)
    dropped = rows_note(table, estimates.counted)
    note(figure, name, plain(title, 76), dropped, cut_note(table, limits), warning=warning)
    return figure


def _draw_input(axes: Axes, levels: Levels, rows: pd.DataFrame, k: int, n: int) -> None:
    """Draw one index of input k of n against the levels, shifted so that none overlap."""
    step_pt = min(3.5, levels.room_pt / max(n, 1))
    side = offset_copy(
        axes.transData, axes.get_figure(root=True), (k - (n - 1) / 2) * step_pt, 0, units="points"
    )
    color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
    at = levels.positions[rows["_level"].to_numpy(dtype=int)]
    order = np.argsort(at, kind="stable")
    at, rows = at[order], rows.iloc[order]
    axes.vlines(at, rows["ci_low"], rows["ci_high"], color=color, lw=1, transform=side)
    line = "-" if levels.numeric else ":"
    style: dict[str, Any] = {"color": color, "marker": marker, "ls": line, "lw": 1, "ms": 4.5}
    axes.plot(at, rows["value"], label=rows["_label"].iloc[0], transform=side, **style)


def _draw_panel(axes: Axes, levels: Levels, table: pd.DataFrame, ranked: Sequence[str]) -> None:
    """Draw one index of all inputs: the first few in colour, the rest in grey."""
    coloured = ranked if len(ranked) <= MANY - 1 else ranked[: MANY - 2]
    others = table[~table["input"].isin(list(coloured))]
    for _, rows in others.groupby("input", sort=False):
        at = levels.positions[rows["_level"].to_numpy(dtype=int)]
        order = np.argsort(at, kind="stable")
        axes.plot(at[order], rows["value"].iloc[order], color="#AAAAAA", lw=0.7)
    for k, name in enumerate(coloured):
        rows = table[table["input"] == name]
        if len(rows):
            _draw_input(axes, levels, rows, k, len(coloured))
    if len(others):
        label = f"{len(ranked) - len(coloured)} other inputs"
        axes.plot([], [], color="#AAAAAA", lw=0.7, label=label)
    axes.axhline(0, color=LIGHT, lw=1, zorder=0)


@styled
def plot_estimates_by_case(
    table: pd.DataFrame,
    *,
    output: str,
    factor_columns: Sequence[str],
    warning: str = "",
    estimates: Estimates = SOBOL,
) -> Figure:
    """Plot estimates for the inputs of one output against the levels of a sweep.

    `table` is as for `plot_sobol`, with the rows of all cases and a column for each factor; one
    factor is the axis, several are joined into one label for each case. There is a panel for each
    kind of estimate; of more than 7 inputs the 6 largest are in colour.
    """
    table = table[table["index"].isin(list(estimates.kinds))]
    if not table["value"].notna().any():
        return empty_figure("no estimate could be made")
    levels = place_levels(table, factor_columns)
    table = table.assign(_level=levels.index, input=table["input"].astype(str))
    table["_label"] = short_names(table["input"])
    panels = [i for i in estimates.kinds if (table["index"] == i).any()]
    figure = Figure(figsize=(7.2, 1.6 + 2.3 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    limits = estimates.limits(table)
    for axes, index in zip(grid, panels, strict=True):
        _draw_panel(axes, levels, table[table["index"] == index], estimates.ranked(table))
        axes.set_ylim(limits)
        label_axis(axes, "y", estimates.kinds[index], n_ticks=5)
    label_levels(grid[-1], levels)
    handles, texts = grid[-1].get_legend_handles_labels()
    columns = legend_columns(figure, texts, 4)
    figure.legend(handles, texts, loc="outside lower center", ncols=columns)
    name = plain(f"{estimates.heading} of {output}", 76)
    dropped = rows_note(table, estimates.counted, "up to ")
    note(figure, name, dropped, cut_note(table, limits), warning=warning)
    return figure
