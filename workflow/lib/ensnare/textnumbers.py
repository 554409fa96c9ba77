"""Numbers and tables in the text that codes write."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ensnare.errors import OutputError

# Fortran writes D for double precision, and leaves the letter out before three digits
_FORTRAN = re.compile(
    r"^([-+]?[0-9]*\.?[0-9]*)[dD]([-+]?[0-9]+)$|^([-+]?[0-9]*\.[0-9]*)([-+][0-9]{3})$"
)


def to_float(text: Any, where: str) -> float:  # noqa: ANN401
    """Return a finite number from text; Fortran's `1.5D+03` is 1500, its `1.5-103` is 1.5e-103.

    Raises
    ------
    OutputError
        If it is not one.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        try:
            number = float(_FORTRAN.sub(r"\1\3e\2\4", text.strip()))
        except (TypeError, ValueError, AttributeError):
            raise OutputError(f"{where}: got {str(text)[:60]!r}; expected a number") from None
    if not abs(number) < float("inf"):
        raise OutputError(f"{where}: got {number}; expected a finite number")
    return number


def split_table(
    lines: Sequence[str], delimiter: str | None
) -> tuple[list[str] | None, list[list[str]]]:
    """Return the header of a table, if it has one, and its rows of cells.

    Parameters
    ----------
    lines : sequence of str
        Lines that are not blank; those that start with # are comments. The last comment before
        the rows is the header unless the first row is, whose first cell is then no number.
    delimiter : str or None
        Separator; None takes the first of ; tab , that the first or last row has, or blanks.
    """
    rows = [line for line in lines if not line.startswith("#")]
    comment = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines)) - 1
    if delimiter is None:
        delimiter = next((d for d in ";\t," if rows and (d in rows[0] or d in rows[-1])), None)
    body = _split(rows, delimiter)
    if body and not _numeric(body[0]):
        return body[0], body[1:]
    return (_split([lines[comment].lstrip("# ")], delimiter)[0] if comment >= 0 else None), body


def _split(lines: Sequence[str], delimiter: str | None) -> list[list[str]]:
    """Split lines into cells without quotes and blanks around them."""
    if delimiter is not None and len(delimiter) == 1:
        rows: Iterable[list[str]] = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    else:
        rows = (line.split(delimiter) for line in lines)
    return [[cell.strip().strip('"') for cell in row] for row in rows]


def _numeric(row: Sequence[str]) -> bool:
    try:
        to_float(row[0], "")
    except OutputError:
        return row[0].lower() in ("nan", "inf", "-inf", "+inf", "infinity", "-infinity", "-nan")
    return True
