"""Run samples again or skip them: replace their records in journals and remove batch files.

The next run of the study finds the batch files missing and evaluates what the journals lack. `redo`
also replaces the same runs of the same samples in older batches, since the next run would take them
over.
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

Ids = NDArray[np.bytes_]


@dataclass(frozen=True)
class Amendments:
    """Samples that a user skipped or had run again."""

    skipped: dict[str, str] = field(default_factory=dict)  # sample id to reason
    redone: dict[str, int] = field(default_factory=dict)  # sample id to number of `redo`s


def read_amendments(paths: StudyPaths) -> Amendments:
    """Read the amendments of a study, none if there is no file; raise ArchiveError if damaged."""
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
    """Write the amendments of a study."""
    tree = {"skipped": amendments.skipped, "redone": amendments.redone}
    text = json.dumps(tree, indent=0) + "\n"
    write_whole(paths.amendments, lambda part: part.write_text(text))


def redo(study: LoadedStudy, paths: StudyPaths, ids: Ids) -> int:
    """Let the next run of the study run samples again, skipped ones too; return how many batches.

    `study` is the study as it was run and `ids`, of shape (k,), are sample ids. Raises BatchError
    if the study, or one of the batches, runs now.
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
    """Skip samples from now on, with a reason as their message; return in how many batches.

    `redo` takes it back. The arguments and BatchError are those of `redo`.
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
    """Hold the claims on batches for the time of a `with` block; raise BatchError if a job runs."""
    with contextlib.ExitStack() as stack:
        for key in keys:
            stack.enter_context(Claim(paths.owner(key), waits=False))
        stack.enter_context(renewing([paths.owner(key) for key in keys]))
        yield


def _targets(study: LoadedStudy, paths: StudyPaths, ids: Ids) -> dict[str, Rows]:
    """Return the records of the samples in the batches of the present study, by batch."""
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
    """Replace the records of samples in the journal of a batch, and remove its batch file."""
    found = read_batch_or_journal(paths, key)
    if found is None:
        raise BatchError(f"{paths.batch(key)}: it was removed meanwhile; try again")
    finished, parsers = found
    width = sum(widths_of(parsers).values())
    own = read_journal(paths.journal(key), width)
    journal = Journal(paths.journal(key), width, json.dumps([LAYOUT, parsers]))
    try:
        # the journal may be gone or damaged, so its rows are completed from the batch file
        lacking = ~members(finished.rows["sample_id"], own.rows["sample_id"])
        journal.append_rows(finished.rows[lacking], finished.messages)
        rows = finished.rows[members(finished.rows["sample_id"], ids)]
        journal.append_rows(without_result(rows, status), dict(messages))
        journal.sync()
    finally:
        journal.close()
    paths.counts(key).unlink(missing_ok=True)
    paths.batch(key).unlink(missing_ok=True)
    # the new results may demand another round, which Snakemake plans only if no `.end` file exists
    for end in paths.rounds_end("").parent.glob("*.end"):
        end.unlink(missing_ok=True)
