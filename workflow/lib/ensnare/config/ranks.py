"""How many MPI ranks a sample has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from ensnare.config.agreement import missing_in
from ensnare.config.base import NAME, show, to_integer
from ensnare.errors import did_you_mean

if TYPE_CHECKING:
    from ensnare.config.study import Study

_FACTOR = re.compile(rf"(\$\{{)?({NAME})(?(1)\}})")


def _ranks(value: Any) -> Any:  # noqa: ANN401
    """Return a whole number above zero, or the name of a factor; `${cores}` means `cores`."""
    if isinstance(value, str) and (named := _FACTOR.fullmatch(value)):
        return named[2]
    try:
        ranks = to_integer(value)
    except ValueError:
        ranks = 0
    if ranks < 1:
        raise ValueError(f"got {show(value)}; expected a whole number above 0, or a factor")
    return ranks


Ranks = Annotated[
    int | str,
    BeforeValidator(_ranks),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]


def check_ranks(study: Study) -> None:
    """Check that the factor that says the ranks does, and that serial steps are steps."""
    ranks, factors = study.resources.ranks, study.factors
    overrides = [o.resources.ranks for o in study.overrides]
    if ranks is None and any(overrides):
        raise ValueError("overrides: found ranks; expected resources.ranks too, such as 1")
    if study.model.serial and ranks is None:
        raise ValueError("model.serial: no launcher starts the steps; add resources.ranks")
    if ranks is not None and study.model.python:
        raise ValueError("resources.ranks: a Python function is not started as MPI ranks")
    programs = [str(step[0]) for step in (*study.model.steps, *study.model.resume)]
    for name in () if study.model.serial == "all" else study.model.serial:
        if name not in programs:
            raise ValueError(
                f"model.serial: '{name}' is not the program of a step"
                + did_you_mean(name, programs)
            )
    if not isinstance(ranks, str):
        return
    if ranks not in factors:
        raise ValueError(
            f"resources.ranks: '{ranks}' is not a factor of the sweep"
            + did_you_mean(ranks, factors)
        )
    for level in factors[ranks]:
        if not isinstance(level, int) or level < 1:
            raise ValueError(
                f"resources.ranks: '{ranks}' has the level {show(level)}; "
                "expected whole numbers above 0"
            )
    if lack := missing_in(ranks, study.cases()):
        raise ValueError(f"resources.ranks: factor '{ranks}' does not exist in {lack}")
