"""The append-only record of the finished samples of a batch.

Every worker appends with one `write` to a file opened with O_APPEND, so records of several
workers never mix, and what is written survives the death of any process. A record carries a
marker, its length and a checksum: damage costs the records it touches, never the file.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.ids import ID_LENGTH
from ensnare.status import Outcome

_MARKER = b"\x93ENS"
_HEAD = struct.Struct("<4sII")  # marker, length of the payload, its CRC-32
_COUNT = struct.Struct("<I")
KEY_LENGTH = 16

Rows = NDArray[Any]


def row_type(outputs: int) -> np.dtype[Any]:
    """Return the type of one finished sample with so many outputs."""
    return np.dtype(
        [
            ("sample_id", f"S{ID_LENGTH}"),
            ("run_key", f"S{KEY_LENGTH}"),
            ("origin", f"S{KEY_LENGTH}"),  # the batch that ran it, and holds its directory
            ("status", "u1"),
            ("exit_code", "<i4"),
            ("attempts", "<u2"),
            ("elapsed_s", "<f8"),
            ("outputs", "<f8", (outputs,)),
        ]
    )


@dataclass(frozen=True)
class Finished:
    """Finished samples read back.

    Attributes
    ----------
    rows : structured ndarray, shape (k,)
        See `row_type`; the latest record of each sample.
    messages : dict
        Sample id to message, for samples that have one.
    damaged : int
        Bytes of the journal that could not be read.
    """

    rows: Rows
    messages: dict[str, str] = field(default_factory=dict)
    damaged: int = 0


class Journal:
    """A journal open for appending.

    Parameters
    ----------
    path : Path
        The file; made if it does not exist.
    outputs : int
        Number of outputs of a sample.
    """

    def __init__(self, path: Path, outputs: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._row = struct.Struct(f"<{ID_LENGTH}s{KEY_LENGTH}s{KEY_LENGTH}sBiHd{outputs}d")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def append(self, sample_id: bytes, keys: tuple[str, str], attempts: int, end: Outcome) -> None:
        """Record one finished sample.

        Parameters
        ----------
        sample_id : bytes
            Its id.
        keys : tuple of str
            What it ran (`run_key`), and the batch that ran it.
        attempts : int
            How often it was started.
        end : Outcome
            How it ended.

        Raises
        ------
        OSError
            If the record could not be written whole, for example on a full disk.
        """
        row = self._row.pack(
            sample_id, keys[0].encode(), keys[1].encode(),
            end.status, end.exit_code, attempts, end.elapsed_s, *end.outputs,
        )  # fmt: skip
        messages = {sample_id.decode(): end.message} if end.message else {}
        self._write(1, row, messages)

    def append_rows(self, rows: Rows, messages: dict[str, str]) -> None:
        """Record many finished samples at once; see `append`."""
        if len(rows):
            self._write(len(rows), rows.tobytes(), messages)

    def _write(self, count: int, rows: bytes, messages: dict[str, str]) -> None:
        payload = _COUNT.pack(count) + rows
        if messages:
            payload += json.dumps(messages).encode()
        record = _HEAD.pack(_MARKER, len(payload), zlib.crc32(payload)) + payload
        written = os.write(self._file, record)
        if written != len(record):
            raise OSError(28, "No space left on device")

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_journal(path: Path, outputs: int) -> Finished:
    """Read a journal, whatever state it is in.

    Parameters
    ----------
    path : Path
        The journal; it need not exist.
    outputs : int
        Number of outputs of a sample.

    Returns
    -------
    Finished
        The samples whose records are whole, in the order of the file.
    """
    dtype = row_type(outputs)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Finished(np.empty(0, dtype))
    blocks: list[Rows] = []
    messages: dict[str, str] = {}
    good = 0
    for payload in _payloads(data):
        count = _COUNT.unpack_from(payload)[0]
        end = _COUNT.size + count * dtype.itemsize
        if end > len(payload):  # a journal of another study under this name
            continue
        good += _HEAD.size + len(payload)
        block = np.frombuffer(payload, dtype, count, _COUNT.size)
        blocks.append(block)
        for sample_id in block["sample_id"] if messages else ():
            messages.pop(sample_id.decode(), None)
        if end < len(payload):
            messages |= json.loads(payload[end:])
    rows = np.concatenate(blocks) if blocks else np.empty(0, dtype)
    return Finished(latest(rows), messages, len(data) - good)


def latest(rows: Rows) -> Rows:
    """Return the last row of each sample, in order."""
    _, last = np.unique(rows["sample_id"][::-1], return_index=True)
    return rows[np.sort(len(rows) - 1 - last)]


def _payloads(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of whole records; skip damage up to the next marker."""
    at = 0
    while (at := data.find(_MARKER, at)) >= 0:
        if at + _HEAD.size > len(data):
            return
        _, length, checksum = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) == length >= _COUNT.size and zlib.crc32(payload) == checksum:
            yield payload
            at += _HEAD.size + length
        else:
            at += 1


def rows_of(ids: Sequence[bytes], run_key: str, origin: str, outputs: Any) -> Rows:  # noqa: ANN401
    """Return rows of samples that ended well, with their outputs; the rest is filled in later.

    Parameters
    ----------
    ids : sequence of bytes, length k
        Sample ids.
    run_key, origin : str
        What ran, and the batch that ran it.
    outputs : ndarray of float, shape (k, q)
        Outputs.
    """
    rows = np.zeros(len(ids), row_type(outputs.shape[1]))
    rows["sample_id"], rows["run_key"], rows["origin"] = ids, run_key, origin
    rows["outputs"], rows["attempts"], rows["exit_code"] = outputs, 1, -1
    return rows
