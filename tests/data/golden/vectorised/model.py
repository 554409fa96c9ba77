"""The model of the study `vectorised`."""

import os

import numpy as np


def response(x1, x2, x3):
    """Return a number and a profile of each sample; the number is missing where x1 is largest."""
    if log := os.environ.get("GOLDEN_LOG"):
        with open(log, "a") as file:
            file.write("x\n" * len(x1))
    y = np.where(x1 > 0.92, np.nan, x1 + 2 * x2 * x3)
    return y, np.stack([x1, x1 + x2, x1 * x2], axis=1)
