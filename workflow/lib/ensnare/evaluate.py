"""Evaluating one batch: take over what is known, run the rest, write the batch file."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensnare.batches import Batch, plan_batches
from ensnare.batchfile import journal_note, record_width, write_batch
from ensnare.callables import PythonModel, load_callable
from ensnare.config import LoadedStudy
from ensnare.errors import BatchError
from ensnare.journal import Journal, members, read_journal
from ensnare.model import compile_model
from ensnare.owner import Owner
from ensnare.paths import StudyPaths
from ensnare.pool import Pool
from ensnare.progress import Progress
from ensnare.reuse import OlderBatches
from ensnare.samples import read_samples
from ensnare.work import BatchWork


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
            todo = _unfinished(work, outputs, say)
            _run(work, todo, workers, owner, say)
            journal.sync()
        finally:
            journal.close()
        work.keeper.finish()
        finished = read_journal(paths.journal(batch.key), outputs)
        write_batch(paths.batch(batch.key), study, samples, finished)


def _unfinished(work: BatchWork, outputs: int, say: Callable[[str], None]) -> NDArray[np.int64]:
    """Return the samples to run or to read again, after taking over what is known."""
    ids, key = work.samples.ids, work.key
    own = read_journal(work.paths.journal(key), outputs)
    if own.about != journal_note(work.study):  # what is kept may have changed since
        work.journal.note(journal_note(work.study))
    if own.damaged:
        say(
            f"batch {key}: {own.damaged} bytes of the journal are damaged; "
            "the samples they recorded run again"
        )
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
    return np.sort(np.concatenate([found.rest, np.array([*found.again], np.int64)]))


def _run(
    work: BatchWork,
    todo: NDArray[np.int64],
    workers: int,
    owner: Owner,
    say: Callable[[str], None],
) -> None:
    """Run samples in a pool of workers."""
    if not len(todo):
        return
    work.cut(todo)
    progress = Progress(f"batch {work.key}", len(todo), work.ended, say)
    synced = time.monotonic()

    def tick() -> None:
        nonlocal synced
        if time.monotonic() - synced >= 1:
            work.journal.sync()
            synced = time.monotonic()
        if not owner.beat():
            raise BatchError(f"batch {work.key}: another job took it over; this one stops")
        progress.show()

    threads = work.study.config.resources.threads
    python = isinstance(work.model, PythonModel)
    limit_s = work.study.config.timeout if python else None
    try:
        Pool(work, len(work.tasks), workers // threads, limit_s, tick).run()
    finally:
        progress.show(final=True)
