"""How the jobs of a batch ended: which of them handed back, which died, which achieved nothing.

Snakemake counts each of them as a failed attempt. A batch that takes many jobs because their time
is short is no failure; one whose jobs die again and again without a sample on record is.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensnare.errors import EnsnareError, GaveUpError, HandedBackError, ShortOfMemoryError
from ensnare.store.signals import Terminated

if TYPE_CHECKING:
    from ensnare.evaluate.walltime import Walltime

DONE, HANDED_BACK, WAITED = "done", "handed back", "waited"
ERROR, ENDED, DIED, REFUSED, NOT_RECORDED = "error", "ended", "died", "refused", "no word"
SHORT = "short of memory"
MOST_FRUITLESS = 3
_RUNS = "runs"
_DEATHS = (_RUNS, ENDED, DIED, SHORT)
RETRIES = "ENSNARE_RETRIES"  # how often a job with more memory may follow; where none does, not set
_NEXT = "which the retries of the profile start, or snakemake when it is run again"


@dataclass(frozen=True)
class JobRecord:
    """A job of a batch, as it saw itself.

    Attributes
    ----------
    batch : str
        The key of the batch.
    job_id : str
        Its number in SLURM; empty elsewhere.
    node : str
        The machine of its workers.
    cores : int
        Cores that it used.
    start, end : float
        When it began and ended [s since 1970]; NaN if it had no time to say.
    cpu_s : float
        CPU time of its processes, but for MPI ranks that srun started [s]; NaN if not known.
    max_rss : float
        Memory of its largest process [bytes]; NaN if not known.
    ended : str
        How it ended: done, handed back, short of memory, waited (for another job, which did it),
        error, ended (by a signal), died, refused (after too many that achieved nothing); or
        `no word`.
    """

    batch: str
    job_id: str
    node: str
    cores: int
    start: float
    end: float = math.nan
    cpu_s: float = math.nan
    max_rss: float = math.nan
    ended: str = NOT_RECORDED


def about_job(cores: int, start: float) -> dict[str, Any]:
    """Return what the record of this job says of where it runs."""
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    job_id = os.environ.get("SLURM_JOB_ID", "")
    return {"begin": start, "job": job_id, "node": node, "cores": cores}


def about_end(how: str) -> dict[str, Any]:
    """Return what the record of this job says of its end."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    max_rss = 1024 * max(own.ru_maxrss, others.ru_maxrss)
    return {"end": time.time(), "how": how, "cpu_s": round(cpu_s, 3), "max_rss": max_rss}


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line to the record of a batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError), path.open("ab") as file:  # a full disk is said elsewhere
        # the line before may have been torn
        file.write(f"\n{json.dumps(line)}".encode())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of the record of a batch."""
    try:
        texts = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        with contextlib.suppress(ValueError):
            if isinstance(line := json.loads(text), dict):
                yield line


def read_records(path: Path) -> list[JobRecord]:
    """Read the jobs of a batch in the order in which they owned it.

    Parameters
    ----------
    path : Path
        The record of the batch; it may be missing or damaged.
    """
    jobs: dict[Any, dict[str, Any]] = {}
    for line in read_lines(path):
        # a job that lost the batch to another one ends after that has begun
        jobs.setdefault(line.get("begin"), {}).update(line)
    found = []
    for job in jobs.values():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found.append(_job_record(path.stem, job))
    return found


def _job_record(batch: str, job: dict[str, Any]) -> JobRecord:
    return JobRecord(
        batch=batch,
        job_id=str(job["job"]),
        node=str(job["node"]),
        cores=int(job["cores"]),
        start=float(job["begin"]),
        end=float(job.get("end", math.nan)),
        cpu_s=float(job.get("cpu_s", math.nan)),
        max_rss=float(job.get("max_rss", math.nan)),
        ended=str(job.get("how", NOT_RECORDED)),
    )


@dataclass(frozen=True)
class JobEnds:
    """The jobs of a batch since the call of Snakemake began.

    Attributes
    ----------
    deaths : int
        How many ended in the middle: killed, out of memory or out of time; or short of memory,
        which killed some samples.
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
    ends = JobEnds()
    for line in read_lines(path):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if "attempt" in line:
                at = int(line["attempt"]), int(line["recorded"]), bool(line["goes_on"])
                ends = _after_begin(ends, *at)
            elif "job" not in line:  # the end of one; not a job that ran nothing
                ends = replace(ends, last=str(line["how"]))
    return ends


def _after_begin(ends: JobEnds, attempt: int, recorded: int, goes_on: bool) -> JobEnds:
    """Return how the jobs ended when the next one has begun."""
    if attempt == 1:
        ends = JobEnds()
    deaths = ends.deaths + (ends.last in _DEATHS)
    fruitless = 0
    if ends.last in (*_DEATHS, ERROR) and recorded <= ends.recorded and not goes_on:
        fruitless = ends.fruitless + 1
    return JobEnds(deaths, fruitless, recorded, _RUNS)


def resource_factor(path: Path, attempt: int) -> int:
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
    if attempt == 1 or ends.last in ("", DONE):  # of an earlier call; or none came so far to say
        return attempt
    return min(attempt, 1 + ends.deaths + (ends.last in _DEATHS))


@dataclass(frozen=True)
class JobStart:
    """How a job of a batch begins.

    Attributes
    ----------
    attempt : int
        Which job of this call of Snakemake it is, from 1: then it counts anew.
    recorded : int
        Samples on record.
    goes_on : bool
        Whether samples go on where the job before left them.
    cores : int
        Cores that it uses.
    start : float
        When it began, before it waited for another one [s since 1970].
    """

    attempt: int
    recorded: int
    goes_on: bool = False
    cores: int = 1
    start: float = 0.0


@contextlib.contextmanager
def job_on_record(path: Path, job: JobStart) -> Iterator[None]:
    """Record that a job begins, and how it ends.

    Parameters
    ----------
    path : Path
        The file of the batch.
    job : Beginning
        The job.

    Raises
    ------
    GaveUpError
        If too many jobs in a row achieved nothing.
    """
    about = about_job(job.cores, job.start)
    _refuse_fruitless(path, job, about)
    counts = {"attempt": job.attempt, "recorded": job.recorded, "goes_on": job.goes_on}
    append_line(path, about | counts)
    how = DIED
    try:
        yield
        how = DONE
    except HandedBackError as error:
        how = SHORT if isinstance(error, ShortOfMemoryError) else HANDED_BACK
        raise
    except (EnsnareError, OSError):
        how = ERROR
        raise
    except Terminated:
        how = ENDED
        raise
    finally:
        append_line(path, {"begin": job.start} | about_end(how))


def _refuse_fruitless(path: Path, job: JobStart, about: dict[str, object]) -> None:
    ends = _after_begin(read_ends(path), job.attempt, job.recorded, job.goes_on)
    if ends.fruitless < MOST_FRUITLESS:
        return
    append_line(path, about | about_end(REFUSED))
    raise GaveUpError(
        f"batch {path.stem}: {ends.fruitless} jobs in a row ended without another sample on "
        "record; see their logs, mend the cause, and run snakemake again"
    )


def record_waiting(path: Path, cores: int, start: float) -> None:
    """Record a job that waited for another one, and found the batch done."""
    append_line(path, about_job(cores, start) | about_end(WAITED))


def next_job_has_more_memory(path: Path, attempt: int, tries: int) -> bool:
    """Return whether a sample that was killed should be left to the next job of its batch.

    That is so where a failed job is followed by one with more memory, unless samples that may be
    tried again so often have had that already.

    Parameters
    ----------
    path : Path
        The record of the jobs of the batch.
    attempt : int
        Which job of this call of Snakemake this one is, from 1.
    tries : int
        How often a killed sample is tried again.
    """
    retries = os.environ.get(RETRIES, "")
    follows = retries.isdecimal() and attempt <= int(retries)
    return follows and read_ends(path).deaths < tries


def hand_back_error(key: str, counts: tuple[int, int, int], walltime: Walltime) -> HandedBackError:
    """Return the error that ends a job with samples left.

    Parameters
    ----------
    key : str
        The batch.
    counts : tuple of int
        Samples that are left, those of them that were killed, and all of the batch.
    walltime : Walltime
        The time of the job.
    """
    left, killed, total = counts
    if killed:
        return ShortOfMemoryError(
            f"batch {key}: {killed} of {total} samples were killed, perhaps for want of memory, "
            f"and {left} are handed back; the next job, with more of it, takes them, {_NEXT}"
        )
    return HandedBackError(
        f"batch {key}: {left} of {total} samples are handed back: the job ends in "
        f"{walltime.left_s():.0f} s, and samples may need {walltime.needed_s():.0f} s; the next "
        f"job takes them, {_NEXT}"
    )
