"""The jobs that evaluated a batch, one after the other: where, how long, and what became of them.

A file beside the batch has a line when a job begins, and one with the same `begin` when it ends.
A job that was killed has only the first one. Its owner alone writes to it.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DONE, HANDED_BACK, WAITED = "done", "handed back", "waited"
ERROR, ENDED, DIED, REFUSED, NO_WORD = "error", "ended", "died", "refused", "no word"
SHORT = "short of memory"


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
    ended: str = NO_WORD


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
            found.append(_record(path.stem, job))
    return found


def _record(batch: str, job: dict[str, Any]) -> JobRecord:
    return JobRecord(
        batch=batch,
        job_id=str(job["job"]),
        node=str(job["node"]),
        cores=int(job["cores"]),
        start=float(job["begin"]),
        end=float(job.get("end", math.nan)),
        cpu_s=float(job.get("cpu_s", math.nan)),
        max_rss=float(job.get("max_rss", math.nan)),
        ended=str(job.get("how", NO_WORD)),
    )
