"""First-order Sobol' indices, with intervals, from any sample of independent inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensnare.analyses.estimators.intervals import complete_samples

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RankIndices:
    """First-order Sobol' indices of one output for d inputs.

    Attributes
    ----------
    first, low, high : ndarray of float, shape (d,)
        Indices [-] and the ends of their confidence intervals.
    n_used, n_dropped : int
        Samples analysed, and left out because a value was missing.
    """

    first: Array
    low: Array
    high: Array
    n_used: int
    n_dropped: int


def rank_sobol_indices(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> RankIndices:
    """Return first-order Sobol' indices from a sample of any design with independent rows.

    Parameters
    ----------
    x : array of float, shape (n, d)
        Inputs, any units.
    y : array of float, shape (n,)
        Output, any unit. A row with a value that is not finite (NaN for a failed sample) is left
        out.
    confidence : float
        Probability that an interval covers its index [-], in (0, 1).

    Returns
    -------
    RankIndices
        NaN for an input or output that does not vary. Intervals are NaN for fewer than 5 samples.

    Raises
    ------
    ValueError
        If a shape is wrong or the confidence is not in (0, 1).

    Notes
    -----
    Samples are sorted by an input, and each is paired with the next and the last with the first:
    V first = mean y_k y_(k+1) - (mean y)^2 [1]_, as in OpenTURNS' RankSobolSensitivityAlgorithm
    (which does not centre the output, so that only 4 digits are left for a mean of 1e6 standard
    deviations). Where values of the input are equal, the index here is the mean over all orders
    of these samples, so that it does not depend on the order of rows, as that of OpenTURNS does.

    The interval is centred at the estimate without the pair of last and first, which biases the
    index of a monotone output by up to -6 / n, and widened to contain the index itself. Its
    standard error on Fisher's scale is that of the jackknife, corrected for what the jackknife
    counts too often: without a sample its two neighbours become a pair, so that products of three
    residuals count where [1]_ has one (cf. [2]_). The residual variance is estimated by local
    differences of the output. In simulations (Ishigami, beam, G-function, discrete inputs) it
    covers 92 to 97 % for n >= 300, at worst 90 % for n = 100 (an index of 0.7 of the G-function),
    and nearly always for a discrete input without effect. It needs no random numbers.

    References
    ----------
    .. [1] Gamboa, Gremaud, Klein, Lagnoux (2022), Bernoulli 28, 2345-2374,
       doi:10.3150/21-BEJ1421
    .. [2] Lin, Han (2022), Limit theorems of Chatterjee's rank correlation, arXiv:2204.08031
    """
    inputs, values, n_dropped = complete_samples(x, y, confidence)
    rows = np.full((3, inputs.shape[1]), np.nan)
    output = _centred(values)
    if output.any():
        for j, column in enumerate(inputs.T):
            order = np.argsort(column, kind="stable")
            rows[:, j] = _index_and_interval(_Sorted(column[order], output[order]), confidence)
    first, low, high = rows
    return RankIndices(first, low, high, len(values), n_dropped)


def _centred(y: Array) -> Array:
    """Return the output scaled to at most 1, less its mean; exactly 0 if it is constant."""
    if len(y) == 0:
        return y
    centred = y / (np.abs(y).max() or 1.0)  # squares must not overflow
    centred -= centred[0]
    centred -= centred.mean()
    return centred


class _Sorted:
    """Centred outputs, shape (n,), sorted by an input x; samples with equal x form G groups.

    `group`, shape (n,), is the group of each sample. size, sum, square (sum of squares) and mean,
    shape (G,), are those of the outputs of each group.
    """

    def __init__(self, x: Array, y: Array) -> None:
        starts = np.concatenate([[0], np.flatnonzero(x[1:] != x[:-1]) + 1])
        self.y = y
        self.size = np.diff(np.append(starts, len(x))).astype(np.float64)
        self.group = np.repeat(np.arange(len(starts)), self.size.astype(np.intp))
        self.sum = np.add.reduceat(y, starts)
        self.square = np.add.reduceat(y * y, starts)
        self.mean = self.sum / self.size

    def neighbours(self, value: Array, power: int) -> Array:
        """Return the sum of value / 2^power over both neighbouring groups of each, shape (G,).

        The first and the last group have one neighbour, whose value is not divided.
        """
        total = np.empty_like(value)
        total[1:-1] = (value[:-2] + value[2:]) * 0.5**power
        total[0], total[-1] = value[1], value[-2]
        return total


def _index_and_interval(s: _Sorted, confidence: float) -> tuple[float, float, float]:
    """Return the index and the ends of its interval; NaN where they do not exist."""
    n = len(s.y)
    if len(s.size) < 2:
        return np.nan, np.nan, np.nan
    within = ((s.sum**2 - s.square) / s.size).sum()
    between = s.mean @ np.roll(s.mean, -1)
    first = float((within + between) / n / np.var(s.y, ddof=1))
    if n < 5:
        return first, np.nan, np.nan
    low, high = _interval(s, confidence)
    return first, min(low, first), max(high, first)


def _interval(s: _Sorted, confidence: float) -> tuple[float, float]:
    """Return the ends of the interval, on Fisher's scale if all estimates are in (-1, 1)."""
    from scipy.special import stdtrit

    n, y = len(s.y), s.y
    # Each sample is multiplied by a weighted mean of other samples, `near`: those of its group
    # and of both neighbouring groups. w2 and w4 are the sums of the 2nd and 4th powers of the
    # weights.
    m, g = s.size, s.group
    near = (s.sum[g] - y) / m[g] + (s.neighbours(s.mean, 1) / m)[g]
    near_squares = (s.square[g] - y * y) / m[g] ** 2
    near_squares += (s.neighbours(s.square / m**2, 2) / m**2)[g]
    w2 = ((m - 1 + s.neighbours(1 / m, 2)) / m**2)[g]
    w4 = ((m - 1 + s.neighbours(1 / m**3, 4)) / m**4)[g]
    # leaves out a first or last sample without equals, which has a single neighbour
    kept = w2 < 0.75
    if np.count_nonzero(kept) < 3:
        return np.nan, np.nan
    rest = np.where(kept, 1 - w2, 1)
    # without a sample, its products are removed, and those of its neighbours with each other added
    influence = 2 * near * y - (near**2 - near_squares) / rest
    index = _ratio(near @ y, y @ y, np.zeros(1), n)[0]
    without = _ratio(near @ y - influence, y @ y - y * y, -y, n - 1)[kept]
    step = np.diff(y) ** 2
    noise = np.pad(step[:-2] * step[2:] / 4, (1, 2), mode="edge") / (y @ y) ** 2
    excess = ((4 * w2 + 2 * (w2 * w2 - w4) / rest**2) * noise)[kept].mean() * n
    product = (2 * w2 * noise)[kept].mean() * n
    use_fisher = max(abs(index), np.abs(without).max()) < 1 - 1e-9
    slope = 1 / (1 - index**2) if use_fisher else 1.0
    jackknife = (n - 1) * np.var(np.arctanh(without) if use_fisher else without)
    variance = max(jackknife - slope**2 * excess, 0) + slope**2 * product
    margin = stdtrit(n - 1, (1 + confidence) / 2) * np.sqrt(variance)
    if use_fisher:
        z = np.arctanh(index)
        return float(np.tanh(z - margin)), float(np.tanh(z + margin))
    return float(index - margin), float(index + margin)


def _ratio(products: Array, squares: Array, total: Array, n: int) -> Array:
    """Return the index from sums over n samples, corrected for the error of their mean."""
    mean_square = (total / n) ** 2
    variance = squares / n - mean_square
    index: Array = (products / n - mean_square + variance / n) / (variance * (1 + 1 / n))
    return index
