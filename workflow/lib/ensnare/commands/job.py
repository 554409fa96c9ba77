"""The logs of the jobs of the workflow, and errors as one line."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from ensnare.errors import EnsnareError, os_error_line


@contextlib.contextmanager
def logged(log: str) -> Iterator[None]:
    """Send the output of a script to the log of its job, for the time of a `with` block.

    An EnsnareError, or an OSError of the system, becomes one line in the log and on stderr, and
    SystemExit with exit code 1. The traceback of any other exception is in the log.
    """
    terminal = sys.stderr
    try:
        with (
            _open(Path(log), "w") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            try:
                yield
            except EnsnareError as error:
                _end(str(error), file, terminal)
            except OSError as error:
                if error.strerror is None:  # raised by a library such as h5py, not by the system
                    with contextlib.suppress(OSError):  # the disk of the log may be full
                        traceback.print_exc(file=file)
                _end(os_error_line(error), file, terminal)
    except OSError as error:  # the log cannot be opened
        _end(os_error_line(error), terminal)
    except Exception:  # a fault in Ensnare
        with contextlib.suppress(OSError), _open(Path(log), "a") as file:
            traceback.print_exc(file=file)
        print(f"ensnare: an error of Ensnare's own; see {log}", file=terminal)
        sys.exit(1)


def _end(line: str, *files: TextIO) -> None:
    for file in files:
        with contextlib.suppress(OSError):  # the disk of the log may be full
            print(f"ensnare: {line}", file=file)
    sys.exit(1)


@contextlib.contextmanager
def line_log(path: Path) -> Iterator[Callable[[str], None]]:
    """Open a log for appending, and yield a function that adds a line to it.

    The function raises OSError, with the name of the file, if a line cannot be written.
    """
    with _open(path, "a") as file:

        def say(line: str) -> None:
            try:
                print(line, file=file)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None

        yield say


@contextlib.contextmanager
def job_log(path: Path) -> Iterator[Callable[[str], None]]:
    """Open a log as `line_log` does; an EnsnareError that ends the job is also written to it."""
    with line_log(path) as say:
        try:
            yield say
        except EnsnareError as error:
            with contextlib.suppress(OSError):  # the disk may be full
                say(str(error))
            raise


@contextlib.contextmanager
def _open(path: Path, mode: str) -> Iterator[TextIO]:
    """Open a log, and ignore errors of closing it.

    Closing writes again what a full disk has refused, and would fail for the same reason.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file: TextIO = open(path, mode, buffering=1)  # type: ignore[assignment]  # noqa: SIM115
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
