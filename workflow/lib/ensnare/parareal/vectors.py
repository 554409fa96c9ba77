"""Vectors whose arithmetic is deferred: over arrays and slices of HDF5 files.

`a + b - 2 * c` makes a small tree and computes nothing. Only `reduce` reads the slices and
computes, where the numbers are needed: so cheap arithmetic on states is done inside a job, and a
large state is read by the job that needs it and not carried to others.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Vector(ABC):
    """A vector that is not computed yet."""

    @abstractmethod
    def reduce(self) -> Array:
        """Return its numbers, shape (m,); operations are done in the order in which they stand."""

    def __add__(self, other: Vector) -> Vector:
        return _Combined(operator.add, self, other)

    def __sub__(self, other: Vector) -> Vector:
        return _Combined(operator.sub, self, other)

    def __rmul__(self, factor: float) -> Vector:
        return _Scaled(float(factor), self)


@dataclass(frozen=True)
class Held(Vector):
    """A vector in memory, shape (m,)."""

    values: Array

    def reduce(self) -> Array:
        """Return a copy of its numbers."""
        return np.array(self.values, dtype=np.float64)


@dataclass(frozen=True)
class Stored(Vector):
    """A row of a dataset of an HDF5 file, read when it is needed.

    Attributes
    ----------
    path : Path
        The file.
    dataset : str
        The dataset, shape (n, m).
    row : int
        The row; -1 is the last one.
    """

    path: Path
    dataset: str
    row: int

    def reduce(self) -> Array:
        """Read the row, and no other.

        Raises
        ------
        OSError, KeyError
            If it cannot be read.
        """
        import h5py

        with h5py.File(self.path, "r", locking=False) as file:
            found = file[self.dataset]
            row = self.row if self.row >= 0 else len(found) + self.row
            return np.asarray(found[row], dtype=np.float64)


@dataclass(frozen=True)
class _Combined(Vector):
    operation: Callable[[Array, Array], Array]
    left: Vector
    right: Vector

    def reduce(self) -> Array:
        left, right = self.left.reduce(), self.right.reduce()
        if left.shape != right.shape:
            raise ValueError(f"vectors of shapes {left.shape} and {right.shape}; expected the same")
        return self.operation(left, right)


@dataclass(frozen=True)
class _Scaled(Vector):
    factor: float
    vector: Vector

    def reduce(self) -> Array:
        return self.factor * self.vector.reduce()
