"""Confidence intervals from a standard error, on a scale where the estimate is symmetric."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def jackknife_interval(
    value: float, without: Array, confidence: float, scale: str = "plain"
) -> tuple[float, float]:
    """Return the ends of Student's interval with the jackknife standard error.

    Parameters
    ----------
    value : float
        Estimate from all n groups.
    without : ndarray of float, shape (n,)
        Estimates without each group.
    confidence : float
        Probability that the interval covers [-].
    scale : str
        "plain", "fisher" (artanh, of what lies in [-1, 1]) or "log" (of what is >= 0); plain,
        cut to that range, where an estimate is so close to an end that rounding would rule.

    Returns
    -------
    tuple of float
        NaN when an estimate is, or for fewer than 4 groups.

    References
    ----------
    Efron, Stein (1981), Ann. Statist. 9, 586-596, doi:10.1214/aos/1176345462
    """
    from scipy.special import stdtrit

    n = len(without)
    if n < 4:  # without one of 3 groups every correlation is +-1
        return np.nan, np.nan
    margin = stdtrit(n - 1, (1 + confidence) / 2) * np.sqrt(n - 1)
    if scale == "fisher":
        if max(abs(value), np.abs(without).max()) < 1 - 1e-9:
            margin *= np.std(np.arctanh(without))
            z = np.arctanh(value)
            return float(np.tanh(z - margin)), float(np.tanh(z + margin))
        least, most = min(value, -1.0), max(value, 1.0)
    elif scale == "log":
        if min(value, without.min()) > 1e-9:
            factor = np.exp(margin * np.std(np.log(without)))
            return float(value / factor), float(value * factor)
        least, most = min(value, 0.0), np.inf
    else:
        least, most = -np.inf, np.inf
    margin *= np.std(without)
    low, high = np.clip([value - margin, value + margin], least, most)
    return float(low), float(high)
