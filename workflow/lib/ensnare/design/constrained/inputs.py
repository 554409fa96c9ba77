"""Inputs given that they satisfy constraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import openturns as ot
from numpy.typing import NDArray

from ensnare.design.constrained.bounds import bounding_box
from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import Problem
from ensnare.design.constrained.sampler import Draw, draw
from ensnare.design.copulas import Coupling
from ensnare.design.marginals import from_uniform
from ensnare.study.constraints import Constraint

Array = NDArray[np.float64]
# part of what a seed means, never to be changed: a larger design begins with a smaller one
_PARTICLES = 4096
_SLACK = 1e-9  # of probability: quantiles and their inverses agree to no more


def conditioned_inputs(
    names: Sequence[str],
    marginals: Sequence[Any],
    couplings: Sequence[Coupling],
    constraints: Sequence[Constraint],
) -> Problem:
    """Return the inputs whose distribution is conditioned on constraints.

    Points are uniform where their quantiles satisfy the constraints. That is the joint
    distribution, copula included, given that it satisfies them.

    Parameters
    ----------
    names : sequence of str, length d
        Names of the inputs.
    marginals : sequence of openturns.Distribution, length d
        Their distributions.
    couplings : sequence of Coupling
        Copulas of disjoint columns.
    constraints : sequence of Constraint
        Constraints over these names.
    """
    ends = np.array([_support(marginal) for marginal in marginals])

    def to_values(u: Array) -> Array:
        return from_uniform(u.T, marginals, couplings).T

    def to_unit(j: int, value: float, side: int) -> float:
        # what lies at a bound stays inside it, though all of it may lie there
        below = math.nextafter(value, -math.inf) if side < 0 else value
        return float(np.clip(marginals[j].computeCDF(below) + side * _SLACK, 0.0, 1.0))

    uniform = all(isinstance(m, ot.Uniform) for m in marginals)
    return Problem(
        tuple(names),
        tuple(constraints),
        ends[:, 0],
        ends[:, 1],
        to_values=to_values,
        to_unit=None if couplings else to_unit,
        affine=uniform and not couplings,
    )


def _support(marginal: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return between what values a distribution lies; what OpenTURNS cuts off is infinite."""
    found = marginal.getRange()
    low, high = found.getLowerBound()[0], found.getUpperBound()[0]
    return (
        low if found.getFiniteLowerBound()[0] else -math.inf,
        high if found.getFiniteUpperBound()[0] else math.inf,
    )


def check_feasible(problem: Problem) -> None:
    """Refuse constraints that leave nothing, as far as their bounds tell.

    Raises
    ------
    NoFeasiblePointError
        If no value satisfies them.
    """
    bounding_box(problem)


def draw_inputs(problem: Problem, size: int, seed: int) -> Draw:
    """Draw inputs that satisfy their constraints; a larger size begins with a smaller one.

    Raises
    ------
    NoFeasiblePointError
        If no value satisfies them, or none was found.
    """
    return draw(problem, size, "auto", Processes(Team(), Streams(seed)), particles=_PARTICLES)
