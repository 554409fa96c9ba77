"""Rows of a journal in memory that the workers of a job share with their parent process.

When a Python function is called with arrays, a batch has 65,536 rows or more. The parent writes the
batch file from these rows, which is faster than reading the journal back.
"""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

from ensnare.store.journal import Rows, row_type


class SharedRows:
    """The rows of the samples of a batch, and which of them are in its journal."""

    def __init__(self, samples: int, outputs: int) -> None:
        dtype = row_type(outputs)
        memory = mmap.mmap(-1, max(1, samples * (dtype.itemsize + 1)))
        self._rows = np.frombuffer(memory, dtype, samples)
        self._journaled = np.frombuffer(memory, np.uint8, samples, samples * dtype.itemsize)

    def rows_for(self, chosen: NDArray[np.int64]) -> Rows:
        """Return uninitialised rows, shape (k,), for the samples at these ascending positions.

        Of consecutive samples the rows are the shared ones; of others a new array, with which
        `complete_rows` has nothing to return.
        """
        at = _consecutive(chosen)
        return np.empty(len(chosen), self._rows.dtype) if at is None else self._rows[at]

    def mark_journaled(self, chosen: NDArray[np.int64]) -> None:
        """Note that the shared rows of these samples are in the journal too, without messages."""
        if (at := _consecutive(chosen)) is not None:
            self._journaled[at] = 1

    def complete_rows(self) -> Rows | None:
        """Return the rows of all samples in order; None if some are only in the journal."""
        return self._rows if self._journaled.all() else None


def _consecutive(chosen: NDArray[np.int64]) -> slice | None:
    """Return consecutive positions as a slice; None if they are not, or if there are none."""
    if not len(chosen) or chosen[-1] - chosen[0] != len(chosen) - 1:
        return None
    return slice(int(chosen[0]), int(chosen[-1]) + 1)
