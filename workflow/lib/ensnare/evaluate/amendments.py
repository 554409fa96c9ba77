"""Having samples run again, or skipping them: their records are replaced, the batch files removed.

The next run of the study finds the batch files missing and evaluates what the journals lack. Files
of older batches that hold the same runs of the same samples are amended too, or the next run
would take those over.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, BatchError
from ensnare.evaluate.batchfile import widths_of
from ensnare.evaluate.claim import Claim, renewing
from ensnare.evaluate.reuse import read_batch_or_journal
from ensnare.plan.batches import LAYOUT, plan_batches
from ensnare.store.journal import Journal, Rows, members, read_journal, without_result
from ensnare.store.locks import exclude_runs
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy


@dataclass(frozen=True)
class Amendments:
    """Samples that a user had something done to.

    Attributes
    ----------
    skipped : dict of str to str
        Sample id to the reason why it is not to be run.
    redone : dict of str to int
        Sample id to how often it was to be run again.
    """

    skipped: dict[str, str] = field(default_factory=dict)
    redone: dict[str, int] = field(default_factory=dict)


def read_amendments(paths: StudyPaths) -> Amendments:
    """Read what was done to samples by hand; nothing if there is no such file.

    Raises
    ------
    ArchiveError
        If the file is damaged.
    """
    try:
        tree = json.loads(paths.amendments.read_text())
        return Amendments(
            {str(name): str(reason) for name, reason in tree["skipped"].items()},
            {str(name): int(times) for name, times in tree["redone"].items()},
        )
    except FileNotFoundError:
        return Amendments()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArchiveError(
            f"{paths.amendments}: not a list of skipped and redone samples; mend or remove it"
        ) from None


def write_amendments(paths: StudyPaths, amendments: Amendments) -> None:
    """Write what was done to samples by hand."""
    tree = {"skipped": amendments.skipped, "redone": amendments.redone}
    text = json.dumps(tree, indent=0) + "\n"
    write_whole(paths.amendments, lambda part: part.write_text(text))


Ids = NDArray[np.bytes_]


def redo(study: LoadedStudy, paths: StudyPaths, ids: Ids) -> int:
    """Have samples run again by the next run of the study; skipped ones are skipped no more.

    Parameters
    ----------
    study : LoadedStudy
        The study as it was run.
    paths : StudyPaths
        Its files.
    ids : ndarray of S20, shape (k,)
        The samples.

    Returns
    -------
    int
        Number of batches that the next run completes.

    Raises
    ------
    BatchError
        If the study, or one of the batches, runs now.
    """
    names = {name.decode() for name in ids.tolist()}
    with exclude_runs(paths.lock):
        targets = _targets(study, paths, ids)
        targets |= _older_targets(paths, targets, {b.key for b in plan_batches(study)})
        with _claims(paths, list(targets)):
            before = read_amendments(paths)
            skipped = {name: why for name, why in before.skipped.items() if name not in names}
            write_amendments(paths, Amendments(skipped, before.redone))
            for key, rows in targets.items():
                _replace(paths, key, rows["sample_id"], Status.NOT_RUN, {})
            times = {name: before.redone.get(name, 0) + 1 for name in names - set(before.skipped)}
            write_amendments(paths, Amendments(skipped, before.redone | times))
    return len(targets)


def skip(study: LoadedStudy, paths: StudyPaths, ids: Ids, reason: str) -> int:
    """Skip samples from now on, in every batch that holds them; `redo` takes that back.

    Parameters
    ----------
    study : LoadedStudy
        The study as it was run.
    paths : StudyPaths
        Its files.
    ids : ndarray of S20, shape (k,)
        The samples.
    reason : str
        Becomes their message.

    Returns
    -------
    int
        Number of batches that the next run completes.

    Raises
    ------
    BatchError
        If the study, or one of the batches, runs now.
    """
    reasons = {name.decode(): reason for name in ids.tolist()}
    with exclude_runs(paths.lock):
        targets = _targets(study, paths, ids)
        with _claims(paths, list(targets)):
            before = read_amendments(paths)
            write_amendments(paths, Amendments(before.skipped | reasons, before.redone))
            for key, rows in targets.items():
                _replace(paths, key, rows["sample_id"], Status.SKIPPED, reasons)
    return len(targets)


@contextlib.contextmanager
def _claims(paths: StudyPaths, keys: list[str]) -> Iterator[None]:
    """Keep jobs from evaluating batches; refuse while one does."""
    with contextlib.ExitStack() as stack:
        for key in keys:
            stack.enter_context(Claim(paths.owner(key), waits=False))
        stack.enter_context(renewing([paths.owner(key) for key in keys]))
        yield


def _targets(study: LoadedStudy, paths: StudyPaths, ids: Ids) -> dict[str, Rows]:
    """Return the records of the samples in the batches of the study as it is, by batch."""
    targets = {}
    for batch in plan_batches(study):
        found = read_batch_or_journal(paths, batch.key)
        if found is not None:
            rows = found[0].rows
            rows = rows[members(rows["sample_id"], ids)]
            if len(rows):
                targets[batch.key] = rows
    return targets


def _older_targets(
    paths: StudyPaths, targets: Mapping[str, Rows], current: set[str]
) -> dict[str, Rows]:
    """Return the records of the same runs in batches of earlier versions of the study."""
    runs = {
        run
        for rows in targets.values()
        for run in zip(rows["sample_id"].tolist(), rows["run_key"].tolist(), strict=True)
    }
    older = {}
    stems = {path.stem for kind in ("h5", "journal") for path in paths.batches.glob(f"*.{kind}")}
    for key in sorted(stems - current):
        found = read_batch_or_journal(paths, key)
        if found is not None:
            rows = found[0].rows
            pairs = zip(rows["sample_id"].tolist(), rows["run_key"].tolist(), strict=True)
            same = rows[[pair in runs for pair in pairs]] if len(rows) else rows
            if len(same):
                older[key] = same
    return older


def _replace(
    paths: StudyPaths, key: str, ids: Ids, status: Status, messages: Mapping[str, str]
) -> None:
    """Replace the records of samples of a batch in its journal, and remove the batch file."""
    found = read_batch_or_journal(paths, key)
    if found is None:
        raise BatchError(f"{paths.batch(key)}: it was removed meanwhile; try again")
    finished, parsers = found
    width = sum(widths_of(parsers).values())
    own = read_journal(paths.journal(key), width)
    journal = Journal(paths.journal(key), width, json.dumps([LAYOUT, parsers]))
    try:
        # the batch file may be all there is
        lacking = ~members(finished.rows["sample_id"], own.rows["sample_id"])
        journal.append_rows(finished.rows[lacking], finished.messages)
        rows = finished.rows[members(finished.rows["sample_id"], ids)]
        journal.append_rows(without_result(rows, status), dict(messages))
        journal.sync()
    finally:
        journal.close()
    paths.counts(key).unlink(missing_ok=True)
    paths.batch(key).unlink(missing_ok=True)
    # what comes back may ask for another round, which is not looked for once the design has ended
    for end in paths.rounds_end("").parent.glob("*.end"):
        end.unlink(missing_ok=True)
