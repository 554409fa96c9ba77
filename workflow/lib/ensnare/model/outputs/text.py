"""Numbers in text files such as logs, and the texts that show that a run succeeded."""

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
_MOST_SHOWN = 80  # bytes of a line in a message
_SMALL = 1 << 16  # bytes; larger files are memory-mapped, so that a log of 1 GB takes no memory


def _search(path: str, find: Callable[[Any], _Found]) -> _Found:
    """Return what a function finds in the bytes of a file of any size."""
    # os.open and os.read: every sample comes here, and a file object takes five more system calls
    handle = os.open(path, os.O_RDONLY)
    try:
        start = os.read(handle, _SMALL)
        if len(start) < _SMALL:  # this is the whole file
            return find(start)
        with mmap.mmap(handle, 0, prot=mmap.PROT_READ) as text:
            return find(text)
    finally:
        os.close(handle)


def find_last(path: str, pattern: re.Pattern[bytes]) -> tuple[bytes | None, ...] | None:
    """Return the groups of the last match of a pattern in a file, the whole match first."""
    return _search(path, lambda text: _last_groups(text, pattern))


def _last_groups(text: Any, pattern: re.Pattern[bytes]) -> tuple[bytes | None, ...] | None:  # noqa: ANN401
    """Return the groups of the last match that is not empty, the whole match first."""
    last = None
    for match in pattern.finditer(text):
        if match[0]:  # `(.*)` also has an empty match at the end of the file
            last = match
    return None if last is None else (last[0], *last.groups())


def compile_pattern(regex: str) -> re.Pattern[bytes]:
    """Compile a regular expression with `^` and `$` at lines; raise ValueError if it is none."""
    try:
        return re.compile(regex.encode(), re.MULTILINE)
    except re.error as error:
        raise ValueError(f"'{regex}' is not a regular expression: {error}") from None


def regex_parser(output: RegexOutput, stdout: str) -> Parser:
    """Return the parser of the last match of a regular expression.

    Raises ValueError if it is not a regular expression, or does not have exactly one group.
    """
    regex, name = output.regex, output.in_ or stdout
    pattern = compile_pattern(regex)
    if pattern.groups != 1:
        raise ValueError(f"'{regex}' has {pattern.groups} groups; expected one, the number")

    kind, where = f"regex {regex}", f"'{name}': '{regex}'"
    start = _literal_start(regex)

    def find_similar(text: Any) -> str:  # noqa: ANN401
        return _similar_line(text, start)

    def parse(files: RunFiles) -> float:
        match = files.get(name, kind, lambda path: find_last(path, pattern))
        if match is None:
            similar = files.get(name, f"similar {regex}", lambda path: _search(path, find_similar))
            raise OutputError(f"'{name}': nothing matches '{regex}'{similar}")
        return to_float((match[1] or b"").decode(errors="replace"), where)

    return parse


def _literal_start(regex: str) -> bytes:
    """Return the plain text with which each match of a regular expression begins; "" if unknown."""
    start = _LITERAL.match(regex)
    text = start[1] if start else ""
    # a quantifier makes the last character optional
    if start and regex[start.end() :][:1] in ("*", "?", "{"):
        text = text[:-1]
    return text.strip().encode()


def _similar_line(text: Any, start: bytes) -> str:  # noqa: ANN401
    """Return a hint that shows the last line with a text, so that the user sees how it differs."""
    at = text.rfind(start) if start else -1
    if at < 0:
        return ""
    low = text.rfind(b"\n", 0, at) + 1
    line = bytes(text[low : low + _MOST_SHOWN]).splitlines()[0].decode(errors="replace")
    return f"; a line with '{start.decode()}' is '{line.rstrip()}'"


def after_parser(output: AfterOutput, stdout: str) -> Parser:
    """Return the parser of the n-th word after a text."""
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
    """Return the position of a text, -1 if missing; 1 is its first occurrence, -1 its last."""
    at = len(text) if which < 0 else -len(marker)
    for _ in range(abs(which)):
        at = text.rfind(marker, 0, at) if which < 0 else text.find(marker, at + len(marker))
        if at < 0:
            break
    return int(at)


def _words(text: Any, start: int, count: int) -> list[bytes]:  # noqa: ANN401
    """Return at least `count` words from a position on, fewer if the file ends before."""
    length = 64 * count + 256
    while True:
        piece = text[start : start + length]
        words: list[bytes] = piece.split()
        # the last word may be incomplete, unless the file ends there
        if len(words) > count or start + length >= len(text):
            return words
        length *= 4


def compile_success(success: Sequence[Success], stdout: str) -> list[Callable[[RunFiles], str]]:
    """Return the checks of success; each returns what is missing, or an empty text.

    Raises ValueError if a regular expression is wrong.
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
