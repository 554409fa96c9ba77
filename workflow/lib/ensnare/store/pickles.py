"""Pickles of plain arrays, for exchange: every reader can read them, and no code in them runs.

A pickle is a program that its reader executes. Here it is read by an unpickler that accepts
numbers, text, containers and numpy arrays of numbers or text, and refuses everything else, so a
pickle from someone else cannot run code.
"""

from __future__ import annotations

import gzip
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from ensnare.errors import ArchiveError
from ensnare.store.paths import write_whole

_GZIP = b"\x1f\x8b"
_KIND = re.compile(r"[?biufcSU]\d*")  # of numbers, bytes and text: no objects, no records
_CORES = ("numpy.core", "numpy._core")  # numpy 1 and 2


def write_pickle(path: Path, tree: Any) -> None:  # noqa: ANN401
    """Write an array, or a dict of arrays, lists, dicts, numbers and text, as a compressed pickle.

    Protocol 2 is what otwrapy and Python 2 read. The gzip header has no time stamp, so the same
    content gives the same bytes.
    """

    def write(part: Path) -> None:
        with (
            part.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file,
        ):
            pickle.dump(tree, file, protocol=2)

    write_whole(path, write)


def read_pickle(path: str | Path) -> Any:  # noqa: ANN401
    """Read a pickle of plain arrays, compressed or not, without executing code that is in it.

    Parameters
    ----------
    path : str or Path
        A `.pkl` or `.pklz` file of Ensnare, otwrapy or numpy.

    Returns
    -------
    object
        Numbers, text, lists, tuples, dicts and numpy arrays of numbers, bytes or text.

    Raises
    ------
    ArchiveError
        If it cannot be read, or contains any other object.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            return _plain(_PlainUnpickler(file, encoding="latin1").load())
    except ArchiveError as error:
        raise ArchiveError(f"{path}: {error}") from None
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror or error.args[0]}") from None
    except (MemoryError, RecursionError):
        raise ArchiveError(f"{path}: too large or too deep for a pickle of arrays") from None
    except Exception as error:  # a damaged pickle raises whatever its opcodes run into
        first = str(error).partition("\n")[0][:200]
        raise ArchiveError(f"{path}: not a pickle of arrays: {first}") from None


class _Type:
    """Takes the place of `numpy.dtype` while a pickle is read."""

    __slots__ = ("_kind", "dtype")

    def __init__(self, kind: str, *_flags: object) -> None:
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise ArchiveError(f"refused: an array of type '{kind}'; expected numbers or text")
        self._kind = kind
        self.dtype = np.dtype(kind)

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        _, order, subtype, names, fields, size, *_ = state
        if subtype or names or fields:
            raise ArchiveError("refused: an array of records; expected numbers or text")
        # for text of variable kind (`S`, `U`) the state has the number of bytes
        if self._kind in ("S", "U"):
            self.dtype = np.dtype(f"{self._kind}{size // np.dtype(self._kind + '1').itemsize}")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Takes the place of a `numpy.ndarray` while a pickle is read."""

    __slots__ = ("array",)

    def __init__(self, *_arguments: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        _, shape, kind, is_fortran, data = state
        self.array = _from_bytes(data, kind, shape, "F" if is_fortran else "C")


def _from_bytes(data: Any, kind: _Type, shape: Any, order: str, axes: Any = None) -> np.ndarray:  # noqa: ANN401
    """Return bytes as an array; it is a copy, so it can be written to."""
    if isinstance(data, str):  # from Python 2
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise ArchiveError("refused: an array of objects; expected numbers or text")
    flat = np.frombuffer(data, kind.dtype).copy() if data else np.empty(0, kind.dtype)
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: _Type, data: Any) -> Any:  # noqa: ANN401
    return _from_bytes(data, kind, (1,), "C")[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ArchiveError(f"refused: the codec '{encoding}'")
    return text.encode("latin1")


class _Call:
    """A function that a pickle may call, but whose attributes it cannot set."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:  # noqa: ANN401
        self._function = function

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> None:
        raise ArchiveError("refused: it changes a function")


def _known(module: str, name: str) -> Any:  # noqa: ANN401
    """Return the object that replaces a global of a pickle; None if the global is refused."""
    core, _, part = module.rpartition(".")
    if core in _CORES:
        functions = {
            ("multiarray", "_reconstruct"): _Array,
            ("multiarray", "scalar"): _scalar,
            ("numeric", "_frombuffer"): _from_bytes,
        }
        return functions.get((part, name))
    return {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("_codecs", "encode"): _encode,
        ("__builtin__", "bytes"): bytes,  # protocol 2 has no bytes
        ("builtins", "bytes"): bytes,
    }.get((module, name))


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that makes plain arrays, numbers, text and containers only."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        """Return what replaces a global; this is the only way for a pickle to reach code."""
        known = _known(module, name)
        if known is None:
            raise ArchiveError(f"refused: it asks for {module}.{name}; expected plain arrays")
        return known if known in (_Array, _Type) else _Call(known)

    def persistent_load(self, pid: object) -> Any:  # noqa: ANN401
        """Refuse references to objects outside of the file."""
        raise ArchiveError("refused: it refers to an object outside the file")


def _plain(node: Any) -> Any:  # noqa: ANN401
    """Return what was read, with arrays instead of the objects that took their place."""
    match node:
        case _Array(array=np.ndarray() as array):
            return array
        case list():
            return [_plain(item) for item in node]
        case tuple():
            return tuple(_plain(item) for item in node)
        case dict():
            return {_plain(key): _plain(value) for key, value in node.items()}
        case None | bool() | int() | float() | complex() | str() | bytes():
            return node
        case np.ndarray() | np.generic():
            return node
    raise ArchiveError(f"refused: a {type(node).__name__.strip('_').lower()} without content")
