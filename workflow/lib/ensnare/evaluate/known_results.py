"""What is known of a batch before its samples run: from its journal and from older batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensnare.evaluate.amendments import read_amendments
from ensnare.evaluate.batchfile import count_statuses, journal_note
from ensnare.evaluate.progress import Counts
from ensnare.evaluate.reuse import OlderBatches
from ensnare.evaluate.tasks import BatchWork
from ensnare.store.journal import Finished, members, read_journal, rows_of, without_result
from ensnare.store.outcome import Status


def take_over_known(
    work: BatchWork, outputs: int, say: Callable[[str], None]
) -> tuple[NDArray[np.int64], Counts]:
    """Take over known results; return the positions of samples to run, and counts of the others.

    Records of older batches are appended to the journal of this one. Kept directories to be parsed
    again belong to the samples to run.
    """
    ids, key = work.samples.ids, work.key
    own = _own_journal(work, outputs, say)
    if own.withdrawn is not None:
        names, times = (own.withdrawn[k].tolist() for k in ("sample_id", "attempts"))
        attempts = dict(zip(names, times, strict=True))
        for i in np.flatnonzero(members(ids, own.withdrawn["sample_id"])).tolist():
            work.attempts_before[i] = attempts[ids[i]]
    _count_interrupted(work, say)
    todo = np.flatnonzero(~members(ids, own.rows["sample_id"]))
    scaling = work.study.config.scaling
    if scaling is not None and scaling.mode == "throughput" and 0 < len(todo) < len(ids):
        # the copies of a throughput run are only comparable if all of them ran at the same time
        return np.arange(len(ids)), Counts(len(ids), count_statuses(own.rows["status"][:0]))
    if len(todo) < len(ids):
        say(f"batch {key}: {len(ids) - len(todo)} of {len(ids)} samples are in its journal")
    found = OlderBatches(work.study, work.paths).find(todo, work)
    rows, messages = found.rows()
    if len(rows):
        work.journal.append_rows(rows, messages)
        say(f"batch {key}: {len(rows)} of {len(ids)} samples are known from older batches")
    if found.to_reparse:
        work.to_reparse = found.to_reparse
        say(f"batch {key}: {len(found.to_reparse)} of {len(ids)} kept directories are read again")
    known = Counts(len(ids), count_statuses(own.rows["status"]))
    todo = np.sort(np.concatenate([found.rest, np.array([*found.to_reparse], np.int64)]))
    return todo, known + Counts(0, count_statuses(rows["status"]))


def _count_interrupted(work: BatchWork, say: Callable[[str], None]) -> None:
    """Let the attempts of interrupted samples count on from the last job."""
    interrupted = work.interrupted.all()
    if not interrupted:
        return
    for i, sample_id in enumerate(work.samples.ids.tolist()):
        if (started := interrupted.get(sample_id.decode())) is not None:
            work.attempts_before[i] = started.attempts
    going_on = f"{len(interrupted)} samples were under way; they go on in their directories"
    say(f"batch {work.key}: {going_on}")


def _own_journal(work: BatchWork, outputs: int, say: Callable[[str], None]) -> Finished:
    """Return the content of the batch's own journal, after recording which samples to skip."""
    ids, path = work.samples.ids, work.paths.journal(work.key)
    own = read_journal(path, outputs)
    # the note may be damaged, and other batches need it to take over the records; or the `keep`
    # of the study may have changed since
    if own.about != journal_note(work.study):
        work.journal.note(journal_note(work.study))
    if own.damaged:
        say(
            f"batch {work.key}: {own.damaged} bytes of the journal are damaged; "
            "the samples they recorded run again"
        )
    reasons = read_amendments(work.paths).skipped
    if not reasons:
        return own
    left_out = own.rows["sample_id"][own.rows["status"] == Status.SKIPPED]
    wanted = members(ids, np.array([name.encode() for name in reasons], ids.dtype))
    fresh = ids[wanted & ~members(ids, left_out)]
    if len(fresh):
        rows = rows_of(fresh, "", work.key, np.empty((len(fresh), outputs)))
        rows["attempts"] = 0
        work.journal.append_rows(without_result(rows, Status.SKIPPED), reasons)
    return read_journal(path, outputs)
