"""The processes that share the work: one, or the ranks of an MPI run.

Every rank knows all particles and moves a part of them. What is decided from them, each rank
decides for itself from the same numbers, so that only particles and counts travel.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import EnsnareError

Array = NDArray[np.float64]
# set by launchers of Open MPI, MPICH and its like, and SLURM with PMIx
_LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS")
# Vector instructions take some numbers at once, and may round the last few of an array in another
# way: parts that begin at such multiples have their ends where the whole has its end.
_ALIGNED = 64


class Team:
    """One process, which does all of the work."""

    rank, size = 0, 1

    def share(self, count: int) -> tuple[int, int]:
        """Return the first of `count` things that are this rank's, and the first after them."""
        return self._bound(self.rank, count), self._bound(self.rank + 1, count)

    def _bound(self, rank: int, count: int) -> int:
        return min(count, -(-rank * count // (self.size * _ALIGNED)) * _ALIGNED)

    def collect(self, mine: Array, count: int) -> Array:
        """Return what all ranks have, in their order.

        Parameters
        ----------
        mine : ndarray of float, shape (k, hi - lo)
            Columns `share(count)` of it.
        count : int
            Its number of columns.

        Returns
        -------
        ndarray of float, shape (k, count)
        """
        del count
        return mine

    def total(self, counts: Any) -> NDArray[np.int64]:  # noqa: ANN401
        """Return the sum over ranks of an array of whole numbers, the same in any order."""
        return np.asarray(counts, np.int64)

    def abort(self) -> None:
        """End the other ranks, which would wait for this one for ever."""


class MpiTeam(Team):
    """The ranks of an MPI run.

    Parameters
    ----------
    world : mpi4py.MPI.Intracomm
        Their communicator.
    """

    def __init__(self, world: Any) -> None:  # noqa: ANN401
        self._world = world
        self.rank, self.size = world.Get_rank(), world.Get_size()

    def collect(self, mine: Array, count: int) -> Array:
        """Return what all ranks have, in their order; see `Team.collect`."""
        from mpi4py import MPI

        k = len(mine)
        bounds = [self._bound(rank, count) for rank in range(self.size + 1)]
        sizes = k * np.diff(bounds)
        everything = np.empty(k * count)
        # particle after particle, so that the parts of the ranks follow each other
        self._world.Allgatherv(
            np.ascontiguousarray(mine.T), [everything, sizes, k * np.array(bounds[:-1]), MPI.DOUBLE]
        )
        return np.ascontiguousarray(everything.reshape(count, k).T)

    def total(self, counts: Any) -> NDArray[np.int64]:  # noqa: ANN401
        """Return the sum over ranks; see `Team.total`."""
        mine = np.array(counts, np.int64)
        summed = np.empty_like(mine)
        self._world.Allreduce(mine, summed)
        return summed

    def abort(self) -> None:
        """End the other ranks."""
        self._world.Abort(1)


def find_team() -> Team:
    """Return the ranks of this MPI run, or this process alone when nothing launched ranks.

    Raises
    ------
    EnsnareError
        If there are several ranks and mpi4py is not installed.
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
