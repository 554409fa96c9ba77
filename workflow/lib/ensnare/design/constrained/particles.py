"""Particles in the unit cube: differential moves, their schedule, and when they have mixed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.problem import CHUNK

Array = NDArray[np.float64]
PROBES = 512  # the first particles, whose jumps are measured
_UNITS = 2.0**12  # correlations are sums of integers in units of 1 / 4096
_FARTHEST = 8.0  # standard deviations; a particle farther from the mean counts as this far
_INDEPENDENT = 0.02  # correlation at which particles count as independent
_ROUND = 8  # smallest number of moves of a round
_LEAST_SHARE = 0.1  # of the moves of a round, for the size that covers the least distance
_FACTORS = (0.02, 1.5)
# target acceptance rates, near those that cover most distance (Gelman, Roberts, Gilks 1996)
_ACCEPTANCE_OF_ONE, _ACCEPTANCE_OF_SEVERAL = 0.44, 0.25


@dataclass
class Processes:
    """The processes and random numbers of one run, and its counts of moves of all particles.

    `proposed` and `accepted` are equal where every move is accepted.
    """

    team: Team
    streams: Streams
    proposed: int = 0
    accepted: int = 0

    @property
    def acceptance(self) -> float:
        """The share of moves that were accepted."""
        return self.accepted / max(1, self.proposed)


def independence_threshold(count: int) -> float:
    """Return the correlation below which `count` particles are independent of where they were.

    For few particles this is 3 standard errors of a correlation that is 0.
    """
    return max(_INDEPENDENT, 3 / math.sqrt(count))


def uniform_chunks(streams: Streams, part: tuple[int, int]) -> Iterator[tuple[int, slice, Array]]:
    """Yield the random numbers of one move of the particles [first, last), a chunk at a time.

    Each chunk is its first particle, its slice within the part, and uniforms of shape (3, n). The
    move is a step of the streams also on a rank without particles, so that ranks stay in step.
    """
    step, (low, high) = streams.next_step(), part
    for first in range(low, high, CHUNK):
        last = min(first + CHUNK, high)
        yield first, slice(first - low, last - low), streams.uniforms(step, first, last - first, 3)


def differences(pool: Array, rows: NDArray[np.int64], uniforms: Array) -> Array:
    """Return differences of two random members of a pool in some coordinates, shape (k, n).

    The pool has shape (d, m), `rows` are the k coordinates, `uniforms` has shape (2, n).

    References
    ----------
    ter Braak (2006), Stat. Comput. 16, 239-249, doi:10.1007/s11222-006-8769-1
    """
    first, second = (uniforms * pool.shape[1]).astype(np.intp)
    return np.stack([pool[j].take(first) - pool[j].take(second) for j in rows])


def fixed_point(values: Array) -> NDArray[np.int64]:
    """Return numbers as integers in units of 2^-12, whose sums are the same in any order."""
    return np.rint(values * _UNITS).astype(np.int64)


class Autocorrelation:
    """Positions of all particles, shape (d, m), to compare later positions with.

    `part` is the range [first, last) of the particles of this process.
    """

    def __init__(self, u: Array, part: tuple[int, int]) -> None:
        self._count = u.shape[1]
        self._mean = u.mean(axis=1, keepdims=True)
        spread = u.std(axis=1, keepdims=True)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._before = self._standardised(u[:, part[0] : part[1]])

    def _standardised(self, u: Array) -> NDArray[np.int64]:
        return fixed_point(np.clip((u - self._mean) / self._spread, -_FARTHEST, _FARTHEST))

    def largest(self, own: Array, team: Team) -> float:
        """Return the largest correlation of a coordinate, now and before, over all processes.

        `own` are the particles of this process now, shape (d, last - first).
        """
        now, before = self._standardised(own), self._before
        sums = [(now * before).sum(axis=1), now.sum(axis=1), before.sum(axis=1)]
        squares = [(now * now).sum(axis=1), (before * before).sum(axis=1)]
        xy, x, y, xx, yy = team.total(np.stack(sums + squares)) / (self._count * _UNITS)
        covariance = xy - x * y / _UNITS
        variances = (xx - x * x / _UNITS) * (yy - y * y / _UNITS)
        scale = np.sqrt(np.where(variances > 0, variances, 1.0))
        return float(np.abs(covariance / scale).max())


@dataclass
class Move:
    """Moves of `size` coordinates together, and what was measured of them.

    Attributes
    ----------
    factor : float
        Mean length of a move, relative to a difference of two particles.
    jumps : ndarray of int, shape (d,)
        Sums of squared jumps of the probes of this process in this round, over the variances of
        the coordinates, in `fixed_point` units.
    gain : float
        Mean squared jump in the slowest coordinate, over its variance.
    made, accepted : int
        In this round: moves of each particle, and how many those of this process accepted.
    """

    size: int
    factor: float
    jumps: NDArray[np.int64]
    gain: float = 1.0
    made: int = 0
    accepted: int = 0


class MoveSchedule:
    """Which of d coordinates change in the next moves: in random order, each equally often."""

    def __init__(self, d: int, streams: Streams) -> None:
        self._d, self._streams = d, streams
        sizes = sorted({1, max(1, d // 3), d})
        self.moves = [Move(k, min(1.0, 1.2 / np.sqrt(k)), np.zeros(d, np.int64)) for k in sizes]

    def next_moves(self) -> list[tuple[Move, NDArray[np.int64]]]:
        """Return the moves of a round with their coordinates.

        Sizes that cover more distance have more moves, and each has at least a sweep over all
        coordinates.
        """
        gains = np.array([move.gain for move in self.moves])
        shares = np.maximum(gains / gains.sum(), _LEAST_SHARE)
        scheduled = []
        for move, share in zip(self.moves, shares / shares.sum(), strict=True):
            sweep = -(-self._d // move.size)
            for _ in range(max(1, round(share * max(_ROUND, 2 * self._d) / sweep))):
                order = self._shuffled(self._d)
                scheduled += [
                    (move, order[i : i + move.size]) for i in range(0, self._d, move.size)
                ]
        return [scheduled[i] for i in self._shuffled(len(scheduled))]

    def _shuffled(self, size: int) -> NDArray[np.int64]:
        return self._streams.permutation(self._streams.next_step(), size)

    def adapt(self, count: int, team: Team) -> tuple[int, int]:
        """Adapt lengths and shares to the last round, and begin a new one.

        Returns how many moves of all `count` particles were proposed and accepted.
        """
        sums = team.total([[move.accepted, *move.jumps] for move in self.moves])
        accepted, jumps = sums[:, 0], sums[:, 1:]
        proposed = count * np.array([move.made for move in self.moves])
        for move, share, jump in zip(self.moves, accepted / proposed, jumps, strict=True):
            wanted = _ACCEPTANCE_OF_ONE if move.size == 1 else _ACCEPTANCE_OF_SEVERAL
            move.factor = float(np.clip(move.factor * np.exp(share - wanted), *_FACTORS))
            mean_jump = float(jump.min()) / (_UNITS * move.made * min(PROBES, count))
            move.gain = max(mean_jump, 1e-12)
            move.made = move.accepted = 0
            move.jumps[:] = 0
        return int(proposed.sum()), int(accepted.sum())
