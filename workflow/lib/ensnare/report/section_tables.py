"""What the jobs of a study cost, waited for and left unused, as the report says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ensnare.analyses.rounds import rounds_ending
from ensnare.archive.results import StudyResults
from ensnare.evaluate.jobs import NO_WORD
from ensnare.report.page import ReportTable
from ensnare.report.text import format_duration
from ensnare.study.inputs import Copula, Input


def round_tables(results: StudyResults, frames: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Return the table of the rounds, if there is one."""
    if "rounds" not in frames:
        return []
    frame = frames["rounds"].fillna({"note": ""})
    if not frame["note"].any():
        frame = frame.drop(columns="note")
    note = f"The design doubles until its results are good enough; {rounds_ending(results)}."
    return [ReportTable("coverage", frame, note, "rounds.csv")]


def not_reached(results: StudyResults) -> list[str]:
    """Return why a design ended before its results were good enough, if it did."""
    said = rounds_ending(results)
    return [f"rounds: {said}"] if said and not said.startswith("reached") else []


def until_text(until: Mapping[str, Any]) -> str:
    """Return a criterion as a reader sees it: `width 0.1, budget 20000, outputs y`."""
    shown = {k: ", ".join(v) if isinstance(v, list) else v for k, v in until.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def distribution_text(item: Input) -> str:
    """Return the distribution of an input as a reader sees it: `Normal(mu=0, sigma=1)`."""
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
    if isinstance(value, float | int):
        return f"{value:.6g}"
    return "[" + ", ".join(f"{v:.6g}" for v in value) + "]"


def copula_text(copula: Copula) -> str:
    """Return a copula as a reader sees it: `normal, spearman: L, I: -0.2`."""
    tree = copula.block.model_dump(exclude_none=True)
    pairs = getattr(copula.block, "pairs", [])
    shown = [f"{k}={v:g}" for k, v in tree.items() if isinstance(v, float)]
    kind = f"{copula.block.kind} correlation" if copula.name == "normal" else "parameters"
    listed = ", ".join(f"{a}, {b}: {value:g}" for a, b, value in pairs)
    inputs = [] if pairs else [f"of {', '.join(copula.block.inputs)}"]
    return ", ".join([copula.name, *inputs, *shown, *([f"{kind} {listed}"] if pairs else [])])


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
