"""Hit-and-run in a polytope: each particle goes to a uniform point of a random line through it.

References
----------
Smith (1984), Oper. Res. 32, 1296-1308, doi:10.1287/opre.32.6.1296; Lovasz (1999), Math. Program.
86, 443-461, doi:10.1007/s101070050099
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.linear import HalfSpaces
from ensnare.design.constrained.particles import (
    Memory,
    Processes,
    chances,
    differences,
    independent_at,
)
from ensnare.design.constrained.problem import Problem

Array = NDArray[np.float64]
_HALF = 0.5  # correlation at which directions are learnt anew
_MOST_ROUNDS = 1000
_ROUND = 10  # moves between two looks at the particles
_SETTLED = 0.05  # change of the spread of every coordinate from one stage to the next
_MARGIN = 1e-13  # of the cube: rounding must not carry a point outside


class HitAndRun:
    """Particles in a polytope.

    Parameters
    ----------
    problem : Problem
        Its constraints, in the coordinates of the unit cube.
    spaces : HalfSpaces
        The same.
    start : ndarray of float, shape (d,)
        A point inside it.
    count : int
        Number of particles m.
    crew : Processes
        Processes and random numbers.

    Attributes
    ----------
    u : ndarray of float, shape (d, m)
        The particles, as all processes know them.
    left : float
        Correlation of the particles with what they were before the last stage.
    """

    def __init__(
        self, problem: Problem, spaces: HalfSpaces, start: Array, count: int, crew: Processes
    ) -> None:
        self._problem = problem
        self._crew, self._count, self._part = crew, count, crew.team.share(count)
        # what every point inside the cube satisfies is no side of the polytope
        needed = np.maximum(spaces.a, 0).sum(axis=1) > spaces.b
        needed[: 2 * spaces.a.shape[1]] = True
        self._a, self._b = spaces.a[needed], spaces.b[needed] - _MARGIN
        self.u = np.repeat(start[:, None], count, axis=1)
        self.left = 1.0

    def spread(self) -> None:
        """Bring particles from the start to uniform points; directions learn the shape."""
        streams = self._crew.streams
        # at first lines in all directions, as between points of the cube
        pool = streams.uniforms(streams.next_step(), 0, self._count, len(self.u))
        self._run(pool, 1.0)
        for _ in range(_MOST_ROUNDS):
            before = self.u.std(axis=1)
            self._run(self.u, _HALF)
            if np.all(np.abs(self.u.std(axis=1) - before) <= _SETTLED * before):
                break
        self.forget()

    def forget(self) -> None:
        """Move particles until they are independent of where they were."""
        self._run(self.u, independent_at(self._count))

    def _run(self, pool: Array, goal: float) -> None:
        low, high = self._part
        mine, memory = self.u[:, low:high].copy(), Memory(self.u, self._part)
        for _ in range(_MOST_ROUNDS):
            for _ in range(_ROUND):
                self._move(mine, pool)
            self._crew.proposed += _ROUND * self._count
            self._crew.accepted += _ROUND * self._count
            self.left = memory.correlation(mine, self._crew.team)
            if self.left <= goal:
                break
        # rounding can carry a point over a side, and then it stays where it was
        np.copyto(mine, self.u[:, low:high], where=~self._problem.feasible(mine))
        self.u = self._crew.team.collect(mine, self._count)

    def _move(self, mine: Array, pool: Array) -> None:
        every = np.arange(len(mine))
        for _, some, chance in chances(self._crew.streams, self._part):
            line = differences(pool, every, chance[:2])
            near, far = self._chord(mine[:, some], line)
            # two equal members of the pool make no line, and no move
            length = np.where(np.isfinite(near) & np.isfinite(far), far - near, 0.0)
            near = np.where(np.isfinite(near), near, 0.0)
            mine[:, some] += (near + chance[2] * length) * line

    def _chord(self, u: Array, line: Array) -> tuple[Array, Array]:
        """Return how far lines go back and forth inside the polytope, each of shape (n,)."""
        near, far = np.full(u.shape[1], -np.inf), np.full(u.shape[1], np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            for row, side in zip(self._a, self._b, strict=True):
                used = np.flatnonzero(row)
                # sums one by one: a matrix product may round otherwise when there are more columns
                rate, at = row[used[0]] * line[used[0]], row[used[0]] * u[used[0]]
                for j in used[1:]:
                    rate += row[j] * line[j]
                    at += row[j] * u[j]
                ends = (side - at) / rate
                np.minimum(far, np.where(rate > 0, ends, np.inf), out=far)
                np.maximum(near, np.where(rate < 0, ends, -np.inf), out=near)
        return np.minimum(near, 0.0), np.maximum(far, 0.0)
