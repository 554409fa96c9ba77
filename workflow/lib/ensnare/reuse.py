"""Taking over samples that older batches of the study finished."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensnare.batches import plan_batches
from ensnare.batchfile import parsers_of, widths_of, with_known_outputs
from ensnare.config import LoadedStudy
from ensnare.ids import find_ids
from ensnare.older import UNREAD, Found, Match, Older, read_older
from ensnare.paths import StudyPaths
from ensnare.reread import Again, KeptRuns, Reading
from ensnare.samples import Samples
from ensnare.status import Status

# these say nothing about the sample: it is to be run
_NOT_FINISHED = (Status.KILLED, Status.NOT_RUN, Status.SKIPPED)


class KnowsRuns(Protocol):
    """Something that tells what a sample would run."""

    samples: Samples

    def run_key(self, i: int) -> str:
        """Return the identity of what sample `i` runs."""


class OlderBatches:
    """The batch files of earlier versions of a study, as a source of finished samples.

    The journal of a batch that was interrupted, or runs now, is one too.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files.
    """

    def __init__(self, study: LoadedStudy, paths: StudyPaths) -> None:
        self._files = paths
        self._wanted = parsers_of(study)
        self._is_command = study.config.model.python is None
        self._kept = KeptRuns(study, paths)
        files = {path.stem: path for path in paths.batches.glob("*.journal")}
        files |= {path.stem: path for path in paths.batches.glob("*.h5")}
        # the batches of the study as it is now have no sample in common
        current = {batch.key for batch in plan_batches(study)} if files else set()
        older = [files[key] for key in sorted(files.keys() - current)]
        self._paths = sorted(older, key=_time, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._paths)

    def find(
        self, todo: NDArray[np.int64], work: KnowsRuns, *, whatever_ran: bool = False
    ) -> Found:
        """Find the samples that older batches hold, those of the latest one first.

        A sample is taken over when it has the same id (case, values, occurrence), ran the same
        thing (rendered files, command), and its outputs were read in the same way; or else when
        its directory was kept with all that is to be read again.

        Parameters
        ----------
        todo : ndarray of int
            Positions of the samples wanted.
        work : KnowsRuns
            Tells what each would run.
        whatever_ran : bool
            Do not compare what ran.
        """
        found = Found(self._wanted, todo)
        keys: dict[int, str] | None = None if whatever_ran else {}
        for older in self._older if len(todo) else ():
            match = _common(older, work, found.rest, older.usable(self._wanted))
            match = self._same_runs(match, work, keys)
            if len(match.here):
                found.taken.append(match)
                found.rest = np.setdiff1d(found.rest, match.here, assume_unique=True)
        for older in self._older if self._is_command and len(found.rest) else ():
            match = _common(older, work, found.rest, ~older.usable(self._wanted))
            for status in (Status.OK, *UNREAD):
                reading = older.reading(status, self._wanted)
                self._add_reread(found, match.of(status), reading, work, keys)
        return found

    def _add_reread(
        self,
        found: Found,
        match: Match,
        reading: Reading,
        work: KnowsRuns,
        keys: dict[int, str] | None,
    ) -> None:
        """Add those of some samples of which all that is to be read again was kept."""
        # before what they run, which costs more to know
        found_at = self._kept.find(match.rows, reading)
        places = {i: place for i, place in zip(match.here.tolist(), found_at, strict=True) if place}
        match = match.only(np.array([place is not None for place in found_at], bool))
        match = self._same_runs(match, work, keys)
        if not len(match.here):
            return
        known = [name for name in self._wanted if name not in reading.outputs]
        have, want = widths_of(match.older.parsers), widths_of(self._wanted)
        rows = with_known_outputs(match.rows, have, known, want)
        for i, row in zip(match.here.tolist(), rows, strict=True):
            found.again[i] = Again(row, places[i], reading)
        found.reread.append(match)
        found.rest = np.setdiff1d(found.rest, match.here, assume_unique=True)

    def elapsed_s(self, ids: NDArray[np.bytes_]) -> NDArray[np.float64]:
        """Return how long samples took, whatever they ran; NaN where no older batch has them.

        Parameters
        ----------
        ids : ndarray of S20, shape (k,)
            Sample ids.

        Returns
        -------
        ndarray of float, shape (k,)
            Times [s], those of the latest batch.
        """
        elapsed_s = np.full(len(ids), np.nan)
        for older in self._older:
            rows = _finished_rows(older.finished.rows)
            place = find_ids(ids, rows["sample_id"])
            here = np.flatnonzero(place >= 0)
            there = place[here]
            new = np.isnan(elapsed_s[here])
            elapsed_s[here[new]] = np.nan_to_num(rows["elapsed_s"][there[new]])
        return elapsed_s

    def _same_runs(self, match: Match, work: KnowsRuns, keys: dict[int, str] | None) -> Match:
        """Return those that ran what they would run now; all of them if there are no keys."""
        if keys is None or not len(match.here):
            return match
        ran = match.older.finished.rows["run_key"][match.there]
        if not self._is_command:  # all calls of a function are alike
            return match.only(ran == work.run_key(int(match.here[0])).encode())
        same = np.zeros(len(match.here), bool)
        for n, (i, key) in enumerate(zip(match.here.tolist(), ran.tolist(), strict=True)):
            if i not in keys:
                keys[i] = work.run_key(i)
            same[n] = bool(keys[i]) and keys[i].encode() == key
        return match.only(same)

    @cached_property
    def _older(self) -> Sequence[Older]:
        return list(read_older(self._files, [path.stem for path in self._paths]))


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a journal may be replaced by its batch file now
        return 0.0


def _finished_rows(rows: Any) -> Any:  # noqa: ANN401
    return rows[~np.isin(rows["status"], _NOT_FINISHED)]


def _common(
    older: Older, work: KnowsRuns, todo: NDArray[np.int64], usable: NDArray[np.bool_]
) -> Match:
    """Return which of the usable samples of an older batch are among `todo`."""
    rows = older.finished.rows
    at = np.flatnonzero(usable & ~np.isin(rows["status"], _NOT_FINISHED))
    place = find_ids(work.samples.ids[todo], rows["sample_id"][at])
    here = np.flatnonzero(place >= 0)
    return Match(older, todo[here], at[place[here]])
