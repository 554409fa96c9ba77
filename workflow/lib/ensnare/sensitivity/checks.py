"""What every analysis asks of its arguments."""

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
    """Return the samples whose values are all finite, and how many were left out.

    Parameters
    ----------
    x : array of float, shape (n, d)
    y : array of float, shape (n,)
    confidence : float

    Returns
    -------
    x : ndarray of float, shape (m, d)
    y : ndarray of float, shape (m,)
    n_dropped : int

    Raises
    ------
    ValueError
        If a shape is another or the confidence is not in (0, 1).
    """
    inputs, output = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    check_inputs(inputs)
    check_column("y", output, inputs)
    check_confidence(confidence)
    complete = np.isfinite(inputs).all(axis=1) & np.isfinite(output)
    return inputs[complete], output[complete], int(np.count_nonzero(~complete))
