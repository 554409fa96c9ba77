"""Progress of samples as a line: of a batch in its log every few seconds, and of a study."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ensnare.batchfile import count_statuses
from ensnare.status import Status
from ensnare.tally import Tally

_EVERY_S = 5.0
_BAR = 20


class Progress:
    """Counts of a batch, and lines such as `batch 3f..: [###...] 120/256 done, 3 failed, 42.1/s`.

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
        self._start = self._shown = time.monotonic()

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
            self._say(f"{self._title}: {progress_line(self.tally())}")


def progress_line(tally: Tally) -> str:
    """Return `[##########..........] 128/256 done, 3 failed, 42.1/s, ETA 3 s`."""
    done, samples = tally.done, tally.samples
    filled = _BAR * done // samples if samples else _BAR
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
