"""Finished samples in batches of earlier versions of a study, and which of them are wanted now."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError
from ensnare.evaluate.batchfile import (
    parsers_of,
    read_batch,
    read_live_journal,
    widths_of,
    with_known_outputs,
)
from ensnare.evaluate.reparse import KeptDirectories, KeptSample, Reading
from ensnare.plan.batches import plan_batches
from ensnare.plan.samples import Samples
from ensnare.store.ids import find_ids
from ensnare.store.journal import Finished, row_type
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy

# decided before any output is read, so other parsers change nothing
_BEFORE_READING = (Status.FAILED, Status.TIMEOUT, Status.SKIPPED)
# the outputs could not be read in the way of that time
UNREAD = (Status.UNPARSABLE, Status.UNSUCCESSFUL)
# no result of the sample: it is to be run
_NOT_FINISHED = (Status.KILLED, Status.NOT_RUN, Status.SKIPPED)


@dataclass(frozen=True)
class OlderBatch:
    """A batch file, or the journal, of an earlier version of the study."""

    key: str
    finished: Finished
    parsers: dict[str, str]  # what decided how each output was read, in the order of the columns

    def usable(self, wanted: Mapping[str, str]) -> NDArray[np.bool_]:
        """Return which of its samples can be taken as they are, given how outputs are read now.

        `wanted` maps each output to what decides how it is read (`batchfile.parsers_of`).
        """
        status = self.finished.rows["status"]
        if self.parsers == wanted:
            return np.ones(len(status), bool)
        if all(self.parsers.get(name) == text for name, text in wanted.items()):
            return ~np.isin(status, UNREAD)  # an output that was removed since may be the cause
        return np.isin(status, _BEFORE_READING)

    def reading(self, status: Status, wanted: Mapping[str, str]) -> Reading:
        """Return what must be parsed again of its samples with this status."""
        if status is not Status.OK:
            return Reading(tuple(wanted), success=True)
        old = {name: json.loads(text) for name, text in self.parsers.items()}
        new = {name: json.loads(text) for name, text in wanted.items()}
        changed = [n for n, (parser, _) in new.items() if n not in old or old[n][0] != parser]
        signs = [success for _, success in new.values()][:1]
        return Reading(tuple(changed), success=signs != [s for _, s in old.values()][:1])


@dataclass(frozen=True)
class Match:
    """Samples of a batch that an older batch holds."""

    older: OlderBatch
    here: NDArray[np.int64]  # positions in the batch, shape (k,)
    there: NDArray[np.int64]  # positions in the older batch, shape (k,)

    @property
    def rows(self) -> Any:  # noqa: ANN401
        """The rows of these samples in the older batch."""
        return self.older.finished.rows[self.there]

    def subset(self, chosen: NDArray[np.bool_]) -> Match:
        """Return some of the samples."""
        return Match(self.older, self.here[chosen], self.there[chosen])

    def with_status(self, status: Status) -> Match:
        """Return the samples with this status."""
        return self.subset(self.older.finished.rows["status"][self.there] == status)


@dataclass
class Found:
    """What older batches hold of the samples that were asked for."""

    wanted: Mapping[str, str]  # what decides how each output is read now
    rest: NDArray[np.int64]  # positions of the samples to run
    taken: list[Match] = field(default_factory=list)  # to take over as they are
    reparsed: list[Match] = field(default_factory=list)  # to parse again
    to_reparse: dict[int, KeptSample] = field(default_factory=dict)  # these by position

    def rows(self) -> tuple[Any, dict[str, str]]:
        """Return the taken samples as rows for the journal, with their messages by sample id."""
        widths = widths_of(self.wanted)
        size = sum(len(match.here) for match in self.taken)
        found = np.empty(size, row_type(sum(widths.values())))
        start = 0
        messages: dict[str, str] = {}
        for match in self.taken:
            rows = match.rows
            have = widths_of(match.older.parsers)
            known = [n for n, text in self.wanted.items() if match.older.parsers.get(n) == text]
            if [*have.items()] != [*widths.items()] or known != [*widths]:
                rows = with_known_outputs(rows, have, known, widths)
            # np.concatenate of structured arrays is far slower
            found[start : start + len(rows)] = rows
            start += len(rows)
            texts = match.older.finished.messages
            ids = {i.decode() for i in rows["sample_id"].tolist()} if texts else set()
            messages |= {i: text for i, text in texts.items() if i in ids}
        return found, messages


def read_older(paths: StudyPaths, keys: Sequence[str]) -> Iterator[OlderBatch]:
    """Read batch files, or else their journals; leave out batches without a readable one."""
    for key in keys:
        found = read_batch_or_journal(paths, key)
        if found is not None:
            yield OlderBatch(key, *found)


def read_batch_or_journal(paths: StudyPaths, key: str) -> tuple[Finished, dict[str, str]] | None:
    """Read a batch file, or else its journal; None if neither can be read."""
    if paths.batch(key).exists():
        with contextlib.suppress(ArchiveError):
            return read_batch(paths.batch(key))
    with contextlib.suppress(ArchiveError):
        return read_live_journal(paths.journal(key))
    return None


class RunKeys(Protocol):
    """The samples of a batch, with what each would run."""

    samples: Samples

    def run_key(self, i: int) -> str:
        """Return the identity of what sample `i` runs; empty if its files cannot be prepared."""


class OlderBatches:
    """All batches of earlier versions of a study, as a source of finished samples.

    The journal of a batch that was interrupted, or runs now, is also a source.
    """

    def __init__(self, study: LoadedStudy, paths: StudyPaths) -> None:
        self._files = paths
        self._wanted = parsers_of(study)
        self._is_command = study.config.model.python is None
        self._kept = KeptDirectories(study, paths)
        files = {path.stem: path for path in paths.batches.glob("*.journal")}
        files |= {path.stem: path for path in paths.batches.glob("*.h5")}
        # batches of the present study share no samples, so they are no source for each other
        current = {batch.key for batch in plan_batches(study)} if files else set()
        older = [files[key] for key in sorted(files.keys() - current)]
        self._paths = sorted(older, key=_time, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._paths)

    def find(self, todo: NDArray[np.int64], work: RunKeys, *, whatever_ran: bool = False) -> Found:
        """Find the samples at positions `todo` in older batches, those of the latest batch first.

        A sample is taken if it has the same id (case, values, occurrence), ran the same (rendered
        files and command; not compared for `whatever_ran`) and its outputs were read in the same
        way. It is parsed again if only the last differs and its kept directory has all files that
        are needed.
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
                self._add_reparsed(found, match.with_status(status), reading, work, keys)
        return found

    def _add_reparsed(
        self,
        found: Found,
        match: Match,
        reading: Reading,
        work: RunKeys,
        keys: dict[int, str] | None,
    ) -> None:
        """Add those samples of a match whose kept directories have all files that are needed."""
        # files first: to know what a sample would run is more expensive
        found_at = self._kept.find(match.rows, reading)
        places = {i: place for i, place in zip(match.here.tolist(), found_at, strict=True) if place}
        match = match.subset(np.array([place is not None for place in found_at], bool))
        match = self._same_runs(match, work, keys)
        if not len(match.here):
            return
        known = [name for name in self._wanted if name not in reading.outputs]
        have, want = widths_of(match.older.parsers), widths_of(self._wanted)
        rows = with_known_outputs(match.rows, have, known, want)
        for i, row in zip(match.here.tolist(), rows, strict=True):
            found.to_reparse[i] = KeptSample(row, places[i], reading)
        found.reparsed.append(match)
        found.rest = np.setdiff1d(found.rest, match.here, assume_unique=True)

    def elapsed_s(self, ids: NDArray[np.bytes_]) -> NDArray[np.float64]:
        """Return how long samples took in the latest older batch, whatever they ran [s].

        NaN where no older batch has a sample.
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

    def _same_runs(self, match: Match, work: RunKeys, keys: dict[int, str] | None) -> Match:
        """Return the samples that ran what they would run now; all if `keys` is None.

        `keys` caches what samples would run, by position.
        """
        if keys is None or not len(match.here):
            return match
        ran = match.older.finished.rows["run_key"][match.there]
        if not self._is_command:  # all samples of a function have one key
            return match.subset(ran == work.run_key(int(match.here[0])).encode())
        same = np.zeros(len(match.here), bool)
        for n, (i, key) in enumerate(zip(match.here.tolist(), ran.tolist(), strict=True)):
            if i not in keys:
                keys[i] = work.run_key(i)
            same[n] = bool(keys[i]) and keys[i].encode() == key
        return match.subset(same)

    @cached_property
    def _older(self) -> Sequence[OlderBatch]:
        """The older batches, the latest first; read when they are needed."""
        return list(read_older(self._files, [path.stem for path in self._paths]))


def _time(path: Path) -> float:
    """Return when a file was written last; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0


def _finished_rows(rows: Any) -> Any:  # noqa: ANN401
    """Return the rows of samples that ended by themselves."""
    return rows[~np.isin(rows["status"], _NOT_FINISHED)]


def _common(
    older: OlderBatch, work: RunKeys, todo: NDArray[np.int64], usable: NDArray[np.bool_]
) -> Match:
    """Return which of the usable samples of an older batch are among `todo`."""
    rows = older.finished.rows
    at = np.flatnonzero(usable & ~np.isin(rows["status"], _NOT_FINISHED))
    place = find_ids(work.samples.ids[todo], rows["sample_id"][at])
    here = np.flatnonzero(place >= 0)
    return Match(older, todo[here], at[place[here]])
