"""Checks of a parareal study that need its files and functions, made before any job starts."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator

import numpy as np

from ensnare.errors import ConfigError
from ensnare.model.checks import check_model, derived_needs, refuse_unused
from ensnare.model.function import load_function
from ensnare.parareal.cases import parareal_of, with_model
from ensnare.parareal.problem import Problem, problems
from ensnare.parareal.propagators import IntegratorPropagator
from ensnare.store.paths import StudyPaths
from ensnare.study.expressions import parse_expression
from ensnare.study.loading import LoadedStudy
from ensnare.study.parareal import Function, Solver
from ensnare.study.values import one_line


def check_parareal(study: LoadedStudy) -> int:
    """Check a parareal study; return the number of its cases.

    Raises ConfigError, in one line, with the first thing that is wrong.
    """
    try:
        cases = problems(study, StudyPaths.of(study.config.study))  # fails if a file is missing
        used = _check_solvers(study) | _expression_names(study)
        for problem in cases:
            problem.initial  # noqa: B018  # fails if an expression has no value
        _check_functions(cases[0])
        for function in (parareal_of(study).rhs, parareal_of(study).exact):
            used |= _parameters(study, function) if function else set()
        used |= derived_needs(study, used)
        refuse_unused(study, used, "is used by neither propagator")
    except ConfigError as error:
        where = "" if str(error).startswith(study.source) else f"{study.source}: "
        raise ConfigError(one_line(f"{where}{error}")) from None
    return len(cases)


def _check_solvers(study: LoadedStudy) -> set[str]:
    """Check the models of the propagators; return the names of the values that they use."""
    used: set[str] = set()
    for which in ("coarse", "fine"):
        propagator = getattr(parareal_of(study), which)
        if isinstance(propagator, Solver):
            with _naming(which):
                used |= check_model(with_model(study, propagator.model))
    return used


@contextlib.contextmanager
def _naming(which: str) -> Iterator[None]:
    """Add to messages which of the two models is meant: `model.` is `parareal.fine.model.`."""
    try:
        yield
    except ConfigError as error:
        text = str(error)
        if f"parareal.{which}" not in text:
            text = text.replace("model.", f"parareal.{which}.model.", 1)
        raise ConfigError(text) from None


def _expression_names(study: LoadedStudy) -> set[str]:
    values = parareal_of(study).state.values()
    names = [parse_expression(value).names for value in values if isinstance(value, str)]
    return set().union(*names)


def _parameters(study: LoadedStudy, function: Function) -> set[str]:
    """Return the names of the parameters of a function.

    That is all names of the study if the function takes any (`**kwargs`), or hides its parameters.
    """
    loaded, _ = load_function(function.call, study.directory, "parareal")
    try:
        found = inspect.signature(loaded).parameters
    except (TypeError, ValueError):
        return set(study.config.value_names)
    if any(p.kind is p.VAR_KEYWORD for p in found.values()):
        return set(study.config.value_names)
    return set(found)


def _check_functions(problem: Problem) -> None:
    """Call `rhs` once at the initial state, and `exact` once at the initial time."""
    for which in ("coarse", "fine"):
        propagator = getattr(problem, which)
        if isinstance(propagator, IntegratorPropagator):
            where = "parareal.rhs"
            try:
                propagator.checked_rhs(float(problem.times[0]), problem.initial.copy())
            except Exception as error:  # the user's code may raise anything
                raise ConfigError(f"{where}: {type(error).__name__}: {error}") from None
    start = problem.exact(problem.times[:1])
    if start is not None and not np.isfinite(start).all():
        raise ConfigError("parareal.exact: not finite at the initial time; expected a state")
