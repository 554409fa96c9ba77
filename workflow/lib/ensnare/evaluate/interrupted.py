"""Samples that run over several jobs: what is under way, and how long it has been running.

While such a sample runs, a small file beside the batch says so. It outlives the job, and tells
the next one that the directory of the sample is worth going on in.
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
    """The part of a sample that one job runs, or ran.

    Attributes
    ----------
    run_key : str
        What it runs.
    attempts : int
        How often the sample was started, this time included.
    spent_s : float
        Time that it ran before [s]; of a leg that is over, its own included.
    """

    run_key: str
    attempts: int
    spent_s: float


class InterruptedSamples:
    """The samples of a batch that are under way.

    Parameters
    ----------
    directory : Path
        Where the files are that say so.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()  # workers go to the directories of their samples
        self._marked = 0.0

    def begin(self, sample_id: str, interrupted: Interrupted) -> None:
        """Record that a sample begins to run."""
        # by one clock: the time of the file is set by us, not by its server
        now = time.time()
        text = json.dumps([interrupted.run_key, interrupted.attempts, interrupted.spent_s, now])

        def write(part: Path) -> None:
            part.write_text(text)
            os.utime(part, (now, now))

        write_whole(self._directory / sample_id, write)

    def mark_running(self, sample_ids: Iterable[str]) -> None:
        """Record, every few seconds, that samples still run."""
        if time.monotonic() - self._marked < _MARK_S:
            return
        self._marked = time.monotonic()
        now = time.time()
        for sample_id in sample_ids:
            with contextlib.suppress(OSError):  # it has just ended
                os.utime(self._directory / sample_id, (now, now))

    def end(self, sample_id: str) -> None:
        """Record that a sample ended, or begins anew."""
        (self._directory / sample_id).unlink(missing_ok=True)

    def find(self, sample_id: str) -> Interrupted | None:
        """Return the leg of a sample that was under way when its worker or its job ended."""
        try:
            path = self._directory / sample_id
            run_key, attempts, spent_s, began = json.loads(path.read_text())
            lasted_s = max(0.0, path.stat().st_mtime - float(began))
            return Interrupted(str(run_key), int(attempts), float(spent_s) + lasted_s)
        except (OSError, ValueError, TypeError):  # none, or damaged: it begins anew
            return None

    def all(self) -> dict[str, Interrupted]:
        """Return the legs of all samples that are under way."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return {}
        return {name: interrupted for name in names if (interrupted := self.find(name)) is not None}

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self._directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, or never made
            self._directory.parent.rmdir()
