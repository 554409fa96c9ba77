"""How a sample ended: its status, its outputs, and a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# the frame of dashes in which the launchers of Open MPI report a code that failed
_BANNER = re.compile(
    r"^-{40,}\n(?:(?!-{40,}).*\n)*?"
    r"(?=.*(?:mpirun|mpiexec|prterun|Primary job|MPI_ABORT)).*\n(?:(?!-{40,}).*\n)*-{40,}$",
    re.MULTILINE,
)
# a line in which a code gives the reason; later lines are often a trace or an echo of its input
_TELLING = re.compile(
    r"^\W*(?:fatal\s+)?error\b(?!.*backtrace:$)|\berror: \D|\breceived signal\b", re.IGNORECASE
)


class Status(IntEnum):
    """How a sample ended; the numbers are stored in journals, batch files and archives."""

    OK = 0
    FAILED = 1
    TIMEOUT = 2
    UNPARSABLE = 3
    OUT_OF_RANGE = 4
    UNSUCCESSFUL = 5
    ERROR = 6
    KILLED = 7
    SKIPPED = 8
    NOT_RUN = 9

    @property
    def label(self) -> str:
        """The name in tables: `out_of_range`."""
        return self.name.lower()


# how a sample can fail in a job; OUT_OF_RANGE is not here, since `gather` applies ranges later
FAILURES = (
    Status.FAILED,
    Status.TIMEOUT,
    Status.UNPARSABLE,
    Status.UNSUCCESSFUL,
    Status.ERROR,
    Status.KILLED,
)
NO_EXIT_CODE = -1  # no step ran


@dataclass(frozen=True)
class Outcome:
    """The result of one sample, also of one that failed."""

    status: Status
    exit_code: int  # of the last step; minus the signal that ended it; NO_EXIT_CODE
    elapsed_s: float  # wall-clock time of the steps [s]
    outputs: Sequence[float]  # length q; NaN where there is none
    message: str = ""  # what went wrong, and the end of the error stream; empty if ok


def one_line(message: str) -> str:
    """Return a message on one line: what happened, and the last line with an error of the code.

    Without such a line it is the last line of all; of a Python traceback only the last line counts.
    """
    lines = _lines(message)
    # the report of an MPI launcher says less than the code, so it counts only if it is alone
    own = _lines(_BANNER.sub("", message))
    lines = own if len(own) > 1 else lines
    if len(lines) < 2:
        return "".join(lines)
    if lines[0].startswith("Traceback"):
        return lines[-1]
    telling = [line for line in lines[1:] if _TELLING.search(line)]
    return f"{lines[0]}: {(telling or lines)[-1]}"


def _lines(text: str) -> list[str]:
    """Return the stripped lines with a letter or digit: neither blank ones nor rules of dashes."""
    return [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
