"""The initial-value problem of a case: points in time, initial state, propagators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.config import LoadedStudy
from ensnare.config.parareal import Integrator, Parareal, Solver
from ensnare.errors import ConfigError
from ensnare.expressions import parse_expression
from ensnare.parareal.cases import PararealCase, parareal_of, plan_cases
from ensnare.parareal.codes import load_code
from ensnare.parareal.propagators import IntegratorPropagator, Propagator
from ensnare.parareal.values import bound, case_values
from ensnare.paths import StudyPaths

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
