"""The outcome of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


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

    Parameters
    ----------
    message : str
        As in `Outcome.message`; of a traceback the last line says it all.
    """
    # rules of dashes around a message say nothing
    lines = [line.strip() for line in message.splitlines() if any(map(str.isalnum, line))]
    if len(lines) < 2:
        return "".join(lines)
    return lines[-1] if lines[0].startswith("Traceback") else f"{lines[0]}: {lines[-1]}"
