"""Who evaluates a batch: one job at a time, also on a shared file system."""

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
_GONE = (errno.ENOENT, errno.ESTALE)  # removed, by a process here or elsewhere
_DEAD_S = 60.0  # twelve beats missed; far above the attribute cache of NFS (30 to 60 s at worst)


class Claim:
    """A claim on a batch, kept alive by a heartbeat.

    The claim is a file made with `link`, which is atomic on NFS too. The heartbeat is its
    modification time. Another host's clock is never compared with ours: the owner is dead when
    its heartbeat has not *changed* for a minute by our clock, or at once when it ran on this
    host since it was started and its process is gone.

    Parameters
    ----------
    path : Path
        The owner file.
    wait : callable, optional
        Called with a line of text when a live owner is found.
    patient : bool
        Wait for a live owner to end; otherwise to enter raises BatchError.
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
            if text is None:  # gone meanwhile
                continue
            runs_here = _runs_here(
                text
            )  # a process that runs here may be suspended, and is not dead
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
        """Show that we live; return whether the claim is still ours."""
        if time.monotonic() - self._last_renewal < _RENEW_S:
            return True
        self._last_renewal = time.monotonic()
        try:
            if self._path.read_text() != self._text:
                return False
            os.utime(self._path)
        except FileNotFoundError:
            return False
        except OSError:  # a file system that stutters; the next beat will tell
            return True
        return True

    def _take(self) -> bool:
        if os.path.lexists(self._path):
            return False
        part = self._path.with_name(temporary_name(self._path.name))
        try:
            part.write_text(self._text)
        except OSError as error:  # a full disk: not to leave a claim that says nothing
            part.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(part)) from None
        remove_abandoned(self._path, part.stat().st_mtime)
        try:
            os.link(part, self._path)
        except FileExistsError:
            pass
        except OSError:
            # NFS may lose the answer to a link that was made (the count tells, below), and some
            # file systems make none: there, who creates the file has it
            if os.stat(part).st_nlink == 1:
                return self._create()
        finally:
            taken = os.stat(part).st_nlink == 2
            part.unlink()
        return taken

    def _create(self) -> bool:
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
    """Show that a process of this machine lives that may be too busy to do so, if it has the claim.

    Parameters
    ----------
    path : Path
        The owner file.
    pid : int
        The process.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        claim = json.loads(path.read_text())
        if {**machine_identity(), "pid": pid}.items() <= claim.items():
            os.utime(path)


@contextlib.contextmanager
def renewing(paths: Sequence[Path]) -> Iterator[None]:
    """Show that claims of this process live, whatever it is busy with: a child does.

    For commands without a guard (`ensnare.model.process.fork_with_guard`). A thread would not do:
    reading one long file may hold the interpreter for longer than a heart may stand still.

    Parameters
    ----------
    paths : sequence of Path
        Claim files; those of other processes are left alone.
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
        finally:  # whatever happens, it is no second process of the command
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _remove(path: Path, expected: str) -> None:
    """Remove an owner file if it is still the one that was read.

    Of several jobs that find the same dead owner, the lock lets one remove it; the others then
    hold a file that is no longer at the path. Where there are no locks, a race stays that
    `Claim.beat` discovers.
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
    """Return the heartbeat and the text of an owner file; no text if there is none."""
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_mtime, file.read()
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return 0.0, None


def _runs_here(text: str) -> bool | None:
    """Return whether the owner's process runs on this host; None if only its heartbeat tells."""
    try:
        claim = json.loads(text)
        # elsewhere its process number means nothing here: the heartbeat decides
        if any(claim[key] != value for key, value in machine_identity().items()):
            return None
        return bool(claim["started"] == start_time(claim["pid"]))
    except (ValueError, KeyError, TypeError):
        return None  # damaged: the heartbeat decides


@dataclass(frozen=True)
class ClaimState:
    """What an owner file says, for those who only look.

    Attributes
    ----------
    host : str
        Where the job runs.
    pid : int
        Its process there.
    silent_s : float
        Time since its last heartbeat [s], by the clock of this host.
    runs_here : bool or None
        Whether its process runs on this host; None on another one.
    """

    host: str
    pid: int
    since_renewal_s: float
    runs_here: bool | None

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or has shown that lately."""
        return self.runs_here if self.runs_here is not None else self.since_renewal_s < _DEAD_S

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended."""
        return self.runs_here is False


def read_claim(path: Path) -> ClaimState | None:
    """Return who evaluates a batch; None if no one does."""
    renewed_at, text = _read(path)
    if text is None:
        return None
    since_renewal_s = max(0.0, time.time() - renewed_at)
    try:
        claim = json.loads(text)
        return ClaimState(str(claim["host"]), int(claim["pid"]), since_renewal_s, _runs_here(text))
    except (ValueError, KeyError, TypeError):  # damaged
        return ClaimState("an unknown host", 0, since_renewal_s, None)
