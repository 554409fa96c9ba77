"""Figure of a design that doubles until its results are accurate enough."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.report.figures.style import (
    DASHES,
    FAILED,
    MARKERS,
    PALETTE,
    empty,
    label_axis,
    legend_columns,
    new_figure,
    note,
    number,
    plain,
    plain_names,
    styled,
)


@styled
def plot_rounds(
    table: pd.DataFrame, *, width: float, budget: int, title: str = "", warning: str = ""
) -> Figure:
    """Plot the widest confidence interval of each output against the number of samples.

    `table` has the columns `round`, `samples`, `output`, `width` (NaN where no interval is defined)
    and `note` (empty where all intervals are defined). `width` is the target and `budget` the
    largest number of samples; `title` says why the rounds ended. Both axes are logarithmic; a width
    of 0 is drawn at the lower edge.
    """
    figure, axes = new_figure(6.4, 3.6)
    known = table[table["width"].notna()]
    if known.empty:
        empty(axes, "no interval is defined")
        note(figure, plain(title, 160), warning=warning)
        return figure
    axes.set(xscale="log", yscale="log")
    _draw_outputs(axes, known, width)
    axes.axhline(width, color=FAILED, lw=1, ls="--", label=f"to be reached: {number(width, 3)}")
    last = int(table["samples"].max())
    if 4 * last >= budget:  # a budget farther away would compress the curves
        axes.axvline(budget, color=FAILED, lw=1, ls=":", label=f"budget: {number(budget)}")
    label_axis(axes, "x", "samples", n_ticks=8)
    label_axis(axes, "y", "widest interval of a total index [-]", n_ticks=8)
    texts = [str(handle.get_label()) for handle in axes.get_legend_handles_labels()[0]]
    columns = legend_columns(figure, texts, 4)
    figure.legend(loc="outside lower center", fontsize="small", ncols=columns)
    undefined = table["round"][table["note"].fillna("").astype(bool)]
    numbers = ", ".join(map(str, dict.fromkeys(undefined)))
    gaps = f"intervals that are not defined in round {numbers}" if numbers else ""
    note(figure, plain(title, 160), gaps, warning=warning)
    return figure


def _draw_outputs(axes: Axes, known: pd.DataFrame, width: float) -> None:
    """Draw a line for each output; a width of 0 lies at the lower edge."""
    positive = known["width"][known["width"] > 0]
    lowest = min(float(positive.min()) if len(positive) else width, width) / 2
    outputs = list(dict.fromkeys(known["output"]))
    for k, (output, label) in enumerate(zip(outputs, plain_names(outputs), strict=True)):
        rows = known[known["output"] == output]
        axes.plot(
            rows["samples"],
            np.maximum(rows["width"], lowest),
            marker=MARKERS[k % len(MARKERS)],
            color=PALETTE[k % len(PALETTE)],
            ls=DASHES[k // len(PALETTE) % len(DASHES)],
            label=label,
        )
