"""Locks of this machine, and the marks by which files tell which process made them.

Two runs of a study on one machine wait for each other, and so do timed runs of one user. These
locks are `flock`s: the kernel releases them when a process dies, but another machine need not see
them. Between machines the claims of batches hold (`ensnare.evaluate.claim`); these claims, and the
names of temporary files, say on which machine and in which process they were made.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ensnare.errors import BatchError

# a temporary file of another machine that was not written to for so long has lost its writer [s]
_ABANDONED_S = 86400.0
_held: list[int] = []  # never closed: the lock of a run is released when this process ends


def wait_for_run_lock(path: Path, say: Callable[[str], None]) -> None:
    """Wait until no other run of the study holds the lock file, then hold it until this run ends.

    Snakemake removes the outputs of a job when it starts the job, so a second run would remove the
    design while jobs of the first one read it. `say` is called with a line if there is a wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.append(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{path.parent}: another run of this study is under way; waiting for its end")
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        return


@contextlib.contextmanager
def try_run_lock(path: Path) -> Iterator[bool]:
    """Yield whether the lock file of a study could be locked; no run can start until the end."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    alone = True
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks: only the claims of batches protect
            alone = True
        yield alone
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclude_runs(path: Path) -> Iterator[None]:
    """Let no run of the study start on this machine; raise BatchError if one is under way."""
    with try_run_lock(path) as alone:
        if not alone:
            raise BatchError(
                f"{path.parent}: a run of this study is under way; wait for its end, or end it"
            )
        yield


@contextlib.contextmanager
def timing_lock(say: Callable[[str], None]) -> Iterator[None]:
    """Let one timed run of this user at a time run on this machine; the others wait.

    Runs of two scaling studies, or of one whose jobs do not take all cores, would share the cores
    on which they are timed. `say` is called with a line if there is a wait.
    """
    path = Path(tempfile.gettempdir()) / f"ensnare-measuring-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("something else is timed on this machine; waiting for its end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def machine_identity() -> dict[str, str]:
    """Return host, boot and process namespace: where these agree, a process number is unique.

    Another boot is this host at an earlier time, or another machine with the same name, such as
    `localhost`; another namespace is another container.
    """
    return {"host": socket.gethostname(), "boot": _boot_id(), "space": _process_namespace()}


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def temporary_name(name: str) -> str:
    """Return a name that begins as `name`, tells machine and process, and is used only once."""
    return f"{name}.{_machine_hash()}-{os.getpid()}-{os.urandom(4).hex()}.part"


def remove_abandoned(path: Path, ours: float) -> None:
    """Remove temporary files of `path` whose writers were killed; see `temporary_name`.

    `ours` is when this process last wrote a file beside it, by the clock of the file system [s].
    """
    for part in path.parent.glob(f"{glob.escape(path.name)}.*-*-*.part"):
        where, pid = part.name[len(path.name) + 1 :].split("-")[:2]
        try:
            dead = where == _machine_hash() and not start_time(int(pid))
            if dead or ours - part.stat().st_mtime > _ABANDONED_S:
                part.unlink()
        except (OSError, ValueError):  # another process removed it, or its name is not one of ours
            continue


@functools.lru_cache(maxsize=1)
def _machine_hash() -> str:
    return hashlib.blake2b(repr(machine_identity()).encode(), digest_size=4).hexdigest()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _process_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
