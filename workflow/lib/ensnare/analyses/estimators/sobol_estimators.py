"""The formulas of estimators of Sobol' indices, from the moments of pick-freeze blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
A, B, E = 0, 1, 2  # positions of the blocks that an estimator receives; E is E_i of one input


@dataclass(frozen=True)
class Moments:
    """Moments of the outputs of the blocks A, B and E_i.

    Axes after those of the blocks are replicates, such as the moments without each group.

    Attributes
    ----------
    cov : ndarray of float, shape (3, 3, ...)
        Covariances, with n in the denominator.
    mean : ndarray of float, shape (3, ...)
        Means, less the mean of all blocks of the design.
    n : int
        Number of pick-freeze groups.
    """

    cov: Array
    mean: Array
    n: int

    @property
    def variance(self) -> Array:
        """Unbiased variance of block A, shape (...); NaN where it is 0."""
        cov = self.cov[A, A]
        variance: Array = np.where(cov > 0, cov, np.nan) * self.unbiased
        return variance

    @property
    def unbiased(self) -> float:
        """Factor from n in the denominator to n - 1; NaN for one group."""
        return self.n / (self.n - 1) if self.n > 1 else np.nan

    def product(self, i: int, j: int) -> Array:
        """Return the sum of products of two blocks over n - 1, shape (...)."""
        product: Array = (self.cov[i, j] + self.mean[i] * self.mean[j]) * self.unbiased
        return product

    def half_square(self, i: int, j: int) -> Array:
        """Return the sum of squared differences of two blocks over 2 n - 1, shape (...)."""
        square = self.cov[i, i] + self.cov[j, j] - 2 * self.cov[i, j]
        square = square + (self.mean[i] - self.mean[j]) ** 2
        # of equal blocks, rounding may leave a negative number
        half_square: Array = np.maximum(square, 0) * (self.n / (2 * self.n - 1))
        return half_square


Estimate = Callable[[Moments], tuple[Array, Array]]


@dataclass(frozen=True)
class Estimator:
    """An estimator, and the scale of its confidence interval, see `intervals.jackknife_interval`.

    Attributes
    ----------
    estimate : callable
        From `Moments` to the first-order and total index, shape (...) each.
    scale : str
        "fisher" if first and 1 - total are correlations, "log" if 1 - first and total are mean
        squares, "plain" if the indices may be any number.
    """

    estimate: Estimate
    scale: str


def _correlation(m: Moments, i: int, j: int) -> Array:
    """Return the correlation of two of the blocks; NaN when one is constant."""
    rho: Array = np.clip(m.cov[i, j] / np.sqrt(m.cov[i, i] * m.cov[j, j]), -1, 1)
    return rho


def _martinez(m: Moments) -> tuple[Array, Array]:
    """First = corr(B, E), total = 1 - corr(A, E)."""
    return _correlation(m, B, E), 1 - _correlation(m, A, E)


def _jansen(m: Moments) -> tuple[Array, Array]:
    """V first = V - mean (E - B)^2 / 2, V total = mean (E - A)^2 / 2."""
    return 1 - m.half_square(B, E) / m.variance, m.half_square(A, E) / m.variance


def _saltelli(m: Moments) -> tuple[Array, Array]:
    """V first = mean B E - mean A mean B, V (1 - total) = mean A E - (mean A)^2."""
    first = (m.product(B, E) - m.mean[A] * m.mean[B]) / m.variance
    return first, 1 - (m.product(A, E) - m.mean[A] ** 2) / m.variance


def _mauntz_kucherenko(m: Moments) -> tuple[Array, Array]:
    """V first = mean B (E - A), V total = mean A (A - E)."""
    first = (m.product(B, E) - m.product(A, B)) / m.variance
    return first, (m.product(A, A) - m.product(A, E)) / m.variance


# To add an estimator, add its function of the moments of A, B and E_i, and the scale on which its
# interval covers best. `sobol_indices` makes the interval from calls with the moments without each
# group.
ESTIMATORS: dict[str, Estimator] = {
    "martinez": Estimator(_martinez, "fisher"),
    "jansen": Estimator(_jansen, "log"),
    "saltelli": Estimator(_saltelli, "plain"),
    "mauntz_kucherenko": Estimator(_mauntz_kucherenko, "plain"),
}
