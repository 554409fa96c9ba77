"""What takes a state over a slice, and the one that integrates a right-hand side."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensnare.store.outcome import Status
from ensnare.study.parareal import Integrator

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


class SolveError(Exception):
    """A solve failed.

    Attributes
    ----------
    status : Status
        How.
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Solve:
    """The solution over a slice.

    Attributes
    ----------
    data : ndarray of float, shape (n + 1, m)
        States, the first one included.
    requested_h : float
        Longest step that was asked for; the step where a number of steps was.
    elapsed_s : float
        Wall-clock time [s].
    """

    data: Array
    requested_h: float
    elapsed_s: float

    @property
    def steps(self) -> int:
        """The number of steps n."""
        return len(self.data) - 1


class Propagator(Protocol):
    """What takes a state from t0 to t1."""

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Return the solution over a slice.

        Parameters
        ----------
        name : str
            Name of the solve, unique in its case; at most 20 characters.
        times : tuple of float
            Begin and end of the slice.
        y : ndarray of float, shape (m,)
            State at its begin.
        attempt : int
            How often this solve was started, this time included.

        Raises
        ------
        SolveError
            If it fails.
        OSError
            If the machine is exhausted.
        """

    @property
    def stops_itself(self) -> bool:
        """Whether it ends a solve that takes too long; or else whoever runs it has to."""

    def make_ready(self) -> None:
        """Load what it needs of the machine, once for all workers to come."""

    def begin(self, slot: int) -> None:
        """Prepare for solves, in a worker; see `ensnare.evaluate.worker.Work`."""

    def finish(self) -> None:
        """Tidy up when no more is to be solved."""


@dataclass(frozen=True)
class IntegratorPropagator:
    """A one-step method on a right-hand side."""

    config: Integrator
    rhs: Callable[..., Any]

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Integrate over a slice; see `Propagator`."""
        t0, t1 = times
        longest = self.config.step
        steps = self.config.steps or step_count(t0, t1, longest or t1 - t0)
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # what is not finite is an outcome
                data = integrate(STEPS[self.config.method], self.checked_rhs, times, y, steps)
        except (Exception, SystemExit):  # the user's code may raise anything
            raise SolveError(Status.ERROR, traceback.format_exc(limit=-4)) from None
        elapsed_s = time.perf_counter() - start
        check_finite(data, times)
        return Solve(data, longest or (t1 - t0) / steps, elapsed_s)

    def checked_rhs(self, t: float, y: Array) -> Array:
        """Return the right-hand side, shape (m,).

        Raises
        ------
        ValueError
            If the function returns something of another shape.
        """
        found = np.asarray(self.rhs(t, y), dtype=np.float64)
        if found.shape != y.shape:
            raise ValueError(f"rhs returned the shape {found.shape}; expected {y.shape}")
        return found

    @property
    def stops_itself(self) -> bool:
        """Whether it does: no."""
        return False

    def begin(self, slot: int) -> None:
        """Do nothing: an integrator needs no devices."""

    def make_ready(self) -> None:
        """Do nothing: an integration needs nothing."""

    def finish(self) -> None:
        """Do nothing: nothing stays of an integration."""


def check_finite(data: Array, times: tuple[float, float]) -> None:
    """Refuse a solution that is not finite.

    Parameters
    ----------
    data : ndarray of float, shape (n + 1, m)
        The states.
    times : tuple of float
        Begin and end.

    Raises
    ------
    SolveError
        With the first time at which one is not.
    """
    finite = np.isfinite(data).all(axis=1)
    if not finite.all():
        t = times[0] + (times[1] - times[0]) * int(np.argmin(finite)) / (len(data) - 1)
        raise SolveError(
            Status.UNPARSABLE,
            f"the state is not finite at t = {t:g}; expected numbers: take more steps",
        )
