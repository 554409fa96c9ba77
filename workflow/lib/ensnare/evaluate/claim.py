"""The claim on a batch: only one job evaluates it at a time, also on a shared file system.

The claim is a file made with `link`, which is atomic on NFS too. Its modification time is renewed
every 5 s. No claim is taken over by comparing clocks of hosts: it counts as abandoned when its
modification time has not *changed* for a minute by our clock. If it was made on this machine since
the last boot, its process is looked up instead, and the claim of a process that ended is free at
once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ensnare.errors import BatchError
from ensnare.model.process import die_with_parent
from ensnare.store.locks import machine_identity, remove_abandoned, start_time, temporary_name

_RENEW_S = 5.0
_POLL_S = 0.2
_GONE = (errno.ENOENT, errno.ESTALE)  # the file was removed, by a process here or on another host
# twelve missed renewals; NFS may cache a modification time for 30 to 60 s
_DEAD_S = 60.0


class Claim:
    """A claim on a batch for the time of a `with` block.

    If another job has the batch, `say` receives one line and entering waits until the claim is
    free; with `waits=False` it raises BatchError instead, unless that claim is abandoned.
    """

    def __init__(
        self, path: Path, say: Callable[[str], None] | None = None, *, waits: bool = True
    ) -> None:
        self._path, self._waits = path, waits
        self._say = say or (lambda _: None)
        self._text = json.dumps(
            {
                **machine_identity(),
                "pid": os.getpid(),
                "started": start_time(os.getpid()),
                "token": uuid.uuid4().hex,
            }
        )
        self._last_renewal = 0.0

    def __enter__(self) -> Claim:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        said = False
        last_seen: tuple[float, float] | None = None
        while not self._take():
            renewed_at, text = _read(self._path)
            now = time.monotonic()
            if text is None:  # removed between the two calls
                continue
            # a process of this host may be suspended and renew nothing, and still be alive
            runs_here = _runs_here(text)
            if not self._waits and (
                runs_here or (last_seen is not None and last_seen[0] != renewed_at)
            ):
                raise BatchError(
                    f"batch {self._path.stem}: a job evaluates it now; wait for its end, or end it"
                )
            if last_seen is None or last_seen[0] != renewed_at:
                last_seen = (renewed_at, now)
            if runs_here is False or (runs_here is None and now - last_seen[1] > _DEAD_S):
                _remove(self._path, text)
                continue
            if not said:
                self._say(f"{self._path.stem}: another job evaluates this batch; waiting ({text})")
                said = True
            time.sleep(_POLL_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _remove(self._path, self._text)

    def renew(self) -> bool:
        """Update the time of the claim, at most every 5 s; return False if another job has it."""
        if time.monotonic() - self._last_renewal < _RENEW_S:
            return True
        self._last_renewal = time.monotonic()
        try:
            if self._path.read_text() != self._text:
                return False
            os.utime(self._path)
        except FileNotFoundError:
            return False
        except OSError:  # a short failure of the file system; the next renewal tells
            return True
        return True

    def _take(self) -> bool:
        """Return whether the claim was free and is ours now."""
        if os.path.lexists(self._path):
            return False
        part = self._path.with_name(temporary_name(self._path.name))
        try:
            part.write_text(self._text)
        except OSError as error:  # a full disk; an empty claim would block the batch
            part.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(part)) from None
        remove_abandoned(self._path, part.stat().st_mtime)
        try:
            os.link(part, self._path)
        except FileExistsError:
            pass
        except OSError:
            # NFS may report an error for a link that was made; the link count below tells. Some
            # file systems have no hard links: there, whoever creates the file has the claim
            if os.stat(part).st_nlink == 1:
                return self._create()
        finally:
            taken = os.stat(part).st_nlink == 2
            part.unlink()
        return taken

    def _create(self) -> bool:
        """Take the claim on a file system without hard links: whoever creates the file has it."""
        try:
            with self._path.open("x") as file:
                file.write(self._text)
        except FileExistsError:
            return False
        except OSError:
            self._path.unlink()
            raise
        return True


def renew_for(path: Path, pid: int) -> None:
    """Renew the claim at this path if a given process of this machine holds it.

    The parent of a job calls this, so that the claim stays valid while the job itself is busy
    loading a model or packing directories.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        claim = json.loads(path.read_text())
        if {**machine_identity(), "pid": pid}.items() <= claim.items():
            os.utime(path)


@contextlib.contextmanager
def renewing(paths: Sequence[Path]) -> Iterator[None]:
    """Renew claims of this process from a child process, for the time of a `with` block.

    For commands without a parent that does it (`ensnare.model.process.fork_with_guard`). A thread
    would not do, since reading one long file can hold the interpreter lock for more than a minute.
    Claims of other processes are left alone.
    """
    parent = os.getpid()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent(parent)
            while True:
                time.sleep(_RENEW_S)
                for path in paths:
                    renew_for(path, parent)
        finally:  # the child must never go on as a second process of the command
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _remove(path: Path, expected: str) -> None:
    """Remove a claim if it still has the text that was read.

    Several jobs may find the same abandoned claim. The file lock lets one of them remove it; the
    others then hold a file that is no longer at this path. On a file system without locks two jobs
    may take the claim; the next `Claim.renew` of the one that lost it returns False.
    """
    try:
        with path.open("r+") as file:
            with contextlib.suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_EX)
            if file.read() == expected and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.unlink()
    except OSError as error:
        if error.errno not in _GONE:
            raise


def _read(path: Path) -> tuple[float, str | None]:
    """Return the modification time and the text of a claim; the text is None if there is none."""
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_mtime, file.read()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return 0.0, None


def _runs_here(text: str) -> bool | None:
    """Return whether the process of a claim runs on this host.

    None if that cannot be told, so that the time of the last renewal decides.
    """
    try:
        claim = json.loads(text)
        # a process number of another host, boot or container means nothing here
        if any(claim[key] != value for key, value in machine_identity().items()):
            return None
        return bool(claim["started"] == start_time(claim["pid"]))
    except (ValueError, KeyError, TypeError):
        return None  # a damaged claim


@dataclass(frozen=True)
class ClaimState:
    """The state of a claim, for commands that only look."""

    host: str  # where the job runs
    pid: int
    since_renewal_s: float  # our clock minus the file's time: wrong if the clocks differ
    runs_here: bool | None  # None if it ran on another host or cannot be told

    @property
    def is_alive(self) -> bool:
        """Whether its process runs here, or, if elsewhere, renewed the claim in the last minute."""
        return self.runs_here if self.runs_here is not None else self.since_renewal_s < _DEAD_S

    @property
    def is_gone(self) -> bool:
        """Whether its process ran on this host and has ended."""
        return self.runs_here is False


def read_claim(path: Path) -> ClaimState | None:
    """Return the state of a claim; None if there is no claim, so no job evaluates the batch."""
    renewed_at, text = _read(path)
    if text is None:
        return None
    since_renewal_s = max(0.0, time.time() - renewed_at)
    try:
        claim = json.loads(text)
        return ClaimState(str(claim["host"]), int(claim["pid"]), since_renewal_s, _runs_here(text))
    except (ValueError, KeyError, TypeError):  # a damaged claim
        return ClaimState("an unknown host", 0, since_renewal_s, None)
