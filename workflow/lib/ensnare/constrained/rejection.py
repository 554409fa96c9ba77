"""Rejection: independent uniform points of a box, of which the feasible ones stay."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ensnare.constrained.particles import Crew
from ensnare.constrained.problem import Problem

Array = NDArray[np.float64]
_PILOT = 8192  # points by which the share of feasible ones is estimated
_ROUND = 65536  # points drawn at once


class Rejection:
    """Points of the cube that are tried one after the other, in an order that a seed decides.

    Parameters
    ----------
    problem : Problem
        The constraints.
    crew : Crew
        Processes and random numbers.

    Attributes
    ----------
    tried, found : int
        Points tried so far, and feasible ones among them.
    """

    def __init__(self, problem: Problem, crew: Crew) -> None:
        self._problem, self._crew = problem, crew
        self._step = crew.streams.next_step()
        self.tried = self.found = 0
        self._points: list[Array] = []

    def share(self) -> float:
        """Return the share of feasible points among the first ones."""
        if not self.tried:
            self._try(_PILOT)
        return self.found / self.tried

    def draw(self, count: int) -> Array:
        """Return the first feasible points, shape (d, count)."""
        while self.found < count:
            missing = (count - self.found) / max(self.share(), 1e-6)
            self._try(min(_ROUND, _PILOT * math.ceil(missing * 1.02 / _PILOT)))
        return np.concatenate(self._points, axis=1)[:, :count]

    def _try(self, count: int) -> None:
        low, high = self._crew.team.share(count)
        d = self._problem.d
        u = self._crew.streams.uniforms(self._step, self.tried + low, high - low, d)
        np.maximum(u, 2.0**-54, out=u)  # 0 is not inside
        inside = self._problem.feasible(u).astype(float)
        both = self._crew.team.collect(np.concatenate([u, inside[None]]), count)
        self._points.append(both[:-1, both[-1] == 1])
        self.tried += count
        self.found += self._points[-1].shape[1]
        self._crew.proposed += count
        self._crew.accepted += self._points[-1].shape[1]
