"""The batches of earlier versions of a study, and how their samples answer what is wanted now."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.batchfile import read_batch, read_live_journal, widths_of, with_known_outputs
from ensnare.errors import ArchiveError
from ensnare.journal import Finished, row_type
from ensnare.paths import StudyPaths
from ensnare.reread import Again, Reading
from ensnare.status import Status

# these come before any output is read
_BEFORE_READING = (Status.FAILED, Status.TIMEOUT, Status.SKIPPED)
# these say that the outputs could not be read as they were to be read then
UNREAD = (Status.UNPARSABLE, Status.UNSUCCESSFUL)


@dataclass(frozen=True)
class Older:
    """A batch file, or a journal, of an earlier version of the study.

    Attributes
    ----------
    key : str
        Its name.
    finished : Finished
        Its finished samples.
    parsers : dict of str to str
        Output to what decided how it was read, in the order of the columns.
    """

    key: str
    finished: Finished
    parsers: dict[str, str]

    def usable(self, wanted: Mapping[str, str]) -> NDArray[np.bool_]:
        """Return which of its samples need not be read again, as the outputs are wanted."""
        status = self.finished.rows["status"]
        if self.parsers == wanted:
            return np.ones(len(status), bool)
        if all(self.parsers.get(name) == text for name, text in wanted.items()):
            return ~np.isin(status, UNREAD)  # an output that is gone may be the one to blame
        return np.isin(status, _BEFORE_READING)

    def reading(self, status: Status, wanted: Mapping[str, str]) -> Reading:
        """Return what is to be read again of samples that ended like that."""
        if status is not Status.OK:
            return Reading(tuple(wanted), success=True)
        old = {name: json.loads(text) for name, text in self.parsers.items()}
        new = {name: json.loads(text) for name, text in wanted.items()}
        changed = [n for n, (parser, _) in new.items() if n not in old or old[n][0] != parser]
        signs = [success for _, success in new.values()][:1]
        return Reading(tuple(changed), success=signs != [s for _, s in old.values()][:1])


@dataclass(frozen=True)
class Match:
    """Samples of a batch that an older one holds: their positions in both."""

    older: Older
    here: NDArray[np.int64]
    there: NDArray[np.int64]

    @property
    def rows(self) -> Any:  # noqa: ANN401
        """The rows of the older batch."""
        return self.older.finished.rows[self.there]

    def only(self, chosen: NDArray[np.bool_]) -> Match:
        """Return some of the samples."""
        return Match(self.older, self.here[chosen], self.there[chosen])

    def of(self, status: Status) -> Match:
        """Return the samples that ended like that."""
        return self.only(self.older.finished.rows["status"][self.there] == status)


@dataclass
class Found:
    """What older batches hold of the samples that were asked for.

    Attributes
    ----------
    taken : list of Match
        Samples to take over as they are.
    reread : list of Match
        Samples whose kept directories are to be read again.
    again : dict of int to Again
        These, by their positions.
    rest : ndarray of int
        Positions of the samples to run.
    """

    wanted: Mapping[str, str]
    rest: NDArray[np.int64]
    taken: list[Match] = field(default_factory=list)
    reread: list[Match] = field(default_factory=list)
    again: dict[int, Again] = field(default_factory=dict)

    def rows(self) -> tuple[Any, dict[str, str]]:
        """Return what is taken over, as rows for the journal, and messages by sample id."""
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
            found[start : start + len(rows)] = rows  # to join records costs far more
            start += len(rows)
            texts = match.older.finished.messages
            ids = {i.decode() for i in rows["sample_id"].tolist()} if texts else set()
            messages |= {i: text for i, text in texts.items() if i in ids}
        return found, messages


def read_older(paths: StudyPaths, keys: Sequence[str]) -> Iterator[Older]:
    """Read batch files, or else their journals; what cannot be read is left out."""
    for key in keys:
        found = read_any(paths, key)
        if found is not None:
            yield Older(key, *found)


def read_any(paths: StudyPaths, key: str) -> tuple[Finished, dict[str, str]] | None:
    """Read a batch file, or else its journal; None if neither can be: its samples run again."""
    if paths.batch(key).exists():
        with contextlib.suppress(ArchiveError):
            return read_batch(paths.batch(key))
    with contextlib.suppress(ArchiveError):
        return read_live_journal(paths.journal(key))
    return None
