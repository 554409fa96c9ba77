"""Progress of samples as a line: of a batch in its log every few seconds, and of a study."""

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


@dataclass(frozen=True)
class Counts:
    """How far some samples are.

    Attributes
    ----------
    samples : int
        How many there are.
    counts : tuple of int
        How many ended with each status.
    rate : float
        How many end in a second now [1/s]; 0 when nothing runs.
    """

    samples: int
    by_status: tuple[int, ...] = NO_COUNTS
    rate: float = 0.0

    @property
    def done(self) -> int:
        """How many ended, skipped ones included."""
        return sum(self.by_status)

    @property
    def failed(self) -> int:
        """How many failed while they ran."""
        return sum(self.by_status[status] for status in FAILURES)

    @property
    def ran(self) -> int:
        """How many ended that were not skipped."""
        return self.done - self.by_status[Status.SKIPPED]

    def __add__(self, other: Counts) -> Counts:
        by_status = tuple(a + b for a, b in zip(self.by_status, other.by_status, strict=True))
        return Counts(self.samples + other.samples, by_status, self.rate + other.rate)


def publish(path: Path, counts: Counts) -> None:
    """Write where a batch stands, for others to read while it runs."""
    part = path.with_name(f"{path.name}.part")  # only the owner of the batch writes it
    with contextlib.suppress(OSError):  # the journal tells when the disk is full
        part.write_text(json.dumps({"counts": counts.by_status, "rate": counts.rate}))
        os.replace(part, path)


class AllCounts:
    """The tallies of batches, read again only where something changed.

    A finished batch has its counts in its file, one that runs publishes them; only where both are
    missing the journal is read.

    Parameters
    ----------
    paths : StudyPaths
        The files of the study.
    """

    def __init__(self, paths: StudyPaths) -> None:
        self._paths = paths
        self._known: dict[Path, tuple[tuple[int, int], Counts]] = {}

    def read(self, batches: Iterable[Batch]) -> dict[str, Counts]:
        """Return the tally of each batch by its key."""
        return {batch.key: self._of(batch) for batch in batches}

    def _of(self, batch: Batch) -> Counts:
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


_EVERY_S = 5.0
_TOLD_AFTER_S = 10.0  # and not more often: who waits longer wants to see that something happens
_BAR = 20


class Progress:
    """Counts of a batch, and lines such as `batch 3f..: [###...] 120/256 done, 3 failed, 42.1/s`.

    On standard error (of a local run the terminal, of a job on a cluster its log) there is one when
    the bar has become longer, so at most 20 for a batch however long it runs.

    Parameters
    ----------
    title : str
        Start of the line.
    known : Counts
        The batch when the job began.
    ended : ndarray of uint8, shape (n,)
        Status of the samples that ended since; other values stand for those that have not.
    say : callable
        Receives the line.
    """

    def __init__(
        self, title: str, known: Counts, ended: NDArray[np.uint8], say: Callable[[str], None]
    ) -> None:
        self._title, self._known, self._ended, self._say = title, known, ended, say
        self._start = self._shown = self._told = time.monotonic()
        self._length = _filled(known)

    def counts(self) -> Counts:
        """Return where things stand."""
        ended = Counts(0, count_statuses(self._ended))
        rate = ended.done / max(time.monotonic() - self._start, 1e-9)
        return replace(self._known + ended, rate=rate)

    def show(self, *, final: bool = False) -> None:
        """Say where things stand, if it is time."""
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
    """Return how long the bar is."""
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
    """Return a time to wait for: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
