"""A pool of worker processes that pull tasks; it survives the death of any of them.

Tasks go through a pipe that all workers read, so whoever is free takes the next one. A page of
shared memory tells which task each worker runs: when one dies, its task is tried once more by
another, and a task whose worker died twice is given up.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ensnare.errors import BatchError
from ensnare.process import adopt_orphans, die_with_parent, end_descendants

_TASK = struct.Struct("<I")
_STORAGE_FAILED = 74  # EX_IOERR
_PATIENCE_S = 10.0  # for workers that were asked to end; a process tree gets 2 s of it
_TICK_S = 0.5
MAX_ATTEMPTS = 2


class Terminated(BaseException):
    """SIGTERM or SIGINT: no error of anyone's, so nothing that catches errors catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Work(Protocol):
    """What the pool does."""

    def do(self, task: int, attempt: int) -> None:
        """Do a task, in a worker; what it achieves must be on record when it returns."""

    def give_up(self, task: int, exit_code: int, timed_out: bool) -> None:
        """Record, in the parent, a task that took its worker with it."""


@dataclass
class _Worker:
    pid: int
    handle: int  # pidfd: readable when the process has ended
    slot: int
    timed_out: bool = False


class _Shared:
    """Memory that the pool and its workers share."""

    def __init__(self, tasks: int, slots: int) -> None:
        memory = mmap.mmap(-1, max(1, 16 * slots + 4 * tasks))
        self.running = np.frombuffer(memory, np.int64, slots)  # task + 1, or 0
        self.since = np.frombuffer(memory, np.float64, slots, 8 * slots)
        self.attempts = np.frombuffer(memory, np.uint16, tasks, 16 * slots)
        self.done = np.frombuffer(memory, np.uint8, tasks, 16 * slots + 2 * tasks)


def raise_on_signals() -> None:
    """Turn SIGTERM and SIGINT into `Terminated`, in this process and in workers forked from it."""

    def handler(number: int, _frame: object) -> None:
        # once: a second signal must not interrupt the tidying up
        signal.signal(number, signal.SIG_IGN)
        raise Terminated(number)

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


class Pool:
    """Workers for one list of tasks.

    Parameters
    ----------
    work : Work
        What to do.
    tasks : int
        Number of tasks, 0 .. tasks - 1.
    workers : int
        Number of worker processes.
    limit_s : float, optional
        Kill a worker that spends longer than this on a task [s]; for work that cannot stop itself.
    tick : callable
        Called about twice a second with the number of tasks done.
    """

    def __init__(
        self,
        work: Work,
        tasks: int,
        workers: int,
        limit_s: float | None,
        tick: Callable[[int], None],
    ) -> None:
        self._work = work
        self._tasks = tasks
        self._count = max(1, min(workers, tasks))
        self._limit_s = limit_s
        self._tick = tick
        self._shared = _Shared(tasks, self._count)
        self._workers: list[_Worker] = []

    def run(self) -> None:
        """Do all tasks.

        Raises
        ------
        BatchError
            If a worker cannot record what it achieved.
        Terminated
            On SIGTERM or SIGINT; all workers and what they run are ended first.
        """
        adopt_orphans()
        try:
            while len(left := np.flatnonzero(self._shared.done == 0)):
                self._round(left)
            self._tick(self._tasks)
        finally:
            self._end_workers()

    def _round(self, tasks: Sequence[int] | np.ndarray) -> None:
        """Feed tasks to the workers until all of these have ended."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        feed = memoryview(np.asarray(tasks, "<u4").tobytes())
        try:
            for slot in range(self._count):
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

    def _wait(self, feed: memoryview, writer: int) -> memoryview:
        """Wait for something to happen; return what is left to feed."""
        poll = select.poll()
        for worker in self._workers:
            poll.register(worker.handle, select.POLLIN)
        if feed:
            poll.register(writer, select.POLLOUT)
        events = dict(poll.poll(_TICK_S * 1000))
        if writer in events:
            # whole tasks only: a short write may not cut one in two
            try:
                feed = feed[os.write(writer, feed[: select.PIPE_BUF]) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                feed = feed[:0]
        self._stop_late()
        self._tick(int(self._shared.done.sum()))
        return feed

    def _stop_late(self) -> None:
        """Kill workers whose task passed its time limit."""
        if self._limit_s is None:
            return
        for worker in self._workers:
            started = self._shared.since[worker.slot]
            if self._shared.running[worker.slot] and time.monotonic() - started > self._limit_s:
                worker.timed_out = True
                os.kill(worker.pid, signal.SIGKILL)

    def _replace_dead(self, reader: int, writer: int) -> None:
        """Collect ended workers; start others in the place of those that died."""
        for worker in list(self._workers):
            if not select.select([worker.handle], [], [], 0)[0]:
                continue
            code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
            os.close(worker.handle)
            self._workers.remove(worker)
            if code == 0:
                continue
            if code == _STORAGE_FAILED:
                raise BatchError(
                    "a finished sample cannot be recorded; make space and run again "
                    "(nothing that was recorded is lost)"
                )
            self._bury(worker, code)
            self._start(worker.slot, reader, writer)

    def _bury(self, worker: _Worker, code: int) -> None:
        """Deal with the task of a worker that died, and with what the worker left running."""
        self._kill_orphans()
        task = int(self._shared.running[worker.slot]) - 1
        self._shared.running[worker.slot] = 0
        if task < 0 or self._shared.done[task]:
            return
        if worker.timed_out or self._shared.attempts[task] >= MAX_ATTEMPTS:
            self._work.give_up(task, code, worker.timed_out)
            self._shared.done[task] = 1

    def _kill_orphans(self) -> None:
        """Kill children of ours that are not workers: we inherit those of a dead worker."""
        import psutil

        ours = {worker.pid for worker in self._workers}
        for child in psutil.Process().children():
            if child.pid in ours:
                continue
            for process in [*child.children(recursive=True), child]:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            try:
                os.waitpid(child.pid, 0)
            except ChildProcessError:
                continue

    def _start(self, slot: int, reader: int, writer: int) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._workers.append(_Worker(pid, os.pidfd_open(pid), slot))
            return
        code = 1
        try:
            die_with_parent(parent)
            adopt_orphans()
            if writer >= 0:
                os.close(writer)  # or the pipe would never end
            self._serve(slot, reader)
            code = 0
        except Terminated as signal_:
            code = signal_.exit_code
        except OSError as error:
            print(f"cannot record a finished sample: {error.strerror}", file=sys.stderr, flush=True)
            code = _STORAGE_FAILED
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _serve(self, slot: int, reader: int) -> None:
        """Take and do tasks until there are none, in a worker."""
        shared = self._shared
        while data := os.read(reader, _TASK.size):
            (task,) = _TASK.unpack(data)
            shared.since[slot] = time.monotonic()
            shared.running[slot] = task + 1
            shared.attempts[task] += 1
            self._work.do(task, int(shared.attempts[task]))
            shared.done[task] = 1
            shared.running[slot] = 0

    def _end_workers(self) -> None:
        """End all workers; they end what they run."""
        for worker in self._workers:
            _signal(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_S
        for worker in self._workers:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([worker.handle], [], [], left)[0]:
                _signal(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            os.close(worker.handle)
        self._workers.clear()
        end_descendants()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
