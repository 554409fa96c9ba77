"""What every analysis asks of its arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
