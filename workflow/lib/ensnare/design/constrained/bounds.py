"""Where the feasible points can lie: a box around them, or the proof that there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.intervals import contract
from ensnare.design.constrained.linear import (
    HalfSpaces,
    chebyshev_centre,
    half_spaces,
    tightest_bounds,
)
from ensnare.design.constrained.problem import Problem
from ensnare.errors import NoFeasiblePointError

Array = NDArray[np.float64]


def bounding_box(problem: Problem) -> tuple[Array, Array]:
    """Return a box of the unit cube that holds every feasible point, low and high of shape (d,).

    Interval arithmetic raises NoFeasiblePointError where it proves that there is no such point.
    """
    given = [(float(a), float(b)) for a, b in zip(problem.low, problem.high, strict=True)]
    bounds, emptied = contract(problem.constraints, dict(zip(problem.names, given, strict=True)))
    if emptied:
        refuse_contradiction(problem)
        raise NoFeasiblePointError(
            f"no feasible point: {emptied} holds nowhere within the bounds that the constraints "
            "leave (by interval arithmetic)"
        )
    low, high = np.zeros(problem.d), np.ones(problem.d)
    if problem.to_unit is not None:
        for j, (name, before) in enumerate(zip(problem.names, given, strict=True)):
            # a bound that was not tightened stays the side of the cube: its image may be rounded
            if bounds[name][0] > before[0]:
                low[j] = problem.to_unit(j, bounds[name][0], -1)
            if bounds[name][1] < before[1]:
                high[j] = problem.to_unit(j, bounds[name][1], 1)
    if not np.all(low < high):
        refuse_contradiction(problem)
        name = problem.names[int(np.argmin(high - low))]
        raise NoFeasiblePointError(
            f"no feasible point: the constraints leave no room for {name} "
            f"(from {bounds[name][0]:g} to {bounds[name][1]:g})"
        )
    return low, high


def refuse_contradiction(problem: Problem) -> None:
    """Raise NoFeasiblePointError, with the proof, if linear constraints contradict each other.

    The proof is a weighted sum of the constraints that holds nowhere. Does nothing if values are
    not affine functions of points.
    """
    if not problem.affine:
        return
    spaces, _ = half_spaces(problem.constraints, problem.names, problem.low, problem.high)
    _, _, certificate = chebyshev_centre(spaces)
    if certificate:
        raise NoFeasiblePointError(f"no feasible point: {certificate}")


def polytope(problem: Problem) -> tuple[HalfSpaces, bool, Array, Array]:
    """Return the linear constraints of an affine problem, whether all are, and their bounding box.

    The box, low and high of shape (d,), is the smallest in the unit cube. Raises
    NoFeasiblePointError if the constraints contradict each other.
    """
    refuse_contradiction(problem)
    spaces, complete = half_spaces(problem.constraints, problem.names, problem.low, problem.high)
    return spaces, complete, *tightest_bounds(spaces)
