"""Tables of results: statistics and Sobol' indices of every output in every case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.paths import write_whole
from ensnare.results import StudyResults
from ensnare.sensitivity import sobol_indices
from ensnare.statistics import summarise


def statistics_table(results: StudyResults, confidence: float) -> pd.DataFrame:
    """Return the statistics of every output in every case.

    Parameters
    ----------
    results : StudyResults
        The archive.
    confidence : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        output, position, one column per factor, statistic, value, ci_low, ci_high, n_used,
        n_dropped. Of a pick-freeze design only the blocks A and B count: the others repeat
        their values.
    """
    independent = results.columns["block"] < 2 if "block" in results.columns else None
    rows = []
    for name, position, case, where, y in _groups(results):
        values = y if independent is None else y[independent[where]]
        found, used, dropped = summarise(values, confidence=confidence)
        rows += [
            {"output": name, "position": position, **case, "statistic": item.name,
             "value": item.value, "ci_low": item.low, "ci_high": item.high,
             "n_used": used, "n_dropped": dropped}
            for item in found
        ]  # fmt: skip
    return pd.DataFrame(rows)


def sobol_table(results: StudyResults, estimator: str, confidence: float) -> pd.DataFrame:
    """Return the Sobol' indices of every output in every case.

    Parameters
    ----------
    results : StudyResults
        The archive of a pick-freeze design.
    estimator : str
        Name of the estimator.
    confidence : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        output, position, one column per factor, input, index, value, ci_low, ci_high, n_used,
        n_dropped; the last two count base rows.
    """
    names = list(results.inputs)
    rows = []
    for name, position, case, where, y in _groups(results):
        table = pick_freeze_table(
            y, results.columns["block"][where], results.columns["group"][where]
        )
        found = sobol_indices(table, estimator=estimator, confidence=confidence)
        for kind in ("first", "total"):
            values, low, high = (getattr(found, kind + part) for part in ("", "_low", "_high"))
            for i, input_name in enumerate(names):
                rows.append(
                    {"output": name, "position": position, **case, "input": input_name,
                     "index": kind, "value": values[i], "ci_low": low[i], "ci_high": high[i],
                     "n_used": found.n_used, "n_dropped": found.n_dropped}
                )  # fmt: skip
    return pd.DataFrame(rows)


def pick_freeze_table(
    y: NDArray[np.float64], block: NDArray[Any], group: NDArray[Any]
) -> NDArray[np.float64]:
    """Arrange outputs by base row and block.

    Parameters
    ----------
    y : ndarray of float, shape (n,)
        Outputs.
    block, group : ndarray of int, shape (n,)
        Block and base row of each.

    Returns
    -------
    ndarray of float, shape (n_groups, n_blocks)
        NaN where a sample is missing.
    """
    table = np.full((int(group.max()) + 1, int(block.max()) + 1), np.nan)
    table[group, block] = y
    return table


def _groups(
    results: StudyResults,
) -> Iterator[tuple[str, int, dict[str, Any], slice, NDArray[np.float64]]]:
    """Yield output name, position in an array output, case, its place and its values."""
    factors = list(results.study.factors)
    for name, y in results.outputs.items():
        for case, where in results.by_case():
            # every table has every factor: one that does not exist in a case is empty there
            levels = {f: case.get(f) for f in factors}
            for position, column in enumerate(y[where].reshape(where.stop - where.start, -1).T):
                yield name, position, levels, where, column


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, with all digits."""
    write_whole(path, lambda part: table.to_csv(part, index=False, lineterminator="\n"))
