"""Reading outputs from what a run left in its working directory."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ensnare.config.model import (
    JsonOutput,
    Output,
    RegexOutput,
    Success,
    TableOutput,
    XmlOutput,
)
from ensnare.errors import OutputError

_MAPPED = 1 << 20  # larger texts are mapped, so that a gigabyte of log costs no memory

Parser = Callable[["RunFiles"], float]


class RunFiles:
    """The files of one run, each read once.

    Parameters
    ----------
    directory : str
        The working directory.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._read: dict[tuple[str, str], Any] = {}

    def get(self, name: str, kind: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401
        """Return what `read` makes of a file.

        Raises
        ------
        OutputError
            If the file does not exist or cannot be read.
        """
        if (name, kind) not in self._read:
            try:
                self._read[name, kind] = read(os.path.join(self._directory, name))
            except FileNotFoundError:
                raise OutputError(f"the code left no file '{name}'") from None
            except (OSError, ValueError, RecursionError) as error:
                raise OutputError(f"'{name}': {error}") from None
        return self._read[name, kind]


def to_float(text: Any, where: str) -> float:  # noqa: ANN401
    """Return a finite number from text; Fortran's `1.5D+03` is 1500.

    Raises
    ------
    OutputError
        If it is not one.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        try:
            number = float(re.sub("[dD]", "e", text.strip(), count=1))
        except (TypeError, ValueError, AttributeError):
            raise OutputError(f"{where}: got {str(text)[:60]!r}; expected a number") from None
    if not abs(number) < float("inf"):
        raise OutputError(f"{where}: got {number}; expected a finite number")
    return number


def compile_parser(output: Output, stdout: str) -> Parser:
    """Return the function that reads an output from a run.

    Parameters
    ----------
    output : Output
        A json, xml, table or regex output.
    stdout : str
        File that received standard output.

    Raises
    ------
    ValueError
        If a regular expression or an XPath is wrong.
    """
    match output:
        case JsonOutput():
            return _json_parser(output.json_, output.key)
        case XmlOutput():
            return _xml_parser(output.xml, output.xpath)
        case TableOutput():
            return _table_parser(output)
        case RegexOutput():
            return _regex_parser(output.regex, output.in_ or stdout)
        case _:
            raise ValueError(f"output '{output.name}' does not say where it stands")


def _json_parser(name: str, key: str) -> Parser:
    def load(path: str) -> Any:  # noqa: ANN401
        return json.loads(Path(path).read_bytes())

    def parse(files: RunFiles) -> float:
        node = files.get(name, "json", load)
        for part in key.split("."):
            try:
                node = node[int(part) if isinstance(node, list) else part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise OutputError(f"'{name}': no '{part}' of '{key}'") from None
        if isinstance(node, bool):
            raise OutputError(f"'{name}': {key}: got {node}; expected a number")
        return to_float(node, f"'{name}': {key}")

    return parse


def _xml_parser(name: str, xpath: str) -> Parser:
    from xml.etree import ElementTree

    path, _, attribute = (
        xpath.rpartition("@") if "@" in xpath.rpartition("/")[2] else (xpath, "", "")
    )
    path = path.rstrip("/") or "."
    try:
        ElementTree.Element("x").find(path)
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"'{xpath}' is not an XPath: {error}") from None

    def load(file: str) -> Any:  # noqa: ANN401
        try:
            return ElementTree.parse(file).getroot()
        except ElementTree.ParseError as error:
            raise ValueError(f"not XML: {error}") from None

    def parse(files: RunFiles) -> float:
        root = files.get(name, "xml", load)
        # `outputs/@y` holds whether or not the root itself is called outputs
        node = root.find(path)
        head, _, tail = path.strip("/").partition("/")
        if node is None and head == root.tag:
            node = root.find(tail or ".")
        text = None if node is None else node.get(attribute) if attribute else node.text
        if text is None:
            raise OutputError(f"'{name}': nothing at '{xpath}'")
        return to_float(text, f"'{name}': {xpath}")

    return parse


def _table_parser(output: TableOutput) -> Parser:
    where = f"'{output.table}'"

    def load(path: str) -> list[list[str]]:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return split_rows(lines, output.delimiter)

    def parse(files: RunFiles) -> float:
        rows = files.get(output.table, f"table {output.delimiter}", load)
        header = [cell.lstrip("# ") for cell in rows[0]] if rows and not _numeric(rows[0]) else None
        body = [row for row in (rows[1:] if header else rows) if not row[0].startswith("#")]
        column = _column(output.column, header, where)
        try:
            cell = body[output.row][column]
        except IndexError:
            raise OutputError(
                f"{where}: no row {output.row}, column {output.column}; it has {len(body)} rows"
            ) from None
        return to_float(cell, f"{where}: row {output.row}, column {output.column}")

    return parse


def _column(column: str | int, header: Sequence[str] | None, where: str) -> int:
    if isinstance(column, int):
        return column
    if header is None:
        raise OutputError(f"{where}: no header to find the column '{column}' in")
    if column not in header:
        raise OutputError(f"{where}: no column '{column}'; found {', '.join(header)[:200]}")
    return header.index(column)


def split_rows(lines: Sequence[str], delimiter: str | None) -> list[list[str]]:
    """Split lines into cells by the delimiter; by default the first of , ; tab or blanks."""
    if delimiter is None and lines:
        delimiter = next((d for d in ",;\t" if d in lines[-1]), None)
    rows = []
    for line in lines:
        if line.startswith("#"):
            line = "#" + line.lstrip("# ")
        rows.append([cell.strip().strip('"') for cell in line.split(delimiter)])
    return rows


def _numeric(row: Sequence[str]) -> bool:
    try:
        to_float(row[0], "")
    except OutputError:
        return row[0].lower() in ("nan", "inf", "-inf")
    return True


def find_last(path: str, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """Return the last match of a pattern in a file, however large."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        text: Any = (
            file.read() if size < _MAPPED else mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        )
        last = None
        for last in pattern.finditer(text):  # noqa: B007
            pass
    return last


def compile_pattern(regex: str) -> re.Pattern[bytes]:
    """Compile a regular expression of a study file; `^` and `$` match at lines.

    Raises
    ------
    ValueError
        If it is not a regular expression.
    """
    try:
        return re.compile(regex.encode(), re.MULTILINE)
    except re.error as error:
        raise ValueError(f"'{regex}' is not a regular expression: {error}") from None


def _regex_parser(regex: str, name: str) -> Parser:
    pattern = compile_pattern(regex)
    if pattern.groups != 1:
        raise ValueError(f"'{regex}' has {pattern.groups} groups; expected one, the number")

    def parse(files: RunFiles) -> float:
        match = files.get(name, f"regex {regex}", lambda path: find_last(path, pattern))
        if match is None:
            raise OutputError(f"'{name}': nothing matches '{regex}'")
        return to_float((match[1] or b"").decode(errors="replace"), f"'{name}': '{regex}'")

    return parse


def compile_success(success: Sequence[Success], stdout: str) -> list[Callable[[RunFiles], str]]:
    """Return checks of success; each returns what is missing, or an empty text.

    Raises
    ------
    ValueError
        If a regular expression is wrong.
    """

    def check(item: Success) -> Callable[[RunFiles], str]:
        pattern, name = compile_pattern(item.regex), item.in_ or stdout

        def missing(files: RunFiles) -> str:
            try:
                found = files.get(name, f"success {item.regex}", lambda p: find_last(p, pattern))
            except OutputError as error:
                return str(error)
            return "" if found else f"'{name}': nothing matches '{item.regex}'"

        return missing

    return [check(item) for item in success]
