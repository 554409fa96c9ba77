"""The files that a run left, and numbers as codes write them."""

from __future__ import annotations

import functools
import glob
import os
import re
import stat
from collections.abc import Callable, Iterable
from typing import Any

from ensnare.errors import OutputError

# Fortran writes D for double precision, and no letter before an exponent of three digits
_FORTRAN = re.compile(
    r"^([-+]?[0-9]*\.?[0-9]*)[dD]([-+]?[0-9]+)$|^([-+]?[0-9]*\.[0-9]*)([-+][0-9]{3})$"
)
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
Parser = Callable[["RunFiles"], float | list[float]]


class RunFiles:
    """The files of one run in its working directory, each read once."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._read: dict[tuple[str, str], Any] = {}

    def get(self, name: str, kind: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401
        """Return what `read` makes of a file; of several that match a glob, the numerically last.

        The result is stored under `name` and `kind`. Raises OutputError if the file does not exist
        or cannot be read.
        """
        if (name, kind) not in self._read:
            try:
                path = self._find(name)
                # opening a pipe or a device could wait forever
                if not stat.S_ISREG(os.stat(path).st_mode):
                    raise OutputError(f"'{name}': not a file, but a {_file_type(path)}")
                self._read[name, kind] = read(path)
            except FileNotFoundError:
                raise OutputError(f"the code left no file '{name}'") from None
            except (OSError, ValueError, RecursionError) as error:
                raise OutputError(f"'{name}': {error}") from None
        return self._read[name, kind]

    def _find(self, name: str) -> str:
        """Return the path of a file; of several that match a glob, the numerically last."""
        path = os.path.join(self.directory, name)
        if not _may_match_many(name) or os.path.lexists(path):
            return path
        found = glob.glob(name, root_dir=self.directory, recursive=True)
        if not found:
            raise FileNotFoundError(name)
        return os.path.join(self.directory, max(found, key=_numeric_key))


_may_match_many = functools.cache(glob.has_magic)  # there are few names, asked for every sample


def _file_type(path: str) -> str:
    """Return what a path is that is not a regular file, for messages."""
    mode = os.stat(path).st_mode
    return "directory" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"


def _numeric_key(name: str) -> list[Any]:
    """Return a sort key that puts `1000/U` after `200/U`: texts and numbers by turns."""
    parts = _NUMBER.split(name)
    return [float(part) if i % 2 else part for i, part in enumerate(parts)]


def to_float(text: Any, where: str) -> float:  # noqa: ANN401
    """Return a finite number from text; Fortran's `1.5D+03` is 1500, its `1.5-103` is 1.5e-103.

    Raises OutputError, with a message that begins with `where`, if it is not one.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        try:
            number = float(_FORTRAN.sub(r"\1\3e\2\4", str(text).strip()))
        except ValueError:
            raise OutputError(f"{where}: got {str(text)[:60]!r}; expected a number") from None
    if not abs(number) < float("inf"):
        raise OutputError(f"{where}: got {number}; expected a finite number")
    return number


def to_floats(texts: Iterable[Any], where: str) -> list[float]:
    """Return finite numbers from texts; raise OutputError as `to_float`."""
    return [to_float(text, where) for text in texts]
