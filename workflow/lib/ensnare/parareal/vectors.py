"""Vectors with deferred arithmetic, over arrays in memory and rows of HDF5 files.

`a + b - 2 * c` only builds a small tree of operations. `reduce` reads the rows and computes, in the
process that needs the numbers, so a large state is never sent from one process to another.
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
    """A vector that is computed only by `reduce`."""

    @abstractmethod
    def reduce(self) -> Array:
        """Return the numbers, shape (m,), computed in the order of the operations as written.

        Raises a ValueError if shapes differ, and an OSError or a KeyError if a row cannot be read.
        """

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
        """Return a copy of the numbers."""
        return np.array(self.values, dtype=np.float64)


@dataclass(frozen=True)
class Stored(Vector):
    """A row of a dataset of an HDF5 file, read by `reduce`."""

    path: Path
    dataset: str  # its name; shape (n, m)
    row: int  # -1 is the last one

    def reduce(self) -> Array:
        """Read this row alone; raise an OSError or a KeyError if it cannot be read."""
        import h5py

        with h5py.File(self.path, "r", locking=False) as file:
            data = file[self.dataset]
            row = self.row if self.row >= 0 else len(data) + self.row
            return np.asarray(data[row], dtype=np.float64)


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
