"""Propagators, which take a state from the start of a slice to its end; the one-step methods.

`Propagator` is the interface. `IntegratorPropagator` integrates a right-hand side with forward
Euler or Runge-Kutta steps; `ensnare.parareal.codes` has the propagator that runs a model.
"""

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
_ROUNDING = 1e-12  # relative; see `step_count`


class SolveError(Exception):
    """A solve failed; `status` says in which way, and so how often it is tried again."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Solve:
    """The solution over a slice."""

    data: Array  # the states from start to end of the slice, shape (n + 1, m)
    requested_h: float  # the longest step that was asked for; the step if a number of steps was
    elapsed_s: float  # wall-clock time [s]

    @property
    def steps(self) -> int:
        """The number of steps n."""
        return len(self.data) - 1


class Propagator(Protocol):
    """The interface of the coarse and the fine propagator."""

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Return the solution over a slice with the start and end `times` from state y, shape (m,).

        `name` is unique in the case and has at most 20 characters; `attempt` is how often this
        solve was started, this time included. Raises SolveError if the solve fails, and OSError if
        the machine is exhausted (full disk, no memory).
        """

    @property
    def stops_itself(self) -> bool:
        """Whether it ends a solve at the time limit; if not, the pool kills the worker."""

    def make_ready(self) -> None:
        """Load what all solves need, in the job, before its workers are forked."""

    def begin(self, slot: int) -> None:
        """Prepare a worker for its solves; see `ensnare.evaluate.worker.Work`."""

    def finish(self) -> None:
        """Clean up after the last solve."""


@dataclass(frozen=True)
class IntegratorPropagator:
    """A one-step method for a right-hand side."""

    config: Integrator
    rhs: Callable[..., Any]

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Integrate over a slice; see `Propagator`."""
        t0, t1 = times
        longest = self.config.step
        steps = self.config.steps or step_count(t0, t1, longest or t1 - t0)
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # check_finite reports overflow, with its time
                data = integrate(STEPS[self.config.method], self.checked_rhs, times, y, steps)
        except (Exception, SystemExit):  # the user's code may raise anything
            raise SolveError(Status.ERROR, traceback.format_exc(limit=-4)) from None
        elapsed_s = time.perf_counter() - start
        check_finite(data, times)
        return Solve(data, longest or (t1 - t0) / steps, elapsed_s)

    def checked_rhs(self, t: float, y: Array) -> Array:
        """Return the right-hand side; raise a ValueError if it has not the shape of y, (m,)."""
        found = np.asarray(self.rhs(t, y), dtype=np.float64)
        if found.shape != y.shape:
            raise ValueError(f"rhs returned the shape {found.shape}; expected {y.shape}")
        return found

    @property
    def stops_itself(self) -> bool:
        """False: the pool has to end an integration that takes too long."""
        return False

    def begin(self, slot: int) -> None:
        """Do nothing: an integration needs no devices of its own."""

    def make_ready(self) -> None:
        """Do nothing: the right-hand side is loaded already."""

    def finish(self) -> None:
        """Do nothing: an integration leaves no files."""


def check_finite(data: Array, times: tuple[float, float]) -> None:
    """Raise SolveError, with the time of the first such state, if a state is not finite.

    `data` has shape (n + 1, m), for equal steps between the start and end `times`.
    """
    finite = np.isfinite(data).all(axis=1)
    if not finite.all():
        t = times[0] + (times[1] - times[0]) * int(np.argmin(finite)) / (len(data) - 1)
        raise SolveError(
            Status.UNPARSABLE,
            f"the state is not finite at t = {t:g}; expected numbers: take more steps",
        )


def integrate(step: Step, rhs: Rhs, times: tuple[float, float], y: Array, steps: int) -> Array:
    """Return the states after each of equal steps, y first, shape (steps + 1, m).

    `step` is a method of `STEPS`, `times` are the start and end, and y, shape (m,), is the state
    at the start.
    """
    t0, t1 = times
    h = (t1 - t0) / steps
    data = np.empty((steps + 1, y.size))
    data[0] = y
    for j in range(steps):
        data[j + 1] = step(rhs, t0 + j * h, data[j], h)
    return data


def step_count(t0: float, t1: float, longest: float) -> int:
    """Return the smallest number of equal steps from t0 to t1 that are not longer than `longest`.

    Rounding adds no step: 2.4 to 3.2 has 8 steps of 0.1, though 3.2 - 2.4 is slightly above 0.8.
    """
    return max(1, math.ceil((t1 - t0) / longest * (1 - _ROUNDING)))


def euler_step(rhs: Rhs, t: float, y: Array, h: float) -> Array:
    """Return the state after one forward-Euler step of size h from state y, shape (m,), at t."""
    return y + h * rhs(t, y)


def rk4_step(rhs: Rhs, t: float, y: Array, h: float) -> Array:
    """Return the state after one step of the classical Runge-Kutta method; see `euler_step`.

    Kutta (1901), Zeitschrift fuer Mathematik und Physik 46, 435-453.
    """
    k1 = rhs(t, y)
    k2 = rhs(t + h / 2, y + h / 2 * k1)
    k3 = rhs(t + h / 2, y + h / 2 * k2)
    k4 = rhs(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


STEPS: dict[str, Step] = {"euler": euler_step, "rk4": rk4_step}
