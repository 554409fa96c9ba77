"""Samples that run over several jobs: which of them were interrupted, and for how long they ran.

While a sample of a model with `resume` runs, a small file in `under_way/` records it. The file
outlives the job and tells the next one that the directory of the sample is worth resuming. Its
modification time tells how long the sample ran before it was interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ensnare.store.paths import write_whole

_MARK_S = 5.0


@dataclass(frozen=True)
class Interrupted:
    """The record of one start of a sample."""

    run_key: str  # identity of what it runs
    attempts: int  # how often the sample was started, this time included
    spent_s: float  # run time of earlier starts; returned by `find`, with this one


class InterruptedSamples:
    """The records of the samples of a batch that run or were interrupted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()  # workers change directories
        self._marked = 0.0

    def begin(self, sample_id: str, interrupted: Interrupted) -> None:
        """Record that a sample begins to run."""
        # both times by the clock of this host: the file server would set its own
        now = time.time()
        text = json.dumps([interrupted.run_key, interrupted.attempts, interrupted.spent_s, now])

        def write(part: Path) -> None:
            part.write_text(text)
            os.utime(part, (now, now))

        write_whole(self._directory / sample_id, write)

    def mark_running(self, sample_ids: Iterable[str]) -> None:
        """Record that samples still run; does something at most every 5 s."""
        if time.monotonic() - self._marked < _MARK_S:
            return
        self._marked = time.monotonic()
        now = time.time()
        for sample_id in sample_ids:
            with contextlib.suppress(OSError):  # the sample has just ended
                os.utime(self._directory / sample_id, (now, now))

    def end(self, sample_id: str) -> None:
        """Remove the record of a sample that ended, or starts from the beginning."""
        (self._directory / sample_id).unlink(missing_ok=True)

    def find(self, sample_id: str) -> Interrupted | None:
        """Return the record of a sample that was interrupted, `spent_s` including its last run.

        None if there is no record or it is damaged: the sample then starts from the beginning.
        """
        try:
            path = self._directory / sample_id
            run_key, attempts, spent_s, began = json.loads(path.read_text())
            lasted_s = max(0.0, path.stat().st_mtime - float(began))
            return Interrupted(str(run_key), int(attempts), float(spent_s) + lasted_s)
        except (OSError, ValueError, TypeError):
            return None

    def all(self) -> dict[str, Interrupted]:
        """Return the records of all samples that were interrupted, by sample id."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return {}
        return {name: interrupted for name in names if (interrupted := self.find(name)) is not None}

    def clear(self) -> None:
        """Remove all records of the batch."""
        shutil.rmtree(self._directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, or it does not exist
            self._directory.parent.rmdir()
