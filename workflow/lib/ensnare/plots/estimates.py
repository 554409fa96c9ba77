"""Estimates that a table holds of each input: what figures of them have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ensnare.plots.style import axis_label, plain_names

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
