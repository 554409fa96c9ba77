"""The text file that describes a set of points for the command of the sampler.

    4                                     # the dimension
    0.45 0.45 0.5 0.1                     # a point inside
    # comments and blank lines may stand anywhere; then a constraint on each line
    0.1 <= x[3] / (x[0] + x[1]) <= 0.15
    x[2] >= 0.5

Every coordinate lies between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.problem import Problem, unit_cube
from ensnare.errors import ConfigError, os_error_line
from ensnare.study.constraints import Constraint, parse_constraints

_MOST = 1000  # largest dimension


@dataclass(frozen=True)
class DescribedSet:
    """The constraints of a file, and its starting point, which need not be feasible."""

    problem: Problem
    start: NDArray[np.float64]  # shape (d,)


def read_set(path: Path) -> DescribedSet:
    """Read the file that describes a set.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a line is wrong; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(os_error_line(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text in UTF-8") from None
    lines = _lines(text)
    number, line = next(lines, (0, ""))
    d = _dimension(path, number, line)
    start = _start(path, lines, d)
    names = [f"x[{i}]" for i in range(d)]
    constraints: list[Constraint] = []
    for number, line in lines:
        try:
            constraints += parse_constraints(line, names, indexed=True)
        except ValueError as error:
            raise ConfigError(f"{path}:{number}: {error}") from None
    return DescribedSet(unit_cube(names, constraints), start)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is not blank without its comment."""
    for number, line in enumerate(text.splitlines(), 1):
        kept = line.partition("#")[0].rstrip()
        if kept:
            yield number, kept


def _dimension(path: Path, number: int, line: str) -> int:
    try:
        d = int(line)
    except ValueError:
        d = 0
    if not 1 <= d <= _MOST:
        where = f"{path}:{number}" if number else str(path)
        raise ConfigError(
            f"{where}: found '{line.strip()[:40]}'; expected the dimension, from 1 to {_MOST}"
        )
    return d


def _start(path: Path, lines: Iterator[tuple[int, str]], d: int) -> NDArray[np.float64]:
    """Return the starting point, shape (d,), which may stand on several lines."""
    numbers: list[float] = []
    while len(numbers) < d:
        number, line = next(lines, (0, ""))
        where = f"{path}:{number}" if number else str(path)
        for word in line.replace(",", " ").split():
            try:
                value = float(word)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise ConfigError(
                    f"{where}: found '{word[:40]}'; expected {d} numbers, the starting point"
                )
            numbers.append(value)
        if not number or len(numbers) > d:
            raise ConfigError(
                f"{where}: found {len(numbers)} numbers; expected {d}, the starting point"
            )
    return np.array(numbers)
