"""What workers do with the samples of a batch."""

from __future__ import annotations

import mmap
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ensnare.evaluate.batchfile import column_order
from ensnare.evaluate.concurrency import limit_cores
from ensnare.evaluate.interrupted import InterruptedSamples
from ensnare.evaluate.reparse import KeptSample, Reparser
from ensnare.evaluate.sample_runs import SampleRuns, show_gpus
from ensnare.evaluate.walltime import Walltime
from ensnare.evaluate.worker import Death
from ensnare.model.command import CommandModel
from ensnare.model.function import PythonModel
from ensnare.model.keep import Keeper
from ensnare.plan.samples import Samples
from ensnare.store.journal import Journal, fill_rows, read_journal
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status
from ensnare.store.paths import StudyPaths
from ensnare.store.shared_rows import SharedRows
from ensnare.study.loading import LoadedStudy

PENDING = 255
_CHUNK = 8192  # rows of one vectorised call: large enough for numpy, small enough to share out
_MAX_SHARED_DEATHS = 10  # workers that may die in a call of many samples, or between samples


@dataclass
class BatchWork:
    """The samples of a batch as tasks.

    Attributes
    ----------
    tasks : sequence of ndarray of int
        Positions of the samples of each task; one, or many of one case for a vectorised model.
    ended : ndarray of uint8, shape (n,)
        Status of each sample that ended in this job, in shared memory; PENDING before.
    before : ndarray of int, shape (n,)
        How often each sample was run before it was to be run again.
    gpus : int
        GPUs of a sample.
    hands_over : bool
        Leave samples that were killed to a job with more memory.
    short : ndarray of uint8, shape (n,)
        Samples that are left to it: 1; in shared memory.
    again : dict of int to KeptSample
        Samples whose kept directories are to be read again.
    recorded : SharedRows or None
        Rows that calls of many samples put on record.
    """

    study: LoadedStudy
    key: str
    samples: Samples
    model: CommandModel | PythonModel
    journal: Journal
    paths: StudyPaths
    walltime: Walltime

    def __post_init__(self) -> None:
        n = len(self.samples)
        memory = mmap.mmap(-1, max(1, 6 * n))
        self.ended = np.frombuffer(memory, np.uint8, n)
        self.ended[:] = PENDING
        self._in_own_call = np.frombuffer(memory, np.uint8, n, n)  # started in a call of its own
        self._retried = np.frombuffer(memory, np.uint8, n, 2 * n)  # runs followed by another
        self._shared_deaths = np.frombuffer(
            memory, np.uint8, n, 3 * n
        )  # deaths that are no one's own
        self._running = np.frombuffer(memory, np.uint8, n, 4 * n)  # and another job could go on
        self.short_of_memory = np.frombuffer(memory, np.uint8, n, 5 * n)
        self.attempts_before = np.zeros(n, np.int64)
        self.gpus, self.leaves_killed = 0, False
        self.tasks: list[NDArray[np.int64]] | NDArray[np.int64] = []
        self.keeper = Keeper(self.study, self.key, self.paths)
        self.interrupted = InterruptedSamples(self.paths.under_way(self.key))
        self._runs = SampleRuns(self.samples, self.keeper, self.interrupted, self._running)
        self.to_reparse: dict[int, KeptSample] = {}
        self.cores: int | None = None  # that the workers keep to, if not all
        self._reparser: Reparser | None = None
        self._columns = column_order(self.study)
        self._no_outputs = [float("nan")] * len(self._columns)
        self._is_ordered = self._columns == sorted(self._columns)
        vectorized = isinstance(self.model, PythonModel) and self.model.vectorized
        self.shared_rows = SharedRows(n, len(self._columns)) if vectorized else None

    def cut(self, todo: NDArray[np.int64]) -> None:
        """Cut samples into tasks."""
        if not (isinstance(self.model, PythonModel) and self.model.vectorized):
            self.tasks = todo[:, None]
            return
        # one call gets consecutive samples of one case
        breaks = np.flatnonzero((np.diff(todo) != 1) | (np.diff(self.samples.case[todo]) != 0)) + 1
        self.tasks = [
            run[start : start + _CHUNK]
            for run in np.split(todo, breaks)
            for start in range(0, len(run), _CHUNK)
        ]

    def under_way(self) -> list[str]:
        """Return the samples that run now, and that another job could go on with."""
        ids = self.samples.ids[self._running == 1]
        return [sample_id.decode() for sample_id in ids.tolist()]

    def run_key(self, i: int) -> str:
        """Return the identity of what a sample runs; empty if it cannot even be prepared."""
        if isinstance(self.model, PythonModel):
            return self.model.run_key
        try:
            return self.model.identity(self.samples.values(i))
        except ValueError:
            return ""

    def begin(self, slot: int) -> None:
        """Give a worker its cores, and GPUs of its own; see `worker.Work`."""
        limit_cores(self.cores)
        show_gpus(self.model, slot, self.gpus)

    def do(self, task: int, attempt: int, restart_clock: Callable[[], None]) -> None:
        """Evaluate the samples of a task that have not ended; see `worker.Work`."""
        chosen = self.tasks[task]
        if not self.walltime.fits(len(chosen)):  # left to the next job
            return
        if not isinstance(self.model, PythonModel):
            (i,) = chosen.tolist()
            self._in_own_call[i] = 1
            if i not in self.to_reparse or not self._reparse(self.model, i):
                self._run_command(self.model, i)
            return
        pending = chosen[self.ended[chosen] == PENDING]
        # after a death one by one, to find the sample to blame
        if self.model.vectorized and attempt == 1:
            self._call_many(self.model, pending, restart_clock)
        else:
            for i in pending.tolist():
                self._call_one(self.model, i, restart_clock)

    def record_death(self, task: int, death: Death) -> bool:
        """Record the sample that took its worker with it, in the parent; see `worker.Work`."""
        chosen = self.tasks[task]
        self._reload_ended(chosen)
        pending = chosen[self.ended[chosen] == PENDING]
        alone = pending[self._in_own_call[pending] == 1]
        self._in_own_call[pending] = self._running[pending] = 0
        status = Status.TIMEOUT if death.timed_out else Status.KILLED
        for i in alone.tolist():
            killed = death.exit_code == -signal.SIGKILL
            if not (
                (killed and self._leave_to_next_job(i, status)) or self._tries_again(i, status)
            ):
                self._give_up(i, status, death)
        if not len(alone):
            for i in pending[self._shared_deaths[pending] + 1 >= _MAX_SHARED_DEATHS].tolist():
                self._give_up(i, Status.KILLED, death)
            self._shared_deaths[pending] += 1
        return not ((self.ended[chosen] == PENDING) & (self.short_of_memory[chosen] == 0)).any()

    def _leave_to_next_job(self, i: int, status: Status) -> bool:
        """Return whether a sample that ended like this is left to the next job, and note it."""
        if self.leaves_killed and status is Status.KILLED:
            self.short_of_memory[i] = 1
        return bool(self.short_of_memory[i])

    def _reload_ended(self, chosen: NDArray[np.int64]) -> None:
        """Note which samples are on record: a worker may die between the record and the note."""
        rows = read_journal(self.paths.journal(self.key), len(self._no_outputs)).rows
        known = dict(zip(rows["sample_id"].tolist(), rows["status"].tolist(), strict=True))
        for i in chosen.tolist():
            self.ended[i] = known.get(self.samples.ids[i], PENDING)

    def _tries_again(self, i: int, status: Status) -> bool:
        """Return whether a sample whose run ended like this is tried again, and note it.

        Counted are its own runs, however they ended: kinds of failure do not add up. A call of
        many samples that took its worker with it counts only for deaths.
        """
        runs = 1 + int(self._retried[i])
        if status is Status.KILLED:
            runs += int(self._shared_deaths[i])
        if runs > self.study.config.on_failure.times(status):
            return False
        self._retried[i] += 1
        return True

    def _attempts(self, i: int) -> int:
        """Return how often a sample was run, the run under way included."""
        return (
            1 + int(self._retried[i]) + int(self._shared_deaths[i]) + int(self.attempts_before[i])
        )

    def _give_up(self, i: int, status: Status, death: Death) -> None:
        if status is Status.TIMEOUT:
            why = f"passed the time limit of {self.study.config.timeout:g} s"
        else:
            why = f"the worker process died while it ran this sample; attempts: {self._attempts(i)}"
        outcome = Outcome(status, death.exit_code, death.elapsed_s, self._no_outputs, why)
        self._record(i, outcome, self.run_key(i))
        if isinstance(self.model, CommandModel):
            self.interrupted.end(self.samples.ids[i].decode())
            self.keeper.finish_sample(self.samples.ids[i], ok=False)

    def _record(self, i: int, outcome: Outcome, run_key: str) -> None:
        if not self._is_ordered:
            outcome = replace(outcome, outputs=[outcome.outputs[j] for j in self._columns])
        self.journal.append(self.samples.ids[i], (run_key, self.key), self._attempts(i), outcome)
        self.walltime.note(i, outcome.elapsed_s)
        self.ended[i] = outcome.status

    def _call_one(self, model: PythonModel, i: int, restart_clock: Callable[[], None]) -> None:
        self._in_own_call[i] = 1
        again = True
        while again:
            restart_clock()
            try:
                outcome = model.run(self.samples.values(i))
            except ValueError as error:  # a derived value; what the function raises is an outcome
                outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, self._no_outputs, str(error))
            again = self._tries_again(i, outcome.status)
        self._record(i, outcome, model.run_key)

    def _call_many(
        self, model: PythonModel, chosen: NDArray[np.int64], restart_clock: Callable[[], None]
    ) -> None:
        """Evaluate many samples in one call; halve those for which that does not work."""
        if len(chosen) < 2:
            for i in chosen.tolist():
                self._call_one(model, i, restart_clock)
            return
        restart_clock()
        start = time.perf_counter()
        try:
            values = self.samples.arrays(int(chosen[0]), int(chosen[-1]) + 1, model.takes)
            outputs = model.call(values, len(chosen))
        except (Exception, SystemExit):  # one bad sample must not spoil the others
            half = len(chosen) // 2
            self._call_many(model, chosen[:half], restart_clock)
            self._call_many(model, chosen[half:], restart_clock)
            return
        elapsed_s = (time.perf_counter() - start) / len(chosen)
        finite = np.isfinite(outputs)
        if finite.all():
            self._record_many(model, chosen, outputs, elapsed_s)
            return
        again = np.zeros(len(chosen), bool)
        for k in np.flatnonzero(~finite.all(axis=1)).tolist():
            again[k] = self._tries_again(int(chosen[k]), Status.UNPARSABLE)
        self._record_many(model, chosen[~again], outputs[~again], elapsed_s)
        for i in chosen[again].tolist():
            self._call_one(model, i, restart_clock)

    def _record_many(
        self,
        model: PythonModel,
        chosen: NDArray[np.int64],
        outputs: NDArray[np.float64],
        elapsed_s: float,
    ) -> None:
        """Record the samples of one call; those without finite outputs are unparsable."""
        ids = self.samples.ids[chosen]
        ordered = outputs if self._is_ordered else outputs[:, self._columns]
        assert self.shared_rows is not None
        rows = self.shared_rows.rows_for(chosen)
        fill_rows(rows, ids, model.run_key, self.key, ordered)
        rows["elapsed_s"] = elapsed_s
        rows["attempts"] = 1 + self.attempts_before[chosen]
        rows["status"] = Status.OK
        messages = {}
        finite = np.isfinite(outputs)
        for k in [] if finite.all() else np.flatnonzero(~finite.all(axis=1)).tolist():
            messages[ids[k].decode()] = model.not_finite(outputs[k])
            rows["status"][k], rows["outputs"][k] = Status.UNPARSABLE, np.nan
        self.journal.append_rows(rows, messages)
        if not messages:
            self.shared_rows.mark_journaled(chosen)
        self.walltime.note(chosen, elapsed_s)
        self.ended[chosen] = rows["status"]

    def _reparse(self, model: CommandModel, i: int) -> bool:
        """Read and record a kept directory; return False if it is not there any more."""
        if self._reparser is None:
            self._reparser = Reparser(self.study, model)
        row, directory = self.to_reparse[i].row, self.keeper.directory(self.samples.ids[i])
        outcome = self._reparser.read(self.to_reparse[i], directory)
        if outcome is None:
            return False
        keys = row["run_key"].decode(), row["origin"].decode()
        self.journal.append(self.samples.ids[i], keys, int(row["attempts"]), outcome)
        self.ended[i] = outcome.status
        return True

    def _run_command(self, model: CommandModel, i: int) -> None:
        """Run and record one sample of an external code."""
        again = True
        while again:
            outcome, run_key = self._runs.run(model, i, self._attempts(i))
            if outcome.exit_code == -signal.SIGKILL and outcome.status is Status.FAILED:
                message = f"killed by SIGKILL, mostly for want of memory: {outcome.message}"
                outcome = replace(outcome, status=Status.KILLED, message=message)
            good = outcome.status is Status.OK
            left = not good and self._leave_to_next_job(i, outcome.status)
            again = not (good or left) and self._tries_again(i, outcome.status)
            # a run of many jobs is on record before what it could go on from is gone
            if model.resume and not (again or left):
                self._record(i, outcome, run_key)
            self._runs.settle(model, i, outcome)
            if left:
                return
        if not model.resume:
            self._record(i, outcome, run_key)
