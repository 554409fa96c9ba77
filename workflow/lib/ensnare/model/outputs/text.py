"""Numbers in texts, and signs of success."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ensnare.errors import OutputError
from ensnare.model.outputs.files import Parser, RunFiles, to_float
from ensnare.study.model import Success
from ensnare.study.outputs import AfterOutput, RegexOutput

_Found = TypeVar("_Found")
_LITERAL = re.compile(r"\^?([^\\.^$*+?{}\[\]|()]+)")
_MOST_SHOWN = 80  # bytes of a line
_SMALL = 1 << 16  # larger texts are mapped, so that a gigabyte of log costs no memory


def _search(path: str, find: Callable[[Any], _Found]) -> _Found:
    """Return what is found in the bytes of a file, however large."""
    # by bare calls: every sample comes here, and a file object takes five more of them
    handle = os.open(path, os.O_RDONLY)
    try:
        start = os.read(handle, _SMALL)
        if len(start) < _SMALL:  # a shorter answer is all there is
            return find(start)
        with mmap.mmap(handle, 0, prot=mmap.PROT_READ) as text:
            return find(text)
    finally:
        os.close(handle)


def find_last(path: str, pattern: re.Pattern[bytes]) -> tuple[bytes | None, ...] | None:
    """Return the groups of the last match of a pattern in a file, the whole match first."""
    return _search(path, lambda text: _last_groups(text, pattern))


def _last_groups(text: Any, pattern: re.Pattern[bytes]) -> tuple[bytes | None, ...] | None:  # noqa: ANN401
    last = None
    for match in pattern.finditer(text):
        if match[0]:  # `(.*)` also matches nothing, at the end
            last = match
    return None if last is None else (last[0], *last.groups())


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


def regex_parser(output: RegexOutput, stdout: str) -> Parser:
    """Return the parser of the last match of a regular expression.

    Raises
    ------
    ValueError
        If it is none, or has not one group.
    """
    regex, name = output.regex, output.in_ or stdout
    pattern = compile_pattern(regex)
    if pattern.groups != 1:
        raise ValueError(f"'{regex}' has {pattern.groups} groups; expected one, the number")

    kind, where = f"regex {regex}", f"'{name}': '{regex}'"
    start = _literal_start(regex)

    def find_near(text: Any) -> str:  # noqa: ANN401
        return _line_with(text, start)

    def parse(files: RunFiles) -> float:
        match = files.get(name, kind, lambda path: find_last(path, pattern))
        if match is None:
            near = files.get(name, f"near {regex}", lambda path: _search(path, find_near))
            raise OutputError(f"'{name}': nothing matches '{regex}'{near}")
        return to_float((match[1] or b"").decode(errors="replace"), where)

    return parse


def _literal_start(regex: str) -> bytes:
    """Return the text with which all that matches a regular expression begins, if it says one."""
    start = _LITERAL.match(regex)
    text = start[1] if start else ""
    if start and regex[start.end() :][:1] in ("*", "?", "{"):  # the last one may be missing
        text = text[:-1]
    return text.strip().encode()


def _line_with(text: Any, start: bytes) -> str:  # noqa: ANN401
    """Return what to say of the last line that has a text: how it differs tells what to mend."""
    at = text.rfind(start) if start else -1
    if at < 0:
        return ""
    low = text.rfind(b"\n", 0, at) + 1
    line = bytes(text[low : low + _MOST_SHOWN]).splitlines()[0].decode(errors="replace")
    return f"; a line with '{start.decode()}' is '{line.rstrip()}'"


def after_parser(output: AfterOutput, stdout: str) -> Parser:
    """Return the parser of a word some words behind a text."""
    name, marker = output.in_ or stdout, output.after.encode()
    where = f"'{name}': field {output.field} after '{output.after}'"

    def find_words(text: Any) -> list[bytes] | None:  # noqa: ANN401
        at = _occurrence(text, marker, output.occurrence)
        return None if at < 0 else _words(text, at + len(marker), output.field)

    def parse(files: RunFiles) -> float:
        kind = f"after {output.field} {output.occurrence} {output.after}"
        words = files.get(name, kind, lambda path: _search(path, find_words))
        if words is None:
            raise OutputError(f"'{name}': no '{output.after}' (occurrence {output.occurrence})")
        if len(words) < output.field:
            raise OutputError(f"{where}: the file ends before it")
        return to_float(words[output.field - 1].strip(b",;").decode(errors="replace"), where)

    return parse


def _occurrence(text: Any, marker: bytes, which: int) -> int:  # noqa: ANN401
    """Return where a text stands: 1 is the first time, -1 the last; -1 if it does not."""
    at = len(text) if which < 0 else -len(marker)
    for _ in range(abs(which)):
        at = text.rfind(marker, 0, at) if which < 0 else text.find(marker, at + len(marker))
        if at < 0:
            break
    return int(at)


def _words(text: Any, start: int, count: int) -> list[bytes]:  # noqa: ANN401
    """Return at least so many words from a place on, unless the file ends before."""
    length = 64 * count + 256
    while True:
        piece = text[start : start + length]
        words: list[bytes] = piece.split()
        # the last word may be cut
        if len(words) > count or start + length >= len(text):
            return words
        length *= 4


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
