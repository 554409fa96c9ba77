"""How many samples of each batch ended, and how: without reading their results."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ensnare.batches import Batch
from ensnare.batchfile import count_statuses, read_counts, read_live_journal
from ensnare.errors import ArchiveError
from ensnare.paths import StudyPaths
from ensnare.status import FAILURES, Status

NOTHING = (0,) * len(Status)


@dataclass(frozen=True)
class Tally:
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
    counts: tuple[int, ...] = NOTHING
    rate: float = 0.0

    @property
    def done(self) -> int:
        """How many ended, skipped ones included."""
        return sum(self.counts)

    @property
    def failed(self) -> int:
        """How many failed while they ran."""
        return sum(self.counts[status] for status in FAILURES)

    @property
    def ran(self) -> int:
        """How many ended that were not skipped."""
        return self.done - self.counts[Status.SKIPPED]

    def __add__(self, other: Tally) -> Tally:
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Tally(self.samples + other.samples, counts, self.rate + other.rate)


def publish(path: Path, tally: Tally) -> None:
    """Write where a batch stands, for others to read while it runs."""
    part = path.with_name(f"{path.name}.part")  # only the owner of the batch writes it
    with contextlib.suppress(OSError):  # the journal tells when the disk is full
        part.write_text(json.dumps({"counts": tally.counts, "rate": tally.rate}))
        os.replace(part, path)


class Tallies:
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
        self._known: dict[Path, tuple[tuple[int, int], Tally]] = {}

    def read(self, batches: Iterable[Batch]) -> dict[str, Tally]:
        """Return the tally of each batch by its key."""
        return {batch.key: self._of(batch) for batch in batches}

    def _of(self, batch: Batch) -> Tally:
        places = (self._paths.batch, self._paths.counts, self._paths.journal)
        for path in (place(batch.key) for place in places):
            try:
                found = path.stat()
            except OSError:
                continue
            mark = (found.st_mtime_ns, found.st_size)
            if path not in self._known or self._known[path][0] != mark:
                with contextlib.suppress(OSError, ValueError, KeyError, ArchiveError):
                    self._known[path] = (mark, _read(path, len(batch)))
            if path in self._known:
                return self._known[path][1]
        return Tally(len(batch))


def _read(path: Path, samples: int) -> Tally:
    """Read a batch file, published counts, or a journal."""
    if path.suffix == ".h5":
        return Tally(samples, read_counts(path))
    if path.suffix == ".counts":
        tree = json.loads(path.read_text())
        return Tally(samples, tuple(map(int, tree["counts"])), float(tree["rate"]))
    finished, _ = read_live_journal(path)
    return Tally(samples, count_statuses(finished.rows["status"]))
