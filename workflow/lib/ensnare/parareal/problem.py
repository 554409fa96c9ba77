"""The initial-value problem of a case: points in time, initial state, propagators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError, did_you_mean
from ensnare.model.function import load_function
from ensnare.parareal.cases import PararealCase, parareal_of, plan_cases
from ensnare.parareal.codes import load_code
from ensnare.parareal.propagators import IntegratorPropagator, Propagator
from ensnare.plan.identity import callable_file
from ensnare.store.paths import StudyPaths
from ensnare.study.expressions import parse_expression
from ensnare.study.loading import LoadedStudy
from ensnare.study.parareal import Function, Integrator, Parareal, Solver


def case_values(study: LoadedStudy, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return constants, factors and derived values of a case, by name."""
    values = {**study.config.constants, **case}
    for name, expression in study.config.expressions.items():
        values[name] = expression.evaluate(values)
    return values


def _load(call: str, directory: Path, where: str) -> Callable[..., Any]:
    """Load a function, once for all cases; a file that has changed is read again."""
    changed = callable_file(call, directory, where).stat().st_mtime_ns
    return _load_once(call, directory, where, changed)


@functools.lru_cache(maxsize=8)
def _load_once(call: str, directory: Path, where: str, _changed: int) -> Callable[..., Any]:
    return load_function(call, directory, where)[0]


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
    loaded = _load(function.call, study.directory, where)
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


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """The initial-value problem of a case of a study.

    Attributes
    ----------
    study : LoadedStudy
        The study.
    case : PararealCase
        The case.
    paths : StudyPaths
        The files of the study, absolute: codes run in directories of their own.
    """

    study: LoadedStudy
    case: PararealCase
    paths: StudyPaths

    @property
    def parareal(self) -> Parareal:
        """What the study says of it."""
        return parareal_of(self.study)

    @property
    def key(self) -> str:
        """The name of the case's directory."""
        return self.case.key

    @property
    def slices(self) -> int:
        """The number of slices."""
        return self.parareal.slices

    @cached_property
    def times(self) -> Array:
        """The points in time, shape (slices + 1,)."""
        start, end = self.parareal.interval
        return np.linspace(start, end, self.parareal.points)

    def slice(self, i: int) -> tuple[float, float]:
        """Return begin and end of a slice, from 0."""
        return float(self.times[i]), float(self.times[i + 1])

    @cached_property
    def values(self) -> dict[str, Any]:
        """Constants, factors and derived values by name."""
        return case_values(self.study, self.case.case)

    @cached_property
    def initial(self) -> Array:
        """The initial state, shape (m,).

        Raises
        ------
        ConfigError
            If an expression has no finite value in this case.
        """
        found: list[float] = []
        for name, value in self.parareal.state.items():
            if isinstance(value, str):
                found.append(self._initial_of(name, value))
            else:
                found += value if isinstance(value, list) else [value]
        return np.array(found, dtype=np.float64)

    def _initial_of(self, name: str, text: str) -> float:
        where = f"{self.study.source}: parareal.state.{name}: case {self.case.label}"
        try:
            return float(parse_expression(text).evaluate(self.values))
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{where}: no number {error} there") from None
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from None

    @cached_property
    def coarse(self) -> Propagator:
        """The coarse propagator."""
        return self._load(self.parareal.coarse)

    @cached_property
    def fine(self) -> Propagator:
        """The fine propagator."""
        return self._load(self.parareal.fine)

    def _load(self, config: Integrator | Solver) -> Propagator:
        if isinstance(config, Solver):
            return load_code(self.study, self.case, config, self.paths)
        assert self.parareal.rhs is not None
        rhs = bound(self.parareal.rhs, self.study, "parareal.rhs", ("t", "y"), self.values)
        return IntegratorPropagator(config, rhs)

    def make_ready(self) -> None:
        """Load what the solves need, once for all workers to come.

        Raises
        ------
        ConfigError
            If a function, a template, a module or the launcher is not there.
        """
        for propagator in (self.coarse, self.fine):
            propagator.make_ready()

    def exact(self, times: Array) -> Array | None:
        """Return the exact solution at times, shape (k, m); None if the study gives none.

        Raises
        ------
        ConfigError
            If the function fails or returns something else than a state.
        """
        function = self.parareal.exact
        if function is None:
            return None
        where = "parareal.exact"
        values = self.values | {"y0": self.initial}
        call = bound(function, self.study, where, ("t",), values)
        try:
            found = np.array([np.asarray(call(t), dtype=np.float64) for t in times.tolist()])
        except Exception as error:  # the user's code may raise anything
            raise ConfigError(
                f"{self.study.source}: {where}: case {self.case.label}: "
                f"{type(error).__name__}: {error}"
            ) from None
        expected = (len(times), len(self.initial))
        if found.shape != expected:
            raise ConfigError(
                f"{self.study.source}: {where}: a state of shape {found.shape[1:]}; "
                f"expected {expected[1:]}"
            )
        return found


def components(parareal: Parareal) -> tuple[str, ...]:
    """Return the names of the m numbers of a state: `q`, and `u[0]`, `u[1]` ... of a list."""
    names: list[str] = []
    for name, value in parareal.state.items():
        if isinstance(value, list):
            names += [f"{name}[{j}]" for j in range(len(value))]
        else:
            names.append(name)
    return tuple(names)


def problems(study: LoadedStudy, paths: StudyPaths) -> list[Problem]:
    """Return the problems of a study, one for each case.

    Raises
    ------
    ConfigError
        If a file that the study names does not exist.
    """
    absolute = StudyPaths(paths.root.absolute())
    return [Problem(study, case, absolute) for case in plan_cases(study)]


def problem_of(study: LoadedStudy, paths: StudyPaths, key: str) -> Problem:
    """Return the problem of a case by its key.

    Raises
    ------
    ConfigError
        If there is none, because a file of the study changed since the run was planned.
    """
    for problem in problems(study, paths):
        if problem.key == key:
            return problem
    raise ConfigError(
        f"no case {key} in the study as it is now; a file of it changed while the run was under "
        "way; run snakemake again"
    )
