"""Random numbers that depend on a seed, a step and a particle, and on nothing else.

Each step has a Philox generator of its own, and each particle a place of its own in its counter:
which process draws the numbers of a particle, and how many others it draws, does not matter.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_WORDS = 4  # numbers of one count of Philox-4x64


class Streams:
    """The random numbers of one run.

    Parameters
    ----------
    seed : int
        Seed; 0 is one.

    References
    ----------
    Salmon, Moraes, Dror, Shaw (2011), SC '11, 16, doi:10.1145/2063384.2063405
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**64
        self._steps = itertools.count()

    def next_step(self) -> int:
        """Return the number of a step that has not been drawn from."""
        return next(self._steps)

    def uniforms(self, step: int, first: int, count: int, numbers: int) -> Array:
        """Return the uniforms of particles in [0, 1).

        Parameters
        ----------
        step : int
            The step.
        first, count : int
            The particles are `first` to `first + count`, the last one excluded.
        numbers : int
            How many each of them takes.

        Returns
        -------
        ndarray of float, shape (numbers, count)
        """
        words = -(-numbers // _WORDS)
        rows = self._generator(step, first * words, 0).random((count, words * _WORDS))
        return np.ascontiguousarray(rows[:, :numbers].T)

    def shared(self, step: int, numbers: int) -> Array:
        """Return uniforms of a step that belong to no particle, shape (numbers,)."""
        return self._generator(step, 0, 1).random(numbers)

    def permutation(self, step: int, size: int) -> NDArray[np.int64]:
        """Return a random order of 0 .. size - 1, shape (size,)."""
        return np.argsort(self.shared(step, size), kind="stable")

    def _generator(self, step: int, place: int, lane: int) -> np.random.Generator:
        # as a list, seeds from 2**63 on would become floating-point numbers
        key = np.array([self._seed, step], np.uint64)
        philox = np.random.Philox(key=key, counter=[place, lane, 0, 0])
        return np.random.Generator(philox)
