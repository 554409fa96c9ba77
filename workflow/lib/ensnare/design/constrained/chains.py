"""Markov chains from one feasible start: plain baselines, for sets that are small but not thin.

Every chain leaves the uniform distribution on the feasible points as it is; how soon it comes there
from its start is another matter, and what the diagnostics are for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import Problem

Array = NDArray[np.float64]


def potential_scale_reduction(rows: Array) -> Array:
    """Return R-hat of each coordinate, from halves of chains.

    Parameters
    ----------
    rows : ndarray of float, shape (n, d, m)
        Rows of m chains, n of at least 4.

    Returns
    -------
    ndarray of float, shape (d,)
        1 where chains agree; NaN where nothing moved.
    """
    within, pooled = _variances(_halves(rows))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = np.sqrt(pooled / within)
    return ratio


def effective_sample_size(rows: Array) -> Array:
    """Return how many independent points would tell the mean of each coordinate as well.

    Parameters
    ----------
    rows : ndarray of float, shape (n, d, m)
        Rows of m chains, n of at least 4.

    Returns
    -------
    ndarray of float, shape (d,)
        At most the number of rows; NaN where nothing moved.
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


CHAINS = 256  # in step with each other; more do not make a step much dearer
BURN_IN = 1000  # steps of a Metropolis chain before its first row
THINNING = 50  # steps of a Metropolis chain between two rows
_SWEEPS = 100  # of a Gibbs chain before its first row
_LEARN = 50  # steps between two changes of a proposal
_TAKEN = 0.25
_HASTE = 4.0  # how fast a length follows the share of steps that are taken
_JITTER = 1e-6  # keeps a covariance from collapsing
_SHRINKS = 124  # draws on a line before a chain stays where it is


def gibbs(problem: Problem, start: Array, rows: int, crew: Processes) -> Array:
    """Return rows of chains that draw one coordinate after the other given the others.

    Parameters
    ----------
    problem : Problem
        The constraints.
    start : ndarray of float, shape (d,)
        A feasible point.
    rows : int
        Rows of each chain; a row is a sweep over all coordinates.
    crew : Processes
        Processes and random numbers.

    Returns
    -------
    ndarray of float, shape (rows, d, CHAINS)

    References
    ----------
    Geman, Geman (1984), IEEE PAMI 6, 721-741, doi:10.1109/TPAMI.1984.4767596; the uniform draw on
    a line by shrinkage, Neal (2003), Ann. Stat. 31, 705-767, doi:10.1214/aos/1056562461
    """
    low, high = crew.team.share(CHAINS)
    u = np.repeat(start[:, None], high - low, axis=1)
    kept = []
    for sweep in range(_SWEEPS + rows):
        for j in range(problem.d):
            _draw_coordinate(problem, u, j, crew, low)
        if sweep >= _SWEEPS:
            kept.append(crew.team.collect(u, CHAINS).copy())
    crew.proposed, crew.accepted = (
        int(total) for total in crew.team.total([crew.proposed, crew.accepted])
    )
    return np.stack(kept)


def _draw_coordinate(problem: Problem, u: Array, j: int, crew: Processes, first: int) -> None:
    """Draw coordinate j of each chain uniformly where the constraints hold on its line."""
    n = u.shape[1]
    least, most = np.zeros(n), np.ones(n)
    done = np.zeros(n, bool)
    chances = crew.streams.uniforms(crew.streams.next_step(), first, n, _SHRINKS)
    tried = u.copy()
    for chance in chances:
        drawn = least + chance * (most - least)
        np.copyto(tried[j], drawn, where=~done)
        good = problem.feasible(tried) & ~done
        crew.proposed += int(np.count_nonzero(~done))
        crew.accepted += int(np.count_nonzero(good))
        below = drawn < u[j]
        np.copyto(u[j], drawn, where=good)
        done |= good
        if done.all():
            break
        np.copyto(least, drawn, where=~done & below)
        np.copyto(most, drawn, where=~done & ~below)


def metropolis(problem: Problem, start: Array, rows: int, crew: Processes) -> Array:
    """Return rows of random walks whose steps have one length in all directions.

    The length is learnt during the burn-in, and then stays. Parameters and result as of `gibbs`; a
    row is `THINNING` steps after the one before.

    References
    ----------
    Metropolis, Rosenbluth, Rosenbluth, Teller, Teller (1953), J. Chem. Phys. 21, 1087-1092,
    doi:10.1063/1.1699114
    """
    walk = _Walk(problem, start, crew)
    walk.root = np.eye(problem.d)
    while walk.steps < BURN_IN:
        walk.adapt_length(walk.run(_LEARN))
    return np.stack([walk.row() for _ in range(rows)])


def adaptive_metropolis(problem: Problem, start: Array, rows: int, crew: Processes) -> Array:
    """Return rows of random walks whose steps follow the covariance of where they have been.

    Parameters and result as of `gibbs`. All chains share the covariance, which is learnt as long
    as they run, ever more slowly.

    References
    ----------
    Haario, Saksman, Tamminen (2001), Bernoulli 7, 223-242, doi:10.2307/3318737
    """
    walk = _Walk(problem, start, crew)
    walk.root = np.eye(problem.d)
    while walk.steps < BURN_IN:
        walk.adapt_length(walk.run(_LEARN))
        if walk.steps >= BURN_IN // 4:
            walk.learn()
    kept = []
    for _ in range(rows):
        kept.append(walk.row())
        walk.learn()
    return np.stack(kept)


class _Walk:
    """Random walks of all chains, of which this process takes its share.

    Attributes
    ----------
    root : ndarray of float, shape (d, d)
        Lower triangular root of the covariance of a step, but for its length.
    steps : int
        Steps so far.
    """

    root: NDArray[np.floating]

    def __init__(self, problem: Problem, start: Array, crew: Processes) -> None:
        self._problem, self._crew = problem, crew
        self._part = crew.team.share(CHAINS)
        self._u = np.repeat(start[:, None], self._part[1] - self._part[0], axis=1)
        self._length, self.steps = 0.1, 0
        self._seen = 0
        self._sum = np.zeros(problem.d)
        self._products = np.zeros((problem.d, problem.d))

    def run(self, steps: int) -> float:
        """Go some steps; return the share that was taken."""
        low, high = self._part
        d, streams, taken = len(self._u), self._crew.streams, 0
        for _ in range(steps):
            chance = streams.uniforms(streams.next_step(), low, high - low, 2 * d)
            # Box and Muller; 1 - u is never 0
            normal = np.sqrt(-2 * np.log(1 - chance[:d])) * np.cos(2 * np.pi * chance[d:])
            moved = self._u.copy()
            for i in range(d):
                for j in range(i + 1):
                    if self.root[i, j]:
                        moved[i] += self._length * self.root[i, j] * normal[j]
            good = self._problem.feasible(moved)
            np.copyto(self._u, moved, where=good)
            taken += int(np.count_nonzero(good))
        self.steps += steps
        accepted = int(self._crew.team.total(taken))
        self._crew.proposed += steps * CHAINS
        self._crew.accepted += accepted
        return accepted / (steps * CHAINS)

    def adapt_length(self, share: float) -> None:
        """Bring the length of steps nearer to where a quarter of them is taken."""
        self._length *= float(np.exp(_HASTE * (share - _TAKEN)))

    def row(self) -> Array:
        """Go on, and return where all chains are, shape (d, CHAINS)."""
        self.run(THINNING)
        return self._everyone()

    def _everyone(self) -> Array:
        return self._crew.team.collect(self._u, CHAINS).copy()

    def learn(self) -> None:
        """Take the covariance of where all chains have been for that of a step."""
        u = self._everyone()
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
        self.root = np.linalg.cholesky(covariance + _JITTER * np.diag(spread**2))
        if first:  # lengths were of steps of another shape
            self._length = 2.38 / np.sqrt(d)
