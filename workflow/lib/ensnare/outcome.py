"""What came out of a run, in a line or two at its end."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from ensnare.paths import StudyPaths
from ensnare.status import Status, one_line

_MOST_SHOWN = 200  # characters of a message
# what a sample is that nobody wanted to run is no failure
_QUIET = (Status.OK, Status.SKIPPED, Status.NOT_RUN)


def outcome_lines(paths: StudyPaths, batches: Sequence[str]) -> list[str]:
    """Return how many samples ended how, where the report is, and the most frequent failure.

    Parameters
    ----------
    paths : StudyPaths
        The files of the study.
    batches : sequence of str
        The keys of the batches that the archive is made of; none of a parareal study.

    Returns
    -------
    list of str
        Empty unless archive and report are there and newer than the batches: a run that was asked
        for other files makes neither.
    """
    made = [paths.batch(key) for key in batches] + [paths.archive, paths.report]
    if not all(path.exists() for path in made):
        return []
    times = [path.stat().st_mtime_ns for path in made]
    if max(times[:-1]) != times[-2] or times[-2] > times[-1]:
        return []
    with h5py.File(paths.archive, "r", locking=False) as file:
        if not batches or "status" not in file:
            return [str(paths.report)]
        status, text = file["status"][:], file["messages/text"].asstr()
        counts = np.bincount(status, minlength=len(Status))
        lines = [f"{_counted(counts)}; {paths.report}"]
        common = max((s for s in Status if s not in _QUIET), key=lambda s: int(counts[s]))
        if counts[common]:
            place = np.flatnonzero(file["messages/row"][:] == np.argmax(status == common))
            message = one_line(text[place[0]]) if len(place) else ""
            lines.append(f"the first with status {common.label}: {_cut(message)}")
    return lines


def _counted(counts: np.ndarray) -> str:
    """Return `120 samples: 100 ok, 20 timeout`."""
    by_number = sorted(Status, key=lambda s: (s is not Status.OK, -int(counts[s])))
    kinds = [f"{counts[s]} {s.label}" for s in by_number if counts[s] or s is Status.OK]
    return f"{counts.sum()} samples: {', '.join(kinds)}"


def _cut(message: str) -> str:
    return message if len(message) <= _MOST_SHOWN else f"{message[:_MOST_SHOWN]} ..."
