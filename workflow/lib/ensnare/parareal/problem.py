"""The initial-value problem of a case: points in time, initial state, propagators, exact solution.

Also here: Python functions of the user that take constants, factors and derived values by name.
"""

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

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """The initial-value problem of a case of a study."""

    study: LoadedStudy
    case: PararealCase
    paths: StudyPaths  # absolute, since external codes run in other directories

    @property
    def parareal(self) -> Parareal:
        """The section `parareal` of the study."""
        return parareal_of(self.study)

    @property
    def key(self) -> str:
        """The key of the case, which is the name of its directory."""
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
        """Return the start and end of slice i, from 0."""
        return float(self.times[i]), float(self.times[i + 1])

    @cached_property
    def values(self) -> dict[str, Any]:
        """Constants, factors and derived values by name."""
        return case_values(self.study, self.case.case)

    @cached_property
    def initial(self) -> Array:
        """The initial state, shape (m,).

        Raises ConfigError if an expression has no finite value in this case.
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
            raise ConfigError(f"{where}: no value of {error}") from None
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from None

    @cached_property
    def coarse(self) -> Propagator:
        """The coarse propagator, G in `ensnare.parareal.iteration.update`."""
        return self._load(self.parareal.coarse)

    @cached_property
    def fine(self) -> Propagator:
        """The fine propagator, F in `ensnare.parareal.iteration.update`."""
        return self._load(self.parareal.fine)

    def _load(self, config: Integrator | Solver) -> Propagator:
        if isinstance(config, Solver):
            return load_code(self.study, self.case, config, self.paths)
        assert self.parareal.rhs is not None
        rhs = _bind(self.parareal.rhs, self.study, "parareal.rhs", ("t", "y"), self.values)
        return IntegratorPropagator(config, rhs)

    def make_ready(self) -> None:
        """Load what the solves need, in the job, before its workers are forked.

        Raises ConfigError if a function, a template, a module or the launcher does not exist.
        """
        for propagator in (self.coarse, self.fine):
            propagator.make_ready()

    def exact(self, times: Array) -> Array | None:
        """Return the exact solution at times, shape (k, m); None if the study gives none.

        Raises ConfigError if the function fails or returns something else than a state.
        """
        function = self.parareal.exact
        if function is None:
            return None
        where = "parareal.exact"
        values = self.values | {"y0": self.initial}
        call = _bind(function, self.study, where, ("t",), values)
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


def problems(study: LoadedStudy, paths: StudyPaths) -> list[Problem]:
    """Return the problem of each case of a study.

    Raises ConfigError if a file that the study names does not exist.
    """
    absolute = StudyPaths(paths.root.absolute())
    return [Problem(study, case, absolute) for case in plan_cases(study)]


def problem_of(study: LoadedStudy, paths: StudyPaths, key: str) -> Problem:
    """Return the problem of the case with a key.

    Raises ConfigError if there is none: keys change with the files that the study names, and one of
    them was edited since Snakemake planned the run.
    """
    for problem in problems(study, paths):
        if problem.key == key:
            return problem
    raise ConfigError(
        f"no case {key} in the study as it is now; a file of it changed while the run was under "
        "way; run snakemake again"
    )


def components(parareal: Parareal) -> tuple[str, ...]:
    """Return the names of the m numbers of a state: `q`, and `u[0]`, `u[1]` ... of a list."""
    names: list[str] = []
    for name, value in parareal.state.items():
        if isinstance(value, list):
            names += [f"{name}[{j}]" for j in range(len(value))]
        else:
            names.append(name)
    return tuple(names)


def case_values(study: LoadedStudy, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return constants, factors and derived values of a case, by name."""
    values = {**study.config.constants, **case}
    for name, expression in study.config.expressions.items():
        values[name] = expression.evaluate(values)
    return values


def _bind(
    function: Function,
    study: LoadedStudy,
    where: str,
    positional: tuple[str, ...],
    named: dict[str, Any],
) -> Callable[..., Any]:
    """Return a function of the user that needs only its positional arguments any more.

    Its other parameters get the values in `named` that have their names. Raises ConfigError, for
    the key `where` of the study file, if the function cannot be imported, or has a parameter
    without a value.
    """
    where = f"{study.source}: {where}.call"
    loaded = _load(function.call, study.directory, where)
    try:
        parameters = list(inspect.signature(loaded).parameters.values())
    except (TypeError, ValueError):  # compiled functions may hide their signature
        return loaded
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len([p for p in parameters if p.kind in by_position]) < len(positional):
        raise ConfigError(
            f"{where}: the function takes too few arguments; expected {', '.join(positional)}"
        )
    values: dict[str, Any] = {}
    for parameter in parameters[len(positional) :]:
        if parameter.kind is parameter.VAR_KEYWORD:
            values |= named
        elif parameter.name in named:
            values[parameter.name] = named[parameter.name]
        elif parameter.default is parameter.empty:
            raise ConfigError(
                f"{where}: the function takes '{parameter.name}', which the study does not have"
                + did_you_mean(parameter.name, named)
            )
    return lambda *arguments: loaded(*arguments, **values)


def _load(call: str, directory: Path, where: str) -> Callable[..., Any]:
    """Load a function, once for all cases, and again if its file has changed."""
    changed = callable_file(call, directory, where).stat().st_mtime_ns
    return _load_once(call, directory, where, changed)


@functools.lru_cache(maxsize=8)
def _load_once(call: str, directory: Path, where: str, _changed: int) -> Callable[..., Any]:
    return load_function(call, directory, where)[0]
