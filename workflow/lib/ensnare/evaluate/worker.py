"""The worker processes of the pool: take tasks from a pipe, do them, and end cleanly."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ensnare.model.process import adopt_orphans, die_with_parent, end_descendants
from ensnare.store.signals import Terminated, raise_on_signals, signals_blocked, unblock_signals

TASK = struct.Struct("<I")
_NAME_BYTES = 256  # the last bytes of the name of a file that failed
SERVING, FINISHED = 0, 1  # state of a slot; -errno if a result could not be recorded


@dataclass(frozen=True)
class Death:
    """How a worker died in the middle of a task."""

    exit_code: int  # of the worker, or minus the signal that ended it
    timed_out: bool  # the pool killed it because its task passed the time limit
    elapsed_s: float  # since the task, or its latest part, began


class Work(Protocol):
    """What the pool does; the tasks are numbers."""

    def begin(self, slot: int) -> None:
        """Prepare a worker; `slot` numbers the workers that run at the same time, from 0."""

    def do(self, task: int, attempt: int, restart_clock: Callable[[], None]) -> None:
        """Do a task in a worker; its results must be recorded when this returns.

        `attempt` is how often the task was taken, this time included. `restart_clock` is to be
        called when a part of the task begins that has a time limit of its own. An OSError, if
        results cannot be recorded, stops the pool.
        """

    def record_death(self, task: int, death: Death) -> bool:
        """Handle, in the parent, a task whose worker died; return whether the task has ended.

        A task that has not is done again, so this has to return True at some time.
        """


class Shared:
    """Memory that the pool and its workers share."""

    def __init__(self, tasks: int, slots: int) -> None:
        memory = mmap.mmap(-1, max(1, (24 + _NAME_BYTES) * slots + 5 * tasks))
        self.running = np.frombuffer(memory, np.int64, slots)  # task + 1, or 0
        self.since = np.frombuffer(memory, np.float64, slots, 8 * slots)
        self.state = np.frombuffer(memory, np.int64, slots, 16 * slots)
        self.failed_file = np.frombuffer(memory, f"S{_NAME_BYTES}", slots, 24 * slots)
        self.attempts = np.frombuffer(memory, np.uint32, tasks, (24 + _NAME_BYTES) * slots)
        self.done = np.frombuffer(memory, np.uint8, tasks, (24 + _NAME_BYTES) * slots + 4 * tasks)


def start_worker(work: Work, shared: Shared, slot: int, reader: int, writer: int) -> int:
    """Fork a worker that takes tasks from the pipe `reader`; return its process id."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    shared.state[slot], shared.running[slot] = SERVING, 0
    with signals_blocked():  # no signal may raise in the child before it handles them
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            raise_on_signals()
            unblock_signals()
            die_with_parent(parent)
            adopt_orphans()
            if writer >= 0:
                os.close(writer)  # or the worker would never see the end of the pipe
            code = _serve_all(work, shared, slot, reader)
        except Terminated as signal_:
            code = signal_.exit_code
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            _exit_worker(code)
    raise AssertionError("a worker does not return")


def _exit_worker(code: int) -> None:
    """End a worker and all that it started, without the exit handlers of the parent process."""
    try:
        with signals_blocked(), contextlib.suppress(Exception):
            end_descendants()
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _serve_all(work: Work, shared: Shared, slot: int, reader: int) -> int:
    """Prepare the worker and do tasks until there are none; return the exit code."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # a function that reads standard input gets none
    os.close(null)
    try:
        work.begin(slot)
        _serve(work, shared, slot, reader)
    except OSError as error:
        shared.failed_file[slot] = os.fsencode(error.filename or "")[-_NAME_BYTES:]
        shared.state[slot] = -(error.errno or 5)
        return 1
    shared.state[slot] = FINISHED
    return 0


def _serve(work: Work, shared: Shared, slot: int, reader: int) -> None:
    """Take and do tasks until there are none."""

    def restart_clock() -> None:
        shared.since[slot] = time.monotonic()

    while data := os.read(reader, TASK.size):
        (task,) = TASK.unpack(data)
        restart_clock()
        shared.running[slot] = task + 1
        shared.attempts[task] += 1
        work.do(task, int(shared.attempts[task]), restart_clock)
        shared.done[task] = 1
        shared.running[slot] = 0
