"""How many MPI ranks a sample has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from ensnare.config.agreement import missing_in
from ensnare.config.base import NAME, show, to_integer
from ensnare.config.model import Model
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


def _check_serial(model: Model, where: str, ranks: int | str | None) -> None:
    """Check what a model says of its steps against the ranks of a sample."""
    if model.serial and ranks is None:
        raise ValueError(f"{where}.serial: no launcher starts the steps; add resources.ranks")
    if ranks is not None and model.python:
        raise ValueError("resources.ranks: a Python function is not started as MPI ranks")
    programs = [str(step[0]) for step in (*model.steps, *model.resume)]
    for name in () if model.serial == "all" else model.serial:
        if name not in programs:
            raise ValueError(
                f"{where}.serial: '{name}' is not the program of a step"
                + did_you_mean(name, programs)
            )


def check_ranks(study: Study) -> None:
    """Check that the factor that says the ranks does, and that serial steps are steps."""
    ranks, factors = study.resources.ranks, study.factors
    overrides = [o.resources.ranks for o in study.overrides]
    if ranks is None and any(overrides):
        raise ValueError("overrides: found ranks; expected resources.ranks too, such as 1")
    for where, model in study.models.items():
        _check_serial(model, where, ranks)
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
