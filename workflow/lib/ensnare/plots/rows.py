"""Rankings: a row an input, its estimate a point with an interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ensnare.plots.style import MUTED, PALETTE, FloatArray, dropped_note, plain_names

MANY = 8  # more inputs than this are sorted, and only the first few get a colour
MAX_ROWS = 60


def rows_height(n_rows: int) -> float:
    """Return the height that so many rows take [in]."""
    return (0.19 if n_rows > MANY else 0.34) * max(n_rows, 1)


def cut_rows(order: Sequence[str]) -> tuple[list[str], str]:
    """Return the rows to draw, the first 60, and a note that says so when there are more."""
    shown = list(order)[:MAX_ROWS]
    return shown, f"first {MAX_ROWS} of {len(order)} inputs" if len(order) > MAX_ROWS else ""


def draw_rows(axes: Axes, order: Sequence[str], width: int = 36) -> None:
    """Name the rows, first input on top, and shade every second one."""
    for row in range(1, len(order), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F5F5F5", zorder=0, lw=0)
    axes.set_yticks(range(len(order)), plain_names(order, width))
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def draw_undefined(axes: Axes, rows: pd.DataFrame, order: Sequence[str], at: float = 0.0) -> None:
    """Write `undefined` at a place of the x axis in the rows that have no value."""
    known = set(rows.loc[rows["value"].notna(), "input"])
    for row, name in enumerate(order):
        if name not in known:
            text = " undefined"
            axes.text(at, row, text, va="center", color=MUTED, fontsize="small", style="italic")


def draw_estimates(axes: Axes, rows: pd.DataFrame, filled: FloatArray, size_pt: float = 5) -> None:
    """Draw row by row `value` as a point, full or hollow, in `ci_low` to `ci_high`."""
    at = np.arange(len(rows), dtype=float)
    color, edge = PALETTE[0], 0.26 * size_pt
    axes.hlines(at, rows["ci_low"], rows["ci_high"], color=color, lw=1.2 * edge)
    faces = np.where(np.asarray(filled, dtype=bool), color, "white").tolist()
    axes.scatter(
        rows["value"], at, s=size_pt**2, c=faces, edgecolors=color, linewidths=edge, zorder=3
    )


def rows_note(table: pd.DataFrame, what: str, before: str = "") -> str:
    """Return what the table says on base rows (or samples) that failures took away."""
    worst = table.iloc[int(table["n_dropped"].argmax())]
    n_dropped = int(worst["n_dropped"])
    text = dropped_note(n_dropped, n_dropped + int(worst["n_used"]), what)
    return before + text if text else ""
