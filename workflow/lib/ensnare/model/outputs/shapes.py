"""Arrays of the size that was declared, and one number of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ensnare.errors import OutputError
from ensnare.study.outputs import OutputBase

_REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda y: math.fsum(y) / len(y),
    "min": min,
    "max": max,
    "sum": math.fsum,
    "std": lambda y: float(np.std(y, ddof=1)),
    "first": lambda y: y[0],
    "last": lambda y: y[-1],
}


def reduced(values: Sequence[float], how: str, where: str) -> float:
    """Return one number of several.

    Raises
    ------
    OutputError
        If there are too few.
    """
    needed = 2 if how == "std" else 1
    if len(values) < needed:
        raise OutputError(f"{where}: {how} of {len(values)} numbers; expected {needed} at least")
    return float(_REDUCE[how](values))


def sized(values: Sequence[float], output: OutputBase) -> None:
    """Check that there are as many numbers as declared.

    Raises
    ------
    OutputError
        If there are more or fewer.
    """
    if len(values) != output.size:
        raise OutputError(
            f"output '{output.name}' has {len(values)} values; expected {output.size}"
        )


def as_numbers(found: Any, where: str) -> list[float]:  # noqa: ANN401
    """Return the elements of a number or array as finite numbers, rows after rows.

    Raises
    ------
    OutputError
        If one is not real and finite.
    """
    try:
        if hasattr(found, "filled"):  # masked is missing
            found = found.astype(float).filled(np.nan)
        if np.iscomplexobj(found) or np.asarray(found).dtype.kind not in "biuf":
            raise OutputError(f"{where}: got {np.asarray(found).dtype}; expected real numbers")
        array = np.asarray(found, dtype=float).ravel()
    except (TypeError, ValueError):
        kind = type(found).__name__
        raise OutputError(f"{where}: got a {kind}; expected a number or an array") from None
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.argmin(finite))
        place = f" at position {at}" if array.size > 1 else ""
        raise OutputError(f"{where}: got {array[at]}{place}; expected a finite number")
    numbers: list[float] = array.tolist()
    return numbers


def shaped(values: list[float], output: OutputBase, where: str) -> float | list[float]:
    """Return what was found as the output wants it: one number, one of several, or an array.

    Raises
    ------
    OutputError
        If there are more or fewer numbers than wanted.
    """
    how = getattr(output, "reduce", None)
    if how:
        return reduced(values, how, where)
    if output.shape is not None:
        sized(values, output)
        return values
    if len(values) != 1:
        raise OutputError(f"{where}: found {len(values)} numbers; expected one, or give a shape")
    return values[0]
