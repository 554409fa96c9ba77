"""Progress of a batch, as a line in its log every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensnare.status import Status

_EVERY_S = 5.0


class Progress:
    """Lines such as `batch 3f..: 120/256 done, 3 failed, 42.1/s, ETA 3 s`.

    Parameters
    ----------
    title : str
        Start of the line.
    total : int
        Number of samples to run.
    ended : ndarray of uint8, shape (n,)
        Status of the samples that ended; other values stand for those that have not.
    say : callable
        Receives the line.
    """

    def __init__(
        self, title: str, total: int, ended: NDArray[np.uint8], say: Callable[[str], None]
    ) -> None:
        self._title, self._total, self._ended, self._say = title, total, ended, say
        self._start = self._shown = time.monotonic()

    def show(self, *, final: bool = False) -> None:
        """Say where things stand, if it is time."""
        now = time.monotonic()
        if not final and now - self._shown < _EVERY_S:
            return
        self._shown = now
        counts = np.bincount(self._ended, minlength=256)[: len(Status)]
        done = int(counts.sum())
        bad = [f"{int(counts[s])} {s.label}" for s in Status if s and counts[s]]
        rate = done / max(now - self._start, 1e-9)
        left = self._total - done
        parts = [f"{self._title}: {done}/{self._total} done", *bad, f"{rate:.3g}/s"]
        if left > 0 and done:
            parts.append(f"ETA {left / rate:.0f} s")
        self._say(", ".join(parts))
