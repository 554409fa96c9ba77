"""What every script of the workflow needs: a log, and mistakes in one line."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from ensnare.errors import EnsnareError


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
        With exit code 1 instead of an EnsnareError; the line is in the log and on stderr.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stderr
    with (
        open(log, "w") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        try:
            yield
        except EnsnareError as error:
            print(error, file=file)
            print(f"ensnare: {error}", file=terminal)
            sys.exit(1)
        except Exception:  # a mistake of ours: the log has it all
            traceback.print_exc(file=file)
            print(f"ensnare: an error of Ensnare's own; see {log}", file=terminal)
            sys.exit(1)
