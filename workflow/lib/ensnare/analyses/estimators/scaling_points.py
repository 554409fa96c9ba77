"""The points of a scaling curve: median time, speed-up, efficiency, serial fraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mode = Literal["strong", "weak", "throughput"]


@dataclass(frozen=True)
class Interval:
    """A median and its confidence interval.

    Attributes
    ----------
    value, low, high : float
        The median, and the ends of its interval; NaN where there is none.
    level : float
        The probability that the interval covers the median of the distribution of times [-].
    """

    value: float
    low: float
    high: float
    level: float


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the median of repeated runs, with an interval that assumes no distribution.

    The ends are two of the values: the k-th smallest and the k-th largest, with the largest k
    whose level is at least `confidence`. Few runs do not reach it (five give 94 %, three 75 %,
    two 50 %): the ends are then the smallest and the largest value, and `level` is the
    probability that they reach.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        Times of the runs [s]; NaN where one failed.
    confidence : float
        Probability wanted that the interval covers the median [-], in (0, 1).

    Returns
    -------
    Interval
        NaN without any run; ends of NaN and the level 0 with only one run.

    References
    ----------
    David and Nagaraja (2003), Order Statistics, section 7.1, doi:10.1002/0471722162
    """
    found = np.sort(np.asarray(values, float))
    found = found[np.isfinite(found)]
    n = found.size
    nan = float("nan")
    if n == 0:
        return Interval(nan, nan, nan, 0.0)
    median = float(np.median(found))
    if n == 1:
        return Interval(median, nan, nan, 0.0)
    # as scipy.stats.binom.cdf, whose import takes longer than all of this
    from scipy.special import bdtr

    levels = 1 - 2 * bdtr(np.arange(n // 2), n, 0.5)
    k = max(0, int(np.count_nonzero(levels >= confidence - 1e-12)) - 1)
    return Interval(median, float(found[k]), float(found[n - 1 - k]), float(levels[k]))


def reference_point(counts: ArrayLike, time_s: ArrayLike) -> int | None:
    """Return the position of the smallest count that has a time; None if none has.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
        Counts, in any order.
    time_s : array_like of float, shape (n,)
        Time of each [s]; NaN where there is none.

    Raises
    ------
    ValueError
        If a time is not positive.
    """
    counts, time_s = np.asarray(counts), np.asarray(time_s, float)
    _check_times(counts, time_s)
    known = np.flatnonzero(np.isfinite(time_s))
    return int(known[np.argmin(counts[known])]) if known.size else None


def speedup(counts: ArrayLike, time_s: ArrayLike, mode: Mode = "strong") -> Array:
    """Return how many times as much work per time is done as at the reference.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
        Counts, in any order.
    time_s : array_like of float, shape (n,)
        Time of the problem [s]; in mode throughput that of all copies divided by their number.
        NaN where there is none.
    mode : str
        strong or throughput: the work is the same at all counts. weak: it grows in proportion to
        the count.

    Returns
    -------
    ndarray of float, shape (n,)
        1 at the reference, the smallest count with a time, and ideally p / p_reference [-].

    Raises
    ------
    ValueError
        If a time is not positive.

    References
    ----------
    Amdahl (1967), AFIPS 30, 483-485, doi:10.1145/1465482.1465560
    Gustafson (1988), Commun. ACM 31, 532-533, doi:10.1145/42411.42415
    """
    counts, time_s = np.asarray(counts, float), np.asarray(time_s, float)
    at = reference_point(counts, time_s)
    if at is None:
        return np.full(counts.shape, np.nan)
    work = counts / counts[at] if mode == "weak" else np.ones_like(counts)
    gain: Array = work * time_s[at] / time_s
    return gain


def efficiency(counts: ArrayLike, time_s: ArrayLike, mode: Mode = "strong") -> Array:
    """Return the share of the ideal speed-up that is reached; for the arguments see `speedup`.

    Returns
    -------
    ndarray of float, shape (n,)
        1 is ideal; above 1 is superlinear [-].
    """
    counts, time_s = np.asarray(counts, float), np.asarray(time_s, float)
    at = reference_point(counts, time_s)
    if at is None:
        return np.full(counts.shape, np.nan)
    share: Array = speedup(counts, time_s, mode) * counts[at] / counts
    return share


def serial_fraction(counts: ArrayLike, time_s: ArrayLike, mode: Mode = "strong") -> Array:
    """Return the serial fraction that follows from each point; for the arguments see `speedup`.

    A fraction that grows with the count shows overhead, not serial work; a negative one shows a
    superlinear speed-up.

    Returns
    -------
    ndarray of float, shape (n,)
        (1/S - 1/n) / (1 - 1/n) of Karp and Flatt, with the speed-up S and n = p / p_reference
        [-]; in mode weak (n - S) / (n - 1), from the scaled speed-up. NaN at the reference.

    References
    ----------
    Karp and Flatt (1990), Commun. ACM 33, 539-543, doi:10.1145/78607.78614
    """
    counts, time_s = np.asarray(counts, float), np.asarray(time_s, float)
    at = reference_point(counts, time_s)
    if at is None:
        return np.full(counts.shape, np.nan)
    n, s = counts / counts[at], speedup(counts, time_s, mode)
    n = np.where(n > 1, n, np.nan)
    fraction: Array = (n - s) / (n - 1) if mode == "weak" else (1 / s - 1 / n) / (1 - 1 / n)
    return fraction


def _check_times(counts: NDArray[Any], time_s: Array) -> None:
    bad = np.flatnonzero(time_s <= 0)
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"the time at {counts[i]:g} is {time_s[i]:g} s; expected more than 0")
