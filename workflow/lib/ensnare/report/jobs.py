"""What the jobs of a study cost, waited for and left unused, as the report says it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ensnare.jobrecords import NO_WORD
from ensnare.report.page import ReportTable
from ensnare.report.tables import format_duration

SECTION = "Jobs"
_SOURCE = "sacct"
_MUCH_MEMORY, _LITTLE_MEMORY = 0.9, 0.5  # of what was asked for
_SPARED_MB = 1000.0  # less than this is not worth a word
_IDLE = 0.5
_SHORT_S, _LONG_S = 120.0, 600.0
_SEVERAL = 4


def jobs_table(path: Path) -> list[ReportTable]:
    """Return the section of the report on jobs; none if there is nothing on record.

    Parameters
    ----------
    path : Path
        jobs.csv.
    """
    if not path.exists():
        return []
    text = ["ended", "state", "accounting", "job"]
    types = dict.fromkeys(text, str)
    jobs = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=types)
    jobs[text] = jobs[text].fillna("")
    if not len(jobs):
        return []
    frame = pd.DataFrame(summary(jobs), columns=["what", "value"])
    return [ReportTable(SECTION, frame, " ".join(remarks(jobs)), path.name)]


def summary(jobs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return names and values of what the jobs of a study were.

    Parameters
    ----------
    jobs : DataFrame
        jobs.csv.
    """
    ends = jobs["ended"].value_counts()
    lines = [("jobs", f"{len(jobs)}: " + ", ".join(f"{n} {how}" for how, n in ends.items()))]
    states = jobs.loc[~jobs["state"].isin(["", "COMPLETED", "FAILED"]), "state"].value_counts()
    if len(states):
        lines.append(("ended by SLURM", ", ".join(f"{n} {how}" for how, n in states.items())))
    lines.append(("core-hours", f"{jobs['core_hours'].sum():.3g}"))
    if np.isfinite(efficiency := cpu_efficiency(jobs)):
        lines.append(("CPU time of the core time", f"{efficiency:.0%}"))
    elapsed_s = jobs["elapsed_s"].dropna()
    if len(elapsed_s):
        lines.append(("time of a job", _spread(elapsed_s)))
    waits_s = jobs["wait_s"].dropna()
    if len(waits_s):
        lines.append(("wait in the queue", _spread(waits_s)))
    if len(largest := jobs["max_rss_mb"].dropna()):
        lines.append(("memory of the largest task", f"{largest.max():.0f} MB"))
    if len(shares := jobs["memory_share"].dropna()):
        lines.append(("memory used of what was asked for", f"at most {shares.max():.0%}"))
    return lines


def cpu_efficiency(jobs: pd.DataFrame) -> float:
    """Return the CPU time of all jobs over the time of their cores; NaN if none is known [-]."""
    known = jobs.dropna(subset=["cpu_efficiency", "core_hours"])
    hours = known["core_hours"]
    return float((known["cpu_efficiency"] * hours).sum() / hours.sum()) if hours.sum() else np.nan


def remarks(jobs: pd.DataFrame) -> Iterator[str]:
    """Yield what is not known of the jobs, and the advice that says most, in sentences.

    Parameters
    ----------
    jobs : DataFrame
        jobs.csv.
    """
    silent = jobs[~jobs["accounting"].isin(["", _SOURCE])]
    if len(silent):
        why = ", ".join(sorted(set(silent["accounting"])))
        yield (
            f"SLURM's accounting said nothing of {_count(len(silent), 'job')} ({why}): what is "
            "shown of them is from their own records, and waits are not known; to ask again, run "
            "ensnare gather."
        )
    lost = jobs["elapsed_s"].isna() & (jobs["ended"] == NO_WORD)
    if lost.any():
        yield f"{_count(int(lost.sum()), 'job')} did not say when they ended and are not counted."
    yield from [text for text in (_memory_advice(jobs), _core_advice(jobs)) if text][:1]


def _memory_advice(jobs: pd.DataFrame) -> str:
    known = jobs.dropna(subset=["memory_share", "asked_mb"])
    if not len(known):
        return ""
    largest = int(known["memory_share"].to_numpy().argmax())
    share, asked_mb = (float(known[name].iloc[largest]) for name in ("memory_share", "asked_mb"))
    used = f"Jobs used at most {share * asked_mb:.0f} of {asked_mb:.0f} MB that they had asked for"
    if share > _MUCH_MEMORY:
        return f"{used}: larger samples would not fit (memory in resources, mem_mb in the profile)."
    if share < _LITTLE_MEMORY and (1 - share) * asked_mb > _SPARED_MB:
        return f"{used}: with less (memory in resources, mem_mb in the profile) they may wait less."
    return ""


def _core_advice(jobs: pd.DataFrame) -> str:
    scheduled = jobs[jobs["job"] != ""]
    elapsed_s = scheduled["elapsed_s"].dropna()
    if len(elapsed_s) >= _SEVERAL and elapsed_s.median() < _SHORT_S:
        return (
            f"Half of the jobs took less than {format_duration(elapsed_s.median())}, much of which "
            "is their start: larger batches (size in batch) cost less."
        )
    long = jobs[jobs["elapsed_s"] > _LONG_S]
    if len(long) and (efficiency := cpu_efficiency(long)) < _IDLE:
        return (
            f"In jobs of more than {format_duration(_LONG_S)} the cores were busy for "
            f"{efficiency:.0%} of the time: the code waits for something else, or jobs have more "
            "cores than their samples use (threads in resources, set-threads in the profile)."
        )
    return ""


def _spread(seconds: pd.Series) -> str:
    median, most = float(seconds.median()), float(seconds.max())
    return f"{format_duration(median)} (median), {format_duration(most)} at most"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
