"""Which machine we are on, and which of its processes live: for files that tell who made them."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import socket
from pathlib import Path

_ABANDONED_S = 86400.0  # what a process elsewhere has not touched for so long, none is writing


def place() -> dict[str, str]:
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
    return f"{name}.{_short_place()}-{os.getpid()}-{os.urandom(4).hex()}.part"


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
            dead = where == _short_place() and not start_time(int(pid))
            if dead or ours - part.stat().st_mtime > _ABANDONED_S:
                part.unlink()
        except (OSError, ValueError):  # another one removes it, or it is none of ours
            continue


@functools.lru_cache(maxsize=1)
def _short_place() -> str:
    return hashlib.blake2b(repr(place()).encode(), digest_size=4).hexdigest()


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
