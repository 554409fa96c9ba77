"""Estimates for each input (Sobol' indices, elementary effects, correlations) in figures.

`Estimates` describes a kind of estimate. The functions draw rankings: one row for each input, its
estimate a point with an interval.
"""

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

MANY = 8  # more inputs than this are sorted, and only the first few have a colour
MAX_ROWS = 60
INDICES = {"first": "first order", "total": "total"}


@dataclass(frozen=True)
class Estimates:
    """A kind of estimate for each input, such as Sobol' indices."""

    heading: str  # of a figure
    kinds: Mapping[str, str]  # values of the column `index` to axis labels; a panel for each
    counted: str  # what `n_used` and `n_dropped` count
    rank_by: str  # the kind that ranks the inputs
    bounded: bool = True  # whether values lie within 0 to 1

    def limits(self, table: pd.DataFrame) -> tuple[float, float]:
        """Return axis limits that contain the values, zero and the intervals."""
        return (index_limits if self.bounded else _all_limits)(table)

    def score(self, table: pd.DataFrame, merge: str | Callable[..., float]) -> pd.Series:
        """Return the value that ranks each input, merged over cases or positions.

        `merge` is an aggregation of pandas, such as `max`. The sign counts only if the estimates
        are bounded.
        """
        by = self.rank_by if (table["index"] == self.rank_by).any() else table["index"].iloc[0]
        rows = table[table["index"] == by]
        size = rows["value"] if self.bounded else rows["value"].abs()
        return size.groupby(rows["input"], sort=False).agg(merge)

    def ranked(self, table: pd.DataFrame, merge: str = "max") -> list[str]:
        """Return the inputs in descending order of their score."""
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
    """Return the kind of estimate of a Morris table, labelled with the unit of the output."""
    kinds = {
        "mu_star": axis_label("\N{GREEK SMALL LETTER MU}*", unit),
        "sigma": axis_label("\N{GREEK SMALL LETTER SIGMA}", unit),
    }
    return Estimates("Elementary effects", kinds, "elementary effects", "mu_star", bounded=False)


def melted(table: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return a table in long format: one row for each kind of estimate.

    The columns `<kind>`, `<kind>_low` and `<kind>_high` become `value`, `ci_low` and `ci_high`, and
    `index` names the kind.
    """
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
    """Return limits that contain all values and intervals, and zero."""
    ends = table[["value", "ci_low", "ci_high"]].to_numpy(dtype=float)
    found = np.append(ends[np.isfinite(ends)], 0.0)
    low, high = float(found.min()), float(found.max())
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def index_limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits that contain all indices and zero.

    Intervals count only within -0.25 to 1.25: an index lies between 0 and 1, and one very wide
    interval would flatten all others.
    """
    values = table["value"].dropna().to_numpy(dtype=float)
    ends = table[["ci_low", "ci_high"]].to_numpy(dtype=float).ravel()
    ends = np.clip(ends[np.isfinite(ends)], -0.25, 1.25)
    everything = np.concatenate([values, ends, [0.0]])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.04 * (high - low) or 0.05
    upper = max(1.02, high + margin) if high > 0.6 else high + margin
    return low - margin, upper


def cut_note(table: pd.DataFrame, limits: tuple[float, float]) -> str:
    """Return how many intervals extend beyond the axis, as text; empty if none does."""
    beyond = (table["ci_low"] < limits[0]) | (table["ci_high"] > limits[1])
    return f"{int(beyond.sum())} intervals reach beyond the axis" if beyond.any() else ""


def short_names(inputs: pd.Series) -> pd.Series:
    """Return the name of the input in each row, shortened for a legend."""
    names = list(inputs.unique())
    return inputs.map(dict(zip(names, plain_names(names, 26), strict=True)))


def rows_height(n_rows: int) -> float:
    """Return the height of that many rows [in]."""
    return (0.19 if n_rows > MANY else 0.34) * max(n_rows, 1)


def cut_rows(order: Sequence[str]) -> tuple[list[str], str]:
    """Return the first 60 rows, and a note if there are more."""
    shown = list(order)[:MAX_ROWS]
    return shown, f"first {MAX_ROWS} of {len(order)} inputs" if len(order) > MAX_ROWS else ""


def draw_rows(axes: Axes, order: Sequence[str], width: int = 36) -> None:
    """Write the names of the rows, the first input on top, and shade every second row."""
    for row in range(1, len(order), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F5F5F5", zorder=0, lw=0)
    axes.set_yticks(range(len(order)), plain_names(order, width))
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def draw_undefined(axes: Axes, rows: pd.DataFrame, order: Sequence[str], at: float = 0.0) -> None:
    """Write `undefined` at x = `at` in each row that has no value."""
    known = set(rows.loc[rows["value"].notna(), "input"])
    for row, name in enumerate(order):
        if name not in known:
            text = " undefined"
            axes.text(at, row, text, va="center", color=MUTED, fontsize="small", style="italic")


def draw_estimates(axes: Axes, rows: pd.DataFrame, filled: FloatArray, size_pt: float = 5) -> None:
    """Draw the estimate in each row as a point with its interval.

    Points are filled where `filled` is 1 and hollow where it is 0.
    """
    at = np.arange(len(rows), dtype=float)
    color, edge = PALETTE[0], 0.26 * size_pt
    axes.hlines(at, rows["ci_low"], rows["ci_high"], color=color, lw=1.2 * edge)
    faces = np.where(np.asarray(filled, dtype=bool), color, "white").tolist()
    axes.scatter(
        rows["value"], at, s=size_pt**2, c=faces, edgecolors=color, linewidths=edge, zorder=3
    )


def rows_note(table: pd.DataFrame, what: str, before: str = "") -> str:
    """Return how many base rows (or samples) failures took away, as text.

    Of several cases or positions the worst one counts.
    """
    worst = table.iloc[int(table["n_dropped"].argmax())]
    n_dropped = int(worst["n_dropped"])
    text = dropped_note(n_dropped, n_dropped + int(worst["n_used"]), what)
    return before + text if text else ""
