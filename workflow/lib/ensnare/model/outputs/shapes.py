"""What was found in a file, as the output declares it: an array, one number, or one of several."""

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


def reduce_values(values: Sequence[float], how: str, where: str) -> float:
    """Return the mean, minimum or other reduction; raise OutputError for too few numbers."""
    needed = 2 if how == "std" else 1
    if len(values) < needed:
        raise OutputError(f"{where}: {how} of {len(values)} numbers; expected {needed} at least")
    return float(_REDUCE[how](values))


def check_size(values: Sequence[float], output: OutputBase) -> None:
    """Raise OutputError if an array output does not have as many numbers as declared."""
    if len(values) != output.size:
        raise OutputError(
            f"output '{output.name}' has {len(values)} values; expected {output.size}"
        )


def as_numbers(found: Any, where: str) -> list[float]:  # noqa: ANN401
    """Return the elements of a number or array as a flat list, in row-major order.

    Raises OutputError, with a message that begins with `where`, if one is not real and finite.
    """
    try:
        if hasattr(found, "filled"):  # a masked array: masked elements are missing
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


def as_declared(values: list[float], output: OutputBase, where: str) -> float | list[float]:
    """Return numbers as an output declares them: an array, one number, or a reduction to one.

    Raises OutputError if their count does not fit.
    """
    how = getattr(output, "reduce", None)
    if how:
        return reduce_values(values, how, where)
    if output.shape is not None:
        check_size(values, output)
        return values
    if len(values) != 1:
        raise OutputError(f"{where}: found {len(values)} numbers; expected one, or give a shape")
    return values[0]
