"""What the workers of a job have put on record, in memory that they share with their parent."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

from ensnare.store.journal import Rows, row_type


class SharedRows:
    """The rows of samples that are in the journal of a batch, to be had without reading it.

    Parameters
    ----------
    samples : int
        Number of samples of the batch.
    outputs : int
        Number of outputs of a sample.
    """

    def __init__(self, samples: int, outputs: int) -> None:
        dtype = row_type(outputs)
        memory = mmap.mmap(-1, max(1, samples * (dtype.itemsize + 1)))
        self._rows = np.frombuffer(memory, dtype, samples)
        self._there = np.frombuffer(memory, np.uint8, samples, samples * dtype.itemsize)

    def rows_for(self, chosen: NDArray[np.int64]) -> Rows:
        """Return rows to be filled for some samples, which may hold anything.

        Parameters
        ----------
        chosen : ndarray of int, shape (k,)
            Their places in the batch, in order.

        Returns
        -------
        structured ndarray, shape (k,)
            Of consecutive samples, those that `all` returns once they are noted; see
            `journal.row_type`.
        """
        at = _consecutive(chosen)
        return np.empty(len(chosen), self._rows.dtype) if at is None else self._rows[at]

    def mark_journaled(self, chosen: NDArray[np.int64]) -> None:
        """Note that the rows of samples are in the journal as they are here, without a message."""
        if (at := _consecutive(chosen)) is not None:
            self._there[at] = 1

    def complete_rows(self) -> Rows | None:
        """Return the rows of all samples in order; None if only the journal has them all."""
        return self._rows if self._there.all() else None


def _consecutive(chosen: NDArray[np.int64]) -> slice | None:
    """Return samples that follow each other as a slice; None if they do not."""
    if not len(chosen) or chosen[-1] - chosen[0] != len(chosen) - 1:
        return None
    return slice(int(chosen[0]), int(chosen[-1]) + 1)
