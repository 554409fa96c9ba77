"""Running one program to its end, and ending every process that it started.

A worker runs each step of a command with `run_step`. The process of a batch job calls
`fork_with_guard` first, so that no program outlives the job, however the job ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import errno
import math
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ensnare.store.signals import Terminated, raise_on_signals, signals_blocked, unblock_signals

_PR_SET_PDEATHSIG = 1  # options of prctl, from <linux/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 2.0  # between SIGTERM and SIGKILL, for codes that clean up
_GUARD_CALL_S = 5.0
# how often the length of the streams is checked: a code may write gigabytes in a second
_FIRST_POLL_S, _POLL_S = 0.05, 0.2
# signals that Python ignores or that a worker handles; the code starts with their defaults
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT)
# A full disk or an exhausted machine is no property of a sample: no sample may be recorded as
# failed because of one of these.
_MACHINE_ERRNOS = "ENOSPC EDQUOT EIO EROFS EMFILE ENFILE ENOMEM EAGAIN"
MACHINE_TROUBLE = frozenset(getattr(errno, name) for name in _MACHINE_ERRNOS.split())
_adopter = 0  # the process that called `adopt_orphans`; a fork of it does not count


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    exit_code: int  # minus the signal that ended it
    timed_out: bool = False
    stream_too_long: bool = False  # standard output or error exceeded the limit


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends.

    Then `run_step` and `end_descendants` find every process that a program started, also one that
    left its process group or its session. It holds for the calling process, not for its forks.
    """
    global _adopter
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _adopter = os.getpid()


def die_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM to this process when its parent, of the given id, ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGTERM)


def run_step(
    argv: list[str],
    environment: Mapping[str, str],
    streams: tuple[str, str],
    append: bool,
    limit_s: float | None,
    stream_limit: float = float("inf"),
) -> Ended:
    """Run a program in the current directory to its end, and end what it leaves behind.

    `argv` begins with a path, `streams` are the files for standard output and standard error (or
    twice the same file), and `environment` is all that the program gets. After `limit_s` seconds it
    is ended; so it is when a stream has more than `stream_limit` bytes, and the file is cut there.
    In a process that called `adopt_orphans` all descendants are killed at the end, in any other
    process the process group of the program. Raises OSError if the program cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    handles: list[int] = []
    try:
        # opened here and not in the child, so that their length is known: a code may remove or
        # replace the files
        names = streams if streams[0] != streams[1] else streams[:1]
        handles.extend(os.open(name, flags, 0o666) for name in names)
        code, timed_out = _run(argv, environment, handles, limit_s, stream_limit)
        return Ended(code, timed_out, stream_too_long=_truncate(handles, stream_limit))
    finally:
        for handle in handles:
            os.close(handle)


def _run(
    argv: list[str],
    environment: Mapping[str, str],
    streams: Sequence[int],
    limit_s: float | None,
    stream_limit: float,
) -> tuple[int, bool]:
    """Run a program to its end; return its exit code, and whether it exceeded the time limit."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, streams[0], 1),
        (os.POSIX_SPAWN_DUP2, streams[-1], 2),
    ]
    child = 0
    try:
        # its own process group: a signal to the group reaches the code and not the worker
        child = os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=actions,
            setpgroup=0,
            setsigdef=_DEFAULT_SIGNALS,
        )
        cause = _watch(child, limit_s, streams, stream_limit)
        if cause is _Cause.ENDED:
            return _reap(child), False
        # no grace for a code that writes too much: it could write gigabytes while it cleans up
        grace_s = _GRACE_S if cause is _Cause.TIMEOUT or _is_srun(child) else 0.0
        return _terminate(child, grace_s), cause is _Cause.TIMEOUT
    finally:
        if _adopter == os.getpid():
            end_descendants()
        elif child:
            _signal_group(child, signal.SIGKILL)


class _Cause(enum.Enum):
    """Why the wait for a program is over."""

    ENDED = 0
    TIMEOUT = 1
    STREAM_TOO_LONG = 2


def _watch(
    child: int, limit_s: float | None, streams: Sequence[int], stream_limit: float
) -> _Cause:
    """Wait until a program ends, its time is over, or a stream is too long."""
    deadline = math.inf if limit_s is None else time.monotonic() + limit_s
    poll_s = _FIRST_POLL_S
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            if poll.poll(min(left_s, poll_s) * 1000):
                return _Cause.ENDED
            if left_s <= poll_s:
                return _Cause.TIMEOUT
            if any(os.fstat(stream).st_size > stream_limit for stream in streams):
                return _Cause.STREAM_TOO_LONG
            poll_s = min(2 * poll_s, _POLL_S)
    finally:
        os.close(handle)


def _truncate(streams: Sequence[int], stream_limit: float) -> bool:
    """Cut streams that are longer than the limit [bytes]; return whether there were any."""
    too_long = False
    for stream in streams:
        if os.fstat(stream).st_size > stream_limit:
            os.ftruncate(stream, int(stream_limit))
            too_long = True
    return too_long


def _reap(child: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _terminate(child: int, grace_s: float) -> int:
    """Send SIGTERM to a program and its group, after `grace_s` SIGKILL; return its exit code."""
    _signal_group(child, signal.SIGTERM)
    handle = os.pidfd_open(child)
    ended = select.select([handle], [], [], grace_s)[0]
    os.close(handle)
    if not ended:
        _signal_group(child, signal.SIGKILL)
        # in case it changed its group; its id is still its own, since it is not reaped yet
        os.kill(child, signal.SIGKILL)
    return _reap(child)


def _signal_group(group: int, number: int) -> None:
    """Send a signal to a process group, if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def end_descendants(spare: Collection[int] = ()) -> None:
    """Kill every descendant that still runs, in a process that called `adopt_orphans`.

    Children in `spare` (process ids) and their descendants live on. An `srun` gets SIGTERM and 2 s
    first: its ranks run elsewhere, and only a live `srun` ends them.
    """
    pause_s, deadline = 0.001, time.monotonic() + _GRACE_S
    asked: set[int] = set()
    while (descendants := _running_descendants(spare)) is not None:
        for process in descendants:
            if _is_srun(process) and time.monotonic() < deadline:
                number = signal.SIGTERM if process not in asked else 0
                asked.add(process)
            else:
                number = signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)


def _is_srun(process: int) -> bool:
    """Return whether a process is `srun`, which must be alive to end its ranks on other nodes."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/comm") as file:
        return file.read() == "srun\n"
    return False


def _running_descendants(spare: Collection[int]) -> list[int] | None:
    """Reap ended children; return descendants that run, None when there are certainly none."""
    if not spare:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return None
    import psutil  # only now: most codes leave no process behind

    running, collected = [], False
    for child in psutil.Process().children():
        if child.pid in spare:
            continue
        if _has_ended(child.pid):
            collected = True  # its children may have become ours since the list was made
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            running += [process.pid for process in child.children(recursive=True)]
        running.append(child.pid)
    return running if running or collected or not spare else None


def _has_ended(child: int) -> bool:
    """Return whether a child has ended, and reap it if so."""
    try:
        return bool(os.waitpid(child, os.WNOHANG)[0])
    except ChildProcessError:
        return True


def fork_with_guard(periodic: Callable[[int], None] = lambda _: None) -> int | None:
    """Fork; the child returns None and goes on, the parent stays behind as its guard.

    The guard returns when the child has ended: with its exit code, 128 + n for signal n. Meanwhile
    it calls `periodic` every 5 s with the process id of the child, even while the child is busy or
    stopped. If the child is killed, the guard kills all that it started; if the guard is killed or
    gets a signal to end, the child gets SIGTERM.
    """
    adopt_orphans()
    parent = os.getpid()
    with signals_blocked():
        child = os.fork()
        if not child:
            raise_on_signals()
            die_with_parent(parent)
            unblock_signals()
            return None
    handle = os.pidfd_open(child)
    try:
        while not select.select([handle], [], [], _GUARD_CALL_S)[0]:
            periodic(child)
    except Terminated:  # pass it on; the child cleans up
        os.kill(child, signal.SIGTERM)
        select.select([handle], [], [])
    os.close(handle)
    code = _reap(child)
    end_descendants()
    return code if code >= 0 else 128 - code
