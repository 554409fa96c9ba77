"""Numbers and tables as the report shows them: text, with the digits that mean something."""

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import pandas as pd

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SOBOL_COLUMNS = ("input", "index", "value", "ci_low", "ci_high", "n_used", "n_dropped")
SOBOL_NAMES = {"first": "first order", "total": "total"}


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
    """Return a time in the largest unit that keeps it above 1."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * length or (unit == "s" and seconds >= 1):
            return f"{seconds / length:.3g} {unit}"
    return f"{1000 * seconds:.3g} ms" if seconds > 0 else "0 s"


def format_index(value: float, low: float, high: float) -> str:
    """Return `value [low, high]` with as many decimals as two digits of the half width need."""
    if not math.isfinite(value):
        return "undefined"
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{value:.3f}"
    half = (high - low) / 2
    decimals = min(4, max(2, 1 - math.floor(math.log10(half)))) if half > 0 else 4
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def interval_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with `interval` as `[low, high]` for `ci_low` and `ci_high`.

    A `position` that is 0 throughout says nothing (all outputs are numbers) and is left out.
    """
    shown = table.drop(columns="position") if _is_idle(table) else table
    if not {"ci_low", "ci_high"} <= set(shown.columns):
        return shown
    ends = zip(shown["ci_low"], shown["ci_high"], strict=True)
    text = [NONE if pd.isna(a) or pd.isna(b) else format_range((a, b)) for a, b in ends]
    place = shown.columns.get_loc("ci_low")
    shown = shown.drop(columns=["ci_low", "ci_high"])
    shown.insert(int(place), "interval", text)  # type: ignore[arg-type]
    return shown


def _is_idle(table: pd.DataFrame) -> bool:
    return "position" in table and bool((table["position"] == 0).all())


def _case_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of Sobol' indices that tell outputs and cases apart."""
    idle = ("position",) if _is_idle(table) else ()
    return [c for c in table.columns if c not in (*SOBOL_COLUMNS, *idle)]


def sobol_view(table: pd.DataFrame) -> pd.DataFrame:
    """Return Sobol' indices with one row an input and one column an index, as text.

    Parameters
    ----------
    table : DataFrame
        Columns `input`, `index`, `value`, `ci_low`, `ci_high`, and any others (output, factors)
        that tell cases apart.

    Returns
    -------
    DataFrame
        The other columns, `input`, and `first order` and `total` as `value [low, high]`.
    """
    keys = [*_case_columns(table), "input"]
    # Keyed by repr: a factor that does not apply is NaN, which never equals itself.
    cells: dict[str, tuple[list[str], dict[str, str]]] = {}
    columns = [*keys, "index", "value", "ci_low", "ci_high"]
    for *key, index, value, low, high in table[columns].itertuples(index=False, name=None):
        text = format_index(float(value), float(low), float(high))
        _, row = cells.setdefault(repr(key), ([format_value(k) for k in key], {}))
        row[SOBOL_NAMES.get(index, index)] = text
    found = [SOBOL_NAMES.get(str(i), str(i)) for i in table["index"].unique()]
    rows = [[*key, *(row.get(name, NONE) for name in found)] for key, row in cells.values()]
    return pd.DataFrame(rows, columns=[*keys, *found])


def sobol_notes(table: pd.DataFrame) -> list[str]:
    """Return a line for each output and case that lost base rows to failed samples."""
    keys = _case_columns(table)
    lost = table[table["n_dropped"] > 0]
    rows = lost[[*keys, "n_dropped", "n_used"]].drop_duplicates(keys)
    notes = []
    for *key, n_dropped, n_used in rows.itertuples(index=False, name=None):
        where = ", ".join(
            format_value(v) if k == "output" else f"{k} = {format_value(v)}"
            for k, v in zip(keys, key, strict=True)
        )
        text = f"{int(n_dropped)} of {int(n_dropped) + int(n_used)} base rows dropped"
        notes.append(f"{where}: {text}" if where else text)
    return notes
