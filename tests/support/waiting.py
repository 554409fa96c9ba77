"""Waiting for other processes, and finding them, in tests."""

import os
import time
from pathlib import Path


def wait_until(condition, what="the condition", limit_s=30.0):
    """Wait for a condition and return what it returned; the limit is for broken code only."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
        time.sleep(0.005)
    return value


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def marked_processes(mark):
    """Return the processes whose environment or command line holds a mark, but not this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in text and is_running(int(entry.name)):
            found.append(int(entry.name))
    return found


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []
