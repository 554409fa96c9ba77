"""How many MPI ranks a sample has."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from ensnare.config.base import NAME, show, to_integer

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
