"""Every run of a scaling study: how long it took, what it used, and why it is a hole if it is."""

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

# what Snakemake calls it, and what it is in our tables
MEASURED = {
    "max_rss": "max_rss_mb",
    "cpu_time": "cpu_time_s",
    "mean_load": "mean_load",
    "io_in": "io_in_mb",
    "io_out": "io_out_mb",
}
ACCOUNTED = ("slurm_job", "slurm_elapsed_s", "slurm_cpu_s", "slurm_max_rss_mb")
_NOT_ACCOUNTED = dict.fromkeys(ACCOUNTED, math.nan)
_OF_JOBS = ("elapsed_s", "cores", "cpu_efficiency", "max_rss_mb")
_LONGEST = 300  # characters of a reason


def runs_table(results: StudyResults, *, lacks: Mapping[int, str]) -> pd.DataFrame:
    """Return every run of a scaling study.

    Parameters
    ----------
    results : StudyResults
        The archive.
    lacks : mapping of int to str
        What was missing for runs that were not attempted, by the position of their case.

    Returns
    -------
    DataFrame
        One column per factor, the count, repeat; cores, status, time_s (NaN unless ok; in mode
        throughput of all copies by their number), elapsed_s, max_rss_mb, cpu_time_s, mean_load
        [%], io_in_mb and io_out_mb of the job (NaN where it was too short to be measured, or
        taken over), what SLURM accounted for the job, reason of a hole, and id of the first
        sample.
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
        if used["s"] < outcome["elapsed_s"]:  # of a job that took over what another one ran
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
    """Return how a run ended, and its time."""
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
        "reason": reason[:_LONGEST],
    }


def _time(results: StudyResults, members: list[int]) -> tuple[float, str]:
    """Return the time of a run that is ok, or why it has none."""
    wanted = results.study.scaling
    source = WALL if wanted is None else wanted.time
    values = results.columns["elapsed_s"] if source == WALL else results.outputs[source]
    time_s = float(max(values[i] for i in members)) / len(members)
    if not time_s > 0:
        return math.nan, f"{source} is {time_s:g} s; expected more than 0"
    return time_s, ""


def read_benchmark(paths: StudyPaths, key: str) -> dict[str, float]:
    """Return what Snakemake measured of the job of a batch, by its names; NaN where nothing is."""
    found = dict.fromkeys(("s", *MEASURED), math.nan)
    try:
        with Path(paths.benchmark(key)).open(newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"), {})
    except OSError:
        return found
    return found | dict(_numbers({name: row.get(name) for name in found}))


def read_accounts(paths: StudyPaths) -> dict[str, dict[str, float]]:
    """Return what SLURM accounted for the job that ran a batch, by its key.

    Taken from jobs.csv, of which only lines count that accounting filled and whose job ended well:
    its number, time [s], CPU time [s] and memory [MB].
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
        n = dict(_numbers({key: row[key] for key in ("job", *_OF_JOBS)}))
        cpu_s = n["cpu_efficiency"] * n["elapsed_s"] * n["cores"]
        values = (n["job"], n["elapsed_s"], cpu_s, n["max_rss_mb"])
        found[row["batch"]] = dict(zip(ACCOUNTED, values, strict=True))
    return found


def _numbers(row: Mapping[str, str | None]) -> Iterator[tuple[str, float]]:
    for name, text in row.items():
        try:
            yield name, float(text or "nan")
        except ValueError:  # NA and -
            yield name, math.nan
