"""Reading outputs from what a run left in its working directory."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ensnare.config.model import Success
from ensnare.config.outputs import JsonOutput, Output, RegexOutput, TableOutput, XmlOutput
from ensnare.errors import OutputError
from ensnare.textnumbers import split_table, to_float

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
        node = _at_key(node, key, name)
        if isinstance(node, bool) or not isinstance(node, int | float | str):
            raise OutputError(f"'{name}': {key}: got {str(node)[:60]}; expected a number")
        return to_float(node, f"'{name}': {key}")

    return parse


def _at_key(node: Any, key: str, name: str) -> Any:  # noqa: ANN401
    """Follow a path of keys and positions; a key may itself have dots in it."""
    rest = key
    while rest and not (isinstance(node, dict) and rest in node):
        part, _, rest = rest.partition(".")
        try:
            node = node[int(part) if isinstance(node, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise OutputError(f"'{name}': no '{part}' of '{key}'") from None
    return node[rest] if rest else node


def _xml_parser(name: str, xpath: str) -> Parser:
    from xml.etree import ElementTree

    path, attribute = _split_xpath(xpath)
    try:
        ElementTree.Element("x").find(path)
    except (SyntaxError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = f": {error}" if isinstance(error, SyntaxError) else ""
        raise ValueError(
            f"'{xpath}' is not a path in XML{reason}; expected such as outputs/@y, outputs/force "
            "or {*}y for any namespace"
        ) from None

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


def _split_xpath(xpath: str) -> tuple[str, str]:
    """Return the path of the element, as ElementTree takes it, and the attribute or ""."""
    head, slash, last = xpath.removesuffix("/text()").rpartition("/")
    path, attribute = (head, last[1:]) if last.startswith("@") else (head + slash + last, "")
    if not xpath.strip("/ ") or last == "@":
        raise ValueError(f"'{xpath}' names nothing; expected such as outputs/@y or outputs/force")
    path = f".{path}" if path.startswith("//") else path.lstrip("/")
    return path or ".", attribute


def _table_parser(output: TableOutput) -> Parser:
    where = f"'{output.table}'"

    def load(path: str) -> tuple[list[str] | None, list[list[str]]]:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return split_table(lines, output.delimiter)

    def parse(files: RunFiles) -> float:
        header, body = files.get(output.table, f"table {output.delimiter}", load)
        column = _column(output.column, header, where)
        place = f"{where}: row {output.row}, column {output.column}"
        try:
            row = body[output.row]
        except IndexError:
            raise OutputError(f"{place}: the table has {len(body)} rows") from None
        try:
            cell = row[column]
        except IndexError:
            raise OutputError(f"{place}: the row has {len(row)} columns") from None
        return to_float(cell, place)

    return parse


def _column(column: str | int, header: Sequence[str] | None, where: str) -> int:
    if isinstance(column, int):
        return column
    if header is None:
        raise OutputError(f"{where}: no header to find the column '{column}' in")
    if column not in header:
        raise OutputError(f"{where}: no column '{column}'; found {', '.join(header)[:200]}")
    if header.count(column) > 1:
        raise OutputError(f"{where}: two columns '{column}'; give the number of one, from 0")
    return header.index(column)


def find_last(path: str, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """Return the last match of a pattern in a file, however large."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        text: Any = (
            file.read() if size < _MAPPED else mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        )
        last = None
        for match in pattern.finditer(text):
            if match[0]:  # `(.*)` also matches nothing, at the end
                last = match
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
