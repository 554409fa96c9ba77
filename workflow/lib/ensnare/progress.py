"""Progress of samples as a line: of a batch in its log every few seconds, and of a study."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ensnare.batchfile import count_statuses
from ensnare.status import Status
from ensnare.tally import Tally

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
    known : Tally
        The batch when the job began.
    ended : ndarray of uint8, shape (n,)
        Status of the samples that ended since; other values stand for those that have not.
    say : callable
        Receives the line.
    """

    def __init__(
        self, title: str, known: Tally, ended: NDArray[np.uint8], say: Callable[[str], None]
    ) -> None:
        self._title, self._known, self._ended, self._say = title, known, ended, say
        self._start = self._shown = self._told = time.monotonic()
        self._length = _filled(known)

    def tally(self) -> Tally:
        """Return where things stand."""
        ended = Tally(0, count_statuses(self._ended))
        rate = ended.done / max(time.monotonic() - self._start, 1e-9)
        return replace(self._known + ended, rate=rate)

    def show(self, *, final: bool = False) -> None:
        """Say where things stand, if it is time."""
        now = time.monotonic()
        if final or now - self._shown >= _EVERY_S:
            self._shown = now
            tally = self.tally()
            line = f"{self._title}: {progress_line(tally)}"
            self._say(line)
            if not final and now - self._told >= _TOLD_AFTER_S and _filled(tally) > self._length:
                self._told, self._length = now, _filled(tally)
                with contextlib.suppress(OSError):  # the terminal is gone
                    print(line, file=sys.stderr, flush=True)


def _filled(tally: Tally) -> int:
    """Return how long the bar is."""
    return _BAR * tally.done // tally.samples if tally.samples else _BAR


def progress_line(tally: Tally) -> str:
    """Return `[##########..........] 128/256 done, 3 failed, 42.1/s, ETA 3 s`."""
    done, samples = tally.done, tally.samples
    filled = _filled(tally)
    bad = [f"{tally.counts[s]} {s.label}" for s in Status if s and tally.counts[s]]
    parts = [f"[{'#' * filled}{'.' * (_BAR - filled)}] {done}/{samples} done", *bad]
    if tally.rate:
        parts.append(f"{tally.rate:.3g}/s")
        if done < samples:
            parts.append(f"ETA {_duration((samples - done) / tally.rate)}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a time to wait for: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
