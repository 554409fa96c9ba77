"""Markov chains from one feasible start: baselines, for sets that are small but not thin.

Every chain leaves the uniform distribution on the feasible points invariant. How soon it reaches
that distribution from its start differs; R-hat and the effective sample size tell.

References
----------
Gelman, Carlin, Stern, Dunson, Vehtari, Rubin (2013), Bayesian Data Analysis, 11.4-11.5
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import Problem

Array = NDArray[np.float64]
CHAINS = 256  # advanced together by array operations; more would hardly make a step more expensive
BURN_IN = 1000  # steps of a Metropolis chain before its first row
THINNING = 50  # steps of a Metropolis chain between two rows
_SWEEPS = 100  # sweeps of a Gibbs chain before its first row
_MOST_DRAWS = 124  # draws on a line, after which a Gibbs chain stays where it is
_ADAPT_EVERY = 50  # steps between two changes of a proposal
_ACCEPTANCE = 0.25  # target acceptance rate
_ADAPT_RATE = 4.0  # change of the log step length per difference from the target acceptance rate
_JITTER = 1e-6  # keeps a covariance from becoming singular


def gibbs(problem: Problem, start: Array, rows: int, processes: Processes) -> Array:
    """Return rows of chains that draw one coordinate after the other, given the others.

    Chains start at a feasible point, shape (d,); a row is a sweep over all coordinates. The result
    has shape (rows, d, CHAINS).

    References
    ----------
    Geman, Geman (1984), IEEE PAMI 6, 721-741, doi:10.1109/TPAMI.1984.4767596; the uniform draw on
    a line by shrinkage, Neal (2003), Ann. Stat. 31, 705-767, doi:10.1214/aos/1056562461
    """
    low, high = processes.team.share(CHAINS)
    u = np.repeat(start[:, None], high - low, axis=1)
    kept = []
    for sweep in range(_SWEEPS + rows):
        for j in range(problem.d):
            _draw_coordinate(problem, u, j, processes, low)
        if sweep >= _SWEEPS:
            kept.append(processes.team.collect(u, CHAINS).copy())
    processes.proposed, processes.accepted = (
        int(total) for total in processes.team.total([processes.proposed, processes.accepted])
    )
    return np.stack(kept)


def _draw_coordinate(problem: Problem, u: Array, j: int, processes: Processes, first: int) -> None:
    """Draw coordinate j of each chain uniformly where the constraints hold on its line."""
    n = u.shape[1]
    least, most = np.zeros(n), np.ones(n)
    done = np.zeros(n, bool)
    streams = processes.streams
    tried = u.copy()
    for uniforms in streams.uniforms(streams.next_step(), first, n, _MOST_DRAWS):
        drawn = least + uniforms * (most - least)
        np.copyto(tried[j], drawn, where=~done)
        good = problem.feasible(tried) & ~done
        processes.proposed += int(np.count_nonzero(~done))
        processes.accepted += int(np.count_nonzero(good))
        below = drawn < u[j]
        np.copyto(u[j], drawn, where=good)
        done |= good
        if done.all():
            break
        np.copyto(least, drawn, where=~done & below)
        np.copyto(most, drawn, where=~done & ~below)


def metropolis(problem: Problem, start: Array, rows: int, processes: Processes) -> Array:
    """Return rows of random walks whose steps have one length in all directions.

    The length is adapted during the burn-in, and then stays. Arguments and result as of `gibbs`;
    a row is `THINNING` steps after the one before.

    References
    ----------
    Metropolis, Rosenbluth, Rosenbluth, Teller, Teller (1953), J. Chem. Phys. 21, 1087-1092,
    doi:10.1063/1.1699114
    """
    walks = _RandomWalks(problem, start, processes)
    while walks.steps < BURN_IN:
        walks.adapt_length(walks.run(_ADAPT_EVERY))
    return np.stack([walks.row() for _ in range(rows)])


def adaptive_metropolis(problem: Problem, start: Array, rows: int, processes: Processes) -> Array:
    """Return rows of random walks whose steps have the covariance of their past positions.

    Arguments and result as of `gibbs`. All chains share the covariance, which is updated as long
    as they run, with smaller and smaller changes.

    References
    ----------
    Haario, Saksman, Tamminen (2001), Bernoulli 7, 223-242, doi:10.2307/3318737
    """
    walks = _RandomWalks(problem, start, processes)
    while walks.steps < BURN_IN:
        walks.adapt_length(walks.run(_ADAPT_EVERY))
        if walks.steps >= BURN_IN // 4:
            walks.adapt_covariance()
    kept = []
    for _ in range(rows):
        kept.append(walks.row())
        walks.adapt_covariance()
    return np.stack(kept)


class _RandomWalks:
    """The random walks of all chains, of which this process advances its share."""

    def __init__(self, problem: Problem, start: Array, processes: Processes) -> None:
        self._problem, self._processes = problem, processes
        self._part = processes.team.share(CHAINS)
        self._u = np.repeat(start[:, None], self._part[1] - self._part[0], axis=1)
        # a step is the length times a sample with the covariance root root^T, root lower triangular
        self._length, self.steps = 0.1, 0
        self._root: NDArray[np.floating] = np.eye(problem.d)
        self._seen = 0
        self._sum = np.zeros(problem.d)
        self._products = np.zeros((problem.d, problem.d))

    def run(self, steps: int) -> float:
        """Advance by some steps; return the share that was accepted."""
        low, high = self._part
        d, streams, taken = len(self._u), self._processes.streams, 0
        for _ in range(steps):
            uniforms = streams.uniforms(streams.next_step(), low, high - low, 2 * d)
            # Box and Muller; 1 - u is never 0
            normal = np.sqrt(-2 * np.log(1 - uniforms[:d])) * np.cos(2 * np.pi * uniforms[d:])
            moved = self._u.copy()
            for i in range(d):
                for j in range(i + 1):
                    if self._root[i, j]:
                        moved[i] += self._length * self._root[i, j] * normal[j]
            good = self._problem.feasible(moved)
            np.copyto(self._u, moved, where=good)
            taken += int(np.count_nonzero(good))
        self.steps += steps
        accepted = int(self._processes.team.total(taken))
        self._processes.proposed += steps * CHAINS
        self._processes.accepted += accepted
        return accepted / (steps * CHAINS)

    def adapt_length(self, share: float) -> None:
        """Change the step length towards the one of which a quarter is accepted."""
        self._length *= float(np.exp(_ADAPT_RATE * (share - _ACCEPTANCE)))

    def row(self) -> Array:
        """Advance by `THINNING` steps; return the positions of all chains, shape (d, CHAINS)."""
        self.run(THINNING)
        return self._all_chains()

    def _all_chains(self) -> Array:
        return self._processes.team.collect(self._u, CHAINS).copy()

    def adapt_covariance(self) -> None:
        """Add the positions of all chains to the covariance, and use it for the next steps."""
        u = self._all_chains()
        first = self._seen == 0
        self._seen += u.shape[1]
        d = len(u)
        self._sum += u.sum(axis=1)
        for i in range(d):
            for j in range(d):
                self._products[i, j] += (u[i] * u[j]).sum()
        mean = self._sum / self._seen
        covariance = self._products / self._seen - np.outer(mean, mean)
        spread = np.sqrt(np.maximum(np.diag(covariance), _JITTER**2))
        self._root = np.linalg.cholesky(covariance + _JITTER * np.diag(spread**2))
        if first:  # the length so far was for steps without a covariance
            self._length = 2.38 / np.sqrt(d)


def potential_scale_reduction(rows: Array) -> Array:
    """Return R-hat of each coordinate from rows (n, d, m) of m chains, split in halves, shape (d,).

    n is at least 4. 1 where chains agree; NaN where nothing moved.
    """
    within, pooled = _variances(_halves(rows))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = np.sqrt(pooled / within)
    return ratio


def effective_sample_size(rows: Array) -> Array:
    """Return how many independent points have as accurate a mean of each coordinate, shape (d,).

    `rows`, shape (n, d, m) with n of at least 4, are those of m chains. At most n m; NaN where
    nothing moved.
    """
    halves = _halves(rows)
    n, _, m = halves.shape
    within, pooled = _variances(halves)
    centred = halves - halves.mean(axis=0)
    spectrum = np.fft.rfft(centred, 2 * n, axis=0)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=0)[:n].mean(axis=2) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations = 1 - (within - covariances) / pooled
    times = np.array([_sum_of_pairs(column) for column in correlations.T])
    sizes: Array = np.minimum(n * m / times, n * m)
    return sizes


def _sum_of_pairs(correlations: Array) -> float:
    """Return 1 + 2 (sum of correlations), up to where a pair of them is noise (Geyer 1992)."""
    if not np.isfinite(correlations).all():
        return float("nan")
    total = 1.0
    for lag in range(1, len(correlations) - 1, 2):
        pair = correlations[lag] + correlations[lag + 1]
        if pair < 0:
            break
        total += 2 * pair
    return float(max(total, 1.0))


def _halves(rows: Array) -> Array:
    half = len(rows) // 2
    return np.concatenate([rows[:half], rows[len(rows) - half :]], axis=2)


def _variances(halves: Array) -> tuple[Array, Array]:
    """Return the variance within chains, and that of all of them together, each of shape (d,)."""
    n = len(halves)
    within = halves.var(axis=0, ddof=1).mean(axis=1)
    between = n * halves.mean(axis=0).var(axis=1, ddof=1)
    return within, (n - 1) / n * within + between / n
