"""One run of a study at a time on this machine: the later one waits for the earlier one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ensnare.errors import BatchError

_held: list[int] = []  # open for as long as this process lives; its death releases the lock


def wait_for_turn(path: Path, say: Callable[[str], None]) -> None:
    """Wait until no other run of the study is under way, and keep others waiting from now on.

    Snakemake removes the outputs of a job when it starts it, so two runs would take the design
    from under each other's feet. Batches have owners of their own (`ensnare.owner`), which hold
    between machines and outlive a Snakemake that was killed.

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
def has_turn(path: Path) -> Iterator[bool]:
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
def without_runs(path: Path) -> Iterator[None]:
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
    with has_turn(path) as alone:
        if not alone:
            raise BatchError(
                f"{path.parent}: a run of this study is under way; wait for its end, or end it"
            )
        yield


@contextlib.contextmanager
def measuring(say: Callable[[str], None]) -> Iterator[None]:
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
