"""The append-only record of the finished samples of a batch.

Every worker appends with one `write` to a file opened with O_APPEND, so records of several
workers never mix, and a record that was written survives the death of any process. A record has a
marker, its length and a checksum, so damage loses the records that it touches and no others. The
reader skips a whole record by its length; after damage it tries every marker, and the checksum
rejects bytes inside of a record that only look like one. Nothing is ever changed in place: a later
record of a sample replaces an earlier one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.store.ids import ID_LENGTH, find_ids, id_keys
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status

_MARKER = b"\x93ENJ"
_HEAD = struct.Struct("<4sI8s")  # marker, length of the payload, checksum
_COUNT = struct.Struct("<I")  # rows of a payload; their messages follow as JSON; 0: a note
KEY_LENGTH = 16
_BLOCK = 1024  # most rows of one record, which one damaged byte can lose
_LONGEST = 8000  # characters of a message
Rows = NDArray[Any]


def row_type(outputs: int) -> np.dtype[Any]:
    """Return the type of the row of one finished sample with this number of outputs."""
    return np.dtype(
        [
            ("sample_id", f"S{ID_LENGTH}"),
            ("run_key", f"S{KEY_LENGTH}"),  # hash of what ran: files and command, or function
            ("origin", f"S{KEY_LENGTH}"),  # key of the batch that ran it, and has its directory
            ("status", "u1"),
            ("exit_code", "<i4"),
            ("attempts", "<u2"),
            ("elapsed_s", "<f8"),
            ("outputs", "<f8", (outputs,)),
        ]
    )


@dataclass(frozen=True)
class Finished:
    """The finished samples of a journal or batch file."""

    rows: Rows  # of type `row_type`, shape (k,); the last record of each sample
    messages: dict[str, str] = field(default_factory=dict)  # by sample id, where there is one
    damaged: int = 0  # bytes of the journal that could not be read
    about: str = ""  # the last note on what the rows mean; see `Journal`
    withdrawn: Rows | None = None  # samples to be run again, with their attempts so far


class Journal:
    """A journal open for appending; the file is made if it does not exist.

    `about` is a note on what the rows mean. It begins a new journal, so that the journal can be
    read without the study that it belongs to.
    """

    def __init__(self, path: Path, outputs: int, about: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._row = struct.Struct(f"<{ID_LENGTH}s{KEY_LENGTH}s{KEY_LENGTH}sBiHd{outputs}d")
        self._path = str(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        if not os.fstat(self._file).st_size:
            _sync_directory(path.parent)
            for _ in range(2 if about else 0):  # twice: damage to one note must not lose it
                self.note(about)

    def note(self, about: str) -> None:
        """Add a note on what the rows mean from here on."""
        self._write(0, b"", {"": about})

    def append(self, sample_id: bytes, keys: tuple[str, str], attempts: int, end: Outcome) -> None:
        """Record one finished sample; raise OSError if its record cannot be written whole.

        `keys` are its run key and the key of the batch that ran it.
        """
        row = self._row.pack(
            sample_id, keys[0].encode(), keys[1].encode(),
            end.status, end.exit_code, attempts, end.elapsed_s, *end.outputs,
        )  # fmt: skip
        messages = {sample_id.decode(): end.message} if end.message else {}
        self._write(1, row, messages)

    def append_rows(self, rows: Rows, messages: dict[str, str]) -> None:
        """Record many finished samples at once, with messages by sample id; see `append`."""
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            ids = [i.decode() for i in block["sample_id"].tolist()] if messages else []
            data = np.ascontiguousarray(block).view(np.uint8).data
            self._write(len(block), data, {i: messages[i] for i in ids if i in messages})

    def _write(self, count: int, rows: bytes | memoryview, messages: dict[str, str]) -> None:
        payload = _COUNT.pack(count) + rows
        if messages:
            payload += json.dumps({i: clean_text(text) for i, text in messages.items()}).encode()
        record = _HEAD.pack(_MARKER, len(payload), _checksum(payload)) + payload
        try:
            written = os.write(self._file, record)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None
        if written != len(record):  # a short write, as on a disk that is nearly full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)

    def sync(self) -> None:
        """Write what was appended to the disk (fsync)."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_journal(path: Path, outputs: int) -> Finished:
    """Read a journal, which may be missing or damaged.

    Returns the samples with a whole record, in the order of the file. Those whose last record
    withdraws the earlier ones (see `without_result`) are in `withdrawn` instead.
    """
    dtype = row_type(outputs)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Finished(np.empty(0, dtype))
    blocks: list[memoryview] = []
    texts: list[dict[str, str]] = []
    good, about = 0, ""
    for payload in _payloads(data):
        count = _COUNT.unpack_from(payload)[0]
        end = _COUNT.size + count * dtype.itemsize
        if end > len(payload):  # rows with another number of outputs
            continue
        good += _HEAD.size + len(payload)
        said = json.loads(bytes(payload[end:])) if end < len(payload) else {}
        if not count:  # a note
            about = said.get("", about)
            continue
        blocks.append(payload[_COUNT.size : end])
        texts.append(said)
    # joined as bytes, since numpy concatenates structured arrays far more slowly
    records = np.frombuffer(b"".join(blocks), dtype)
    rows = latest(records)
    messages: dict[str, str] = {}
    for block, said in zip(blocks, texts, strict=True):
        if messages and len(rows) < len(records):
            # a later record without a message removes the message of an earlier one
            for sample_id in np.frombuffer(block, dtype)["sample_id"].tolist():
                messages.pop(sample_id.decode(), None)
        messages.update(said)
    gone = rows["status"] == Status.NOT_RUN
    if not gone.any():
        return Finished(rows, messages, len(data) - good, about)
    return Finished(rows[~gone], messages, len(data) - good, about, rows[gone])


def without_result(rows: Rows, status: Status) -> Rows:
    """Return rows without a result, which replace those of the samples when they are appended.

    The status is SKIPPED, or NOT_RUN, which withdraws the samples: they are to be run again.
    """
    taken = rows.copy()
    taken["status"], taken["exit_code"] = status, NO_EXIT_CODE
    taken["elapsed_s"], taken["outputs"] = np.nan, np.nan
    return taken


def rows_of(ids: Rows, run_key: str, origin: str, outputs: Any) -> Rows:  # noqa: ANN401
    """Return rows of type `row_type`, shape (k,), of samples that are ok; see `fill_rows`."""
    rows = np.empty(len(ids), row_type(outputs.shape[1]))
    fill_rows(rows, ids, run_key, origin, outputs)
    return rows


def fill_rows(rows: Rows, ids: Rows, run_key: str, origin: str, outputs: Any) -> None:  # noqa: ANN401
    """Fill rows with samples that are ok: one attempt, 0 s; outputs have shape (k, q)."""
    rows["sample_id"], rows["run_key"], rows["origin"] = ids, run_key, origin
    rows["status"], rows["exit_code"], rows["attempts"] = Status.OK, NO_EXIT_CODE, 1
    rows["elapsed_s"], rows["outputs"] = 0.0, outputs


def journal_about(path: Path) -> str:
    """Return the first note of a journal; empty if it has none or cannot be read."""
    return next(journal_notes(path), "")


def journal_notes(path: Path) -> Iterator[str]:
    """Yield the notes of a journal on what its rows mean; none if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    for payload in _payloads(data):
        if not _COUNT.unpack_from(payload)[0]:
            yield str(json.loads(bytes(payload[_COUNT.size :]))[""])


def latest(rows: Rows) -> Rows:
    """Return the last row of each sample, in the order of these rows."""
    ids = rows["sample_id"]
    keys = id_keys(ids)
    ordered = np.sort(keys)  # ten times faster than argsort, and mostly no sample is there twice
    if not (ordered[1:] == ordered[:-1]).any():
        return rows
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    if (ids[order[1:]] != ids[order[:-1]])[same].any():  # two ids with one key, which is rare
        order = np.argsort(ids, kind="stable")
        same = ids[order[1:]] == ids[order[:-1]]
    last: Rows = rows[np.sort(order[np.append(~same, True)])]
    return last


def members(ids: NDArray[np.bytes_], known: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return which ids are among the known ones, shape of `ids`."""
    # numpy.isin imports numpy.ma, and with it a part of a job's start-up time
    found: NDArray[np.bool_] = find_ids(ids, known) >= 0
    return found


def clean_text(text: str) -> str:
    """Return a message that every file can hold: no NUL, valid Unicode, about 8,000 characters."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n...\n{text[-_LONGEST // 2 :]}"
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _checksum(payload: bytes | memoryview) -> bytes:
    """Return 8 bytes: enough that a damaged record is never taken for a whole one."""
    return hashlib.blake2b(payload, digest_size=8).digest()


def _sync_directory(directory: Path) -> None:
    """Write the name of a new file to the disk; without it a power loss removes the file."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def _payloads(data: bytes) -> Iterator[memoryview]:
    """Yield the payloads of whole records; skip damage up to the next whole record."""
    at, view = 0, memoryview(data)
    while (at := data.find(_MARKER, at)) >= 0:
        if at + _HEAD.size > len(data):
            return
        _, length, checksum = _HEAD.unpack_from(data, at)
        payload = view[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) == length >= _COUNT.size and _checksum(payload) == checksum:
            yield payload
            at += _HEAD.size + length
        else:
            at += 1
