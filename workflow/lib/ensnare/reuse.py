"""Taking over samples that older batches of the study finished."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensnare.batches import plan_batches
from ensnare.batchfile import parsers_of, read_batch, read_live_journal, widths_of, with_outputs
from ensnare.config import LoadedStudy
from ensnare.errors import ArchiveError
from ensnare.journal import Finished, row_type
from ensnare.paths import StudyPaths
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
        self._wanted, self._files = parsers_of(study), paths
        files = {path.stem: path for path in paths.batches.glob("*.journal")}
        files |= {path.stem: path for path in paths.batches.glob("*.h5")}
        # the batches of the study as it is now have no sample in common
        current = {batch.key for batch in plan_batches(study)} if files else set()
        self._paths = [files[key] for key in sorted(files.keys() - current)]
        self._read: dict[Path, Finished | None] = {}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def finished(self, todo: NDArray[np.int64], work: KnowsRuns) -> tuple[Any, dict[str, str]]:
        """Return the samples that an older batch already holds.

        A sample is taken over when it has the same id (case, values, occurrence), ran the same
        thing (rendered files, command), and its outputs were read in the same way.

        Parameters
        ----------
        todo : ndarray of int
            Positions of the samples wanted.
        work : KnowsRuns
            Tells what each would run.

        Returns
        -------
        rows : structured ndarray
            Rows for the journal (`journal.row_type`).
        messages : dict
            Sample id to message.
        """
        found: list[Any] = [np.empty(0, row_type(sum(widths_of(self._wanted).values())))]
        messages: dict[str, str] = {}
        keys: dict[int, str] = {}
        for path in self._paths:
            finished = self._load(path) if len(todo) else None
            if finished is None:
                continue
            rows, taken = _matching(finished, work, todo, keys)
            found.append(rows)
            ids = {i.decode() for i in rows["sample_id"]} if finished.messages else set()
            messages |= {i: text for i, text in finished.messages.items() if i in ids}
            todo = np.setdiff1d(todo, taken, assume_unique=True)
        return np.concatenate(found), messages

    def _load(self, path: Path) -> Finished | None:
        """Return the samples of a batch file with the outputs wanted; None if it has others."""
        if path not in self._read:
            self._read[path] = None
            found = read_any(self._files, path.stem)
            if found is None:
                return None
            finished, parsers = found
            if all(parsers.get(name) == text for name, text in self._wanted.items()):
                rows = with_outputs(finished.rows, widths_of(parsers), list(self._wanted))
                self._read[path] = Finished(rows, finished.messages)
        return self._read[path]


def read_any(paths: StudyPaths, key: str) -> tuple[Finished, dict[str, str]] | None:
    """Read a batch file, or else its journal; None if neither can be: its samples run again."""
    if paths.batch(key).exists():
        with contextlib.suppress(ArchiveError):
            return read_batch(paths.batch(key))
    with contextlib.suppress(ArchiveError):
        return read_live_journal(paths.journal(key))
    return None


def _matching(
    finished: Finished, work: KnowsRuns, todo: NDArray[np.int64], keys: dict[int, str]
) -> tuple[Any, NDArray[np.int64]]:
    """Return the rows of a batch that answer samples of `todo`, and which these are."""
    rows = finished.rows[~np.isin(finished.rows["status"], _NOT_FINISHED)]
    _, here, there = np.intersect1d(
        work.samples.ids[todo], rows["sample_id"], assume_unique=True, return_indices=True
    )
    same = np.zeros(len(here), bool)
    for n, i in enumerate(todo[here].tolist()):
        if i not in keys:
            keys[i] = work.run_key(i)
        same[n] = bool(keys[i]) and keys[i].encode() == rows["run_key"][there[n]]
    return rows[there[same]], todo[here[same]]
