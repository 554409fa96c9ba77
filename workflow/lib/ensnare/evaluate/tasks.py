"""The samples of a batch as tasks of the pool: how workers run them, and who records what.

Workers record the samples that they run, the parent process only those whose worker died.
"""

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
Positions = NDArray[np.int64]  # of samples in the batch
_CHUNK = 8192  # samples of one vectorised call: many for numpy, few enough to occupy all workers
_MAX_DEATHS = 10  # see `record_death`


@dataclass
class BatchWork:
    """The samples of a batch as tasks of the pool; see `worker.Work`.

    `tasks` holds the positions of the samples of each task: one, or for a vectorised function many
    of one case. `ended`, shape (n,) in shared memory, is the status of each sample that ended in
    this job, else PENDING. `attempts_before`, shape (n,), says how often each was started before
    this job. If `leaves_killed`, killed samples are left to a job with more memory and marked 1 in
    `short_of_memory`. `to_reparse` are samples whose kept directories are to be parsed again.
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
        self._in_own_call = np.frombuffer(memory, np.uint8, n, n)  # ran alone in a call
        self._retried = np.frombuffer(memory, np.uint8, n, 2 * n)  # runs before a retry
        self._deaths = np.frombuffer(memory, np.uint8, n, 3 * n)  # of workers, in calls of many
        self._running = np.frombuffer(memory, np.uint8, n, 4 * n)  # and another job could resume it
        self.short_of_memory = np.frombuffer(memory, np.uint8, n, 5 * n)
        self.attempts_before = np.zeros(n, np.int64)
        self.gpus, self.leaves_killed = 0, False
        self.tasks: list[Positions] | Positions = []
        self.keeper = Keeper(self.study, self.key, self.paths)
        self.interrupted = InterruptedSamples(self.paths.under_way(self.key))
        self.runs = SampleRuns(self.samples, self.keeper, self.interrupted, self._running)
        self.to_reparse: dict[int, KeptSample] = {}
        self.cores: int | None = None  # limit of each worker; None: no limit
        self._reparser: Reparser | None = None
        self._columns = column_order(self.study)
        self._no_outputs = [float("nan")] * len(self._columns)
        self._is_ordered = self._columns == sorted(self._columns)
        vectorized = isinstance(self.model, PythonModel) and self.model.vectorized
        self.shared_rows = SharedRows(n, len(self._columns)) if vectorized else None

    def cut(self, todo: Positions) -> None:
        """Distribute the samples at these positions to tasks."""
        if not (isinstance(self.model, PythonModel) and self.model.vectorized):
            self.tasks = todo[:, None]
            return
        # the function gets slices of arrays, so a call needs consecutive samples of one case
        breaks = np.flatnonzero((np.diff(todo) != 1) | (np.diff(self.samples.case[todo]) != 0)) + 1
        self.tasks = [
            run[start : start + _CHUNK]
            for run in np.split(todo, breaks)
            for start in range(0, len(run), _CHUNK)
        ]

    def run_key(self, i: int) -> str:
        """Return the identity of what a sample runs; empty if its files cannot be prepared."""
        if isinstance(self.model, PythonModel):
            return self.model.run_key
        try:
            return self.model.identity(self.samples.values(i))
        except ValueError:
            return ""

    def begin(self, slot: int) -> None:
        """Limit a worker to its cores, and show it GPUs of its own; see `worker.Work`."""
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
        # after a death one by one, to find the sample that causes it
        if self.model.vectorized and attempt == 1:
            self._call_many(self.model, pending, restart_clock)
        else:
            for i in pending.tolist():
                self._call_one(self.model, i, restart_clock)

    def record_death(self, task: int, death: Death) -> bool:
        """Record, in the parent, which sample ended its worker; see `worker.Work`.

        The death is attributed to the sample that ran alone in its call. Otherwise it counts for
        all samples of the task, which are given up after ten such deaths.
        """
        chosen = self.tasks[task]
        self._reload_ended(chosen)
        pending = chosen[self.ended[chosen] == PENDING]
        alone = pending[self._in_own_call[pending] == 1]
        self._in_own_call[pending] = self._running[pending] = 0
        status = Status.TIMEOUT if death.timed_out else Status.KILLED
        for i in alone.tolist():
            killed = death.exit_code == -signal.SIGKILL
            if not ((killed and self._hand_back(i, status)) or self._tries_again(i, status)):
                self._give_up(i, status, death)
        if not len(alone):
            for i in pending[self._deaths[pending] + 1 >= _MAX_DEATHS].tolist():
                self._give_up(i, Status.KILLED, death)
            self._deaths[pending] += 1
        return not ((self.ended[chosen] == PENDING) & (self.short_of_memory[chosen] == 0)).any()

    def _hand_back(self, i: int, status: Status) -> bool:
        """Return whether a killed sample is left to the next job, and mark it if so."""
        if self.leaves_killed and status is Status.KILLED:
            self.short_of_memory[i] = 1
        return bool(self.short_of_memory[i])

    def _reload_ended(self, chosen: Positions) -> None:
        """Read which samples ended from the journal: a worker may die before it sets `ended`."""
        rows = read_journal(self.paths.journal(self.key), len(self._no_outputs)).rows
        known = dict(zip(rows["sample_id"].tolist(), rows["status"].tolist(), strict=True))
        for i in chosen.tolist():
            self.ended[i] = known.get(self.samples.ids[i], PENDING)

    def _tries_again(self, i: int, status: Status) -> bool:
        """Return whether a sample whose run ended like this is tried again; if so, count the retry.

        The runs of a sample count together, however they ended, so retries of several kinds do not
        add up. Deaths of workers in a call of many samples count only when the sample was killed.
        """
        runs = 1 + int(self._retried[i])
        if status is Status.KILLED:
            runs += int(self._deaths[i])
        if runs > self.study.config.on_failure.times(status):
            return False
        self._retried[i] += 1
        return True

    def _attempts(self, i: int) -> int:
        """Return how often a sample was started, the present run included."""
        return 1 + int(self._retried[i]) + int(self._deaths[i]) + int(self.attempts_before[i])

    def _give_up(self, i: int, status: Status, death: Death) -> None:
        """Record a sample whose worker died or was killed for its time, and end its directory."""
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
        """Append the outcome of one sample to the journal, and mark the sample as ended."""
        if not self._is_ordered:
            outcome = replace(outcome, outputs=[outcome.outputs[j] for j in self._columns])
        self.journal.append(self.samples.ids[i], (run_key, self.key), self._attempts(i), outcome)
        self.walltime.note(i, outcome.elapsed_s)
        self.ended[i] = outcome.status

    def _call_one(self, model: PythonModel, i: int, restart_clock: Callable[[], None]) -> None:
        """Call a Python function for one sample, with retries, and record it."""
        self._in_own_call[i] = 1
        again = True
        while again:
            restart_clock()
            try:
                outcome = model.run(self.samples.values(i))
            except ValueError as error:  # in a derived value, not in the function
                outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, self._no_outputs, str(error))
            again = self._tries_again(i, outcome.status)
        self._record(i, outcome, model.run_key)

    def _call_many(
        self, model: PythonModel, chosen: Positions, restart_clock: Callable[[], None]
    ) -> None:
        """Call a vectorised function for many samples; if it raises, for each half of them."""
        if len(chosen) < 2:
            for i in chosen.tolist():
                self._call_one(model, i, restart_clock)
            return
        restart_clock()
        start = time.perf_counter()
        try:
            values = self.samples.arrays(int(chosen[0]), int(chosen[-1]) + 1, model.takes)
            outputs = model.call(values, len(chosen))
        except (Exception, SystemExit):  # one bad sample must not fail the others
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
        self, model: PythonModel, chosen: Positions, outputs: NDArray[np.float64], elapsed_s: float
    ) -> None:
        """Record the samples of one call; those without finite outputs as unparsable."""
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
        """Parse and record a kept directory; return False if it is gone."""
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
        """Run one sample of an external code, with retries, and record it."""
        again = True
        while again:
            outcome, run_key = self.runs.run(model, i, self._attempts(i))
            if outcome.exit_code == -signal.SIGKILL and outcome.status is Status.FAILED:
                message = f"killed by SIGKILL, probably for lack of memory: {outcome.message}"
                outcome = replace(outcome, status=Status.KILLED, message=message)
            good = outcome.status is Status.OK
            left = not good and self._hand_back(i, outcome.status)
            again = not (good or left) and self._tries_again(i, outcome.status)
            # recorded before `finish` removes what the next job would need to resume it
            if model.resume and not (again or left):
                self._record(i, outcome, run_key)
            self.runs.finish(model, i, outcome)
            if left:
                return
        if not model.resume:
            self._record(i, outcome, run_key)
