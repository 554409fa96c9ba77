"""The runs of a scaling study as a table: times, memory, and why a run has no time if it has none.

A run measures one point of a scaling curve once; in mode throughput it consists of all copies. It
is measured in three ways: by the worker (elapsed_s), Snakemake's benchmark and SLURM's accounting.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ensnare.archive.jobs_csv import SACCT
from ensnare.archive.results import StudyResults
from ensnare.evaluate.jobs import DONE
from ensnare.store.outcome import Status, one_line
from ensnare.store.paths import StudyPaths
from ensnare.study.scaling import COPY, WALL, runs_of

# columns of Snakemake's benchmark files to columns of our tables
MEASURED = {
    "max_rss": "max_rss_mb",
    "cpu_time": "cpu_time_s",
    "mean_load": "mean_load",
    "io_in": "io_in_mb",
    "io_out": "io_out_mb",
}
ACCOUNTED = ("slurm_job", "slurm_elapsed_s", "slurm_cpu_s", "slurm_max_rss_mb")
_NOT_ACCOUNTED = dict.fromkeys(ACCOUNTED, math.nan)
_JOBS_COLUMNS = ("elapsed_s", "cores", "cpu_efficiency", "max_rss_mb")
_LONGEST_REASON = 300  # characters


def runs_table(results: StudyResults, *, lacks: Mapping[int, str]) -> pd.DataFrame:
    """Return a row for each run of a scaling study.

    `lacks` says by position of a case why its run was not attempted: what the machine lacks.

    Columns: one per factor, with the count and the repeat among them; cores; status; time_s (as
    `scaling.time` of the study says; in mode throughput that of all copies divided by their
    number; NaN unless ok); elapsed_s; max_rss_mb, cpu_time_s, mean_load [%], io_in_mb and
    io_out_mb of the job (NaN where it was too short for Snakemake to measure, or took over a run
    of another job); slurm_job, slurm_elapsed_s, slurm_cpu_s and slurm_max_rss_mb; reason (why
    there is no time_s); id (of the first sample).
    """
    messages, origins = results.of_runs()
    cases = [case for case, _ in results.by_case()]
    measured: dict[str, dict[str, float]] = {}
    accounted = read_accounts(results.paths)
    rows = []
    for members in runs_of(cases):
        first = members[0]
        origin = origins[first] if results.status[first] != Status.NOT_RUN else ""
        if origin not in measured:
            measured[origin] = read_benchmark(results.paths, origin)
        cores = sum(results.study.resources_of(cases[i]).cores for i in members)
        outcome = _outcome(results, members, messages, lacks)
        used = measured[origin]
        if used["s"] < outcome["elapsed_s"]:  # the job took over a run of an earlier job
            used = dict.fromkeys(used, math.nan)
        rows.append(
            {
                **{f: cases[first].get(f) for f in results.study.factors if f != COPY},
                "cores": cores,
                **outcome,
                **{column: used[name] for name, column in MEASURED.items()},
                **accounted.get(origin, _NOT_ACCOUNTED),
                "reason": outcome.pop("reason"),
                "id": results.columns["sample_id"][first].decode(),
            }
        )
    return pd.DataFrame(rows)


def _outcome(
    results: StudyResults, members: list[int], messages: Mapping[int, str], lacks: Mapping[int, str]
) -> dict[str, Any]:
    """Return how a run ended and its times; `members` are the positions of its cases."""
    worst = next((i for i in members if results.status[i] != Status.OK), members[0])
    status = Status(results.status[worst])
    elapsed_s = float(max(results.columns["elapsed_s"][i] for i in members))
    time_s, reason = math.nan, ""
    if status is Status.NOT_RUN:
        reason = f"not attempted: {lacks[worst]}" if lacks.get(worst) else "not run"
    elif status is not Status.OK:
        reason = f"{status.label}: {one_line(messages.get(worst, ''))}".removesuffix(": ")
    else:
        time_s, reason = _time(results, members)
    return {
        "status": status.label,
        "time_s": time_s,
        "elapsed_s": elapsed_s,
        "reason": reason[:_LONGEST_REASON],
    }


def _time(results: StudyResults, members: list[int]) -> tuple[float, str]:
    """Return the time of a run that is ok [s], or NaN and the reason if it is not positive."""
    scaling = results.study.scaling
    source = WALL if scaling is None else scaling.time
    values = results.columns["elapsed_s"] if source == WALL else results.outputs[source]
    time_s = float(max(values[i] for i in members)) / len(members)
    if not time_s > 0:
        return math.nan, f"{source} is {time_s:g} s; expected more than 0"
    return time_s, ""


def read_benchmark(paths: StudyPaths, key: str) -> dict[str, float]:
    """Return Snakemake's benchmark of the job of a batch, by its column names; NaN if missing."""
    found = dict.fromkeys(("s", *MEASURED), math.nan)
    try:
        with Path(paths.benchmark(key)).open(newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"), {})
    except OSError:
        return found
    return found | dict(_numbers({name: row.get(name) for name in found}))


def read_accounts(paths: StudyPaths) -> dict[str, dict[str, float]]:
    """Return for each batch the columns `ACCOUNTED` of the job that completed it.

    They are read from `jobs.csv`: lines that hold the numbers of SLURM's accounting, of jobs that
    ended well. Times are in s, memory in MB.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        with paths.table("jobs").open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if r["accounting"] == SACCT]
    except OSError:
        return found
    for row in rows:
        if row["ended"] != DONE:
            continue
        job = dict(_numbers({key: row[key] for key in ("job", *_JOBS_COLUMNS)}))
        cpu_s = job["cpu_efficiency"] * job["elapsed_s"] * job["cores"]
        values = (job["job"], job["elapsed_s"], cpu_s, job["max_rss_mb"])
        found[row["batch"]] = dict(zip(ACCOUNTED, values, strict=True))
    return found


def _numbers(row: Mapping[str, str | None]) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        try:
            yield name, float(text or "nan")
        except ValueError:  # `NA` and `-`
            yield name, math.nan
