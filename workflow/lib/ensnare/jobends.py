"""How the jobs of a batch ended: which of them handed back, which died, which achieved nothing.

Snakemake counts each of them as a failed attempt. A batch that takes many jobs because their time
is short is no failure; one whose jobs die again and again without a sample on record is.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ensnare.errors import BatchError
from ensnare.paths import write_whole

MOST_FRUITLESS = 3
_RUNS, _ERROR, _HANDED_BACK = "runs", "error", "handed back"


@dataclass(frozen=True)
class JobEnds:
    """The jobs of a batch since the call of Snakemake began.

    Attributes
    ----------
    deaths : int
        How many ended without a word: killed, out of memory or out of time.
    fruitless : int
        How many in a row, up to the last one, added nothing to what is on record, and had not
        handed back samples for want of time.
    recorded : int
        Samples on record when the last one began.
    last : str
        How the last one ended; `runs` if it did not say.
    """

    deaths: int = 0
    fruitless: int = 0
    recorded: int = 0
    last: str = ""


def read_ends(path: Path) -> JobEnds:
    """Read how the jobs of a batch ended; nothing is known if there is no such file."""
    try:
        return JobEnds(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return JobEnds()


def growth(path: Path, attempt: int) -> int:
    """Return how many times as much memory and time the next job gets as the first one.

    Once more for each job that died; for none that handed back samples, which was short of no
    more than the time it had.

    Parameters
    ----------
    path : Path
        The file of the batch.
    attempt : int
        Which job of this call of Snakemake it is, from 1.
    """
    ends = read_ends(path)
    if attempt == 1 or not ends.last:  # of an earlier call; or no job came so far as to say
        return attempt
    return min(attempt, 1 + ends.deaths + (ends.last == _RUNS))


def begin_job(path: Path, attempt: int, recorded: int, *, goes_on: bool) -> None:
    """Record that a job begins.

    Parameters
    ----------
    path : Path
        The file of the batch.
    attempt : int
        Which job of this call of Snakemake it is, from 1: then it counts anew.
    recorded : int
        Samples on record.
    goes_on : bool
        Whether samples go on where the job before left them.

    Raises
    ------
    BatchError
        If too many jobs in a row achieved nothing.
    """
    ends = read_ends(path) if attempt > 1 else JobEnds()
    deaths = ends.deaths + (ends.last == _RUNS)
    fruitless = 0
    if ends.last in (_RUNS, _ERROR) and recorded <= ends.recorded and not goes_on:
        fruitless = ends.fruitless + 1
    if fruitless >= MOST_FRUITLESS:
        raise BatchError(
            f"batch {path.stem}: {fruitless} jobs in a row ended without another sample on record; "
            "see their logs, mend the cause, and run snakemake again"
        )
    _write(path, JobEnds(deaths, fruitless, recorded, _RUNS))


def end_job(path: Path, *, handed_back: bool) -> None:
    """Record that the job says why it ends."""
    _write(path, replace(read_ends(path), last=_HANDED_BACK if handed_back else _ERROR))


def _write(path: Path, ends: JobEnds) -> None:
    with contextlib.suppress(OSError):  # a full disk stops the job where it can say so
        write_whole(path, lambda part: part.write_text(json.dumps(asdict(ends))))
