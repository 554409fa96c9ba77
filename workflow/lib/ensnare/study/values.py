"""Types of values that all parts of a study file use: names, numbers, durations, levels.

`Number`, `Seconds`, `Level` and their like are types for pydantic fields; `to_number` and its like
are the functions behind them, which raise a ValueError that quotes the value.
"""

from __future__ import annotations

import datetime
import re
import sys
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from ensnare.errors import did_you_mean

AnyLevel = str | int | float  # a level of a factor, already checked
# the numbers of YAML 1.2; Snakemake reads YAML 1.1, where `65e9` is a text
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DURATION = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(ms|s|min|m|h|d)?")
_BYTES = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(B|kB|MB|GB|TB)?")
_ROWS = re.compile(r"(-?\d+)|(-?\d+)?\.\.(-?\d+)?")
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")
_RULES = ("geom", "igeom", "linspace")
_MOST_LEVELS = 100_000  # of one factor
_LARGEST = sys.float_info.max  # of a double
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, None: 1}


class ClosedModel(BaseModel):
    """A mapping of the study file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def to_number(value: Any) -> float:  # noqa: ANN401
    """Return a finite number; a text such as `65e9` is accepted, a boolean is not."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"got {show(value)}; expected a number")
    return float(_finite(value))


def _finite(value: float) -> float:
    """Refuse infinities, nan, and whole numbers that no double holds."""
    if not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"got {show(value)}; expected a finite number")
    return value


def to_integer(value: Any) -> int:  # noqa: ANN401
    """Return a whole number; `1e3` is accepted, `1.5` and booleans are not."""
    number = to_number(value)
    if number != int(number):
        raise ValueError(f"got {show(value)}; expected a whole number")
    return value if isinstance(value, int) else int(number)


def to_seconds(value: Any) -> float:  # noqa: ANN401
    """Return a duration above zero [s] from `30`, `30 s`, `5 min`, `2 h`, `1 d`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= _LARGEST else float("inf")
    else:
        match = _DURATION.fullmatch(str(value).strip())
        if not match or isinstance(value, bool):
            raise ValueError(f"got {show(value)}; expected a duration such as 30 s, 5 min, 2 h")
        seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds < float("inf"):
        raise ValueError(
            f"got {show(value)}; expected a duration above zero; leave it out for no limit"
        )
    return seconds


def to_bytes(value: Any) -> int:  # noqa: ANN401
    """Return a number of bytes from `2e9`, `500 MB`, `1 GB`; units are powers of 1000."""
    match = _BYTES.fullmatch(str(value).strip())
    if not match or isinstance(value, bool):
        raise ValueError(f"got {show(value)}; expected a size such as 500 MB, 1 GB")
    size = float(match[1]) * _UNITS[match[2]]
    if not 1 <= size < 2**63:
        raise ValueError(f"got {show(value)}; expected a size from 1 B to 9e18 B")
    return int(size)


def to_level(value: Any) -> str | int | float:  # noqa: ANN401
    """Return a level of a factor: a number or a text; booleans and dates are refused."""
    if isinstance(value, str):
        if not value or not value.isprintable():
            raise ValueError(f"got {show(value)}; expected a number or a text of one line")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"got {show(value)}; expected a number or a text{quote_hint(value)}")
    return _finite(value)


def to_word(value: Any) -> str:  # noqa: ANN401
    """Return a word of a command, or the value of an environment variable, as a text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"got {show(value)}; expected a text{quote_hint(value)}")
    return str(value)


def one_line(text: str) -> str:
    """Return a text with line ends and other unprintable characters escaped as in Python."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quote_hint(value: Any) -> str:  # noqa: ANN401
    """Return a hint to quote a value that YAML reads as a number, a boolean or a date."""
    scalar = isinstance(value, bool | int | float | datetime.date)
    return f" (quote it: '{show(value)}')" if scalar else ""


def show(value: Any) -> str:  # noqa: ANN401
    """Return a value as a user writes it, on one line and shortened to 60 characters."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else repr(value[:57] + "...")
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a number of more than 308 digits"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value)


def parse_levels(text: str) -> list[AnyLevel]:
    """Return the levels of a rule such as `geom(1, 100, 5)`: first level, last level, number.

    Values have 12 digits, so that they read well and do not depend on the machine; igeom rounds
    to whole numbers and drops repeated ones. Raises a ValueError if the text is no such rule.
    """
    match = _CALL.fullmatch(text)
    if not match:
        raise ValueError(
            f"got {show(text)}; expected a list of levels, or one of geom(first, last, number), "
            "igeom(...), linspace(...)"
        )
    rule, words = match[1], match[2].split(",")
    if rule not in _RULES:
        raise ValueError(f"unknown rule '{rule}' in {show(text)}{did_you_mean(rule, _RULES)}")
    if len(words) != 3:
        raise ValueError(f"got {show(text)}; expected {rule}(first, last, number)")
    first, last, number = to_number(words[0]), to_number(words[1]), to_integer(words[2])
    if not 1 <= number <= _MOST_LEVELS:
        raise ValueError(f"got {show(text)}; expected 1 to {_MOST_LEVELS} levels")
    if rule != "linspace" and (first <= 0 or last <= 0):
        raise ValueError(f"got {show(text)}; expected {rule} of numbers above 0")
    shares = [i / max(1, number - 1) for i in range(number)]
    if rule == "linspace":
        return [float(f"{first + (last - first) * s:.12g}") for s in shares]
    values = [float(f"{first * (last / first) ** s:.12g}") for s in shares]
    return [*dict.fromkeys(map(round, values))] if rule == "igeom" else [*values]


def _check_file_name(name: str) -> str:
    if not name or not name.isprintable():
        raise ValueError(f"got {show(name)}; expected the name of a file")
    return name


def _check_call(value: str) -> str:
    """Check the name of a function: `file.py:function` or `package.module:function`."""
    place, _, function = value.rpartition(":")
    if not place.strip(".") or ":" in place or not function.isidentifier():
        raise ValueError(f"got '{value}'; expected file.py:function or package.module:function")
    return value


def _column(value: Any) -> Any:  # noqa: ANN401
    if (isinstance(value, str) and value) or type(value) is int:
        return value
    raise ValueError(f"got {show(value)}; expected the name of a column, or its number from 0")


def _labels(value: Any) -> Any:  # noqa: ANN401
    """Return a mapping of value, as a text of 12 digits, to the name of the value."""
    if not isinstance(value, dict):
        return value
    try:
        return {f"{float(key):.12g}": str(name) for key, name in value.items()}
    except ValueError:
        raise ValueError(
            f"got {show(value)}; expected a name for each value, such as 0: laminar"
        ) from None


def _rows(value: Any) -> str:  # noqa: ANN401
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _ROWS.fullmatch(text):
        raise ValueError(
            f"got {show(value)}; expected rows such as 10..20, -500.. or 5 (from 0, or the end)"
        )
    return text


NAME = r"[A-Za-z][A-Za-z0-9_]*"
Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
Number = Annotated[float, BeforeValidator(to_number), WithJsonSchema({"type": "number"})]
Integer = Annotated[int, BeforeValidator(to_integer), WithJsonSchema({"type": "integer"})]
Seconds = Annotated[
    float, BeforeValidator(to_seconds), WithJsonSchema({"type": ["number", "string"]})
]
Bytes = Annotated[int, BeforeValidator(to_bytes), WithJsonSchema({"type": ["number", "string"]})]
Level = Annotated[
    str | int | float, BeforeValidator(to_level), WithJsonSchema({"type": ["number", "string"]})
]
FileName = Annotated[
    str, AfterValidator(_check_file_name), WithJsonSchema({"type": "string", "minLength": 1})
]
Call = Annotated[str, AfterValidator(_check_call)]
Word = Annotated[str, BeforeValidator(to_word), WithJsonSchema({"type": ["string", "number"]})]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Size = Annotated[
    int,
    BeforeValidator(to_integer),
    Field(ge=1),
    WithJsonSchema({"type": "integer", "minimum": 1}),
]
Column = Annotated[
    str | int, BeforeValidator(_column), WithJsonSchema({"type": ["string", "integer"]})
]
Numbers = Annotated[
    list[Number],
    BeforeValidator(lambda value: parse_levels(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": "number"}}),
]
ValueLabels = Annotated[
    dict[str, str],
    BeforeValidator(_labels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
RowRange = Annotated[str, BeforeValidator(_rows), WithJsonSchema({"type": ["string", "integer"]})]
