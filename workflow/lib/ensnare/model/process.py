"""Running one program and everything it starts, and ending all of it."""

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

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 2.0  # between SIGTERM and SIGKILL, for codes that tidy up
_GUARD_CALL_S = 5.0
# between looks at the length of the streams: soon, as a code may write gigabytes in a second
_FIRST_LOOK_S, _LOOK_S = 0.05, 0.2
# what Python ignores or a worker handles; a code starts with the defaults
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT)
# what a full disk or an exhausted machine answers: no sample's fault, so none may bear it
_TROUBLE = "ENOSPC EDQUOT EIO EROFS EMFILE ENFILE ENOMEM EAGAIN"
MACHINE_TROUBLE = frozenset(getattr(errno, name) for name in _TROUBLE.split())
_adopter = 0  # the process that called `adopt_orphans`; a fork of it does not count


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes
    ----------
    exit_code : int
        Its exit code, or minus the signal that ended it.
    timed_out : bool
        Whether the time limit ended it.
    stream_too_long : bool
        Whether it wrote more than allowed to its standard output or error.
    """

    exit_code: int
    timed_out: bool = False
    stream_too_long: bool = False


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes."""
    global _adopter
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _adopter = os.getpid()


def die_with_parent(parent: int) -> None:
    """Receive SIGTERM when the parent process ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGTERM)


def run_step(
    argv: list[str],
    environment: Mapping[str, str],
    streams: tuple[str, str],
    append: bool,
    limit_s: float | None,
    most: float = float("inf"),
) -> Ended:
    """Run a program in the current directory to its end, and end what it leaves behind.

    What it leaves behind is every descendant in a process that called `adopt_orphans`, and
    elsewhere its process group.

    Parameters
    ----------
    argv : list of str
        The program (a path) and its arguments.
    environment : mapping of str to str
        All of its environment.
    streams : tuple of str
        Files for standard output and standard error.
    append : bool
        Add to the files instead of starting them anew.
    limit_s : float, optional
        Time limit [s].
    most : float
        How long each of the files may become; what a code writes beyond is cut off, and it is
        ended [bytes].

    Raises
    ------
    OSError
        If the program cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    handles: list[int] = []
    try:
        # here and not in the child, to see how long they are: a code may remove or replace them
        names = streams if streams[0] != streams[1] else streams[:1]
        handles.extend(os.open(name, flags, 0o666) for name in names)
        code, timed_out = _run(argv, environment, handles, limit_s, most)
        return Ended(code, timed_out, stream_too_long=_cut(handles, most))
    finally:
        for handle in handles:
            os.close(handle)


def _run(
    argv: list[str],
    environment: Mapping[str, str],
    streams: Sequence[int],
    limit_s: float | None,
    most: float,
) -> tuple[int, bool]:
    """Run a program to its end; return its exit code, and whether it passed the time limit."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, streams[0], 1),
        (os.POSIX_SPAWN_DUP2, streams[-1], 2),
    ]
    child = 0
    try:
        # a group of its own: a signal to it reaches the code and not the worker
        child = os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=actions,
            setpgroup=0,
            setsigdef=_DEFAULT_SIGNALS,
        )
        cause = _watch(child, limit_s, streams, most)
        if cause is _Cause.ENDED:
            return _reap(child), False
        # no grace for one that writes too much: it could write gigabytes while it tidies up
        grace_s = _GRACE_S if cause is _Cause.LATE or _has_a_step(child) else 0.0
        return _end(child, grace_s), cause is _Cause.LATE
    finally:
        if _adopter == os.getpid():
            end_descendants()
        elif child:
            _signal(child, signal.SIGKILL)


class _Cause(enum.Enum):
    """Why the watch over a program is over."""

    ENDED = 0
    LATE = 1
    LONG = 2


def _watch(child: int, limit_s: float | None, streams: Sequence[int], most: float) -> _Cause:
    """Wait until a program ends, or has to be ended."""
    deadline = math.inf if limit_s is None else time.monotonic() + limit_s
    look_s = _FIRST_LOOK_S
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            if poll.poll(min(left_s, look_s) * 1000):
                return _Cause.ENDED
            if left_s <= look_s:
                return _Cause.LATE
            if any(os.fstat(stream).st_size > most for stream in streams):
                return _Cause.LONG
            look_s = min(2 * look_s, _LOOK_S)
    finally:
        os.close(handle)


def _cut(streams: Sequence[int], most: float) -> bool:
    """Cut files that are too long; return whether there were some."""
    long = False
    for stream in streams:
        if os.fstat(stream).st_size > most:
            os.ftruncate(stream, int(most))
            long = True
    return long


def _reap(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _end(child: int, grace_s: float) -> int:
    """Ask a program and its process group to end, kill them if they do not; return its code."""
    _signal(child, signal.SIGTERM)
    handle = os.pidfd_open(child)
    ended = select.select([handle], [], [], grace_s)[0]
    os.close(handle)
    if not ended:
        _signal(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)  # in case it went to another group; it is not reaped yet
    return _reap(child)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def end_descendants(spare: Collection[int] = ()) -> None:
    """Kill every descendant of this process that still runs.

    Needs `adopt_orphans`: what a program left in the background is then our child.

    Parameters
    ----------
    spare : collection of int
        Children to leave alone, with their descendants.
    """
    pause_s, deadline = 0.001, time.monotonic() + _GRACE_S
    asked: set[int] = set()
    while (others := _others(spare)) is not None:
        for process in others:
            if _has_a_step(process) and time.monotonic() < deadline:
                number = signal.SIGTERM if process not in asked else 0
                asked.add(process)
            else:
                number = signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.1)


def _has_a_step(process: int) -> bool:
    """Return whether it is srun: what that started is elsewhere, and only a live one ends it."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/comm") as file:
        return file.read() == "srun\n"
    return False


def _others(spare: Collection[int]) -> list[int] | None:
    """Collect ended children; return descendants that run, None when there are certainly none."""
    if not spare:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return None
    import psutil  # not needed by codes that leave nothing behind

    running, collected = [], False
    for child in psutil.Process().children():
        if child.pid in spare:
            continue
        if _has_ended(child.pid):
            collected = True  # its children may have become ours after the look around
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            running += [process.pid for process in child.children(recursive=True)]
        running.append(child.pid)
    return running if running or collected or not spare else None


def _has_ended(child: int) -> bool:
    """Collect a child if it has ended."""
    try:
        return bool(os.waitpid(child, os.WNOHANG)[0])
    except ChildProcessError:
        return True


def fork_with_guard(beat: Callable[[int], None] = lambda _: None) -> int | None:
    """Fork, and let the child go on while the parent makes sure that nothing survives it.

    Whichever of the two is killed, the other ends all that was started: the parent adopts and
    kills what the child leaves, and the child gets SIGTERM when the parent ends.

    Parameters
    ----------
    beat : callable
        Called in the parent every few seconds with the process id of the child, whatever the
        child is busy with.

    Returns
    -------
    int or None
        None in the child; in the parent, when all is over, the exit code of the child (128 + n
        for signal n).
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
            beat(child)
    except Terminated:  # hand it on; the child tidies up
        os.kill(child, signal.SIGTERM)
        select.select([handle], [], [])
    os.close(handle)
    code = _reap(child)
    end_descendants()
    return code if code >= 0 else 128 - code
