"""Figure of estimates of each input against the levels of a sweep."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from ensnare.plots.estimates import SOBOL, Estimates, cut_note, short_names
from ensnare.plots.levels import Levels, label_levels, place_levels
from ensnare.plots.rows import MANY, rows_note
from ensnare.plots.style import (
    LIGHT,
    MARKERS,
    PALETTE,
    empty_figure,
    label_axis,
    legend_columns,
    note,
    plain,
    styled,
)


def _draw_input(axes: Axes, levels: Levels, rows: pd.DataFrame, k: int, n: int) -> None:
    """Draw one index of input number k of n against the levels, beside the others."""
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
    """Plot estimates of the inputs of one output against the levels of a sweep.

    Parameters
    ----------
    table : DataFrame
        As for `plot_sobol`, with one column for each factor and the rows of all cases.
    output : str
        Name of the output.
    factor_columns : sequence of str
        The factors. One factor is the axis; several are joined to one label a case.
    warning : str
        What to say in red on top, such as that failures are not random.
    estimates : Estimates
        What the table holds; Sobol' indices by default.

    Returns
    -------
    Figure
        A panel for each kind of estimate; more than 7 inputs: the 6 largest in colour.
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
    lost = rows_note(table, estimates.counted, "up to ")
    note(figure, name, lost, cut_note(table, limits), warning=warning)
    return figure
