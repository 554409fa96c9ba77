"""The outputs of a study in groups: each number of an output in each case is analysed by itself."""

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
    """One number of an output in one case of n samples."""

    where: slice  # the rows of the case in the archive
    y: Array  # shape (n,); NaN where a sample has no result
    note: str  # a warning for every result, if failures depend on an input; otherwise empty
    keys: dict[str, Any]  # the first columns of a table: output, position, and every factor

    def row(self, **columns: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a row of a table of results: the keys, the given columns, and the note."""
        return {**self.keys, **columns, "note": self.note}


def groups(results: StudyResults, output: str | None = None) -> Iterator[Group]:
    """Yield each position of each output, or only of the one that is named, in each case."""
    factors = list(results.study.factors)
    notes = failure_notes(results)
    for name, y in results.outputs.items():
        if output not in (None, name):
            continue
        for (case, where), note in zip(results.by_case(), notes, strict=True):
            # tables have a column for every factor, empty where a case does not have the factor
            levels = {f: case.get(f) for f in factors}
            for position, column in enumerate(y[where].reshape(where.stop - where.start, -1).T):
                keys = {"output": name, "position": position, **levels}
                yield Group(where, column, note, keys)


def independent_rows(results: StudyResults) -> NDArray[np.bool_]:
    """Return which samples are independent of each other, shape (n,).

    In a pick-freeze design only those of the blocks A and B are, since all other blocks repeat
    their values.
    """
    block = results.columns.get("block")
    return np.ones(len(results), bool) if block is None else np.asarray(block < 2)


def pick_freeze_table(
    y: NDArray[np.float64], block: NDArray[Any], group: NDArray[Any]
) -> NDArray[np.float64]:
    """Return outputs, shape (n,), by base row and block, shape (n_groups, n_blocks).

    `block` and `group`, shape (n,), give the block and the base row of each sample. Entries
    without a sample are NaN.
    """
    table = np.full((int(group.max()) + 1, int(block.max()) + 1), np.nan)
    table[group, block] = y
    return table
