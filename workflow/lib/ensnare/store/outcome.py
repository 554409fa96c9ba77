"""The outcome of a sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# what Open MPI's launchers say between two rules of a code that failed
_BANNER = re.compile(
    r"^-{40,}\n(?:(?!-{40,}).*\n)*?"
    r"(?=.*(?:mpirun|mpiexec|prterun|Primary job|MPI_ABORT)).*\n(?:(?!-{40,}).*\n)*-{40,}$",
    re.MULTILINE,
)
# a line in which a code says why it ends; what follows is a trace, or an echo of its input
_TELLING = re.compile(
    r"^\W*(?:fatal\s+)?error\b(?!.*backtrace:$)|\berror: \D|\breceived signal\b", re.IGNORECASE
)


class Status(IntEnum):
    """How a sample ended; the numbers are part of the archive's layout."""

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


# how a sample may fail in a job; what lies out of its range is found later, by gather
FAILURES = (
    Status.FAILED,
    Status.TIMEOUT,
    Status.UNPARSABLE,
    Status.UNSUCCESSFUL,
    Status.ERROR,
    Status.KILLED,
)
NO_EXIT_CODE = -1


@dataclass(frozen=True)
class Outcome:
    """What came of one sample.

    Attributes
    ----------
    status : Status
        How it ended.
    exit_code : int
        Exit code of the last step; minus the signal that ended it; -1 when none ran.
    elapsed_s : float
        Wall-clock time of the steps [s].
    outputs : sequence of float, length q
        The outputs, NaN where there is none.
    message : str
        What went wrong, with the end of the error stream; empty if ok.
    """

    status: Status
    exit_code: int
    elapsed_s: float
    outputs: Sequence[float]
    message: str = ""


def one_line(message: str) -> str:
    """Return a message on one line: what happened, and the last words of the code.

    The last line that says `error` tells more than the last one.

    Parameters
    ----------
    message : str
        As in `Outcome.message`; of a traceback the last line says it all.
    """
    lines = _lines(message)
    # what a launcher adds says less than the code, unless there is nothing else
    own = _lines(_BANNER.sub("", message))
    lines = own if len(own) > 1 else lines
    if len(lines) < 2:
        return "".join(lines)
    if lines[0].startswith("Traceback"):
        return lines[-1]
    telling = [line for line in lines[1:] if _TELLING.search(line)]
    return f"{lines[0]}: {(telling or lines)[-1]}"


def _lines(text: str) -> list[str]:
    """Return the lines that say something: neither blank ones nor rules."""
    return [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
