"""A damped harmonic oscillator: an example of a right-hand side and of its exact solution."""

import cmath
import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def slope(t: float, y: Array, omega0: float, zeta: float) -> Array:
    """Return dy/dt of y = (q, p): q' = p, p' = -2 zeta omega0 p - omega0^2 q.

    Parameters
    ----------
    t : float
        Time [s]; the system does not depend on it.
    y : ndarray of float, shape (2,)
        Displacement q [m] and velocity p [m/s].
    omega0 : float
        Angular frequency without damping [rad/s].
    zeta : float
        Damping ratio [-].
    """
    q, p = y
    return np.array([p, -2 * zeta * omega0 * p - omega0**2 * q])


def displacement(t: float, y0: Array, omega0: float, zeta: float) -> Array:
    """Return the exact state at time t, from the two exponentials of the system.

    Parameters
    ----------
    t : float
        Time [s].
    y0 : ndarray of float, shape (2,)
        State at t = 0.
    omega0, zeta : float
        As in `slope`.
    """
    q, p = y0
    root = cmath.sqrt(zeta**2 - 1) * omega0
    if abs(root) < 1e-8 * omega0:  # critical: the exponentials are one
        decay, rate = math.exp(-omega0 * t), p + omega0 * q
        return decay * np.array([q + rate * t, rate - omega0 * (q + rate * t)])
    plus, minus = -zeta * omega0 + root, -zeta * omega0 - root
    a, b = (p - minus * q) / (plus - minus), (plus * q - p) / (plus - minus)
    first, second = a * cmath.exp(plus * t), b * cmath.exp(minus * t)
    return np.array([(first + second).real, (plus * first + minus * second).real])
