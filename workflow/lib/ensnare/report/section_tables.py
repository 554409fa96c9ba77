"""Parts of the report besides the analyses: jobs, failures, rounds, inputs and copulas as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ensnare.analyses.rounds import rounds_ending
from ensnare.archive.results import StudyResults
from ensnare.evaluate.jobs import NOT_RECORDED
from ensnare.report.page import ReportTable
from ensnare.report.text import format_duration
from ensnare.store.outcome import Status
from ensnare.study.inputs import Copula, Input

SECTION = "Jobs"
_FROM_SLURM = "sacct"  # in the column `accounting`: SLURM knows the job
# what advice depends on
_MUCH_MEMORY, _LITTLE_MEMORY = 0.9, 0.5  # share of the memory asked for
_LEAST_SAVING_MB = 1000.0
_LOW_EFFICIENCY = 0.5  # CPU time over the time of the cores
_SHORT_S, _LONG_S = 120.0, 600.0
_FEWEST_SHORT_JOBS = 4


def jobs_table(path: Path) -> list[ReportTable]:
    """Return the section on jobs from jobs.csv; empty if there is no job on record."""
    if not path.exists():
        return []
    text = ["ended", "state", "accounting", "job"]
    types = dict.fromkeys(text, str)
    jobs = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=types)
    jobs[text] = jobs[text].fillna("")
    if not len(jobs):
        return []
    frame = pd.DataFrame(_summary(jobs), columns=["what", "value"])
    return [ReportTable(SECTION, frame, " ".join(_remarks(jobs)), path.name)]


def _summary(jobs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return names and values that sum up the jobs."""
    ends = jobs["ended"].value_counts()
    lines = [("jobs", f"{len(jobs)}: " + ", ".join(f"{n} {how}" for how, n in ends.items()))]
    states = jobs.loc[~jobs["state"].isin(["", "COMPLETED", "FAILED"]), "state"].value_counts()
    if len(states):
        lines.append(("ended by SLURM", ", ".join(f"{n} {how}" for how, n in states.items())))
    lines.append(("core-hours", f"{jobs['core_hours'].sum():.3g}"))
    if np.isfinite(efficiency := _cpu_efficiency(jobs)):
        lines.append(("CPU time over core time", f"{efficiency:.0%}"))
    elapsed_s = jobs["elapsed_s"].dropna()
    if len(elapsed_s):
        lines.append(("time per job", _spread(elapsed_s)))
    waits_s = jobs["wait_s"].dropna()
    if len(waits_s):
        lines.append(("wait in the queue", _spread(waits_s)))
    if len(largest := jobs["max_rss_mb"].dropna()):
        lines.append(("memory of the largest task", f"{largest.max():.0f} MB"))
    if len(shares := jobs["memory_share"].dropna()):
        lines.append(("memory used of what was asked for", f"at most {shares.max():.0%}"))
    return lines


def _cpu_efficiency(jobs: pd.DataFrame) -> float:
    """Return the CPU time of all jobs over the time of their cores; NaN if none is known [-]."""
    known = jobs.dropna(subset=["cpu_efficiency", "core_hours"])
    hours = known["core_hours"]
    return float((known["cpu_efficiency"] * hours).sum() / hours.sum()) if hours.sum() else np.nan


def _remarks(jobs: pd.DataFrame) -> Iterator[str]:
    """Yield what is not known about the jobs, and at most one sentence of advice."""
    unknown = jobs[~jobs["accounting"].isin(["", _FROM_SLURM])]
    if len(unknown):
        why = ", ".join(sorted(set(unknown["accounting"])))
        yield (
            f"SLURM's accounting has no data on {_count(len(unknown), 'job')} ({why}): what is "
            "shown of them is from their own records, and their waits are not known; to ask again, "
            "run ensnare gather."
        )
    unended = jobs["elapsed_s"].isna() & (jobs["ended"] == NOT_RECORDED)
    if unended.any():
        yield f"Not counted: {_count(int(unended.sum()), 'job')} whose end is not on record."
    yield from [text for text in (_memory_advice(jobs), _core_advice(jobs)) if text][:1]


def _memory_advice(jobs: pd.DataFrame) -> str:
    """Return advice on the memory that jobs ask for; empty if it fits."""
    known = jobs.dropna(subset=["memory_share", "asked_mb"])
    if not len(known):
        return ""
    largest = int(known["memory_share"].to_numpy().argmax())
    share, asked_mb = (float(known[name].iloc[largest]) for name in ("memory_share", "asked_mb"))
    used = f"Jobs used at most {share * asked_mb:.0f} of {asked_mb:.0f} MB that they had asked for"
    if share > _MUCH_MEMORY:
        return f"{used}: larger samples would not fit (memory in resources, mem_mb in the profile)."
    if share < _LITTLE_MEMORY and (1 - share) * asked_mb > _LEAST_SAVING_MB:
        return (
            f"{used}: with less (memory in resources, mem_mb in the profile) they may wait less in "
            "the queue."
        )
    return ""


def _core_advice(jobs: pd.DataFrame) -> str:
    """Return advice on short jobs and idle cores; empty if there are none."""
    scheduled = jobs[jobs["job"] != ""]
    elapsed_s = scheduled["elapsed_s"].dropna()
    if len(elapsed_s) >= _FEWEST_SHORT_JOBS and elapsed_s.median() < _SHORT_S:
        return (
            f"Half of the jobs took less than {format_duration(elapsed_s.median())}, much of which "
            "is start-up: larger batches (size in batch) cost less."
        )
    long = jobs[jobs["elapsed_s"] > _LONG_S]
    if len(long) and (efficiency := _cpu_efficiency(long)) < _LOW_EFFICIENCY:
        return (
            f"In jobs of more than {format_duration(_LONG_S)} the cores were busy for "
            f"{efficiency:.0%} of the time: the code waits for something else, or jobs have more "
            "cores than their samples use (threads in resources, set-threads in the profile)."
        )
    return ""


def _spread(seconds: pd.Series) -> str:
    """Return the median and the largest of some durations as text."""
    median, most = float(seconds.median()), float(seconds.max())
    return f"{format_duration(median)} (median), {format_duration(most)} at most"


def _count(n: int, what: str) -> str:
    """Return `1 job` or `2 jobs`."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def failures_by_cause(results: StudyResults, samples: Path) -> pd.DataFrame | None:
    """Return failed samples grouped by status, exit code and message; None if all are ok.

    The columns are status, exit_code, count, and the message and directory of the first sample of
    the group (its id if it had no directory), most frequent first. Messages that differ only in
    numbers are one group.
    """
    if not results.status.any():
        return None
    columns = ["id", "status", "exit_code", "message", "directory"]
    texts = dict.fromkeys(("id", "message", "directory"), str)
    frame = pd.read_csv(samples, usecols=columns, dtype=texts)
    # a scaling study lists runs that could not be made in a table of its own section
    others = [Status.OK.label] + ([Status.NOT_RUN.label] if results.study.scaling else [])
    failed = frame[~frame["status"].isin(others)].fillna({"message": "", "directory": ""})
    named = failed["directory"] != ""
    failed["directory"] = failed["directory"].where(named, "sample " + failed["id"])
    if results.study.model.python:  # a Python function has no exit code
        failed["exit_code"] = "\N{EN DASH}"
    # numbers in messages differ from sample to sample, while the cause is the same
    cause = failed["message"].str.replace(r"[-+]?\d[\d.eE+-]*", "#", regex=True)
    grouped = failed.groupby(["status", "exit_code", cause], sort=False)
    table = grouped.agg(count=("status", "size"), message_=("message", "first"),
                        directory=("directory", "first"))  # fmt: skip
    table = table.reset_index().drop(columns="message").rename(columns={"message_": "message"})
    return table.sort_values("count", ascending=False, kind="stable")[
        ["status", "exit_code", "count", "message", "directory"]
    ]


def round_tables(results: StudyResults, frames: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Return the table of the rounds of a design that grows by itself, if there is one."""
    if "rounds" not in frames:
        return []
    frame = frames["rounds"].fillna({"note": ""})
    if not frame["note"].any():
        frame = frame.drop(columns="note")
    note = f"The design doubles until its results are good enough; {rounds_ending(results)}."
    return [ReportTable("coverage", frame, note, "rounds.csv")]


def round_warnings(results: StudyResults) -> list[str]:
    """Return a warning if the rounds ended before the results were accurate enough."""
    ending = rounds_ending(results)
    return [f"rounds: {ending}"] if ending and not ending.startswith("reached") else []


def until_text(until: Mapping[str, Any]) -> str:
    """Return the criterion that ends the rounds as text: `width 0.1, budget 20000`."""
    shown = {k: ", ".join(v) if isinstance(v, list) else v for k, v in until.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def distribution_text(item: Input) -> str:
    """Return the distribution of an input as text: `Normal(mu=0, sigma=1)`."""
    if item.value is not None:
        return f"constant {item.value:.6g}"
    if item.data is not None:
        text = f"{item.data.fit} of {item.data.column or item.name} in {item.data.file}"
    elif item.distribution is None:
        return "from the table"
    else:
        ((name, parameters),) = item.distribution.items()
        shown = ", ".join(f"{key}={_number(value)}" for key, value in parameters.items())
        text = f"{name}({shown})"
    if item.truncate:
        low, high = ("" if b is None else f"{b:.6g}" for b in item.truncate)
        text += f" on [{low or '-inf'}, {high or 'inf'}]"
    return text


def _number(value: float | Sequence[float]) -> str:
    """Return a parameter of a distribution, a number or a list of numbers, as text."""
    if isinstance(value, float | int):
        return f"{value:.6g}"
    return "[" + ", ".join(f"{v:.6g}" for v in value) + "]"


def copula_text(copula: Copula) -> str:
    """Return a copula as text: `normal, spearman correlation L, I: -0.2`."""
    tree = copula.block.model_dump(exclude_none=True)
    pairs = getattr(copula.block, "pairs", [])
    shown = [f"{k}={v:g}" for k, v in tree.items() if isinstance(v, float)]
    kind = f"{copula.block.kind} correlation" if copula.name == "normal" else "parameters"
    listed = ", ".join(f"{a}, {b}: {value:g}" for a, b, value in pairs)
    inputs = [] if pairs else [f"of {', '.join(copula.block.inputs)}"]
    return ", ".join([copula.name, *inputs, *shown, *([f"{kind} {listed}"] if pairs else [])])
