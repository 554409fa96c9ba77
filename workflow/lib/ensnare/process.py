"""Running one program and everything it starts, and ending all of it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 2.0  # between SIGTERM and SIGKILL, for codes that tidy up

# what Python ignores or a worker handles; a code starts with the defaults
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes
    ----------
    exit_code : int
        Its exit code, or minus the signal that ended it.
    timed_out : bool
        Whether the time limit ended it.
    """

    exit_code: int
    timed_out: bool = False


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


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
) -> Ended:
    """Run a program in the current directory to its end, and end what it leaves behind.

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

    Raises
    ------
    OSError
        If the program cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, streams[0], flags, 0o666),
    ]
    if streams[1] == streams[0]:
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))  # type: ignore[arg-type]
    else:
        actions.append((os.POSIX_SPAWN_OPEN, 2, streams[1], flags, 0o666))
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
        if limit_s is not None and not _wait(child, limit_s):
            _end_group(child)
            return Ended(-signal.SIGKILL, timed_out=True)
        return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        end_descendants()


def _wait(child: int, limit_s: float) -> bool:
    """Wait for a child; return whether it ended within the limit."""
    handle = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(max(0.0, limit_s) * 1000))
    finally:
        os.close(handle)


def _end_group(child: int) -> None:
    """Ask a process group to end, and kill it if it does not."""
    os.killpg(child, signal.SIGTERM)
    if not _wait(child, _GRACE_S):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


def end_descendants() -> None:
    """Kill every descendant of this process that still runs.

    Needs `adopt_orphans`: what a program left in the background is then our child.
    """
    while _has_children():
        import psutil  # not needed by codes that leave nothing behind

        for process in psutil.Process().children(recursive=True):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.001)


def _has_children() -> bool:
    """Collect ended children; return whether others still run."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
