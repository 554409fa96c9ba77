"""Sequential Monte Carlo: from the cube to the feasible points through nested sets.

The largest scaled violation of a constraint is a level. Particles that are uniform below one level
become uniform below the next, lower one: those above it are replaced by copies of others, and all
are moved until they have forgotten where they were copied. The last level is 0, where the
constraints themselves are all that counts. The volume is the product of the shares that remain.

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
    Memory,
    Move,
    MoveSchedule,
    Processes,
    chances,
    differences,
    independent_at,
    whole,
)
from ensnare.design.constrained.problem import Problem
from ensnare.errors import EnsnareError, NoFeasiblePointError

Array = NDArray[np.float64]
_KEPT = 0.25  # share of the particles below the next level
_FORGOTTEN = 0.3  # correlation at which a level has been moved enough
_MOST_ROUNDS = 400
_PATIENCE = 10  # rounds in which a correlation has to sink
_HARDLY_LESS = 0.9  # to less than this share of what it was
_SETTLE = 8  # moves of a level before shares are counted
_EVERY = 4  # moves between two counts
_STALLED = 1e-6  # a level that sinks by less, in relation, in so many levels, sinks no more
_STALLS = 20
_LOWEST = 1e-14  # where violations are rounding errors of the constraints


@dataclass
class Level:
    """A level, and what was seen of the next one.

    Attributes
    ----------
    height : float
        The violation that particles may have.
    below : float
        The next level; negative after the last one.
    counted, seen : int
        Particles of this process that were looked at, and that were below the next level.
    """

    height: float
    below: float
    counted: int = 0
    seen: int = 0


class Smc:
    """The particles of a run.

    Parameters
    ----------
    problem : Problem
        The constraints.
    count : int
        Number of particles m.
    crew : Processes
        Processes and random numbers.

    Attributes
    ----------
    u : ndarray of float, shape (d, m)
        The particles, as all processes know them.
    log_volume : float
        Logarithm of the share of the cube that lies below the level.
    levels : int
        Levels so far.
    left : float
        Correlation of the particles with the copies that they began the level as.
    alike : float
        How many others a particle is still equal to in effect: copies count to the extent that
        their moves have not taken them apart.
    """

    def __init__(self, problem: Problem, count: int, crew: Processes) -> None:
        self._problem, self._crew = problem, crew
        self._count, self._part = count, crew.team.share(count)
        self.log_volume, self.levels, self.left, self.alike = 0.0, 0, 1.0, 0.0
        streams = crew.streams
        self.u = streams.uniforms(streams.next_step(), 0, count, problem.d)
        np.maximum(self.u, 2.0**-54, out=self.u)
        self._scale = _scales(problem.slacks(self.u))
        self._height = problem.violation(self.u, self._scale)
        self._deck = MoveSchedule(problem.d, streams)

    def descend(self) -> None:
        """Bring the particles to level 0.

        Raises
        ------
        NoFeasiblePointError
            If they cannot come lower before that.
        """
        level, stalls = self._level_below(math.inf), 0
        while level.height > 0:
            before, level = level.height, self._sink(level)
            sank = 1.0 if math.isinf(before) else 1 - level.height / before
            stalls = stalls + 1 if sank < _STALLED else 0
            if stalls >= _STALLS or 0 < level.height < _LOWEST:
                raise NoFeasiblePointError(self._lowest())
        self.forget()

    def _lowest(self) -> str:
        best = int(np.argmin(self._height))
        text = self._problem.violated(self.u[:, best])
        return (
            f"no feasible point found: {self.levels} levels of {self._count} particles come no "
            f"nearer (this is no proof); the nearest "
            + (f"violates {text}" if text else "only just satisfies them")
        )

    def _level_below(self, height: float) -> Level:
        """Return a level with the one to come after it, which a share of the particles is below."""
        kept = float(np.sort(self._height)[max(0, int(_KEPT * self._count) - 1)])
        if not kept < height and height > 0:
            lower = self._height[self._height < height]
            if not len(lower):
                raise NoFeasiblePointError(self._lowest())
            kept = float(lower.max())
        return Level(height, kept)

    def _sink(self, level: Level) -> Level:
        """Replace the particles above the next level, and move all of them below it."""
        kept = np.flatnonzero(self._height <= level.below)
        if not len(kept):  # those that were below it have left
            level = self._level_below(level.height)
            kept = np.flatnonzero(self._height <= level.below)
        counted, seen = self._crew.team.total([level.counted, level.seen])
        share = seen / counted if seen else len(kept) / self._count
        self.log_volume += math.log(share)
        self.levels += 1
        self.alike += self._count / len(kept) - 1
        pick = self._copied(kept)
        self.u, self._height = self.u[:, pick], self._height[pick]
        level = Level(level.below, -1.0) if level.below <= 0 else self._level_below(level.below)
        if level.height > 0:
            self._move(level, _FORGOTTEN)
            self.alike *= self.left**2
        return level

    def _copied(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return equal numbers of copies of each, and one more of some."""
        copies, rest = divmod(self._count, len(kept))
        streams = self._crew.streams
        order = streams.permutation(streams.next_step(), len(kept))
        return np.concatenate([np.tile(kept, copies), kept[order[:rest]]])

    def forget(self) -> None:
        """Move particles of level 0 until they are independent of where they were.

        Raises
        ------
        EnsnareError
            If they cannot come away from each other.
        """
        self._move(Level(0.0, -1.0), independent_at(self._count))
        left, rounds = self.left, 0
        self.alike *= left**2
        while len(np.unique(self.u, axis=1).T) < self._count:
            rounds += 1
            if rounds > _MOST_ROUNDS:
                raise EnsnareError("particles stay equal: the feasible points are too few")
            self._move(Level(0.0, -1.0), 1.0)
        self.left = left

    def _move(self, level: Level, goal: float) -> None:
        """Move the particles below a level, in rounds, until the correlation is at the goal."""
        low, high = self._part
        mine = _Mine(self.u[:, low:high].copy(), self._height[low:high].copy(), self.u)
        memory = Memory(self.u, self._part)
        moves, past = 0, [1.0]
        for _ in range(_MOST_ROUNDS):
            for kind, rows in self._deck.next_moves():
                self._propose(mine, kind, rows, level.height)
                moves += 1
                if moves > _SETTLE and moves % _EVERY == 0:
                    level.counted += high - low
                    level.seen += int(np.count_nonzero(mine.height <= level.below))
            proposed, accepted = self._deck.adapt(self._count, self._crew.team)
            self._crew.proposed += proposed
            self._crew.accepted += accepted
            past.append(memory.correlation(mine.u, self._crew.team))
            if past[-1] <= goal or _is_stuck(past):
                break
        self.left = past[-1]
        together = np.concatenate([mine.u, mine.height[None]])
        together = self._crew.team.collect(together, self._count)
        self.u, self._height = together[:-1], together[-1]

    def _propose(self, mine: _Mine, kind: Move, rows: NDArray[np.int64], height: float) -> None:
        """Move this process's particles by differences of two others, where they stay below."""
        kind.moves += 1
        for first, some, chance in chances(self._crew.streams, self._part):
            step = differences(mine.pool, rows, chance[:2])
            step *= kind.factor * (0.5 + chance[2])
            moved = mine.u[:, some].copy()
            moved[rows] += step
            heights = self._problem.violation(moved, self._scale)
            taken = heights <= height
            for row in rows:
                np.copyto(mine.u[row, some], moved[row], where=taken)
            np.copyto(mine.height[some], heights, where=taken)
            kind.accepted += int(np.count_nonzero(taken))
            if first < PROBES:
                probes = slice(0, PROBES - first)
                squares = np.where(taken[probes], step[:, probes], 0.0) ** 2
                kind.jumps[rows] += whole(squares / mine.variance[rows, None]).sum(axis=1)


def _is_stuck(past: list[float]) -> bool:
    """Return whether particles forget no more: they are in parts that they cannot leave."""
    return len(past) > _PATIENCE and past[-1] > _HARDLY_LESS * past[-1 - _PATIENCE]


class _Mine:
    """The particles of this process, and the pool of all that moves are taken from."""

    def __init__(self, u: Array, height: Array, pool: Array) -> None:
        self.u, self.height, self.pool = u, height, pool
        variance = pool.var(axis=1)
        self.variance = np.where(variance > 0, variance, 1.0)


def _scales(slacks: Array) -> Array:
    """Return the unit of each constraint: half of what its slack spans over the cube."""
    scale = np.ones(len(slacks))
    for k, slack in enumerate(slacks):
        finite = slack[np.isfinite(slack)]
        if len(finite):
            low, high = np.quantile(finite, [0.1, 0.9])
            spread = (high - low) / 2 or float(np.abs(finite).max())
            scale[k] = spread if spread > 0 else 1.0
    return scale
