"""Which method draws the points, and what it says about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensnare.constrained.chains import CHAINS, adaptive_metropolis, gibbs, metropolis
from ensnare.constrained.diagnostics import effective_sample_size, potential_scale_reduction
from ensnare.constrained.hitandrun import HitAndRun
from ensnare.constrained.linear import HalfSpaces, centre
from ensnare.constrained.outline import (
    bounding_box,
    polytope,
    refuse_contradiction,
)
from ensnare.constrained.particles import Crew
from ensnare.constrained.problem import Problem
from ensnare.constrained.rejection import Rejection
from ensnare.constrained.smc import Smc
from ensnare.constrained.streams import Streams
from ensnare.constrained.team import Team
from ensnare.errors import EnsnareError, NoFeasiblePointError

Array = NDArray[np.float64]
_WORTH_IT = 0.01  # share of feasible points of a box, above which they are drawn by rejection
_ALIKE = 0.2  # correlation of particles with the past that is worth a word
_LEAST_ROWS = 8  # of a chain: fewer tell nothing of it
LEAST_PARTICLES = 2000
_CHAINS = {"Gibbs": gibbs, "Metropolis": metropolis, "AdaptiveMetropolis": adaptive_metropolis}
METHODS = ("auto", "SMC", *_CHAINS)


@dataclass
class Draw:
    """Points that satisfy constraints.

    Attributes
    ----------
    x : ndarray of float, shape (n, d)
        The values of the points.
    method : str
        What drew them.
    acceptance : float
        Share of proposals that were taken.
    ess : float
        Effective sample size: of the slowest coordinate.
    evaluations : int
        Points at which the constraints were evaluated, by all processes.
    log_volume : float or None
        Logarithm of the share of the cube that is feasible, where the method tells.
    r_hat : float or None
        Of chains: R-hat of the slowest coordinate.
    notes : list of str
        What else there is to say.
    """

    x: Array
    method: str
    acceptance: float = 1.0
    ess: float = math.nan
    evaluations: int = 0
    log_volume: float | None = None
    r_hat: float | None = None
    notes: list[str] = field(default_factory=list)


def draw(
    problem: Problem,
    count: int,
    method: str = "auto",
    crew: Crew | None = None,
    *,
    start: Array | None = None,
    particles: int | None = None,
) -> Draw:
    """Draw points uniformly from those that satisfy the constraints.

    Parameters
    ----------
    problem : Problem
        The constraints.
    count : int
        Number of points n.
    method : {"auto", "SMC", "Gibbs", "Metropolis", "AdaptiveMetropolis"}
        `auto`: rejection from a box that follows from the constraints where that is worth it, or
        else hit-and-run if they are linear, or else SMC in that box. `SMC` knows the constraints
        only by their values. The others are chains from a start.
    crew : Crew, optional
        Processes and random numbers; default: this process, and seed 0.
    start : ndarray of float, shape (d,), optional
        A feasible point, which chains need.
    particles : int, optional
        Number of particles; default: `count`, and at least 2000. Points of the same number of
        particles begin with those of a smaller `count`.

    Returns
    -------
    Draw
        Exactly `count` points, each of which satisfies the constraints.

    Raises
    ------
    NoFeasiblePointError
        If there is no feasible point, or none was found.
    EnsnareError
        If chains have no feasible start.
    """
    crew = crew or Crew(Team(), Streams(0))
    number = particles or max(count, LEAST_PARTICLES)
    ends = bounding_box(problem)  # all but `auto` take from it no more than that it exists
    if method in _CHAINS:
        drawn = _by_chains(problem, count, method, crew, start)
    elif method == "SMC":
        drawn = _by_smc(problem, count, number, crew)
    else:
        drawn = _automatic(problem, ends, count, number, crew)
    drawn.evaluations = int(crew.team.total(problem.tally.evaluations))
    drawn.acceptance = crew.acceptance
    return drawn


def _automatic(
    problem: Problem, ends: tuple[Array, Array], count: int, particles: int, crew: Crew
) -> Draw:
    box = problem.zoomed(*ends)
    log_box = float(np.log(ends[1] - ends[0]).sum())
    rejection = Rejection(box, crew)
    if rejection.share() < _WORTH_IT and problem.affine:
        refuse_contradiction(problem)  # in the words of the constraints
        _, _, low, high = polytope(box)
        box, log_box = box.zoomed(low, high), log_box + float(np.log(high - low).sum())
        rejection = Rejection(box, crew)
    if rejection.share() >= _WORTH_IT:
        z = rejection.draw(count)
        log_volume = log_box + math.log(rejection.found / rejection.tried)
        drawn = _drawn(box, z, "rejection from a box", count)
        drawn.log_volume = log_volume
        return drawn
    if problem.affine:
        spaces, complete, _, _ = polytope(box)
        if complete:
            return _by_hit_and_run(box, spaces, count, particles, crew)
    drawn = _by_smc(box, count, particles, crew)
    drawn.log_volume = log_box + (drawn.log_volume or 0.0)
    return drawn


def _drawn(box: Problem, z: Array, method: str, ess: float) -> Draw:
    """Return points with their values, after looking at each of them once more."""
    if not box.feasible(z).all():
        raise AssertionError(f"{method} drew a point that is not feasible")
    return Draw(np.ascontiguousarray(box.values(z).T), method, ess=ess)


def _by_hit_and_run(
    box: Problem, spaces: HalfSpaces, count: int, particles: int, crew: Crew
) -> Draw:
    start, _, _ = centre(spaces)
    walk = HitAndRun(box, spaces, start, particles, crew)
    walk.spread()
    return _drawn(box, _collected(walk, count), "hit-and-run", count)


def _by_smc(problem: Problem, count: int, particles: int, crew: Crew) -> Draw:
    smc = Smc(problem, particles, crew)
    try:
        smc.descend()
    except NoFeasiblePointError:
        refuse_contradiction(problem)
        raise
    # copies of one particle, and what it is later, count as one as far as they are still alike
    alike, u = smc.alike * min(1.0, count / particles), _collected(smc, count)
    again = math.ceil(count / particles) - 1
    ess = count / (1 + alike) / (1 + again * smc.left**2)
    drawn = _drawn(problem, u, "SMC", ess)
    drawn.log_volume = smc.log_volume
    drawn.notes.append(f"{smc.levels} levels of {particles} particles")
    if smc.left > _ALIKE:
        drawn.notes.append(
            f"particles remember where they were (correlation {smc.left:.2f}): the set may have "
            "parts that no move leads between; their shares are those of the levels above"
        )
    return drawn


def _collected(moving: Smc | HitAndRun, count: int) -> Array:
    """Return points, shape (d, count): the particles, and where they are later if need be."""
    blocks = [moving.u]
    while sum(block.shape[1] for block in blocks) < count:
        moving.forget()
        blocks.append(moving.u)
    return np.concatenate(blocks, axis=1)[:, :count]


def _by_chains(problem: Problem, count: int, method: str, crew: Crew, start: Array | None) -> Draw:
    if start is None or (broken := _violated(problem, start)):
        found = "none was given" if start is None else f"the given one violates {broken}"
        raise EnsnareError(
            f"{method} needs a feasible starting point: {found}; give one, or choose auto or SMC"
        )
    per_chain = max(_LEAST_ROWS, -(-count // CHAINS))
    rows = _CHAINS[method](problem, start, per_chain, crew)
    d = problem.d
    u = rows.transpose(1, 0, 2).reshape(d, -1)[:, :count]
    ess = min(float(count), float(effective_sample_size(rows).min()))
    drawn = _drawn(problem, u, method, ess)
    drawn.r_hat = float(potential_scale_reduction(rows).max())
    drawn.notes.append(f"{CHAINS} chains of {per_chain} rows from one start")
    return drawn


def _violated(problem: Problem, start: Array) -> str:
    outside = np.flatnonzero((start <= 0) | (start >= 1))
    if len(outside):
        return f"0 < {problem.names[outside[0]]} < 1"
    return problem.violated(start)
