"""Numbers in tables of text, with or without a header."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ensnare.errors import OutputError
from ensnare.model.outputs.files import Parser, RunFiles, to_float
from ensnare.model.outputs.shapes import check_size, reduce_values
from ensnare.study.outputs import TableOutput


def table_parser(output: TableOutput) -> Parser:
    """Return the parser of numbers in a column of a table."""
    where = f"'{output.table}'"
    wanted = output.column
    rows = output.rows
    if rows is None:
        rows = ".." if output.shape or output.reduce else str(output.row)
    axis = output.axis.column if output.axis else None

    def load(path: str) -> tuple[list[str] | None, list[list[str]]]:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return split_table(lines, output.delimiter)

    def parse(files: RunFiles) -> float | list[float]:
        header, body = files.get(output.table, f"table {output.delimiter}", load)
        values = _cells(body, rows, _column(wanted, header, where), where)
        if output.reduce:
            return reduce_values(values, output.reduce, f"{where}: rows {rows}, column {wanted}")
        if output.shape is None:
            return values[0]
        check_size(values, output)
        if axis is None:
            return values
        return values + _cells(body, rows, _column(axis, header, where), where)

    return parse


@dataclass(frozen=True)
class _Column:
    """A column as the study names it, its number, and the number of cells in the header."""

    name: str | int
    number: int
    names: frozenset[int] = frozenset()  # empty for a column given by its number


def _cells(body: Sequence[Sequence[str]], rows: str, column: _Column, where: str) -> list[float]:
    """Return the numbers of some rows of a column; raise OutputError if one cannot be read."""
    start, stop = row_range(rows, len(body), f"{where}: %s {rows}, column {column.name}")
    numbers = []
    for i in range(start, stop):
        place = f"{where}: row {i if '..' in rows else rows}, column {column.name}"
        try:
            cell = body[i][column.number]
        except IndexError:
            raise OutputError(f"{place}: the row has {len(body[i])} columns") from None
        # A header such as `t [s]  y [m]`, split at blanks, has more cells than the rows: the
        # position of a name is not that of its column.
        if column.names and not column.names & _cell_counts(body[i]):
            raise OutputError(
                f"{place}: the row has {len(body[i])} columns and the header "
                f"{max(column.names)} names; give the number of the column, from 0"
            )
        numbers.append(to_float(cell, place))
    return numbers


def _cell_counts(cells: Sequence[str]) -> frozenset[int]:
    """Return the number of cells of a row, with and without an empty last one.

    A separator at the end of a line makes an empty cell.
    """
    return frozenset({len(cells), len(cells) - (not cells[-1])})


def row_range(rows: str, count: int, place: str) -> tuple[int, int]:
    """Return the first row of a range and the one behind its last.

    `rows` is `10..20` (both included), `-500..`, `..9` or `5`; negative numbers count from the end
    of a table of `count` rows. Raises OutputError if a row does not exist, with a message that
    begins with `place`, in which `%s` becomes the word row or rows.
    """
    first, dots, last = rows.partition("..")
    start, end = int(first or 0), int(last or -1) if dots else int(first)
    start, end = (n + count if n < 0 else n for n in (start, end))
    if not 0 <= start < count or not 0 <= end < count:
        raise OutputError(f"{place % ('rows' if dots else 'row')}: the table has {count} rows")
    return start, end + 1


def _column(column: str | int, header: Sequence[str] | None, where: str) -> _Column:
    """Find a column by its number, or by its name, which must be in the header once."""
    if isinstance(column, int):
        return _Column(column, column)
    if header is None:
        raise OutputError(f"{where}: no header to find the column '{column}' in")
    if column not in header:
        raise OutputError(f"{where}: no column '{column}'; found {', '.join(header)[:200]}")
    if header.count(column) > 1:
        raise OutputError(f"{where}: two columns '{column}'; give the number of one, from 0")
    return _Column(column, header.index(column), _cell_counts(header))


def split_table(
    lines: Sequence[str], delimiter: str | None
) -> tuple[list[str] | None, list[list[str]]]:
    """Return the header of a table, None if there is none, and its rows of cells.

    `lines` are not blank; those that start with # are comments. The first row is the header if its
    first cell is not a number, otherwise the last comment before the rows. Without a `delimiter` it
    is the first of ; tab , that the first or the last row has, or blanks.
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
    """Split lines into cells, without quotes and blanks around them."""
    if delimiter is not None and len(delimiter) == 1:
        rows: Iterable[list[str]] = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    else:
        rows = (line.split(delimiter) for line in lines)
    return [[cell.strip().strip('"') for cell in row] for row in rows]


def _numeric(row: Sequence[str]) -> bool:
    """Return whether the first cell of a row is a number, also NaN or infinite."""
    try:
        to_float(row[0], "")
    except OutputError:
        return row[0].lower() in ("nan", "inf", "-inf", "+inf", "infinity", "-infinity", "-nan")
    return True
