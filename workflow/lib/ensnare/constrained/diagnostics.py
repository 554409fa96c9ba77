"""How well chains have mixed: effective sample size and R-hat.

References
----------
Gelman, Carlin, Stern, Dunson, Vehtari, Rubin (2013), Bayesian Data Analysis, 11.4-11.5
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
