"""When the job of a batch ends, and whether another sample fits into the time left."""

from __future__ import annotations

import datetime
import math
import mmap
import os
import re
import subprocess
import time

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError

UNTIL = "ENSNARE_UNTIL"
# before the end of the job: for writing results, and for a code that handles SIGTERM
MARGIN_S = 30.0
_SLACK = 1.1  # times the time that nearly all samples needed
_NEARLY_ALL = 0.95
_LEFT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_SQUEUE_LIMIT_S = 30.0


def job_end() -> float | None:
    """Return when this job ends [s since 1970]; None if that is not known.

    `ENSNARE_UNTIL` states it for any scheduler. In a SLURM job the environment does, or else the
    controller is asked once. Raises ConfigError if `ENSNARE_UNTIL` is not a time.
    """
    if text := os.environ.get(UNTIL, "").strip():
        return _time(text)
    if text := os.environ.get("SLURM_JOB_END_TIME", ""):
        return float(text) if text.isdigit() else None
    job = os.environ.get("SLURM_JOB_ID")
    return _ask_slurm(job) if job else None


def _time(text: str) -> float:
    """Return a time as given in `ENSNARE_UNTIL` [s since 1970]."""
    try:
        end = float(text)
    except ValueError:
        try:
            end = datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            end = math.nan
    if not math.isfinite(end):
        raise ConfigError(
            f"{UNTIL}: got '{text}'; expected seconds since 1970, as of date +%s, or a time such "
            "as 2026-01-31T18:00"
        )
    return end


def _ask_slurm(job: str) -> float | None:
    """Return when a SLURM job ends [s since 1970]; None if it has no limit or squeue fails."""
    try:
        done = subprocess.run(
            ["squeue", "-h", "-j", job, "-o", "%L"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SQUEUE_LIMIT_S,
            check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    left_s = time_left_s(done.stdout)
    return None if left_s is None else time.time() + left_s


def time_left_s(text: str) -> float | None:
    """Return the time left that `squeue -o %L` prints [s]: `1-02:03:04`, `5:00`; None if none."""
    match = _LEFT.fullmatch(text.strip())
    if not match:  # UNLIMITED, NOT_SET, INVALID
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds


class Walltime:
    """The time left in a job, and the times that samples took, in memory shared by its workers.

    `end` is when the job ends [s since 1970], None for never; `known` holds the times of samples of
    earlier jobs [s].
    """

    def __init__(self, end: float | None, samples: int, known: NDArray[np.float64]) -> None:
        self._end = math.inf if end is None else end
        self._took = np.frombuffer(mmap.mmap(-1, max(1, 4 * samples)), np.float32, samples)
        self._took[:] = np.nan
        self._known = known[np.isfinite(known)].astype(np.float32)
        self._longest_s = np.float32(self._known.max(initial=0.0))
        self._begun = False

    def note(self, i: int | NDArray[np.int64], elapsed_s: float) -> None:
        """Store how long a sample took, or each of several samples [s]."""
        self._took[i] = elapsed_s

    def left_s(self) -> float:
        """Return how long the job still lasts [s]."""
        return self._end - time.time()

    def needed_s(self) -> float:
        """Return 1.1 times the 95 % quantile of the times, plus 30 s [s]; 0 if none ended."""
        took = np.sort(np.concatenate([self._known, self._took[~np.isnan(self._took)]]))
        if not len(took):
            return 0.0
        return _SLACK * float(took[math.ceil(_NEARLY_ALL * len(took)) - 1]) + MARGIN_S

    def fits(self, samples: int = 1) -> bool:
        """Return whether so many samples, one after the other, should end before the job does.

        True for the first call of each worker, since a new job would have no more time than this
        one.
        """
        if not math.isfinite(self._end):
            return True
        if not self._begun:
            self._begun = True
            return True
        # a cheap test first, since this runs before every sample: is there time for the longest?
        longest_s = float(np.fmax.reduce(self._took, initial=self._longest_s))
        if self.left_s() > _SLACK * longest_s * samples + MARGIN_S:
            return True
        needed_s = self.needed_s()
        return self.left_s() > (needed_s - MARGIN_S) * samples + MARGIN_S if needed_s else True

    def is_over(self) -> bool:
        """Return whether the time is up for samples that the next job can resume."""
        return self.left_s() < MARGIN_S
