"""Numbers and tables of the report as text, with as many digits as are significant."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real

import numpy as np
import pandas as pd

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MORRIS_NAMES = {"mu_star": "mu*", "mu": "mu", "sigma": "sigma"}
MORRIS = [name + end for name in MORRIS_NAMES for end in ("", "_low", "_high")]
# columns of tables that do not distinguish outputs or cases
ESTIMATES = ("value", "ci_low", "ci_high", *MORRIS)
COUNTS = ("n_used", "n_dropped", "note")
INDEX_NAMES = {"first": "first order", "total": "total", "second": "second order"}
COEFFICIENT_NAMES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "src": "SRC",
    "srrc": "SRRC",
    "pcc": "PCC",
    "prcc": "PRCC",
}
Cell = list[tuple[float, float, float]]  # value, low, high; several for an array output
MAX_PAIRS = 15  # second-order indices that are shown for an output in a case


def format_value(value: object) -> str:
    """Return a number with 4 significant digits, a dash for none, any other value as text."""
    if value is None or value is pd.NA or value is pd.NaT:
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return NONE
        lead, _, power = f"{number:.4g}".partition("e")
        short = f"{lead}e{int(power)}" if power else lead
        return f"{number:.0f}" if 1e4 <= abs(number) < 1e5 else short
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def format_range(limits: tuple[float | None, float | None] | None) -> str:
    """Return `[a, b]`, open at an end that is None."""
    if limits is None:
        return ""
    low, high = limits
    left = f"({MINUS}∞" if low is None else f"[{format_value(low)}"
    right = "∞)" if high is None else f"{format_value(high)}]"
    return f"{left}, {right}"


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit in which it is at least 2 (seconds: at least 1)."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * length or (unit == "s" and seconds >= 1):
            return f"{seconds / length:.3g} {unit}"
    return f"{1000 * seconds:.3g} ms" if seconds > 0 else "0 s"


def format_index(value: float, low: float, high: float) -> str:
    """Return `value [low, high]` of a dimensionless index.

    The number of decimals shows two digits of the half width of the interval.
    """
    if not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{value:.3f}"
    half = (high - low) / 2
    decimals = min(4, max(2, 1 - math.floor(math.log10(half)))) if half > 0 else 4
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def format_estimate(value: float, low: float, high: float) -> str:
    """Return `value [low, high]` of a quantity with a unit, with 4 digits each."""
    if not math.isfinite(value):
        return "undefined"
    interval = f" {format_range((low, high))}" if math.isfinite(low + high) else ""
    return format_value(value) + interval


def is_array(table: pd.DataFrame) -> pd.Series:
    """Return for each row whether its output is an array: whether it has several positions."""
    if "position" not in table:
        return pd.Series(data=False, index=table.index)
    if "output" not in table:
        return pd.Series(data=table["position"].nunique() > 1, index=table.index)
    return table.groupby("output", sort=False)["position"].transform("nunique") > 1


def views(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return how to show a table: single numbers with intervals, then arrays as ranges."""
    array = is_array(table)
    if "value" not in table or not array.any():
        return [interval_view(table)]
    numbers = [interval_view(table[~array])] if not array.all() else []
    return [*numbers, range_view(table[array])]


def interval_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with `[low, high]` as `interval` instead of `ci_low` and `ci_high`.

    `position` is left out if it is 0 throughout, since all outputs are single numbers then.
    """
    only_numbers = "position" in table and bool((table["position"] == 0).all())
    shown = table.drop(columns="position") if only_numbers else table
    if not {"ci_low", "ci_high"} <= set(shown.columns):
        return shown
    ends = zip(shown["ci_low"], shown["ci_high"], strict=True)
    text = [NONE if pd.isna(a) or pd.isna(b) else format_range((a, b)) for a, b in ends]
    place = shown.columns.get_loc("ci_low")
    shown = shown.drop(columns=["ci_low", "ci_high"])
    shown.insert(int(place), "interval", text)  # type: ignore[arg-type]
    return shown


def _key(table: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Return a text for each row, equal where the columns are equal, including NaN."""
    if not columns:
        return pd.Series("", index=table.index)
    rows = table[columns].itertuples(index=False, name=None)
    return pd.Series([repr(row) for row in rows], index=table.index)


def range_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return the range of `value` over the positions of array outputs, in one row for each.

    Rows that agree in all other columns (output, factors, statistic) are one row, with the number
    of `positions`, the `smallest` and `largest` value, the smallest `n_used` and the largest
    `n_dropped`.
    """
    keys = [c for c in table.columns if c not in (*ESTIMATES, *COUNTS, "position")]
    key = _key(table, keys)
    groups = table.groupby(key, sort=False)
    view = table.loc[~key.duplicated(), keys].reset_index(drop=True)
    columns = {"positions": groups["position"].nunique()}
    columns |= {"smallest": groups["value"].min(), "largest": groups["value"].max()}
    if "n_used" in table:
        columns["n_used"] = groups["n_used"].min()
    if "n_dropped" in table:
        columns["n_dropped"] = groups["n_dropped"].max()
    return view.assign(**{name: found.to_numpy() for name, found in columns.items()})


def _case_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that distinguish outputs and cases."""
    others = (*ESTIMATES, *COUNTS, "position", "input", "index", "coefficient")
    return [c for c in table.columns if c not in others]


def _cell_text(cell: Cell, write: Callable[[float, float, float], str]) -> str:
    """Return an estimate with its interval, or the range of those of an array output."""
    if len(cell) == 1:
        return write(*cell[0])
    known = [value for value, _, _ in cell if math.isfinite(value)]
    if not known:
        return "undefined"
    low, high = (write(v, math.nan, math.nan) for v in (min(known), max(known)))
    return f"{low} … {high}"


def _pivot(
    table: pd.DataFrame, by: str, names: Mapping[str, str], write: Callable[..., str] | None = None
) -> pd.DataFrame:
    """Return a table of text, one row for each input and one column for each value of `by`."""
    keys = [*_case_columns(table), "input"]
    rows: dict[str, tuple[list[str], dict[str, Cell]]] = {}
    columns = [*keys, by, "value", "ci_low", "ci_high"]
    for *key, kind, value, low, high in table[columns].itertuples(index=False, name=None):
        _, row = rows.setdefault(repr(key), ([format_value(k) for k in key], {}))
        row.setdefault(str(kind), []).append((float(value), float(low), float(high)))
    kinds = [str(kind) for kind in table[by].unique()]
    kinds.sort(key=lambda kind: list(names).index(kind) if kind in names else len(names))
    shown = []
    for key, row in rows.values():
        cells = [_cell_text(row[k], write or format_index) if k in row else NONE for k in kinds]
        shown.append([*key, *cells, str(max(map(len, row.values())))])
    view = pd.DataFrame(shown, columns=[*keys, *(names.get(k, k) for k in kinds), "positions"])
    return view if is_array(table).any() else view.drop(columns="positions")


def sobol_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return Sobol' indices as text, one row for each input and one column for each index.

    An index of an array output is `smallest … largest`, with the number of `positions`.
    """
    return _pivot(table, "index", INDEX_NAMES)


def second_order_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return the largest second-order indices of each output in each case, as text."""
    parts = []
    for _, rows in table.groupby(_key(table, _case_columns(table)), sort=False):
        size = rows.groupby("input", sort=False)["value"].max()
        ranked = size.sort_values(ascending=False, kind="stable").index[:MAX_PAIRS]
        parts += [rows[rows["input"] == pair] for pair in ranked]
    return _pivot(pd.concat(parts), "index", INDEX_NAMES).rename(columns={"input": "inputs"})


def correlation_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return correlations as text, one row for each input and one column for each coefficient."""
    return _pivot(table, "coefficient", COEFFICIENT_NAMES)


def morris_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return elementary effects as text, one row for each input: mu*, mu and sigma.

    Intervals are shown where the table has their ends (`mu_star_low`, `mu_star_high`, ...).
    """
    keys = [c for c in table.columns if c not in (*ESTIMATES, *COUNTS)]
    parts = []
    for kind in MORRIS_NAMES:
        ends = [table.get(f"{kind}_{end}", np.nan) for end in ("low", "high")]
        part = table[keys].assign(index=kind, value=table[kind], ci_low=ends[0], ci_high=ends[1])
        parts.append(part)
    return _pivot(pd.concat(parts), "index", MORRIS_NAMES, format_estimate)


def dropped_notes(table: pd.DataFrame, what: str) -> list[str]:
    """Return a line for each case that lost base rows (or samples) to failures.

    Outputs that lost the same number in the same case share a line.
    """
    keys = _case_columns(table)
    factors = [k for k in keys if k != "output"]
    outputs: dict[tuple[str, str], list[str]] = {}
    for _, rows in table.groupby(_key(table, keys), sort=False):
        worst = rows.iloc[int(rows["n_dropped"].argmax())]
        n_dropped, n_used = int(worst["n_dropped"]), int(worst["n_used"])
        if not n_dropped:
            continue
        before = "up to " if rows["n_dropped"].nunique() > 1 else ""
        text = f"{before}{n_dropped} of {n_dropped + n_used} {what} dropped"
        case = ", ".join(f"{k} = {format_value(worst[k])}" for k in factors)
        named = outputs.setdefault((case, text), [])
        if "output" in keys:
            named.append(format_value(worst["output"]))
    return [
        f"{where}: {text}" if (where := ", ".join(filter(None, [*names, case]))) else text
        for (case, text), names in outputs.items()
    ]
