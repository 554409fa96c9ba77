"""The oscillator of the study `parareal`: q'' + 2 zeta q' + q = 0."""

import math
import os

import numpy as np


def slope(t, y, zeta):
    """Return the derivative of (q, p)."""
    if log := os.environ.get("GOLDEN_LOG"):
        with open(log, "a") as file:
            file.write(f"{t}\n")
    return np.array([y[1], -2 * zeta * y[1] - y[0]])


def displacement(t, y0, zeta):
    """Return (q, p) at a time."""
    damped = math.sqrt(1 - zeta**2)
    a, b = y0[0], (y0[1] + zeta * y0[0]) / damped
    cos, sin, decay = math.cos(damped * t), math.sin(damped * t), math.exp(-zeta * t)
    q = decay * (a * cos + b * sin)
    return np.array([q, -zeta * q + decay * damped * (b * cos - a * sin)])
