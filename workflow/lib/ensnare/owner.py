"""Who evaluates a batch: one job at a time, also on a shared file system."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_BEAT_S = 5.0
_DEAD_S = 60.0  # twelve beats missed; far above the attribute cache of NFS (30 to 60 s at worst)


class Owner:
    """A claim on a batch, kept alive by a heartbeat.

    The claim is a file made with `link`, which is atomic on NFS too. The heartbeat is its
    modification time. Another host's clock is never compared with ours: the owner is dead when
    its heartbeat has not *changed* for a minute by our clock, or at once when it ran on this
    host and its process is gone.

    Parameters
    ----------
    path : Path
        The owner file.
    wait : callable, optional
        Called with a line of text when a live owner is found.
    """

    def __init__(self, path: Path, wait: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._say = wait or (lambda _: None)
        self._mark = json.dumps(
            {
                "host": socket.gethostname(),
                "boot": _boot_id(),
                "space": _pid_space(),
                "pid": os.getpid(),
                "started": _start_time(os.getpid()),
                "token": uuid.uuid4().hex,
            }
        )
        self._last_beat = 0.0

    def __enter__(self) -> Owner:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        said = False
        seen: tuple[float, float] | None = None
        while not self._claim():
            beat, text = _read(self._path)
            now = time.monotonic()
            if text is None:
                continue
            if seen is None or seen[0] != beat:
                seen = (beat, now)
            if not _alive(text) or now - seen[1] > _DEAD_S:
                self._take_over(text)
                continue
            if not said:
                self._say(f"{self._path.stem}: another job evaluates this batch; waiting ({text})")
                said = True
            time.sleep(0.5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if _read(self._path)[1] == self._mark:
            self._path.unlink(missing_ok=True)

    def beat(self) -> bool:
        """Show that we live; return whether the claim is still ours."""
        if time.monotonic() - self._last_beat < _BEAT_S:
            return True
        self._last_beat = time.monotonic()
        if _read(self._path)[1] != self._mark:
            return False
        os.utime(self._path)
        return True

    def _claim(self) -> bool:
        own = self._path.with_name(f"{self._path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
        own.write_text(self._mark)
        try:
            os.link(own, self._path)
        except FileExistsError:
            return False
        finally:
            own.unlink()
        return True

    def _take_over(self, dead: str) -> None:
        """Remove the claim of a dead owner; of several that try, one removes it."""
        grave = self._path.with_name(f"{self._path.name}.dead-{uuid.uuid4().hex[:8]}")
        try:
            os.rename(self._path, grave)
        except FileNotFoundError:
            return
        if grave.read_text() != dead:  # another job was faster, and we took its new claim
            with contextlib.suppress(FileExistsError):
                os.link(grave, self._path)
        grave.unlink()


def _read(path: Path) -> tuple[float, str | None]:
    """Return the heartbeat and the text of an owner file; no text if there is none."""
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_mtime, file.read()
    except OSError:
        return 0.0, None


def _alive(text: str) -> bool:
    """Return False only if the owner ran on this host and is gone."""
    try:
        mark = json.loads(text)
        if mark["host"] != socket.gethostname():
            return True
        if mark["boot"] != _boot_id():
            return False
        # another container on this host: its process numbers mean nothing here
        return bool(mark["space"] != _pid_space() or mark["started"] == _start_time(mark["pid"]))
    except (ValueError, KeyError, TypeError):
        return True  # damaged: the heartbeat decides


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
