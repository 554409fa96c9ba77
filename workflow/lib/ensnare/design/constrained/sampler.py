"""Rejection: independent uniform points of a box, of which the feasible ones stay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.bounds import bounding_box, polytope, refuse_contradiction
from ensnare.design.constrained.chains import (
    CHAINS,
    adaptive_metropolis,
    effective_sample_size,
    gibbs,
    metropolis,
    potential_scale_reduction,
)
from ensnare.design.constrained.hit_and_run import HitAndRun
from ensnare.design.constrained.linear import HalfSpaces, centre
from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import Problem
from ensnare.design.constrained.smc import Smc
from ensnare.errors import EnsnareError, NoFeasiblePointError

Array = NDArray[np.float64]
_PILOT = 8192  # points by which the share of feasible ones is estimated
_ROUND = 65536  # points drawn at once


class Rejection:
    """Points of the cube that are tried one after the other, in an order that a seed decides.

    Parameters
    ----------
    problem : Problem
        The constraints.
    crew : Processes
        Processes and random numbers.

    Attributes
    ----------
    tried, found : int
        Points tried so far, and feasible ones among them.
    """

    def __init__(self, problem: Problem, crew: Processes) -> None:
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
    crew: Processes | None = None,
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
    crew : Processes, optional
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
    crew = crew or Processes(Team(), Streams(0))
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
    problem: Problem, ends: tuple[Array, Array], count: int, particles: int, crew: Processes
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
    box: Problem, spaces: HalfSpaces, count: int, particles: int, crew: Processes
) -> Draw:
    start, _, _ = centre(spaces)
    walk = HitAndRun(box, spaces, start, particles, crew)
    walk.spread()
    return _drawn(box, _collected(walk, count), "hit-and-run", count)


def _by_smc(problem: Problem, count: int, particles: int, crew: Processes) -> Draw:
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


def _by_chains(
    problem: Problem, count: int, method: str, crew: Processes, start: Array | None
) -> Draw:
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
