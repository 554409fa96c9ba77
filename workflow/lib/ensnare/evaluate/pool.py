"""A pool of worker processes that pull tasks, and that survives the death of any of them.

Tasks go through a pipe that all workers read, so an idle worker takes the next one. Shared memory
shows which task each worker runs. When a worker dies, `Work.record_death` decides whether its task
has ended or another worker tries it again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensnare.errors import BatchError
from ensnare.evaluate.worker import FINISHED, Death, Shared, Work, start_worker
from ensnare.model.process import adopt_orphans, end_descendants
from ensnare.store.signals import signals_blocked

_END_GRACE_S = 10.0  # after SIGTERM; a worker gives what it runs 2 s of it
_TICK_S = 0.5
_CHANGED = "it changed while samples ran"  # the meaning of ESTALE here
_IDLE_DEATHS = 20  # dead before they took a task: something kills all workers


@dataclass
class _Worker:
    """A worker process, from its start until it is collected."""

    pid: int
    handle: int  # pidfd: readable when the process has ended
    slot: int
    late_at: float = float("nan")  # when it was killed at its time limit


class Pool:
    """Worker processes for a number of tasks, which are numbered from 0.

    A worker that spends longer than `limit_s` [s] on a task, or on a part of one that restarted the
    clock, is killed; this is for work that cannot stop itself. `tick` is called about twice a
    second.
    """

    def __init__(
        self,
        work: Work,
        tasks: int,
        workers: int,
        limit_s: float | None,
        tick: Callable[[], None],
    ) -> None:
        self._work = work
        self._count = max(1, min(workers, tasks))
        self._limit_s = limit_s
        self._tick = tick
        self._shared = Shared(tasks, self._count)
        self._workers: list[_Worker] = []
        self._idle_deaths = 0

    def run(self) -> None:
        """Do all tasks.

        Raises BatchError if a worker cannot record a result or workers die before they take a task,
        and Terminated on SIGTERM, SIGINT or SIGHUP. All workers and what they run are ended before
        it returns or raises.
        """
        adopt_orphans()
        try:
            while len(left := np.flatnonzero(self._shared.done == 0)):
                self._round(left)
            self._tick()
        finally:
            self._end_workers()

    def _round(self, tasks: Sequence[int] | np.ndarray) -> None:
        """Give tasks to the workers until all workers have ended."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        feed = memoryview(np.asarray(tasks, "<u4").tobytes())
        try:
            for slot in range(min(self._count, len(tasks))):
                self._start(slot, reader, writer)
            while self._workers:
                feed = self._wait(feed, writer)
                if not feed and writer >= 0:
                    os.close(writer)
                    writer = -1
                self._replace_dead(reader, writer)
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)

    def _start(self, slot: int, reader: int, writer: int) -> None:
        """Fork a worker."""
        with signals_blocked():  # a signal must not interrupt between fork and append
            pid = start_worker(self._work, self._shared, slot, reader, writer)
            self._workers.append(_Worker(pid, os.pidfd_open(pid), slot))

    def _wait(self, feed: memoryview, writer: int) -> memoryview:
        """Feed the pipe and wait until something happens; return the tasks left to feed."""
        poll = select.poll()
        for worker in self._workers:
            poll.register(worker.handle, select.POLLIN)
        if feed:
            poll.register(writer, select.POLLOUT)
        events = dict(poll.poll(_TICK_S * 1000))
        if writer in events:
            # PIPE_BUF bytes are written whole or not at all, so no task number is split
            with contextlib.suppress(BlockingIOError):
                feed = feed[os.write(writer, feed[: select.PIPE_BUF]) :]
        self._stop_late()
        self._tick()
        return feed

    def _stop_late(self) -> None:
        """Kill workers whose task passed its time limit."""
        if self._limit_s is None:
            return
        now = time.monotonic()
        for worker in self._workers:
            since = self._shared.since[worker.slot]
            if self._shared.running[worker.slot] and now - since > self._limit_s:
                worker.late_at = now
                # it is not reaped yet, so no other process can have its number
                os.kill(worker.pid, signal.SIGKILL)

    def _replace_dead(self, reader: int, writer: int) -> None:
        """Collect ended workers, and start others in place of those that died."""
        for worker in list(self._workers):
            if not select.select([worker.handle], [], [], 0)[0]:
                continue
            with signals_blocked():
                code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
                os.close(worker.handle)
                self._workers.remove(worker)
            state = int(self._shared.state[worker.slot])
            if state < 0:
                where = os.fsdecode(bytes(self._shared.failed_file[worker.slot])) or "in a worker"
                why = _CHANGED if -state == errno.ESTALE else os.strerror(-state)
                raise BatchError(
                    f"a sample cannot be run or recorded: {why}: {where}; mend "
                    "that and run again (what is on record stays)"
                )
            if state != FINISHED:  # the exit code says nothing: a function may call os._exit(0)
                self._record_death(worker, code)
                self._start(worker.slot, reader, writer)

    def _record_death(self, worker: _Worker, code: int) -> None:
        """End what a dead worker left running, and let `Work` decide about its task."""
        end_descendants(spare={other.pid for other in self._workers})
        task = int(self._shared.running[worker.slot]) - 1
        if task < 0:
            self._idle_deaths += 1
            if self._idle_deaths > _IDLE_DEATHS:
                raise BatchError(
                    f"{self._idle_deaths} workers ended before they took a sample, the last with "
                    f"exit code {code}; is there enough memory?"
                )
            return
        if self._shared.done[task]:
            return
        elapsed_s = time.monotonic() - float(self._shared.since[worker.slot])
        # it may have begun another task between the check of its clock and the kill
        late = worker.late_at - float(self._shared.since[worker.slot]) > (self._limit_s or 0.0)
        if self._work.record_death(task, Death(code, late, elapsed_s)):
            self._shared.done[task] = 1

    def _end_workers(self) -> None:
        """End all workers, which end what they run."""
        with signals_blocked():
            for worker in self._workers:
                os.kill(worker.pid, signal.SIGTERM)
            deadline = time.monotonic() + _END_GRACE_S
            for worker in self._workers:
                left = max(0.0, deadline - time.monotonic())
                if not select.select([worker.handle], [], [], left)[0]:
                    os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
                os.close(worker.handle)
            self._workers.clear()
            end_descendants()
