"""Uniform points of a set that constraints describe, by the method that suits the set.

Rejection from a box that follows from the constraints gives exact, independent points. Where too
few points of the box are feasible, particles are moved instead: by hit-and-run in a polytope, by
sequential Monte Carlo (SMC) in any other set. Markov chains are there to compare with.
"""

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
from ensnare.design.constrained.linear import HalfSpaces, chebyshev_centre
from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import Problem
from ensnare.design.constrained.smc import Smc
from ensnare.errors import EnsnareError, NoFeasiblePointError

Array = NDArray[np.float64]
_CHAINS = {"Gibbs": gibbs, "Metropolis": metropolis, "AdaptiveMetropolis": adaptive_metropolis}
METHODS = ("auto", "SMC", *_CHAINS)
LEAST_PARTICLES = 2000
_PILOT = 8192  # points from which the feasible share of a box is estimated
_ROUND = 65536  # most points of a box drawn at once
_REJECTION_FROM = 0.01  # feasible share of a box from which rejection is used
_NOTED_CORRELATION = 0.2  # of particles with earlier positions, above which a note says so
_LEAST_ROWS = 8  # of a chain: diagnostics need some


@dataclass
class Draw:
    """Points that satisfy constraints, and how they were drawn.

    Attributes
    ----------
    x : ndarray of float, shape (n, d)
        The values of the points.
    method : str
        What drew them; with `auto` the method that was chosen.
    acceptance : float
        Share of proposals that were accepted, those of a pilot by rejection included.
    ess : float
        Effective sample size of the slowest coordinate.
    evaluations : int
        Points at which all processes evaluated the constraints.
    log_volume : float or None
        Logarithm of the feasible share of the cube, if the method estimates it.
    r_hat : float or None
        R-hat of the slowest coordinate, of chains only.
    notes : list of str
        Remarks for the user.
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
    processes: Processes | None = None,
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
        Number of points n; each of them satisfies the constraints.
    method : {"auto", "SMC", "Gibbs", "Metropolis", "AdaptiveMetropolis"}
        `auto`: rejection from a box that follows from the constraints if at least 1 % of it is
        feasible, else hit-and-run if the constraints are linear, else SMC in that box. `SMC`
        knows the constraints only by their values. The others are chains.
    processes : Processes, optional
        Default: this process alone, and seed 0.
    start : ndarray of float, shape (d,), optional
        A feasible point, which chains need.
    particles : int, optional
        Number of particles; default: `count`, and at least 2000. Only with the same number of
        particles do the points begin with those of a smaller `count`.

    Raises
    ------
    NoFeasiblePointError
        If there is no feasible point, or none was found.
    EnsnareError
        If chains have no feasible start, or particles of SMC stay equal.
    """
    processes = processes or Processes(Team(), Streams(0))
    number = particles or max(count, LEAST_PARTICLES)
    ends = bounding_box(problem)  # for all methods, since it can prove that there is no point
    if method in _CHAINS:
        drawn = _by_chains(problem, count, method, processes, start)
    elif method == "SMC":
        drawn = _by_smc(problem, count, number, processes)
    else:
        drawn = _automatic(problem, ends, count, number, processes)
    drawn.evaluations = int(processes.team.total(problem.counts.evaluations))
    drawn.acceptance = processes.acceptance
    return drawn


def _automatic(
    problem: Problem, ends: tuple[Array, Array], count: int, particles: int, processes: Processes
) -> Draw:
    box = problem.zoomed(*ends)
    log_box = float(np.log(ends[1] - ends[0]).sum())
    rejection = Rejection(box, processes)
    if rejection.share() < _REJECTION_FROM and problem.affine:
        # of the given problem, so that the proof has the bounds as the user wrote them
        refuse_contradiction(problem)
        _, _, low, high = polytope(box)
        box, log_box = box.zoomed(low, high), log_box + float(np.log(high - low).sum())
        rejection = Rejection(box, processes)
    if rejection.share() >= _REJECTION_FROM:
        z = rejection.draw(count)
        log_volume = log_box + math.log(rejection.found / rejection.tried)
        drawn = _checked_draw(box, z, "rejection from a box", count)
        drawn.log_volume = log_volume
        return drawn
    if problem.affine:
        spaces, complete, _, _ = polytope(box)
        if complete:
            return _by_hit_and_run(box, spaces, count, particles, processes)
    drawn = _by_smc(box, count, particles, processes)
    drawn.log_volume = log_box + (drawn.log_volume or 0.0)
    return drawn


def _checked_draw(box: Problem, z: Array, method: str, ess: float) -> Draw:
    """Return the values of points, after checking that each of them is feasible."""
    if not box.feasible(z).all():
        raise AssertionError(f"{method} drew a point that is not feasible")
    return Draw(np.ascontiguousarray(box.values(z).T), method, ess=ess)


class Rejection:
    """Independent uniform points of the cube, of which the feasible ones are kept.

    `tried` and `found` count the points so far, and the feasible ones among them. A seed decides
    the order, so that a larger draw begins with a smaller one.
    """

    def __init__(self, problem: Problem, processes: Processes) -> None:
        self._problem, self._processes = problem, processes
        self._step = processes.streams.next_step()
        self.tried = self.found = 0
        self._points: list[Array] = []

    def share(self) -> float:
        """Return the share of feasible points among those tried, which are at least a pilot."""
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
        low, high = self._processes.team.share(count)
        d = self._problem.d
        u = self._processes.streams.uniforms(self._step, self.tried + low, high - low, d)
        np.maximum(u, 2.0**-54, out=u)  # 0 is not inside the open cube
        inside = self._problem.feasible(u).astype(float)
        both = self._processes.team.collect(np.concatenate([u, inside[None]]), count)
        self._points.append(both[:-1, both[-1] == 1])
        self.tried += count
        self.found += self._points[-1].shape[1]
        self._processes.proposed += count
        self._processes.accepted += self._points[-1].shape[1]


def _by_hit_and_run(
    box: Problem, spaces: HalfSpaces, count: int, particles: int, processes: Processes
) -> Draw:
    start, _, _ = chebyshev_centre(spaces)
    walk = HitAndRun(box, spaces, start, particles, processes)
    walk.spread()
    return _checked_draw(box, _collect_points(walk, count), "hit-and-run", count)


def _by_smc(problem: Problem, count: int, particles: int, processes: Processes) -> Draw:
    smc = Smc(problem, particles, processes)
    try:
        smc.descend()
    except NoFeasiblePointError:
        refuse_contradiction(problem)  # a proof is a better message
        raise
    # Copies of one particle, and later positions of it, count as one point to the extent that they
    # are still correlated.
    copies, u = smc.copies * min(1.0, count / particles), _collect_points(smc, count)
    again = math.ceil(count / particles) - 1
    ess = count / (1 + copies) / (1 + again * smc.correlation**2)
    drawn = _checked_draw(problem, u, "SMC", ess)
    drawn.log_volume = smc.log_volume
    drawn.notes.append(f"{smc.levels} levels of {particles} particles")
    if smc.correlation > _NOTED_CORRELATION:
        drawn.notes.append(
            f"particles are correlated with their earlier positions ({smc.correlation:.2f}): the "
            "set may have parts that no move connects; their shares are those of earlier levels"
        )
    return drawn


def _collect_points(sampler: Smc | HitAndRun, count: int) -> Array:
    """Return points, shape (d, count): the particles, and later positions of them if need be."""
    blocks = [sampler.u]
    while sum(block.shape[1] for block in blocks) < count:
        sampler.decorrelate()
        blocks.append(sampler.u)
    return np.concatenate(blocks, axis=1)[:, :count]


def _by_chains(
    problem: Problem, count: int, method: str, processes: Processes, start: Array | None
) -> Draw:
    if start is None or (broken := _violated(problem, start)):
        found = "none was given" if start is None else f"the given one violates {broken}"
        raise EnsnareError(
            f"{method} needs a feasible starting point: {found}; give one, or choose auto or SMC"
        )
    per_chain = max(_LEAST_ROWS, -(-count // CHAINS))
    rows = _CHAINS[method](problem, start, per_chain, processes)
    d = problem.d
    u = rows.transpose(1, 0, 2).reshape(d, -1)[:, :count]
    ess = min(float(count), float(effective_sample_size(rows).min()))
    drawn = _checked_draw(problem, u, method, ess)
    drawn.r_hat = float(potential_scale_reduction(rows).max())
    drawn.notes.append(f"{CHAINS} chains of {per_chain} rows from one start")
    return drawn


def _violated(problem: Problem, start: Array) -> str:
    """Return the first condition that a starting point violates; empty if none."""
    outside = np.flatnonzero((start <= 0) | (start >= 1))
    if len(outside):
        return f"0 < {problem.names[outside[0]]} < 1"
    return problem.violated(start)
