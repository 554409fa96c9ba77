"""The jobs of a batch: the record of how each began and ended, and what follows for the next one.

The record (`.jobs` beside the batch) has a line when a job begins and one when it ends, and is
never rewritten. Snakemake counts every job that ends without a batch file as a failed attempt. Many
jobs that hand back samples because their time is short are no failure of the batch, but jobs that
end one after another without a new finished sample are: after three of them the next one runs no
sample.
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

# how a job ended; waited: for another job, which evaluated the batch
DONE, HANDED_BACK, WAITED = "done", "handed back", "waited"
# ended: by a signal; refused: after too many jobs that achieved nothing
ERROR, ENDED, DIED, REFUSED, NOT_RECORDED = "error", "ended", "died", "refused", "no word"
SHORT = "short of memory"
MOST_FRUITLESS = 3
_RUNS = "runs"  # it began and has recorded no end: it runs, or was killed
_DEATHS = (_RUNS, ENDED, DIED, SHORT)
# retries of Snakemake with more memory; not set where retries get no more
RETRIES = "ENSNARE_RETRIES"
_NEXT = "which the retries of the profile start, or snakemake when it is run again"


@dataclass(frozen=True)
class JobRecord:
    """A job of a batch, from its own record."""

    batch: str  # its key
    job_id: str  # number in SLURM; empty elsewhere
    node: str  # host name of the machine of its workers
    cores: int
    start: float  # [s since 1970]
    end: float = math.nan  # [s since 1970]; NaN if it was killed and could not record it
    cpu_s: float = math.nan  # of its processes, without MPI ranks that srun started
    max_rss: float = math.nan  # memory of its largest process [bytes]
    ended: str = NOT_RECORDED  # one of the words above


def about_job(cores: int, start: float) -> dict[str, Any]:
    """Return the fields of a record that say where this job runs."""
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    job_id = os.environ.get("SLURM_JOB_ID", "")
    return {"begin": start, "job": job_id, "node": node, "cores": cores}


def about_end(how: str) -> dict[str, Any]:
    """Return the fields of a record that say how this job ended."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu_s = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    max_rss = 1024 * max(own.ru_maxrss, others.ru_maxrss)
    return {"end": time.time(), "how": how, "cpu_s": round(cpu_s, 3), "max_rss": max_rss}


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line to the record of a batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError), path.open("ab") as file:  # a full disk is reported elsewhere
        # begin a new line: the one before may be incomplete after a kill
        file.write(f"\n{json.dumps(line)}".encode())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the undamaged lines of the record of a batch; none if there is no record."""
    try:
        texts = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        with contextlib.suppress(ValueError):
            if isinstance(line := json.loads(text), dict):
                yield line


def read_records(path: Path) -> list[JobRecord]:
    """Read the jobs of a batch in the order in which they began to evaluate it.

    The record may be missing or damaged.
    """
    jobs: dict[Any, dict[str, Any]] = {}
    for line in read_lines(path):
        # merged by the start of a job: one that lost its claim ends after the next has begun
        jobs.setdefault(line.get("begin"), {}).update(line)
    found = []
    for job in jobs.values():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found.append(_job_record(path.stem, job))
    return found


def _job_record(batch: str, job: dict[str, Any]) -> JobRecord:
    """Return a job from its merged lines; raise KeyError, TypeError or ValueError if damaged."""
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
    """How the jobs of a batch ended since this call of Snakemake began."""

    deaths: int = 0  # killed, out of memory or time, or short of memory for some samples
    fruitless: int = 0  # in a row, to the last: no new finished sample, nothing handed back
    recorded: int = 0  # finished samples when the last one began
    last: str = ""  # how the last one ended; `runs` if it did not record its end


def read_ends(path: Path) -> JobEnds:
    """Read how the jobs of a batch ended; an empty state if there is no record."""
    ends = JobEnds()
    for line in read_lines(path):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if "attempt" in line:
                at = int(line["attempt"]), int(line["recorded"]), bool(line["goes_on"])
                ends = _after_begin(ends, *at)
            elif "job" not in line:  # the end of a job that ran; lines with `job` are of others
                ends = replace(ends, last=str(line["how"]))
    return ends


def _after_begin(ends: JobEnds, attempt: int, recorded: int, goes_on: bool) -> JobEnds:
    """Return the state after the next job has begun; attempt 1 is a new call of Snakemake."""
    if attempt == 1:
        ends = JobEnds()
    deaths = ends.deaths + (ends.last in _DEATHS)
    fruitless = 0
    if ends.last in (*_DEATHS, ERROR) and recorded <= ends.recorded and not goes_on:
        fruitless = ends.fruitless + 1
    return JobEnds(deaths, fruitless, recorded, _RUNS)


def resource_factor(path: Path, attempt: int) -> int:
    """Return the factor of memory and time of the next job, compared with the first one.

    It grows by one for each job that died, and not for jobs that handed back samples, which lacked
    nothing but time. `attempt` is the number of the next job in this call of Snakemake, from 1.
    """
    ends = read_ends(path)
    if attempt == 1 or ends.last in ("", DONE):  # of an earlier call, or no job recorded anything
        return attempt
    return min(attempt, 1 + ends.deaths + (ends.last in _DEATHS))


@dataclass(frozen=True)
class JobStart:
    """How a job of a batch begins."""

    attempt: int  # of this call of Snakemake, from 1
    recorded: int  # finished samples
    goes_on: bool = False  # resumes samples of the job before
    cores: int = 1
    start: float = 0.0  # before it waited for another job [s since 1970]


@contextlib.contextmanager
def job_on_record(path: Path, job: JobStart) -> Iterator[None]:
    """Record the start and the end of a job around a `with` block.

    Raises GaveUpError, before anything runs, if too many jobs in a row ended without a new finished
    sample.
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
    """Raise GaveUpError if too many jobs in a row achieved nothing."""
    ends = _after_begin(read_ends(path), job.attempt, job.recorded, job.goes_on)
    if ends.fruitless < MOST_FRUITLESS:
        return
    append_line(path, about | about_end(REFUSED))
    raise GaveUpError(
        f"batch {path.stem}: {ends.fruitless} jobs in a row ended without another sample on "
        "record; see their logs, mend the cause, and run snakemake again"
    )


def record_waiting(path: Path, cores: int, start: float) -> None:
    """Record a job that waited for another one and found the batch done."""
    append_line(path, about_job(cores, start) | about_end(WAITED))


def next_job_has_more_memory(path: Path, attempt: int, tries: int) -> bool:
    """Return whether a killed sample should be left to the next job of its batch.

    True if Snakemake will retry the failed job with more memory, and fewer jobs than `tries`, the
    number of retries of a killed sample, have died so far. `path` is the record of the batch,
    `attempt` the number of this job in this call of Snakemake, from 1.
    """
    retries = os.environ.get(RETRIES, "")
    follows = retries.isdecimal() and attempt <= int(retries)
    return follows and read_ends(path).deaths < tries


def hand_back_error(key: str, counts: tuple[int, int, int], walltime: Walltime) -> HandedBackError:
    """Return the error that ends a job with samples left.

    `counts` are the samples that are left, those of them that were killed, and all of the batch.
    """
    left, killed, total = counts
    if killed:
        return ShortOfMemoryError(
            f"batch {key}: {killed} of {total} samples were killed, probably for lack of memory, "
            f"and {left} are handed back; the next job, with more of it, takes them, {_NEXT}"
        )
    return HandedBackError(
        f"batch {key}: {left} of {total} samples are handed back: the job ends in "
        f"{walltime.left_s():.0f} s, and samples may need {walltime.needed_s():.0f} s; the next "
        f"job takes them, {_NEXT}"
    )
