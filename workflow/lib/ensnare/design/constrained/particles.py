"""Particles in the unit cube: who moves which, along what, and until when."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.problem import CHUNK

Array = NDArray[np.float64]
_DIGITS = 2.0**12  # correlations are summed as whole numbers: the same in any order
_FARTHEST = 8.0  # standard deviations from the mean that still count more
_GONE = 0.02  # correlation at which particles count as independent
PROBES = 512  # particles whose jumps are measured, by the first process
_ROUND = 8  # least moves of a round
_LEAST_SHARE = 0.1  # of the moves, for the kind that covers the least distance
_FACTORS = (0.02, 1.5)
# shares of moves to take, near where they cover most distance (Gelman, Roberts, Gilks 1996)
_TAKEN_ALONE, _TAKEN_TOGETHER = 0.44, 0.25


@dataclass
class Processes:
    """The processes and random numbers of one run.

    Attributes
    ----------
    team : Team
        The processes.
    streams : Streams
        The random numbers.
    proposed, accepted : int
        Moves of all particles so far; equal where every move is taken.
    """

    team: Team
    streams: Streams
    proposed: int = 0
    accepted: int = 0

    @property
    def acceptance(self) -> float:
        """The share of moves that were taken."""
        return self.accepted / max(1, self.proposed)


def independent_at(count: int) -> float:
    """Return the correlation at which so many particles are independent of where they were."""
    return max(_GONE, 3 / math.sqrt(count))


def chances(streams: Streams, part: tuple[int, int]) -> Iterator[tuple[int, slice, Array]]:
    """Yield the random numbers of a move of some particles, a chunk at a time.

    Parameters
    ----------
    streams : Streams
        The random numbers; the move is a step of its own, also where there is no particle.
    part : tuple of int
        The particles: from the first to the last one, which is excluded.

    Yields
    ------
    first : int
        The first particle of the chunk.
    some : slice
        The chunk, counted from the first particle of the part.
    chance : ndarray of float, shape (3, n)
        Uniforms.
    """
    step, (low, high) = streams.next_step(), part
    for first in range(low, high, CHUNK):
        last = min(first + CHUNK, high)
        yield first, slice(first - low, last - low), streams.uniforms(step, first, last - first, 3)


def differences(pool: Array, rows: NDArray[np.int64], chance: Array) -> Array:
    """Return differences of two random members of a pool.

    Parameters
    ----------
    pool : ndarray of float, shape (d, m)
        The pool.
    rows : ndarray of int, shape (k,)
        The coordinates to take.
    chance : ndarray of float, shape (2, n)
        Uniforms.

    Returns
    -------
    ndarray of float, shape (k, n)

    References
    ----------
    ter Braak (2006), Stat. Comput. 16, 239-249, doi:10.1007/s11222-006-8769-1
    """
    first, second = (chance * pool.shape[1]).astype(np.intp)
    return np.stack([pool[j].take(first) - pool[j].take(second) for j in rows])


def whole(values: Array) -> NDArray[np.int64]:
    """Return numbers in units of 2^-12, whose sums are the same in any order."""
    return np.rint(values * _DIGITS).astype(np.int64)


class Memory:
    """Where particles were, to tell how far they have forgotten it.

    Parameters
    ----------
    u : ndarray of float, shape (d, m)
        All particles.
    part : tuple of int
        The first of them that are this process's, and the first after those.
    """

    def __init__(self, u: Array, part: tuple[int, int]) -> None:
        self._count = u.shape[1]
        self._mean = u.mean(axis=1, keepdims=True)
        spread = u.std(axis=1, keepdims=True)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._before = self._whole(u[:, part[0] : part[1]])

    def _whole(self, u: Array) -> NDArray[np.int64]:
        return whole(np.clip((u - self._mean) / self._spread, -_FARTHEST, _FARTHEST))

    def correlation(self, mine: Array, team: Team) -> float:
        """Return the largest correlation of a coordinate with what it was.

        Parameters
        ----------
        mine : ndarray of float, shape (d, hi - lo)
            This process's particles now.
        team : Team
            The processes.
        """
        now, before = self._whole(mine), self._before
        sums = [(now * before).sum(axis=1), now.sum(axis=1), before.sum(axis=1)]
        squares = [(now * now).sum(axis=1), (before * before).sum(axis=1)]
        xy, x, y, xx, yy = team.total(np.stack(sums + squares)) / (self._count * _DIGITS)
        covariance = xy - x * y / _DIGITS
        variances = (xx - x * x / _DIGITS) * (yy - y * y / _DIGITS)
        scale = np.sqrt(np.where(variances > 0, variances, 1.0))
        return float(np.abs(covariance / scale).max())


@dataclass
class Move:
    """A kind of move: so many coordinates change together.

    Attributes
    ----------
    size : int
        How many.
    factor : float
        Mean length of a move, over a difference of two particles.
    gain : float
        Squared distance that a move covers in the slowest coordinate, in units of its variance.
    moves, accepted : int
        Of this round: moves of each particle, and how many this process's particles took.
    jumps : ndarray of int, shape (d,)
        Sums of `whole` squares that this process's probes jumped in this round, over variances.
    """

    size: int
    factor: float
    jumps: NDArray[np.int64]
    gain: float = 1.0
    moves: int = 0
    accepted: int = 0


class MoveSchedule:
    """Which coordinates change in the next moves: shuffled, so that each has its turn.

    Parameters
    ----------
    d : int
        Number of coordinates.
    streams : Streams
        The random numbers.
    """

    def __init__(self, d: int, streams: Streams) -> None:
        self._d, self._streams = d, streams
        sizes = sorted({1, max(1, d // 3), d})
        self.kinds = [Move(k, min(1.0, 1.2 / np.sqrt(k)), np.zeros(d, np.int64)) for k in sizes]

    def next_moves(self) -> list[tuple[Move, NDArray[np.int64]]]:
        """Return the moves of a round, each a kind and its coordinates; every kind has some."""
        gains = np.array([kind.gain for kind in self.kinds])
        shares = np.maximum(gains / gains.sum(), _LEAST_SHARE)
        moves = []
        for kind, share in zip(self.kinds, shares / shares.sum(), strict=True):
            sweep = -(-self._d // kind.size)
            for _ in range(max(1, round(share * max(_ROUND, 2 * self._d) / sweep))):
                order = self._shuffled(self._d)
                moves += [(kind, order[i : i + kind.size]) for i in range(0, self._d, kind.size)]
        return [moves[i] for i in self._shuffled(len(moves))]

    def _shuffled(self, size: int) -> NDArray[np.int64]:
        return self._streams.permutation(self._streams.next_step(), size)

    def adapt(self, count: int, team: Team) -> tuple[int, int]:
        """Learn from a round of moves of `count` particles; return the proposed and accepted."""
        sums = team.total([[kind.accepted, *kind.jumps] for kind in self.kinds])
        accepted, jumps = sums[:, 0], sums[:, 1:]
        proposed = count * np.array([kind.moves for kind in self.kinds])
        for kind, share, jump in zip(self.kinds, accepted / proposed, jumps, strict=True):
            wanted = _TAKEN_ALONE if kind.size == 1 else _TAKEN_TOGETHER
            kind.factor = float(np.clip(kind.factor * np.exp(share - wanted), *_FACTORS))
            mean_jump = float(jump.min()) / (_DIGITS * kind.moves * min(PROBES, count))
            kind.gain = max(mean_jump, 1e-12)
            kind.moves = kind.accepted = 0
            kind.jumps[:] = 0
        return int(proposed.sum()), int(accepted.sum())
