"""Evaluating one batch: take over what is known, run the rest, write the batch file."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.batches import Batch, plan_batches
from ensnare.batchfile import write_batch
from ensnare.callables import PythonModel, load_callable
from ensnare.config import LoadedStudy
from ensnare.errors import BatchError
from ensnare.journal import Journal, read_journal, rows_of
from ensnare.model import CommandModel, compile_model
from ensnare.owner import Owner
from ensnare.paths import StudyPaths
from ensnare.pool import Pool
from ensnare.progress import Progress
from ensnare.reuse import OlderBatches
from ensnare.samples import Samples, read_samples
from ensnare.status import NO_EXIT_CODE, Outcome, Status

_PENDING = 255
_CHUNK = 8192  # rows of one vectorised call: large enough for numpy, small enough to share out


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
        outputs = len(study.config.model.outputs)
        journal = Journal(paths.journal(batch.key), outputs)
        try:
            work = BatchWork(study, batch.key, samples, model, journal, paths)
            todo = _unfinished(work, outputs, say)
            _run(work, todo, workers, owner, say)
            journal.sync()
        finally:
            journal.close()
        finished = read_journal(paths.journal(batch.key), outputs)
        write_batch(paths.batch(batch.key), study, samples, finished)


def _unfinished(work: BatchWork, outputs: int, say: Callable[[str], None]) -> NDArray[np.int64]:
    """Return the samples to run, after taking over results of this and of older batches."""
    ids, key = work.samples.ids, work.key
    own = read_journal(work.paths.journal(key), outputs)
    if own.damaged:
        say(
            f"batch {key}: {own.damaged} bytes of the journal are damaged; "
            "the samples they recorded run again"
        )
    todo = np.flatnonzero(~np.isin(ids, own.rows["sample_id"]))
    if len(todo) < len(ids):
        say(f"batch {key}: {len(ids) - len(todo)} of {len(ids)} samples are in its journal")
    rows, messages = OlderBatches(work.study, work.paths).finished(key, todo, work)
    if len(rows):
        work.journal.append_rows(rows, messages)
        todo = todo[~np.isin(ids[todo], rows["sample_id"])]
        say(f"batch {key}: {len(rows)} of {len(ids)} samples are known from older batches")
    return todo


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

    def tick(_done: int) -> None:
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
        with contextlib.suppress(OSError):  # empty, unless directories were kept
            (work.paths.samples / work.key).rmdir()
            work.paths.samples.rmdir()


@dataclass
class BatchWork:
    """What workers do with the samples of a batch.

    Attributes
    ----------
    tasks : list of ndarray
        Positions of the samples of each task; one, or many of one case for a vectorised model.
    ended : ndarray of uint8, shape (n,)
        Status of each sample that ended in this job, in shared memory; 255 before.
    """

    study: LoadedStudy
    key: str
    samples: Samples
    model: CommandModel | PythonModel
    journal: Journal
    paths: StudyPaths

    def __post_init__(self) -> None:
        import mmap

        self.tasks: list[NDArray[np.int64]] = []
        self.ended = np.frombuffer(mmap.mmap(-1, len(self.samples)), np.uint8)
        self.ended[:] = _PENDING
        self._root = os.path.abspath(self.paths.samples / self.key)
        self._keep = self.study.config.keep
        self._nothing = [float("nan")] * len(self.study.config.model.outputs)

    def cut(self, todo: NDArray[np.int64]) -> None:
        """Cut samples into tasks."""
        if not (isinstance(self.model, PythonModel) and self.model.vectorized):
            self.tasks = list(todo[:, None])
            return
        # one call gets consecutive samples of one case
        breaks = np.flatnonzero((np.diff(todo) != 1) | (np.diff(self.samples.case[todo]) != 0)) + 1
        self.tasks = [
            run[start : start + _CHUNK]
            for run in np.split(todo, breaks)
            for start in range(0, len(run), _CHUNK)
        ]

    def run_key(self, i: int) -> str:
        """Return the identity of what a sample runs; empty if it cannot even be prepared."""
        if isinstance(self.model, PythonModel):
            return self.model.run_key
        try:
            return self.model.identity(self.samples.values(i))
        except ValueError:
            return ""

    def do(self, task: int, attempt: int) -> None:
        """Evaluate the samples of a task, in a worker."""
        chosen = self.tasks[task]
        if isinstance(self.model, PythonModel):
            if self.model.vectorized and len(chosen) > 1 and self._do_at_once(self.model, chosen):
                return
            for i in chosen:
                self._record(int(i), self._call(self.model, int(i)), attempt)
            return
        (i,) = chosen.tolist()
        self._record(i, *self._command(self.model, i), attempt)

    def give_up(self, task: int, exit_code: int, timed_out: bool) -> None:
        """Record the samples of a task whose worker died, in the parent."""
        if timed_out:
            status, why = Status.TIMEOUT, f"passed the time limit of {self.study.config.timeout} s"
        else:
            status, why = Status.KILLED, "the worker process died twice while it ran this sample"
        for i in self.tasks[task]:
            self._record(int(i), Outcome(status, exit_code, float("nan"), self._nothing, why), 2)

    def _record(self, i: int, end: Outcome, *rest: Any) -> None:  # noqa: ANN401
        *key, attempt = rest
        run_key = key[0] if key else self.run_key(i)
        self.journal.append(self.samples.ids[i], (run_key, self.key), attempt, end)
        self.ended[i] = end.status

    def _do_at_once(self, model: PythonModel, chosen: NDArray[np.int64]) -> bool:
        """Evaluate many samples in one call; return False if that does not work for all."""
        start = time.perf_counter()
        try:
            values = self.samples.arrays(int(chosen[0]), int(chosen[-1]) + 1)
            outputs = model.call(values, len(chosen))
        except (Exception, SystemExit):  # one bad sample must not spoil the others: one by one
            return False
        if not np.isfinite(outputs).all():
            return False
        ids = self.samples.ids[chosen].tolist()
        rows = rows_of(ids, model.run_key, self.key, outputs)
        rows["elapsed_s"] = (time.perf_counter() - start) / len(chosen)
        self.journal.append_rows(rows, {})
        self.ended[chosen] = Status.OK
        return True

    def _call(self, model: PythonModel, i: int) -> Outcome:
        try:
            values = self.samples.values(i)
        except ValueError as error:
            return Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, self._nothing, str(error))
        return model.run(values)

    def _command(self, model: CommandModel, i: int) -> tuple[Outcome, str]:
        """Run one sample of an external code in a directory of its own."""
        directory = os.path.join(self._root, self.samples.ids[i].decode())
        run_key = ""
        try:
            values = self.samples.values(i)
            run_key = model.identity(values)
            enter_empty(directory)
            model.prepare(values)
            end = model.run(values, directory)
        except (OSError, ValueError) as error:
            text = (
                f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
            )
            end = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, self._nothing, text)
        except Exception:  # a bug of ours in one sample must not end the batch
            end = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, self._nothing, traceback.format_exc())
        if self._keep == "none" or (self._keep == "failed" and end.status is Status.OK):
            remove_tree(directory)
        return end, run_key


def enter_empty(directory: str) -> None:
    """Make an empty directory and enter it; what an earlier attempt left is removed."""
    try:
        os.mkdir(directory)
    except FileExistsError:
        remove_tree(directory)
        os.mkdir(directory)
    except FileNotFoundError:
        os.makedirs(directory)
    os.chdir(directory)


def remove_tree(directory: str) -> None:
    """Remove a directory; quickly when it holds plain files only."""
    try:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except FileNotFoundError:
        return
    except OSError:  # subdirectories, or no permission
        shutil.rmtree(directory, ignore_errors=True)
