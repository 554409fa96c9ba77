"""What every analysis walks over: each output in each case, with what failures do to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.analyses.failures import failure_notes
from ensnare.archive.results import StudyResults

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """One number of an output in one case.

    Attributes
    ----------
    where : slice
        The samples of the case.
    y : ndarray of float, shape (n,)
        The values, NaN where a sample failed.
    note : str
        What a reader must know of every result: that failures depend on an input.
    keys : dict
        The first columns of a table: output, position, and every factor.
    """

    where: slice
    y: Array
    note: str
    keys: dict[str, Any]

    def row(self, **columns: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a row of a table of results."""
        return {**self.keys, **columns, "note": self.note}


def groups(results: StudyResults, output: str | None = None) -> Iterator[Group]:
    """Yield every output, or one of them, position by position, in every case.

    Parameters
    ----------
    results : StudyResults
        The archive.
    output : str, optional
        The only output wanted.
    """
    factors = list(results.study.factors)
    notes = failure_notes(results)
    for name, y in results.outputs.items():
        if output not in (None, name):
            continue
        for (case, where), note in zip(results.by_case(), notes, strict=True):
            # every table has every factor: one that does not exist in a case is empty there
            levels = {f: case.get(f) for f in factors}
            for position, column in enumerate(y[where].reshape(where.stop - where.start, -1).T):
                keys = {"output": name, "position": position, **levels}
                yield Group(where, column, note, keys)


def independent_rows(results: StudyResults) -> NDArray[np.bool_]:
    """Return which samples are independent and distributed as the inputs, shape (n,).

    A pick-freeze design repeats the values of its blocks A and B in all others.
    """
    block = results.columns.get("block")
    return np.ones(len(results), bool) if block is None else np.asarray(block < 2)


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
