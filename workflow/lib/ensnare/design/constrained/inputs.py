"""Inputs of a study, conditioned on constraints: their distribution given that these hold."""

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
# Never change this number: it decides the points of a seed. It is independent of the size of a
# design, so that a larger design begins with the points of a smaller one.
_PARTICLES = 4096
_SLACK = 1e-9  # of probability: the accuracy to which quantiles and CDF are inverse


def conditioned_inputs(
    names: Sequence[str],
    marginals: Sequence[Any],
    couplings: Sequence[Coupling],
    constraints: Sequence[Constraint],
) -> Problem:
    """Return d inputs, in the order of `names`, conditioned on constraints.

    A point of the unit cube becomes the quantiles of the inputs, after the copulas (couplings of
    disjoint columns). Points are uniform where their values satisfy the constraints, so the values
    have the joint distribution of the inputs, copulas included, given that the constraints hold.
    """
    ends = np.array([_support(marginal) for marginal in marginals])

    def to_values(u: Array) -> Array:
        return from_uniform(u.T, marginals, couplings).T

    def to_unit(j: int, value: float, side: int) -> float:
        # a value at the bound stays inside, even where a discrete input has all probability there
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
    """Return the support of a distribution; infinite where OpenTURNS only truncates a tail."""
    found = marginal.getRange()
    low, high = found.getLowerBound()[0], found.getUpperBound()[0]
    return (
        low if found.getFiniteLowerBound()[0] else -math.inf,
        high if found.getFiniteUpperBound()[0] else math.inf,
    )


def check_feasible(problem: Problem) -> None:
    """Check that interval arithmetic does not prove that no values satisfy the constraints.

    Raises
    ------
    NoFeasiblePointError
        If they do.
    """
    bounding_box(problem)


def draw_inputs(problem: Problem, size: int, seed: int) -> Draw:
    """Draw inputs that satisfy their constraints; a larger size begins with a smaller one.

    Raises
    ------
    NoFeasiblePointError
        If no values satisfy them, or none were found.
    """
    return draw(problem, size, "auto", Processes(Team(), Streams(seed)), particles=_PARTICLES)
