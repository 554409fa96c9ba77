"""How many samples of a batch ended, and how: counts for other processes, and lines for the log."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError
from ensnare.evaluate.batchfile import count_statuses, read_counts, read_live_journal
from ensnare.plan.batches import Batch
from ensnare.store.outcome import FAILURES, Status
from ensnare.store.paths import StudyPaths

NO_COUNTS = (0,) * len(Status)
_EVERY_S = 5.0
# between two lines to the terminal, and before the first one: short batches print none
_TOLD_AFTER_S = 10.0
_BAR = 20  # characters


@dataclass(frozen=True)
class Counts:
    """How many of some samples ended, and how."""

    samples: int
    by_status: tuple[int, ...] = NO_COUNTS
    rate: float = 0.0  # samples that end in a second; 0 when nothing runs

    @property
    def done(self) -> int:
        """How many ended, skipped ones included."""
        return sum(self.by_status)

    @property
    def failed(self) -> int:
        """How many ran and failed."""
        return sum(self.by_status[status] for status in FAILURES)

    @property
    def ran(self) -> int:
        """How many ended without those that were skipped."""
        return self.done - self.by_status[Status.SKIPPED]

    def __add__(self, other: Counts) -> Counts:
        by_status = tuple(a + b for a, b in zip(self.by_status, other.by_status, strict=True))
        return Counts(self.samples + other.samples, by_status, self.rate + other.rate)


def publish(path: Path, counts: Counts) -> None:
    """Write the counts of a batch for other processes to read while it runs."""
    part = path.with_name(f"{path.name}.part")  # only the job with the claim writes it
    with contextlib.suppress(OSError):  # a full disk is reported when the journal is written
        part.write_text(json.dumps({"counts": counts.by_status, "rate": counts.rate}))
        os.replace(part, path)


class AllCounts:
    """The counts of batches; a file is read again only when it changed.

    The counts of a finished batch are in its file, those of a running one are published; the
    journal is read only if both are missing.
    """

    def __init__(self, paths: StudyPaths) -> None:
        self._paths = paths
        self._known: dict[Path, tuple[tuple[int, int], Counts]] = {}

    def read(self, batches: Iterable[Batch]) -> dict[str, Counts]:
        """Return the counts of each batch by its key."""
        return {batch.key: self._of(batch) for batch in batches}

    def _of(self, batch: Batch) -> Counts:
        """Return the counts of one batch, without any ended sample if it has no file."""
        files = (self._paths.batch, self._paths.counts, self._paths.journal)
        for path in (file_of(batch.key) for file_of in files):
            try:
                found = path.stat()
            except OSError:
                continue
            version = (found.st_mtime_ns, found.st_size)
            if path not in self._known or self._known[path][0] != version:
                with contextlib.suppress(OSError, ValueError, KeyError, ArchiveError):
                    self._known[path] = (version, _read(path, len(batch)))
            if path in self._known:
                return self._known[path][1]
        return Counts(len(batch))


def _read(path: Path, samples: int) -> Counts:
    """Read a batch file, published counts, or a journal."""
    if path.suffix == ".h5":
        return Counts(samples, read_counts(path))
    if path.suffix == ".counts":
        tree = json.loads(path.read_text())
        return Counts(samples, tuple(map(int, tree["counts"])), float(tree["rate"]))
    finished, _ = read_live_journal(path)
    return Counts(samples, count_statuses(finished.rows["status"]))


class Progress:
    """Prints lines such as `batch 3f..: [###...] 120/256 done, 3 failed, 42.1/s` as samples end.

    `say` receives a line every 5 s. Standard error (the terminal of a local run, the log of a job
    on a cluster) gets one only when the bar has grown, so at most 20 lines for a batch. `known` are
    the counts when the job began, and `ended`, of shape (n,), holds the status of each sample that
    ended since, or another value.
    """

    def __init__(
        self, title: str, known: Counts, ended: NDArray[np.uint8], say: Callable[[str], None]
    ) -> None:
        self._title, self._known, self._ended, self._say = title, known, ended, say
        self._start = self._shown = self._told = time.monotonic()
        self._length = _filled(known)

    def counts(self) -> Counts:
        """Return the counts of the batch now."""
        ended = Counts(0, count_statuses(self._ended))
        rate = ended.done / max(time.monotonic() - self._start, 1e-9)
        return replace(self._known + ended, rate=rate)

    def show(self, *, final: bool = False) -> None:
        """Print the counts, if it is time to."""
        now = time.monotonic()
        if final or now - self._shown >= _EVERY_S:
            self._shown = now
            counts = self.counts()
            line = f"{self._title}: {progress_line(counts)}"
            self._say(line)
            if not final and now - self._told >= _TOLD_AFTER_S and _filled(counts) > self._length:
                self._told, self._length = now, _filled(counts)
                with contextlib.suppress(OSError):  # the terminal is gone
                    print(line, file=sys.stderr, flush=True)


def _filled(counts: Counts) -> int:
    """Return the length of the bar."""
    return _BAR * counts.done // counts.samples if counts.samples else _BAR


def progress_line(counts: Counts) -> str:
    """Return `[##########..........] 128/256 done, 3 failed, 42.1/s, ETA 3 s`."""
    done, samples = counts.done, counts.samples
    filled = _filled(counts)
    bad = [f"{counts.by_status[s]} {s.label}" for s in Status if s and counts.by_status[s]]
    parts = [f"[{'#' * filled}{'.' * (_BAR - filled)}] {done}/{samples} done", *bad]
    if counts.rate:
        parts.append(f"{counts.rate:.3g}/s")
        if done < samples:
            parts.append(f"ETA {_duration((samples - done) / counts.rate)}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a time as text: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
