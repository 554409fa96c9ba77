"""Which machine we are on, and which of its processes live: for files that tell who made them."""

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

_ABANDONED_S = 86400.0  # what a process elsewhere has not touched for so long, none is writing


def machine_identity() -> dict[str, str]:
    """Return where process numbers mean what they mean here: host, boot, and space of processes.

    Another boot is this host long ago, or a machine that is also called `localhost`; another space
    is another container.
    """
    return {"host": socket.gethostname(), "boot": _boot_id(), "space": _process_space()}


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def temporary_name(name: str) -> str:
    """Return a name beside a file for what this process makes, and no other one."""
    return f"{name}.{_machine_hash()}-{os.getpid()}-{os.urandom(4).hex()}.part"


def remove_abandoned(path: Path, ours: float) -> None:
    """Remove what processes that were killed left beside a file under a temporary name.

    Parameters
    ----------
    path : Path
        The file.
    ours : float
        When something was last written beside it: the clock of the file system, not ours [s].
    """
    for part in path.parent.glob(f"{glob.escape(path.name)}.*-*-*.part"):
        where, pid = part.name[len(path.name) + 1 :].split("-")[:2]
        try:
            dead = where == _machine_hash() and not start_time(int(pid))
            if dead or ours - part.stat().st_mtime > _ABANDONED_S:
                part.unlink()
        except (OSError, ValueError):  # another one removes it, or it is none of ours
            continue


@functools.lru_cache(maxsize=1)
def _machine_hash() -> str:
    return hashlib.blake2b(repr(machine_identity()).encode(), digest_size=4).hexdigest()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _process_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


_held: list[int] = []  # open for as long as this process lives; its death releases the lock


def wait_for_run_lock(path: Path, say: Callable[[str], None]) -> None:
    """Wait until no other run of the study is under way, and keep others waiting from now on.

    Snakemake removes the outputs of a job when it starts it, so two runs would take the design
    from under each other's feet. Batches have claims of their own (`ensnare.evaluate.claim`), which
    hold between machines and outlive a Snakemake that was killed.

    Parameters
    ----------
    path : Path
        The lock file.
    say : callable
        Called with a line of text if there is another run.
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
    """Yield whether no run of the study is under way, and keep any from starting meanwhile.

    Parameters
    ----------
    path : Path
        The lock file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    alone = True
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks: the owners of batches have to do
            alone = True
        yield alone
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclude_runs(path: Path) -> Iterator[None]:
    """Keep runs of a study on this machine waiting; refuse while there is one.

    Parameters
    ----------
    path : Path
        The lock file.

    Raises
    ------
    BatchError
        If a run is under way.
    """
    with try_run_lock(path) as alone:
        if not alone:
            raise BatchError(
                f"{path.parent}: a run of this study is under way; wait for its end, or end it"
            )
        yield


@contextlib.contextmanager
def timing_lock(say: Callable[[str], None]) -> Iterator[None]:
    """Wait until nothing else of this user is timed on this machine, and keep others waiting.

    Runs of two scaling studies, or of one whose jobs do not take all cores, would share the cores
    on which they are timed.

    Parameters
    ----------
    say : callable
        Called with a line of text if there is something else.
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
