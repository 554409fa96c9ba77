"""Random numbers and processes of a sampling run, so that any number of ranks gives the same bytes.

`Streams` draws random numbers that depend only on a seed, a step and a particle: each step has a
Philox generator of its own, and each particle a fixed place in its counter. It does not matter
which process draws the numbers of a particle, or how many others it draws.

`Team` is one process, and `MpiTeam` the ranks of an MPI run. Every rank holds all particles and
moves a part of them. All ranks take the same decisions from the same numbers, so only particles
and counts are communicated.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import EnsnareError

Array = NDArray[np.float64]
_WORDS = 4  # random numbers per count of Philox-4x64
# set by the launchers of Open MPI, MPICH and its derivatives, and SLURM with PMIx
_LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS")
# Vector instructions take several numbers at once, and may round the last few of an array
# differently. Parts that begin at multiples of 64 have the same remainder as the whole array.
_ALIGNED = 64


class Streams:
    """The random numbers of one run; 0 is a seed.

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
        """Return uniforms in [0, 1), shape (numbers, count), for `count` particles from `first`."""
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
        # a list of seeds from 2**63 on would become floating-point numbers
        key = np.array([self._seed, step], np.uint64)
        philox = np.random.Philox(key=key, counter=[place, lane, 0, 0])
        return np.random.Generator(philox)


class Team:
    """One process, which does all of the work."""

    rank, size = 0, 1

    def share(self, count: int) -> tuple[int, int]:
        """Return the range [first, last) of `count` items that this rank works on."""
        return self._bound(self.rank, count), self._bound(self.rank + 1, count)

    def _bound(self, rank: int, count: int) -> int:
        return min(count, -(-rank * count // (self.size * _ALIGNED)) * _ALIGNED)

    def collect(self, own: Array, count: int) -> Array:
        """Return the columns of all ranks in order, shape (k, count).

        `own` has the columns `share(count)` of this rank, shape (k, last - first).
        """
        del count
        return own

    def total(self, counts: Any) -> NDArray[np.int64]:  # noqa: ANN401
        """Return the sum over ranks of an array of integers, which is the same in any order."""
        return np.asarray(counts, np.int64)

    def abort(self) -> None:
        """End the other ranks, which would wait for this one forever."""


class MpiTeam(Team):
    """The ranks of an MPI communicator (`mpi4py.MPI.Intracomm`)."""

    def __init__(self, world: Any) -> None:  # noqa: ANN401
        self._world = world
        self.rank, self.size = world.Get_rank(), world.Get_size()

    def collect(self, own: Array, count: int) -> Array:
        """Return the columns of all ranks in order; see `Team.collect`."""
        from mpi4py import MPI

        k = len(own)
        bounds = [self._bound(rank, count) for rank in range(self.size + 1)]
        sizes = k * np.diff(bounds)
        everything = np.empty(k * count)
        # transposed, particle after particle, so that the parts of the ranks follow each other
        self._world.Allgatherv(
            np.ascontiguousarray(own.T), [everything, sizes, k * np.array(bounds[:-1]), MPI.DOUBLE]
        )
        return np.ascontiguousarray(everything.reshape(count, k).T)

    def total(self, counts: Any) -> NDArray[np.int64]:  # noqa: ANN401
        """Return the sum over ranks; see `Team.total`."""
        own = np.array(counts, np.int64)
        summed = np.empty_like(own)
        self._world.Allreduce(own, summed)
        return summed

    def abort(self) -> None:
        """End the other ranks."""
        self._world.Abort(1)


def find_team() -> Team:
    """Return the ranks of this MPI run, or this process alone if no launcher started several.

    Raises
    ------
    EnsnareError
        If there are several ranks and mpi4py is not installed: they would all do the same work.
    """
    if not any(name in os.environ for name in _LAUNCHED):
        return Team()
    try:
        from mpi4py import MPI
    except ImportError:
        if os.environ.get("OMPI_COMM_WORLD_SIZE", os.environ.get("PMI_SIZE", "")) in ("", "1"):
            return Team()
        raise EnsnareError(
            "started as several ranks, but this Python has no mpi4py; "
            "pip install mpi4py, or start one process"
        ) from None
    world = MPI.COMM_WORLD
    return MpiTeam(world) if world.Get_size() > 1 else Team()
