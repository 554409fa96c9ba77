"""The values of a case, and Python functions that take them by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ensnare.config import LoadedStudy
from ensnare.config.parareal import Function
from ensnare.errors import ConfigError, did_you_mean
from ensnare.functions import load_function
from ensnare.identity import callable_file


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
