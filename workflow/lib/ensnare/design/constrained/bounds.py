"""Where the feasible points can lie: a box around them, or the proof that there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.intervals import contract
from ensnare.design.constrained.linear import HalfSpaces, centre, half_spaces, tightest_bounds
from ensnare.design.constrained.problem import Problem
from ensnare.errors import NoFeasiblePointError

Array = NDArray[np.float64]


def bounding_box(problem: Problem) -> tuple[Array, Array]:
    """Return a box of the unit cube that holds every feasible point, by interval arithmetic.

    Returns
    -------
    low, high : ndarray of float, shape (d,)

    Raises
    ------
    NoFeasiblePointError
        If this proves that there are none.
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
            # the side of the cube stays where nothing moved it: its image may be rounded
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
    """Refuse linear constraints that contradict each other, with the proof.

    Raises
    ------
    NoFeasiblePointError
        If a sum of them holds nowhere.
    """
    if not problem.affine:
        return
    spaces, _ = half_spaces(problem.constraints, problem.names, problem.low, problem.high)
    _, _, certificate = centre(spaces)
    if certificate:
        raise NoFeasiblePointError(f"no feasible point: {certificate}")


def polytope(problem: Problem) -> tuple[HalfSpaces, bool, Array, Array]:
    """Return the linear constraints, whether they are all, and the box that they leave.

    Parameters
    ----------
    problem : Problem
        An affine one.

    Returns
    -------
    spaces : HalfSpaces
        The linear constraints.
    complete : bool
        Whether there are no others.
    low, high : ndarray of float, shape (d,)
        The smallest box of the unit cube around them.

    Raises
    ------
    NoFeasiblePointError
        If they contradict each other.
    """
    refuse_contradiction(problem)
    spaces, complete = half_spaces(problem.constraints, problem.names, problem.low, problem.high)
    return spaces, complete, *tightest_bounds(spaces)
