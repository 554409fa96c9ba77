"""One batch from start to end: take over known results, run the other samples, write the file.

The samples of earlier jobs are in the journal of the batch, those of earlier versions of the study
in other batch files. Only what neither of them has is run, by a pool of worker processes that
append each result to the journal. The batch file is written from the journal at the end.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import BatchError, GaveUpError, HandedBackError
from ensnare.evaluate.batchfile import (
    journal_note,
    parsers_of,
    record_width,
    write_batch,
    write_rows,
)
from ensnare.evaluate.claim import Claim
from ensnare.evaluate.concurrency import side_by_side, timed_alone
from ensnare.evaluate.failure_limit import FailureLimit
from ensnare.evaluate.interrupted import InterruptedSamples
from ensnare.evaluate.jobs import (
    JobStart,
    hand_back_error,
    job_on_record,
    next_job_has_more_memory,
    record_waiting,
)
from ensnare.evaluate.known_results import take_over_known
from ensnare.evaluate.pool import Pool
from ensnare.evaluate.progress import Counts, Progress, publish
from ensnare.evaluate.tasks import PENDING, BatchWork
from ensnare.evaluate.walltime import Walltime, job_end
from ensnare.model.command import compile_model
from ensnare.model.function import PythonModel, load_python_model
from ensnare.model.launcher import job_cores
from ensnare.plan.batches import Batch, batch_resources
from ensnare.plan.rounds import sized_batches
from ensnare.plan.samples import read_samples
from ensnare.store.journal import Finished, Journal, members, read_journal, rows_of, without_result
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy

_LOST_MESSAGE = "its jobs died one after the other (time, memory, a lost node); jobs.csv says how"
# the pool calls `tick` twice a second, so every record is synced to the disk within a second
_SYNC_S = 0.5


def find_batch(study: LoadedStudy, key: str) -> tuple[LoadedStudy, Batch]:
    """Return a batch by its key, and the study at the design size that has this batch.

    Raises BatchError if there is none, because a file of the study changed since Snakemake planned
    the run.
    """
    for sized, batches in sized_batches(study):
        for batch in batches:
            if batch.key == key:
                return sized, batch
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
    attempt: int = 1,
) -> None:
    """Evaluate the samples of a batch that are not known yet, and write the batch file.

    Failed samples are results, not errors.

    Parameters
    ----------
    study : LoadedStudy
        The study at the size of its design that has the batch.
    batch : Batch
        Which samples.
    paths : StudyPaths
        The study's files; the design file exists.
    workers : int
        Number of cores to use.
    say : callable
        Receives lines for the log.
    attempt : int
        Which job of this batch it is in this call of Snakemake, from 1.

    Raises
    ------
    HandedBackError
        If samples are left to the next job, for lack of time or memory in this one.
    EnsnareError
        If the batch cannot be evaluated.
    """
    start, record, cores = time.time(), paths.jobs(batch.key), _cores(study, batch, workers)
    with Claim(paths.owner(batch.key), say) as claim:
        if paths.batch(batch.key).exists():  # another job evaluated it while we waited
            say(f"batch {batch.key}: taken over from the job that evaluated it")
            record_waiting(record, cores, start)
            return
        known = read_journal(paths.journal(batch.key), record_width(study)).rows
        goes_on = bool(InterruptedSamples(paths.under_way(batch.key)).all())
        beginning = JobStart(attempt, len(known), goes_on, cores, start)
        try:
            with job_on_record(record, beginning):
                walltime = Walltime(job_end(), len(batch), known["elapsed_s"])
                tries = study.config.on_failure.times(Status.KILLED)
                next_has_more = next_job_has_more_memory(record, attempt, tries)
                _evaluate(study, batch, paths, _Job(workers, claim, walltime, say, next_has_more))
        except GaveUpError:
            if study.config.scaling is None:
                raise
            say(f"batch {batch.key}: its jobs died repeatedly; recorded as a run without a time")
            write_lost_runs(study, batch, paths)
        paths.counts(batch.key).unlink(missing_ok=True)


def _cores(study: LoadedStudy, batch: Batch, workers: int) -> int:
    """Return the cores of this job, for its record."""
    if batch_resources(study, [batch])[batch.key].ranks is not None:
        with contextlib.suppress(BatchError):  # raised again when the samples are started
            return sum(job_cores(workers).per_node)
    return workers


@dataclass(frozen=True)
class _Job:
    """The job that evaluates a batch."""

    cores: int
    claim: Claim
    walltime: Walltime
    say: Callable[[str], None]
    next_has_more: bool  # Snakemake would start another one with more memory


def _evaluate(study: LoadedStudy, batch: Batch, paths: StudyPaths, job: _Job) -> None:
    """Evaluate the unknown samples of a batch that this job has claimed, and write its file."""
    samples = read_samples(study, batch.segments, paths.design)
    needs = batch_resources(study, [batch])[batch.key]
    python = study.config.model.python
    model = load_python_model(study) if python else compile_model(study, needs.threads)
    outputs = record_width(study)
    journal = Journal(paths.journal(batch.key), outputs, journal_note(study))
    try:
        work = BatchWork(study, batch.key, samples, model, journal, paths, job.walltime)
        work.gpus, work.leaves_killed = needs.gpus, job.next_has_more and needs.memory is not None
        todo, known = take_over_known(work, outputs, job.say)
        limit = FailureLimit(study, batch, paths)
        progress = Progress(f"batch {batch.key}", known, work.ended, job.say)
        limit.begin(known)
        monitor = _Monitor(work, job.claim, limit, progress)
        workers = side_by_side(work, todo, needs, job.cores)
        with timed_alone(study, job.say):
            _run(work, todo, workers, monitor)
        journal.sync()
    finally:
        journal.close()
    work.keeper.finish()
    work.interrupted.clear()
    if work.shared_rows is not None and (rows := work.shared_rows.complete_rows()) is not None:
        write_rows(paths.batch(batch.key), Finished(rows), parsers_of(study))
        return
    finished = read_journal(paths.journal(batch.key), outputs)
    write_batch(paths.batch(batch.key), study, samples, finished)


@dataclass
class _Monitor:
    """What the parent process does regularly while its workers run samples."""

    work: BatchWork
    claim: Claim
    limit: FailureLimit
    progress: Progress
    _synced: float = field(default_factory=lambda: time.monotonic())

    def tick(self) -> None:
        """Do what is due; the pool calls this about twice a second.

        Raises BatchError if another job has taken the claim or too many samples of the study
        failed, HandedBackError if the time of the job is up for samples that the next job can
        resume.
        """
        work = self.work
        if time.monotonic() - self._synced >= _SYNC_S:
            work.journal.sync()
            self.publish(self.progress.counts())
            self._synced = time.monotonic()
        if not self.claim.renew():
            raise BatchError(f"batch {work.key}: another job took it over; this one stops")
        self.limit.check(self.progress.counts())
        self.progress.show()
        if work.study.config.model.resume:
            work.interrupted.mark_running(work.runs.under_way())
            if work.walltime.is_over() and (running := work.runs.under_way()):
                work.journal.sync()
                raise HandedBackError(
                    f"batch {work.key}: the time of the job is up; {len(running)} samples that "
                    "are under way go on in the next one, which the retries of the profile start, "
                    "or snakemake when it is run again"
                )

    def publish(self, counts: Counts) -> None:
        """Write the counts of the batch to its file, for other jobs and `ensnare status`."""
        publish(self.work.paths.counts(self.work.key), counts)


def _run(work: BatchWork, todo: NDArray[np.int64], workers: int, monitor: _Monitor) -> None:
    """Run samples in a pool of workers.

    Raises HandedBackError if samples are left, since the time or memory of the job is too short.
    """
    if not len(todo):
        return
    work.cut(todo)
    python = isinstance(work.model, PythonModel)
    limit_s = work.study.config.timeout if python else None
    monitor.publish(monitor.progress.counts())
    try:
        Pool(work, len(work.tasks), workers, limit_s, monitor.tick).run()
        # published before the last check: of two jobs that end at once, one sees the other
        monitor.publish(monitor.progress.counts())
        monitor.limit.check(monitor.progress.counts(), final=True)
    finally:
        monitor.progress.show(final=True)
        monitor.publish(replace(monitor.progress.counts(), rate=0.0))
    if left := int((work.ended[todo] == PENDING).sum()):
        work.journal.sync()
        counts = left, int(work.short_of_memory.sum()), len(work.samples)
        raise hand_back_error(work.key, counts, work.walltime)


def write_lost_runs(study: LoadedStudy, batch: Batch, paths: StudyPaths) -> None:
    """Record the samples of a batch whose jobs all died as killed, and write the batch file.

    For scaling studies, where a run that cannot end is a result. The caller holds the claim.
    """
    samples, outputs = read_samples(study, batch.segments, paths.design), record_width(study)
    known = read_journal(paths.journal(batch.key), outputs).rows["sample_id"]
    lost = samples.ids[~members(samples.ids, known)]
    rows = rows_of(lost, "", batch.key, np.empty((len(lost), outputs)))
    journal = Journal(paths.journal(batch.key), outputs, journal_note(study))
    try:
        names = [name.decode() for name in lost.tolist()]
        journal.append_rows(
            without_result(rows, Status.KILLED), dict.fromkeys(names, _LOST_MESSAGE)
        )
        journal.sync()
    finally:
        journal.close()
    InterruptedSamples(paths.under_way(batch.key)).clear()
    finished = read_journal(paths.journal(batch.key), outputs)
    write_batch(paths.batch(batch.key), study, samples, finished)
