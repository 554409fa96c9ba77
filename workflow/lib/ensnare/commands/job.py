"""What every job of the workflow needs: a log, and mistakes in one line."""

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
    """Send output to the log of a job; end with one line when the user must mend something.

    Parameters
    ----------
    log : str
        The log file.

    Raises
    ------
    SystemExit
        With exit code 1 instead of an EnsnareError or an OSError; the line is in the log and on
        stderr.
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
                if error.strerror is None:  # a library's, not the system's
                    raise
                _end(os_error_line(error), file, terminal)
    except OSError as error:  # of the log itself
        _end(os_error_line(error), terminal)
    except Exception:  # a mistake of ours: the log has it all
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
    """Open a log to which lines are added; give the function that adds one.

    Parameters
    ----------
    path : Path
        The log file.

    Raises
    ------
    OSError
        If a line cannot be written, with the name of the file.
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
    """Open a log of lines; what ends the job stands there too. See `line_log`."""
    with line_log(path) as say:
        try:
            yield say
        except EnsnareError as error:
            with contextlib.suppress(OSError):  # the disk may be full
                say(str(error))
            raise


@contextlib.contextmanager
def _open(path: Path, mode: str) -> Iterator[TextIO]:
    """Open a log; what did not fit on a full disk is not tried again when it is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file: TextIO = open(path, mode, buffering=1)  # type: ignore[assignment]  # noqa: SIM115
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
