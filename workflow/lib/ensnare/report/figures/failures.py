"""Figure of the test whether failures depend on an input."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.estimates import (
    MAX_ROWS,
    cut_rows,
    draw_rows,
    draw_undefined,
    rows_height,
)
from ensnare.report.figures.style import (
    FAILED,
    MUTED,
    PALETTE,
    empty,
    label_axis,
    new_figure,
    note,
    number,
    plain,
    styled,
)

SMALLEST_P = 1e-16  # a smaller p-value is rounding error


def _draw_p_values(axes: Axes, rows: pd.DataFrame, limit: float) -> None:
    """Draw p-values on a log axis that decreases to the right, in red below the limit."""
    p = np.clip(rows["value"].to_numpy(dtype=float), SMALLEST_P, 1.0)
    at = np.arange(len(rows))
    lowest = min(float(np.nanmin(p, initial=1.0)), limit)
    axes.set(xscale="log", xlim=(1.6, lowest / 3))
    for chosen, color, marker in ((p >= limit, PALETTE[0], "o"), (p < limit, FAILED, "s")):
        axes.hlines(at[chosen], 1, p[chosen], color=color, lw=1.2)
        axes.plot(p[chosen], at[chosen], ls="none", marker=marker, color=color)
    axes.axvline(1, color=MUTED, lw=0.8)
    axes.axvline(limit, color=FAILED, lw=1, ls="--", label=f"p = {number(limit, 2)}")
    axes.invert_xaxis()
    label_axis(axes, "x", "p-value of random failures, adjusted for all inputs [-]", n_ticks=8)
    axes.invert_xaxis()


def _write_statistics(axes: Axes, rows: pd.DataFrame) -> None:
    """Write the test statistic to the right of each row."""
    right = axes.twinx()
    right.set_ylim(axes.get_ylim())
    right.grid(visible=False)
    known = rows["statistic"].to_numpy(dtype=float)
    texts = [number(v, 3) if np.isfinite(v) else "" for v in known]
    right.set_yticks(range(len(rows)), texts, fontsize="small")
    right.tick_params(length=0, labelcolor=MUTED)


@styled
def plot_failures(
    table: pd.DataFrame, *, limit: float = 0.05, title: str = "", warning: str = ""
) -> Figure:
    """Plot the p-value of each input in the test whether failures depend on it.

    `table` has the columns `input`, `p_value`, adjusted for the number of inputs, and `statistic`,
    the largest difference of the distribution functions of failed and other samples, as
    `ensnare.analyses.estimators.failures.failure_dependence` returns them. Inputs are in ascending
    order of p-value; those below `limit` are red squares.
    """
    known = table[table["p_value"].notna()]
    if known.empty:
        figure, axes = new_figure(6.4, 1.6)
        empty(axes, "no test: no sample failed, or all did, or no input varies")
        note(figure, plain(title, 76), warning=warning)
        return figure
    figure, axes = new_figure(6.4, 1.6 + rows_height(min(len(table), MAX_ROWS)))
    rows = table.rename(columns={"p_value": "value"}).assign(input=table["input"].astype(str))
    rows = rows.sort_values("value", kind="stable")
    order, cut = cut_rows(rows["input"].tolist())
    rows = rows.iloc[: len(order)]
    draw_rows(axes, order)
    _draw_p_values(axes, rows, limit)
    draw_undefined(axes, rows, order, at=1.0)
    _write_statistics(axes, rows)
    figure.legend(loc="outside lower center", fontsize="small")
    n_beyond = int((known["p_value"] < limit).sum())
    found = f"failures depend on {n_beyond} of {len(known)} inputs" if n_beyond else ""
    right = "at the right: largest difference of distributions [-]"
    tiny = "p < 10⁻¹⁶ is drawn as 10⁻¹⁶" if (known["p_value"] < SMALLEST_P).any() else ""
    note(figure, plain(title, 76), found, right, tiny, cut, warning=warning)
    return figure
