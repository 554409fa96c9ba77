"""`jobs.csv`: one line per job that evaluated a batch, with what accounting knows of it."""

from __future__ import annotations

import csv
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ensnare.archive.slurm_accounting import Accounts, JobAccount, ask_accounting
from ensnare.evaluate.jobs import JobRecord, read_records
from ensnare.store.paths import StudyPaths, write_whole

COLUMNS = ("batch", "number", "job", "node", "cores", "submit", "start", "end", "wait_s",
           "elapsed_s", "core_hours", "cpu_efficiency", "max_rss_mb", "asked_mb", "memory_share",
           "ended", "state", "accounting")  # fmt: skip
SACCT = "sacct"  # in the column `accounting`: the line says what it knows
NOT_KNOWN = "not on record"
_CLOCKS_S = 60.0  # by which the clocks of two machines may differ
_LAG_S = 5.0  # accounting that does not know of an end yet is asked again after this time
_JUST_S = 60.0  # a job that ended so lately may be new to it
Key = tuple[str, int]  # a batch, and which of its jobs, from 1


def write_jobs(path: Path, paths: StudyPaths) -> None:
    """Write one line per job: its time, its wait, its use of cores and memory, how it ended.

    Accounting is asked once, and once more if it does not know yet how the last jobs ended. What
    it said before is kept, since it forgets.

    Parameters
    ----------
    path : Path
        The CSV file; lines of it that accounting filled are kept.
    paths : StudyPaths
        Where the records of jobs are.
    """
    records: dict[Key, JobRecord] = {}
    for found in paths.batches.glob("*.jobs"):
        for number, record in enumerate(read_records(found), start=1):
            records[found.stem, number] = record
    kept = _kept(path)
    fresh = {key: record for key, record in records.items() if key not in kept}
    accounts = _ask(list(fresh.values()))
    matched = match_accounts(fresh, accounts.jobs)
    lines = [
        kept.get(key) or job_line(key, record, matched.get(key), accounts.trouble)
        for key, record in sorted(records.items(), key=lambda item: item[1].start)
    ]
    write_whole(path, lambda part: _write(part, lines))


def _write(part: Path, lines: Iterable[Mapping[str, object]]) -> None:
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _kept(path: Path) -> dict[Key, Mapping[str, object]]:
    """Return the lines of an earlier table that accounting filled."""
    try:
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if tuple(row) == COLUMNS]
        return {(row["batch"], int(row["number"])): row for row in rows
                if row["accounting"] == SACCT}  # fmt: skip
    except (OSError, ValueError, csv.Error):
        return {}


def _ask(records: Sequence[JobRecord]) -> Accounts:
    """Ask accounting for jobs; give it some time if it does not know yet how they ended."""
    accounts = ask_accounting(record.job_id for record in records)
    if accounts.trouble:
        return accounts
    lately = time.time() - _JUST_S
    ours = os.environ.get("SLURM_JOB_ID", "")  # of Snakemake, in which everything may run
    ended = {job for job, runs in accounts.jobs.items() if all(run.has_ended for run in runs)}
    behind = {r.job_id for r in records if r.end > lately} - {"", ours} - ended
    if not behind:
        return accounts
    time.sleep(_LAG_S)
    again = ask_accounting(behind)
    return Accounts(accounts.jobs | again.jobs, again.trouble)


def match_accounts(
    records: Mapping[Key, JobRecord], accounts: Mapping[str, Sequence[JobAccount]]
) -> dict[Key, JobAccount]:
    """Return which run of a SLURM job each of our jobs was.

    A job that was requeued has several runs, told apart by when they began. An allocation in which
    several batches ran says nothing of one of them.

    Parameters
    ----------
    records : mapping of (str, int) to JobRecord
        Our jobs.
    accounts : mapping of str to sequence of JobAccount
        The runs of each SLURM job, in the order of their start.
    """
    users: dict[tuple[str, float], list[Key]] = defaultdict(list)
    found: dict[Key, JobAccount] = {}
    for key, record in records.items():
        runs = [run for run in accounts.get(record.job_id, ()) if _is_during(record, run)]
        if runs:
            found[key] = runs[-1]
            users[record.job_id, runs[-1].start].append(key)
    return {key: run for key, run in found.items() if len(users[run.job_id, run.start]) == 1}


def _is_during(record: JobRecord, run: JobAccount) -> bool:
    # numbers of jobs are used again after some years, and elsewhere
    end = run.end if run.has_ended else math.inf
    return run.start - _CLOCKS_S <= record.start <= end + _CLOCKS_S


def job_line(
    key: Key, record: JobRecord, account: JobAccount | None, trouble: str
) -> dict[str, object]:
    """Return the line of a job: from accounting if it knows how the job ended, or our record.

    Parameters
    ----------
    key : tuple of str and int
        Its batch, and which of the jobs of the batch it was.
    record : JobRecord
        What it said itself.
    account : JobAccount or None
        What accounting says of it.
    trouble : str
        Why accounting said nothing.
    """
    source = SACCT if account is not None and account.has_ended else ""
    if record.job_id and not source:
        source = trouble or NOT_KNOWN
    known = account if source == SACCT else None
    start, end = (known.start, known.end) if known else (record.start, record.end)
    elapsed_s = known.elapsed_s if known else end - start
    cores = (account.cores if account else 0) or record.cores
    cpu_s = known.cpu_s if known and math.isfinite(known.cpu_s) else record.cpu_s
    max_rss = known.max_rss if known and math.isfinite(known.max_rss) else record.max_rss
    asked = account.asked if account else math.nan
    return {
        "batch": key[0],
        "number": key[1],
        "job": record.job_id,
        "node": account.nodes if account else record.node,
        "cores": cores,
        "submit": _moment(account.submit if account else math.nan),
        "start": _moment(start),
        "end": _moment(end),
        "wait_s": _number(account.wait_s if account else math.nan),
        "elapsed_s": _number(elapsed_s),
        "core_hours": _number(elapsed_s * cores / 3600, 6),
        "cpu_efficiency": _number(cpu_s / (elapsed_s * cores) if elapsed_s > 0 else math.nan),
        "max_rss_mb": _number(max_rss / 1e6),
        "asked_mb": _number(asked / 1e6),
        "memory_share": _number(known.memory / asked if known else math.nan),
        "ended": record.ended,
        "state": account.state if account else "",
        "accounting": source,
    }


def _number(value: float, decimals: int = 3) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else ""


def _moment(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
