"""One-step methods for y' = f(t, y): arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rhs = Callable[[float, Array], Array]
Step = Callable[[Rhs, float, Array, float], Array]

# a step that fits so many times but for rounding is not taken once more
_ROUNDING = 1e-12


def euler_step(rhs: Rhs, t: float, y: Array, h: float) -> Array:
    """Return the state after one forward-Euler step of size h.

    Parameters
    ----------
    rhs : callable
        The right-hand side f(t, y), shape (m,) to (m,).
    t, h : float
        Time, and size of the step.
    y : ndarray of float, shape (m,)
        State at t.
    """
    return y + h * rhs(t, y)


def rk4_step(rhs: Rhs, t: float, y: Array, h: float) -> Array:
    """Return the state after one step of the classical Runge-Kutta method; see `euler_step`.

    References
    ----------
    Kutta (1901), Zeitschrift fuer Mathematik und Physik 46, 435-453
    """
    k1 = rhs(t, y)
    k2 = rhs(t + h / 2, y + h / 2 * k1)
    k3 = rhs(t + h / 2, y + h / 2 * k2)
    k4 = rhs(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


STEPS: dict[str, Step] = {"euler": euler_step, "rk4": rk4_step}


def step_count(t0: float, t1: float, longest: float) -> int:
    """Return the smallest number of even steps from t0 to t1 of which none is longer."""
    return max(1, math.ceil((t1 - t0) / longest * (1 - _ROUNDING)))


def integrate(step: Step, rhs: Rhs, times: tuple[float, float], y: Array, steps: int) -> Array:
    """Integrate over a slice.

    Parameters
    ----------
    step : callable
        A method of `STEPS`.
    rhs : callable
        The right-hand side.
    times : tuple of float
        Begin and end.
    y : ndarray of float, shape (m,)
        State at the begin.
    steps : int
        Number of even steps.

    Returns
    -------
    ndarray of float, shape (steps + 1, m)
        The states, the first one included.
    """
    t0, t1 = times
    h = (t1 - t0) / steps
    data = np.empty((steps + 1, y.size))
    data[0] = y
    for j in range(steps):
        data[j + 1] = step(rhs, t0 + j * h, data[j], h)
    return data
