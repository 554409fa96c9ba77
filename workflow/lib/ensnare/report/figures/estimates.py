"""Estimates that a table holds of each input: what figures of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ensnare.report.figures.style import (
    MUTED,
    PALETTE,
    FloatArray,
    axis_label,
    dropped_note,
    plain_names,
)

INDICES = {"first": "first order", "total": "total"}


@dataclass(frozen=True)
class Estimates:
    """A kind of estimates of each input.

    Attributes
    ----------
    heading : str
        What they are, for the head of a figure.
    kinds : mapping of str to str
        Kind of estimate, as in the column `index`, to its axis label; a panel each.
    counted : str
        What `n_used` and `n_dropped` count.
    rank_by : str
        The kind whose size decides which inputs come first.
    bounded : bool
        Whether 0 to 1 is what matters: intervals that go far beyond are cut. Otherwise the sign
        does not count when inputs are ranked.
    """

    heading: str
    kinds: Mapping[str, str]
    counted: str
    rank_by: str
    bounded: bool = True

    def limits(self, table: pd.DataFrame) -> tuple[float, float]:
        """Return limits that hold the values, zero and the intervals."""
        return (index_limits if self.bounded else _all_limits)(table)

    def score(self, table: pd.DataFrame, merge: str | Callable[..., float]) -> pd.Series:
        """Return the size of the estimate of each input, merged over cases or positions."""
        by = self.rank_by if (table["index"] == self.rank_by).any() else table["index"].iloc[0]
        rows = table[table["index"] == by]
        size = rows["value"] if self.bounded else rows["value"].abs()
        return size.groupby(rows["input"], sort=False).agg(merge)

    def ranked(self, table: pd.DataFrame, merge: str = "max") -> list[str]:
        """Return the inputs by falling size of the estimate that ranks them."""
        score = self.score(table, merge).reindex(table["input"].drop_duplicates())
        return [str(n) for n in score.sort_values(ascending=False, kind="stable").index]


SOBOL = Estimates(
    "Sobol' indices", {k: f"{v} index [-]" for k, v in INDICES.items()}, "base rows", "total"
)
RANK_SOBOL = Estimates(
    "First-order Sobol' indices by ranks", {"first": "first order index [-]"}, "samples", "first"
)
SECOND = Estimates(
    "Second-order Sobol' indices", {"second": "second order index [-]"}, "base rows", "second"
)
CORRELATIONS = Estimates(
    "Correlations",
    {"pearson": "Pearson [-]", "spearman": "Spearman [-]", "prcc": "PRCC [-]"},
    "samples",
    "spearman",
    bounded=False,
)


def morris_estimates(unit: str) -> Estimates:
    """Return what a Morris table holds, in the unit of the output."""
    kinds = {
        "mu_star": axis_label("\N{GREEK SMALL LETTER MU}*", unit),
        "sigma": axis_label("\N{GREEK SMALL LETTER SIGMA}", unit),
    }
    return Estimates("Elementary effects", kinds, "elementary effects", "mu_star", bounded=False)


def melted(table: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with a column and interval per kind as one with the rows of each kind."""
    parts = [
        table.assign(
            index=kind,
            value=table[kind],
            ci_low=table[f"{kind}_low"],
            ci_high=table[f"{kind}_high"],
        )
        for kind in kinds
    ]
    return pd.concat(parts, ignore_index=True)


def _all_limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits that hold every value, interval and zero."""
    ends = table[["value", "ci_low", "ci_high"]].to_numpy(dtype=float)
    found = np.append(ends[np.isfinite(ends)], 0.0)
    low, high = float(found.min()), float(found.max())
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def index_limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits that hold every value and zero, and intervals unless they are absurd."""
    values = table["value"].dropna().to_numpy(dtype=float)
    ends = table[["ci_low", "ci_high"]].to_numpy(dtype=float).ravel()
    ends = np.clip(ends[np.isfinite(ends)], -0.25, 1.25)
    everything = np.concatenate([values, ends, [0.0]])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.04 * (high - low) or 0.05
    upper = max(1.02, high + margin) if high > 0.6 else high + margin
    return low - margin, upper


def cut_note(table: pd.DataFrame, limits: tuple[float, float]) -> str:
    """Return how many intervals are longer than the axis."""
    beyond = (table["ci_low"] < limits[0]) | (table["ci_high"] > limits[1])
    return f"{int(beyond.sum())} intervals reach beyond the axis" if beyond.any() else ""


def short_names(inputs: pd.Series) -> pd.Series:
    """Return the name of the input of each row, short enough for a legend."""
    names = list(inputs.unique())
    return inputs.map(dict(zip(names, plain_names(names, 26), strict=True)))


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
