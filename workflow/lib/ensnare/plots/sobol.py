"""Figure of the Sobol' indices of one case."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.plots.estimates import INDICES, SOBOL, Estimates, cut_note
from ensnare.plots.rows import MANY, draw_rows, draw_undefined, rows_note
from ensnare.plots.style import (
    MARKERS,
    MUTED,
    PALETTE,
    empty,
    new_figure,
    note,
    plain,
    styled,
)


def _draw_index(axes: Axes, rows: pd.DataFrame, order: Sequence[str], index: str) -> None:
    """Draw one index of every input as a point with its interval."""
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

    Parameters
    ----------
    table : DataFrame
        Columns `input`, `index` (first or total; other rows are not drawn), `value`, `ci_low`,
        `ci_high`, `n_used` and `n_dropped` (base rows). Intervals may be NaN; then none is drawn.
    output : str
        Name of the output.
    title : str
        What else to say on top, such as the case.
    warning : str
        What to say in red on top, such as that failures are not random.
    estimates : Estimates
        Sobol' indices, or those by ranks.

    Returns
    -------
    Figure
        One row an input: in the order of the table, or by total index if more than 8.

    References
    ----------
    Saltelli et al. (2010), Comput. Phys. Commun. 181, 259-270, doi:10.1016/j.cpc.2009.09.018
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
    lost = rows_note(table, estimates.counted)
    note(figure, name, plain(title, 76), lost, cut_note(table, limits), warning=warning)
    return figure
