"""Hit-and-run in a polytope: each particle moves to a uniform point of a random line through it.

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
    Autocorrelation,
    Processes,
    differences,
    independence_threshold,
    uniform_chunks,
)
from ensnare.design.constrained.problem import Problem

Array = NDArray[np.float64]
_STAGE_CORRELATION = 0.5  # with the start of a stage, at which directions are taken anew
_MOST_ROUNDS = 1000
_ROUND = 10  # moves between two measurements of the correlation
_STEADY = 0.05  # relative change of every spread from one stage to the next, at which it is steady
_MARGIN = 1e-13  # in units of the cube: rounding must not carry a point outside


class HitAndRun:
    """Particles in a polytope, which is given as a problem and as the same half-spaces.

    All of the `count` particles begin at `start`, shape (d,), a point inside.

    Attributes
    ----------
    u : ndarray of float, shape (d, count)
        The particles, the same on all ranks.
    correlation : float
        Largest correlation of a coordinate with its value before the last stage of moves.
    """

    def __init__(
        self,
        problem: Problem,
        spaces: HalfSpaces,
        start: Array,
        count: int,
        processes: Processes,
    ) -> None:
        self._problem = problem
        self._processes, self._count = processes, count
        self._part = processes.team.share(count)
        # a half-space that holds the whole cube is no side of the polytope
        needed = np.maximum(spaces.a, 0).sum(axis=1) > spaces.b
        needed[: 2 * spaces.a.shape[1]] = True  # the sides of the cube
        self._a, self._b = spaces.a[needed], spaces.b[needed] - _MARGIN
        self.u = np.repeat(start[:, None], count, axis=1)
        self.correlation = 1.0

    def spread(self) -> None:
        """Move particles from the start to independent uniform points.

        Directions are differences of particles, so they adapt to the shape of the polytope.
        """
        streams = self._processes.streams
        # at first lines in all directions, as between points of the cube
        pool = streams.uniforms(streams.next_step(), 0, self._count, len(self.u))
        self._run(pool, 1.0)
        for _ in range(_MOST_ROUNDS):
            before = self.u.std(axis=1)
            self._run(self.u, _STAGE_CORRELATION)
            if np.all(np.abs(self.u.std(axis=1) - before) <= _STEADY * before):
                break
        self.decorrelate()

    def decorrelate(self) -> None:
        """Move particles until they are independent of where they were."""
        self._run(self.u, independence_threshold(self._count))

    def _run(self, pool: Array, goal: float) -> None:
        """Move the particles until their correlation with their positions is at most the goal."""
        low, high = self._part
        own, autocorrelation = self.u[:, low:high].copy(), Autocorrelation(self.u, self._part)
        for _ in range(_MOST_ROUNDS):
            for _ in range(_ROUND):
                self._move(own, pool)
            self._processes.proposed += _ROUND * self._count
            self._processes.accepted += _ROUND * self._count
            self.correlation = autocorrelation.largest(own, self._processes.team)
            if self.correlation <= goal:
                break
        # rounding can carry a point over a side; it then returns to where the stage began
        np.copyto(own, self.u[:, low:high], where=~self._problem.feasible(own))
        self.u = self._processes.team.collect(own, self._count)

    def _move(self, own: Array, pool: Array) -> None:
        every = np.arange(len(own))
        for _, some, uniforms in uniform_chunks(self._processes.streams, self._part):
            line = differences(pool, every, uniforms[:2])
            near, far = self._chord(own[:, some], line)
            # two equal members of the pool give no line: the particle stays
            length = np.where(np.isfinite(near) & np.isfinite(far), far - near, 0.0)
            near = np.where(np.isfinite(near), near, 0.0)
            own[:, some] += (near + uniforms[2] * length) * line

    def _chord(self, u: Array, line: Array) -> tuple[Array, Array]:
        """Return where lines leave the polytope, back (<= 0) and forth (>= 0), both shape (n,)."""
        near, far = np.full(u.shape[1], -np.inf), np.full(u.shape[1], np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            for row, side in zip(self._a, self._b, strict=True):
                used = np.flatnonzero(row)
                # term by term: a matrix product may round differently when there are more columns
                rate, at = row[used[0]] * line[used[0]], row[used[0]] * u[used[0]]
                for j in used[1:]:
                    rate += row[j] * line[j]
                    at += row[j] * u[j]
                ends = (side - at) / rate
                np.minimum(far, np.where(rate > 0, ends, np.inf), out=far)
                np.maximum(near, np.where(rate < 0, ends, -np.inf), out=near)
        return np.minimum(near, 0.0), np.maximum(far, 0.0)
