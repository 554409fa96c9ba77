"""Sequential Monte Carlo: from the cube to the feasible points through nested sets.

A level is a bound on the largest scaled violation of a constraint. Particles that are uniform
below one level become uniform below the next, lower one: those above it are replaced by copies of
others, and all are moved until they hardly correlate with the particle they were copied from. At
the last level, 0, the constraints themselves hold. The volume is the product of the shares of
particles below each next level.

References
----------
Del Moral, Doucet, Jasra (2006), J. R. Stat. Soc. B 68, 411-436,
doi:10.1111/j.1467-9868.2006.00553.x; Cerou, Del Moral, Furon, Guyader (2012), Stat. Comput. 22,
795-808, doi:10.1007/s11222-011-9231-6; Golchi, Campbell (2016), Comput. Stat. Data Anal. 97,
98-113, doi:10.1016/j.csda.2015.11.018
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.particles import (
    PROBES,
    Autocorrelation,
    Move,
    MoveSchedule,
    Processes,
    differences,
    fixed_point,
    independence_threshold,
    uniform_chunks,
)
from ensnare.design.constrained.problem import Problem
from ensnare.errors import EnsnareError, NoFeasiblePointError

Array = NDArray[np.float64]
_KEPT = 0.25  # share of the particles below the next level
_LEVEL_CORRELATION = 0.3  # with the copies at its start, at which moves of a level end
_MOST_ROUNDS = 400
# moves end also where the correlation does not fall below 0.9 of its value 10 rounds before
_PLATEAU_ROUNDS, _PLATEAU = 10, 0.9
_BURN_IN = 8  # moves of a level before the particles below the next one are counted
_COUNT_EVERY = 4  # moves between two counts
# no feasible point is found where the level falls by less than 1e-6 of itself 20 times in a row
_STALLED, _STALLS = 1e-6, 20
_LOWEST = 1e-14  # level at which violations are rounding errors of the constraints


@dataclass
class Level:
    """A bound on the violation of particles, and how many were seen below the next one."""

    height: float
    below: float  # the next level; negative after the last one
    counted: int = 0  # particles of this process that were looked at
    seen: int = 0  # those of them that were below the next level


class Smc:
    """The particles of a run.

    Attributes
    ----------
    u : ndarray of float, shape (d, count)
        The particles, the same on all ranks.
    log_volume : float
        Logarithm of the share of the cube that lies below the level.
    levels : int
        Levels so far.
    correlation : float
        Largest correlation of a coordinate with its value before the last moves.
    copies : float
        Effective number of other particles that equal a particle: copies count with the square of
        the correlation that is left after their moves.
    """

    def __init__(self, problem: Problem, count: int, processes: Processes) -> None:
        self._problem, self._processes = problem, processes
        self._count, self._part = count, processes.team.share(count)
        self.log_volume, self.levels, self.correlation, self.copies = 0.0, 0, 1.0, 0.0
        streams = processes.streams
        self.u = streams.uniforms(streams.next_step(), 0, count, problem.d)
        np.maximum(self.u, 2.0**-54, out=self.u)
        self._scale = _scales(problem.slacks(self.u))
        self._height = problem.violation(self.u, self._scale)
        self._schedule = MoveSchedule(problem.d, streams)

    def descend(self) -> None:
        """Bring the particles to level 0; raise NoFeasiblePointError if levels stop to fall."""
        level, stalls = self._level_below(math.inf), 0
        while level.height > 0:
            before, level = level.height, self._next_level(level)
            fell = 1.0 if math.isinf(before) else 1 - level.height / before
            stalls = stalls + 1 if fell < _STALLED else 0
            if stalls >= _STALLS or 0 < level.height < _LOWEST:
                raise NoFeasiblePointError(self._nothing_found())
        self.decorrelate()

    def _nothing_found(self) -> str:
        best = int(np.argmin(self._height))
        text = self._problem.violated(self.u[:, best])
        return (
            f"no feasible point found: {self.levels} levels of {self._count} particles come no "
            f"nearer (this is no proof); the nearest "
            + (f"violates {text}" if text else "only just satisfies them")
        )

    def _level_below(self, height: float) -> Level:
        """Return a level with the next one, below which a quarter of the particles lies."""
        kept = float(np.sort(self._height)[max(0, int(_KEPT * self._count) - 1)])
        if not kept < height and height > 0:
            # more than three quarters are at the level itself: the next one is that of the others
            lower = self._height[self._height < height]
            if not len(lower):
                raise NoFeasiblePointError(self._nothing_found())
            kept = float(lower.max())
        return Level(height, kept)

    def _next_level(self, level: Level) -> Level:
        """Replace the particles above the next level by copies, and move all of them below it."""
        kept = np.flatnonzero(self._height <= level.below)
        if not len(kept):  # moves took all particles out of the next level: choose it anew
            level = self._level_below(level.height)
            kept = np.flatnonzero(self._height <= level.below)
        counted, seen = self._processes.team.total([level.counted, level.seen])
        share = seen / counted if seen else len(kept) / self._count
        self.log_volume += math.log(share)
        self.levels += 1
        self.copies += self._count / len(kept) - 1
        pick = self._resampled(kept)
        self.u, self._height = self.u[:, pick], self._height[pick]
        level = Level(level.below, -1.0) if level.below <= 0 else self._level_below(level.below)
        if level.height > 0:
            self._move(level, _LEVEL_CORRELATION)
            self.copies *= self.correlation**2
        return level

    def _resampled(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each kept particle equally often, and random ones of them once more."""
        copies, rest = divmod(self._count, len(kept))
        streams = self._processes.streams
        order = streams.permutation(streams.next_step(), len(kept))
        return np.concatenate([np.tile(kept, copies), kept[order[:rest]]])

    def decorrelate(self) -> None:
        """Move particles of level 0 until they are independent of where they were.

        Raises EnsnareError if some of them stay equal, in which case there are too few points.
        """
        self._move(Level(0.0, -1.0), independence_threshold(self._count))
        correlation, rounds = self.correlation, 0
        self.copies *= correlation**2
        while len(np.unique(self.u, axis=1).T) < self._count:
            rounds += 1
            if rounds > _MOST_ROUNDS:
                raise EnsnareError("particles stay equal: the feasible points are too few")
            self._move(Level(0.0, -1.0), 1.0)
        self.correlation = correlation

    def _move(self, level: Level, goal: float) -> None:
        """Move the particles below a level, in rounds, until the correlation is at the goal."""
        low, high = self._part
        own = _OwnParticles(self.u[:, low:high].copy(), self._height[low:high].copy(), self.u)
        autocorrelation = Autocorrelation(self.u, self._part)
        made, past = 0, [1.0]
        for _ in range(_MOST_ROUNDS):
            for move, rows in self._schedule.next_moves():
                self._propose(own, move, rows, level.height)
                made += 1
                if made > _BURN_IN and made % _COUNT_EVERY == 0:
                    level.counted += high - low
                    level.seen += int(np.count_nonzero(own.height <= level.below))
            proposed, accepted = self._schedule.adapt(self._count, self._processes.team)
            self._processes.proposed += proposed
            self._processes.accepted += accepted
            past.append(autocorrelation.largest(own.u, self._processes.team))
            if past[-1] <= goal or _is_on_plateau(past):
                break
        self.correlation = past[-1]
        together = np.concatenate([own.u, own.height[None]])
        together = self._processes.team.collect(together, self._count)
        self.u, self._height = together[:-1], together[-1]

    def _propose(
        self, own: _OwnParticles, move: Move, rows: NDArray[np.int64], height: float
    ) -> None:
        """Move the particles of this process by differences of two others, where that is below."""
        move.made += 1
        for first, some, uniforms in uniform_chunks(self._processes.streams, self._part):
            step = differences(own.pool, rows, uniforms[:2])
            step *= move.factor * (0.5 + uniforms[2])
            moved = own.u[:, some].copy()
            moved[rows] += step
            heights = self._problem.violation(moved, self._scale)
            taken = heights <= height
            for row in rows:
                np.copyto(own.u[row, some], moved[row], where=taken)
            np.copyto(own.height[some], heights, where=taken)
            move.accepted += int(np.count_nonzero(taken))
            if first < PROBES:
                probes = slice(0, PROBES - first)
                squares = np.where(taken[probes], step[:, probes], 0.0) ** 2
                move.jumps[rows] += fixed_point(squares / own.variance[rows, None]).sum(axis=1)


def _is_on_plateau(past: list[float]) -> bool:
    """Return whether correlations have stopped to fall: no move leads between parts of the set."""
    return len(past) > _PLATEAU_ROUNDS and past[-1] > _PLATEAU * past[-1 - _PLATEAU_ROUNDS]


class _OwnParticles:
    """The particles of this process, and the pool of all whose differences are moves."""

    def __init__(self, u: Array, height: Array, pool: Array) -> None:
        self.u, self.height, self.pool = u, height, pool
        variance = pool.var(axis=1)
        self.variance = np.where(variance > 0, variance, 1.0)


def _scales(slacks: Array) -> Array:
    """Return the unit of each constraint: half of the range of its slack over the cube.

    The range is that from the first to the last decile, from slacks of shape (K, n).
    """
    scale = np.ones(len(slacks))
    for k, slack in enumerate(slacks):
        finite = slack[np.isfinite(slack)]
        if len(finite):
            low, high = np.quantile(finite, [0.1, 0.9])
            spread = (high - low) / 2 or float(np.abs(finite).max())
            scale[k] = spread if spread > 0 else 1.0
    return scale
