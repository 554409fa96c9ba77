"""Jackknife confidence intervals, and the checks of arguments that several estimators share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless the confidence is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence:g}; expected between 0 and 1, such as 0.95")


def check_inputs(x: Array) -> None:
    """Raise ValueError unless x has shape (n, d)."""
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape}; expected (n, d): one row per sample")


def check_column(name: str, values: NDArray[np.generic], x: Array) -> None:
    """Raise ValueError unless there is one value for each row of x."""
    if values.shape != x.shape[:1]:
        raise ValueError(
            f"{name} has shape {values.shape}; expected {x.shape[:1]}: one value per row of x"
        )


def complete_samples(x: ArrayLike, y: ArrayLike, confidence: float) -> tuple[Array, Array, int]:
    """Return x, shape (m, d), and y, shape (m,), of the samples without NaN or inf.

    The third result is how many samples were left out. Raises ValueError if x is not of shape
    (n, d) or y not of shape (n,), or if the confidence is not in (0, 1).
    """
    inputs, output = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    check_inputs(inputs)
    check_column("y", output, inputs)
    check_confidence(confidence)
    complete = np.isfinite(inputs).all(axis=1) & np.isfinite(output)
    return inputs[complete], output[complete], int(np.count_nonzero(~complete))


def jackknife_interval(
    value: float, without: Array, confidence: float, scale: str = "plain"
) -> tuple[float, float]:
    """Return the ends of Student's interval with the jackknife standard error.

    The interval is made on a scale on which the estimate is closer to normal, and transformed
    back.

    Parameters
    ----------
    value : float
        Estimate from all n groups.
    without : ndarray of float, shape (n,)
        Estimates without each of the groups in turn.
    confidence : float
        Probability that the interval covers the true value [-], in (0, 1).
    scale : str
        "plain", "fisher" (artanh, for estimates in [-1, 1]) or "log" (for estimates >= 0). If an
        estimate is within 1e-9 of an end of that range, where the transformation would amplify
        rounding errors, the interval is plain and cut to the range.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN if any estimate is NaN, or for fewer than 4 groups.

    References
    ----------
    Efron, Stein (1981), Ann. Statist. 9, 586-596, doi:10.1214/aos/1176345462
    """
    from scipy.special import stdtrit

    n = len(without)
    if n < 4:  # with 3 groups, 2 are left without one, and every correlation of 2 is +-1
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
