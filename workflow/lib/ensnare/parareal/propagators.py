"""What takes a state over a slice: an integrator, an external code, or a Python function."""

from __future__ import annotations

import inspect
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensnare.callables import PythonModel, load_callable
from ensnare.config import LoadedStudy
from ensnare.config.parareal import Function, Integrator, Parareal, Solver
from ensnare.errors import ConfigError, did_you_mean
from ensnare.functions import load_function
from ensnare.kept import Keeper
from ensnare.legs import Legs
from ensnare.model import CommandModel, compile_model
from ensnare.parareal.cases import PararealCase, with_model
from ensnare.parareal.integrators import STEPS, integrate, step_count
from ensnare.paths import StudyPaths
from ensnare.runs import SampleRuns
from ensnare.samples import Samples, known_values
from ensnare.status import Outcome, Status

Array = NDArray[np.float64]


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

    def finish(self) -> None:
        """Tidy up when no more is to be solved."""


def case_values(study: LoadedStudy, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return constants, factors and derived values of a case, by name."""
    values = {**study.config.constants, **case}
    for name, expression in study.config.expressions.items():
        values[name] = expression.evaluate(values)
    return values


def bound(
    function: Function, study: LoadedStudy, where: str, given: tuple[str, ...], more: dict[str, Any]
) -> Callable[..., Any]:
    """Return a Python function with its named parameters set to values of a case.

    Parameters
    ----------
    function : Function
        What the study names.
    study : LoadedStudy
        The study.
    where : str
        Begins messages.
    given : tuple of str
        What it is called with, by position.
    more : dict
        Values by name.

    Raises
    ------
    ConfigError
        If it cannot be imported, or takes a name that there is not.
    """
    where = f"{study.source}: {where}.call"
    loaded, _ = load_function(function.call, study.directory, where)
    try:
        parameters = list(inspect.signature(loaded).parameters.values())
    except (TypeError, ValueError):  # compiled functions may hide their signature
        return loaded
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len([p for p in parameters if p.kind in by_place]) < len(given):
        raise ConfigError(f"{where}: the function takes too little; expected {', '.join(given)}")
    values: dict[str, Any] = {}
    for parameter in parameters[len(given) :]:
        if parameter.kind is parameter.VAR_KEYWORD:
            values |= more
        elif parameter.name in more:
            values[parameter.name] = more[parameter.name]
        elif parameter.default is parameter.empty:
            raise ConfigError(
                f"{where}: the function takes '{parameter.name}', which the study does not have"
                + did_you_mean(parameter.name, more)
            )
    return lambda *arguments: loaded(*arguments, **values)


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
        _check_finite(data, times)
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

    def make_ready(self) -> None:
        """Do nothing: an integration needs nothing."""

    def finish(self) -> None:
        """Do nothing: nothing stays of an integration."""


@dataclass(frozen=True)
class ModelPropagator:
    """A code, or a Python function, run as a sample is run: the state in, the state out."""

    study: LoadedStudy
    case: PararealCase
    model: CommandModel | PythonModel
    keeper: Keeper
    legs: Legs
    parareal: Parareal
    order: tuple[int, ...]

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Run it once; see `Propagator`. Of the slice it gives both ends."""
        samples = self._samples(name, times, y)
        end = self._run(samples, attempt)
        if end.status is not Status.OK:
            where = ""
            if isinstance(self.model, CommandModel):
                directory = self.keeper.directory(samples.ids[0])
                where = f"; see {os.path.relpath(directory)}" if os.path.isdir(directory) else ""
            raise SolveError(end.status, end.message + where)
        data = np.array([y, np.asarray(end.outputs)[list(self.order)]])
        _check_finite(data, times)
        return Solve(data, times[1] - times[0], end.elapsed_s)

    def _run(self, samples: Samples, attempt: int) -> Outcome:
        if isinstance(self.model, PythonModel):
            return self.model.run(samples.values(0))
        with _staying_here():
            runs = SampleRuns(samples, self.keeper, self.legs, np.zeros(1, np.uint8))
            end, _ = runs.run(self.model, 0, attempt)
        self.keeper.settle(samples.ids[0], ok=end.status is Status.OK)
        return end

    def _samples(self, name: str, times: tuple[float, float], y: Array) -> Samples:
        """Return one sample with the state among its values; a list is text, a line a number."""
        numbers: dict[str, float] = {"t0": times[0], "t1": times[1]}
        texts: dict[str, Any] = {}
        start = 0
        for component, value in self.parareal.state.items():
            part = y[start : start + self.parareal.width(component)]
            start += len(part)
            if isinstance(value, list):
                is_python = isinstance(self.model, PythonModel)
                texts[component] = part if is_python else "\n".join(f"{v:.17g}" for v in part)
            else:
                numbers[component] = float(part[0])
        return Samples(
            ids=np.array([name.encode()]),
            x=np.array([list(numbers.values())]),
            names=tuple(numbers),
            case=np.zeros(1, np.int64),
            cases=[{**self.case.case, **texts}],
            row=np.zeros(1, np.int64),
            common=[known_values(self.study, self.case.case)],
            expressions=self.study.config.expressions,
            seed=self.study.config.seed,
        )

    @property
    def stops_itself(self) -> bool:
        """Whether it is a code, which is ended at its time limit; a function is not."""
        return isinstance(self.model, CommandModel)

    def make_ready(self) -> None:
        """Load the environment of a code."""
        if isinstance(self.model, CommandModel):
            self.model.make_ready([known_values(self.study, self.case.case) | self.case.case])

    def finish(self) -> None:
        """Pack what was kept, if it is to be packed."""
        self.keeper.finish()


def load_propagator(
    study: LoadedStudy, case: PararealCase, which: str, paths: StudyPaths
) -> Propagator:
    """Return a propagator of a case, ready to solve.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    case : PararealCase
        The case.
    which : str
        `coarse` or `fine`.
    paths : StudyPaths
        The files of the study.

    Raises
    ------
    ConfigError
        If a function, template or program is wrong.
    """
    parareal = study.config.parareal
    assert parareal is not None
    config: Integrator | Solver = getattr(parareal, which)
    if isinstance(config, Integrator):
        assert parareal.rhs is not None
        values = case_values(study, case.case)
        rhs = bound(parareal.rhs, study, "parareal.rhs", ("t", "y"), values)
        return IntegratorPropagator(config, rhs)
    inner = with_model(study, config.model)
    needs = study.config.resources_of(case.case)
    is_python = config.model.python is not None
    return ModelPropagator(
        inner,
        case,
        load_callable(inner) if is_python else compile_model(inner, needs.threads),
        Keeper(inner, case.key, paths),
        Legs(paths.under_way(case.key)),
        parareal,
        _order(parareal, config),
    )


def _order(parareal: Parareal, solver: Solver) -> tuple[int, ...]:
    """Return where the components of the state stand among the outputs of a solver."""
    at: dict[str, range] = {}
    start = 0
    for output in solver.model.outputs:
        at[output.name] = range(start, start + output.size)
        start += output.size
    return tuple(j for component in parareal.state for j in at[component])


def _check_finite(data: Array, times: tuple[float, float]) -> None:
    finite = np.isfinite(data).all(axis=1)
    if not finite.all():
        t = times[0] + (times[1] - times[0]) * int(np.argmin(finite)) / (len(data) - 1)
        raise SolveError(
            Status.UNPARSABLE,
            f"the state is not finite at t = {t:g}; expected numbers: take more steps",
        )


@contextmanager
def _staying_here() -> Iterator[None]:
    """Come back to the current directory, which a sample leaves for its own."""
    here = os.getcwd()
    try:
        yield
    finally:
        os.chdir(here)
