"""Evaluating one batch: take over what is known, run the rest, write the batch file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ensnare.amendments import read_amendments
from ensnare.batches import Batch, plan_batches
from ensnare.batchfile import journal_note, record_width, write_batch
from ensnare.callables import PythonModel, load_callable
from ensnare.config import LoadedStudy
from ensnare.errors import BatchError
from ensnare.journal import (
    Finished,
    Journal,
    members,
    read_journal,
    rows_of,
    without_result,
)
from ensnare.model import compile_model
from ensnare.owner import Owner
from ensnare.paths import StudyPaths
from ensnare.pool import Pool
from ensnare.progress import Progress
from ensnare.reuse import OlderBatches
from ensnare.samples import read_samples
from ensnare.status import Status
from ensnare.stop import FailureLimit
from ensnare.tally import Tally, count_statuses, publish
from ensnare.work import BatchWork

# the pool ticks twice a second: no record waits longer than a second to be on the disk
_SYNC_S = 0.5


def find_batch(study: LoadedStudy, key: str) -> Batch:
    """Return a batch of a study by its key.

    Raises
    ------
    BatchError
        If there is none, because a file of the study changed since the run was planned.
    """
    for batch in plan_batches(study):
        if batch.key == key:
            return batch
    raise BatchError(
        f"no batch {key} in the study as it is now; a file of the model changed while the run was "
        "under way; run snakemake again"
    )


def evaluate_batch(
    study: LoadedStudy,
    batch: Batch,
    paths: StudyPaths,
    workers: int,
    say: Callable[[str], None],
) -> None:
    """Evaluate the samples of a batch that are not known yet, and write the batch file.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    batch : Batch
        Which samples.
    paths : StudyPaths
        The study's files; the design file exists.
    workers : int
        Number of cores to use.
    say : callable
        Receives lines of progress.

    Raises
    ------
    EnsnareError
        If the batch cannot be evaluated. Failing samples are results, not errors.
    """
    with Owner(paths.owner(batch.key), say) as owner:
        if paths.batch(batch.key).exists():  # another job evaluated it while we waited
            say(f"batch {batch.key}: taken over from the job that evaluated it")
            return
        samples = read_samples(study, batch.segments, paths.design)
        model = load_callable(study) if study.config.model.python else compile_model(study)
        outputs = record_width(study)
        journal = Journal(paths.journal(batch.key), outputs, journal_note(study))
        try:
            work = BatchWork(study, batch.key, samples, model, journal, paths)
            todo, known = _unfinished(work, outputs, say)
            limit = FailureLimit(study, batch, paths)
            progress = Progress(f"batch {batch.key}", known, work.ended, say)
            limit.begin(known)
            _run(work, todo, workers, _Watch(work, owner, limit, progress))
            journal.sync()
        finally:
            journal.close()
        work.keeper.finish()
        finished = read_journal(paths.journal(batch.key), outputs)
        write_batch(paths.batch(batch.key), study, samples, finished)
        paths.counts(batch.key).unlink(missing_ok=True)


def _unfinished(
    work: BatchWork, outputs: int, say: Callable[[str], None]
) -> tuple[NDArray[np.int64], Tally]:
    """Return the samples to run, after taking over what is known, and how the others ended."""
    ids, key = work.samples.ids, work.key
    own = _own(work, outputs, say)
    if own.withdrawn is not None:
        names, times = (own.withdrawn[k].tolist() for k in ("sample_id", "attempts"))
        attempts = dict(zip(names, times, strict=True))
        for i in np.flatnonzero(members(ids, own.withdrawn["sample_id"])).tolist():
            work.before[i] = attempts[ids[i]]
    todo = np.flatnonzero(~members(ids, own.rows["sample_id"]))
    if len(todo) < len(ids):
        say(f"batch {key}: {len(ids) - len(todo)} of {len(ids)} samples are in its journal")
    found = OlderBatches(work.study, work.paths).find(todo, work)
    rows, messages = found.rows()
    if len(rows):
        work.journal.append_rows(rows, messages)
        say(f"batch {key}: {len(rows)} of {len(ids)} samples are known from older batches")
    if found.again:
        work.again = found.again
        say(f"batch {key}: {len(found.again)} of {len(ids)} kept directories are read again")
    known = Tally(len(ids), count_statuses(own.rows["status"]))
    todo = np.sort(np.concatenate([found.rest, np.array([*found.again], np.int64)]))
    return todo, known + Tally(0, count_statuses(rows["status"]))


def _own(work: BatchWork, outputs: int, say: Callable[[str], None]) -> Finished:
    """Return what the journal of the batch holds, after noting in it which samples to skip."""
    ids, path = work.samples.ids, work.paths.journal(work.key)
    own = read_journal(path, outputs)
    # it may be damaged, without which no other batch could take over what is recorded; or what is
    # kept may have changed since
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


@dataclass
class _Watch:
    """What is to be looked after while samples run."""

    work: BatchWork
    owner: Owner
    limit: FailureLimit
    progress: Progress
    _done: float = field(default_factory=lambda: time.monotonic())

    def tick(self) -> None:
        """Do what is due; called about twice a second."""
        if time.monotonic() - self._done >= _SYNC_S:
            self.work.journal.sync()
            self.publish(self.progress.tally())
            self._done = time.monotonic()
        if not self.owner.beat():
            key = self.work.key
            raise BatchError(f"batch {key}: another job took it over; this one stops")
        self.limit.check(self.progress.tally())
        self.progress.show()

    def publish(self, tally: Tally) -> None:
        """Let others know how far the batch is."""
        publish(self.work.paths.counts(self.work.key), tally)


def _run(work: BatchWork, todo: NDArray[np.int64], workers: int, watch: _Watch) -> None:
    """Run samples in a pool of workers."""
    if not len(todo):
        return
    work.cut(todo)
    threads = work.study.config.resources.threads
    python = isinstance(work.model, PythonModel)
    limit_s = work.study.config.timeout if python else None
    watch.publish(watch.progress.tally())
    try:
        Pool(work, len(work.tasks), workers // threads, limit_s, watch.tick).run()
        watch.publish(watch.progress.tally())  # of two that end at once, one sees the other
        watch.limit.check(watch.progress.tally(), final=True)
    finally:
        watch.progress.show(final=True)
        watch.publish(replace(watch.progress.tally(), rate=0.0))
