"""The model of the study `function`."""

import os

from shapes import bowl


def response(x, y, z, sample):
    """Return a number and a kind; there is none where all inputs are large."""
    if log := os.environ.get("GOLDEN_LOG"):
        with open(log, "a") as file:
            file.write(f"{sample}\n")
    if x > 0.6 and y > 0.5 and z > 1.0:
        raise ValueError("too large")
    return bowl(x, y) + 0.25 * z, float(x > 0.5)
