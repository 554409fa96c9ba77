"""The model of the study `until`."""

import os


def product(x1, x2, sample):
    """Return the g-function of two inputs with a = 0 and 1."""
    if log := os.environ.get("GOLDEN_LOG"):
        with open(log, "a") as file:
            file.write(f"{sample}\n")
    return abs(4 * x1 - 2) * (abs(4 * x2 - 2) + 1) / 2
