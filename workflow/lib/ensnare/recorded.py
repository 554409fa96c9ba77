"""What the workers of a job have put on record, in memory that they share with their parent."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

from ensnare.journal import Rows, row_type


class Recorded:
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

    def put(self, chosen: NDArray[np.int64], rows: Rows) -> None:
        """Keep rows that were written to the journal and have no message.

        Parameters
        ----------
        chosen : ndarray of int, shape (k,)
            Their places in the batch, in order.
        rows : structured ndarray, shape (k,)
            See `journal.row_type`.
        """
        whole = len(chosen) > 0 and chosen[-1] - chosen[0] == len(chosen) - 1
        at = slice(chosen[0], chosen[-1] + 1) if whole else chosen
        self._rows[at] = rows
        self._there[at] = 1  # after the rows: the worker may die in between

    def all(self) -> Rows | None:
        """Return the rows of all samples in order; None if only the journal has them all."""
        return self._rows if self._there.all() else None
