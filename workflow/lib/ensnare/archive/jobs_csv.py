"""`jobs.csv`: one line per job that evaluated a batch: its wait, time, cores, memory and end.

Every job records how it began and ended (`evaluate.jobs`). Where SLURM accounting has the job as
well, its numbers replace those of the record.
"""

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
SACCT = "sacct"  # in the column `accounting`: the line holds the numbers of SLURM
NOT_KNOWN = "not on record"  # where accounting answered, but does not have the job
_CLOCK_DIFFERENCE_S = 60.0  # that the clocks of two machines may have
# SLURM writes the end of a job to its accounting some seconds late
_LAG_S = 5.0  # wait before the second query
_RECENT_S = 60.0  # age of a job's end up to which a second query may help
Key = tuple[str, int]  # key of a batch, and number of the job among its jobs, from 1


def write_jobs(path: Path, paths: StudyPaths) -> None:
    """Write one line per job to the CSV file, in order of their start.

    SLURM accounting is queried once, and once more if the end of a recent job is missing in it.
    Lines of an earlier file that it filled are kept, since sites delete old accounting records.
    """
    records: dict[Key, JobRecord] = {}
    for found in paths.batches.glob("*.jobs"):
        for number, record in enumerate(read_records(found), start=1):
            records[found.stem, number] = record
    known = _accounted_lines(path)
    fresh = {key: record for key, record in records.items() if key not in known}
    accounts = _query(list(fresh.values()))
    matched = match_accounts(fresh, accounts.jobs)
    lines = [
        known.get(key) or job_line(key, record, matched.get(key), accounts.trouble)
        for key, record in sorted(records.items(), key=lambda item: item[1].start)
    ]
    write_whole(path, lambda part: _write(part, lines))


def _write(part: Path, lines: Iterable[Mapping[str, object]]) -> None:
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _accounted_lines(path: Path) -> dict[Key, Mapping[str, object]]:
    """Return the lines of an earlier file that accounting filled; none if it is unreadable."""
    try:
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if tuple(row) == COLUMNS]
        return {(row["batch"], int(row["number"])): row for row in rows
                if row["accounting"] == SACCT}  # fmt: skip
    except (OSError, ValueError, csv.Error):
        return {}


def _query(records: Sequence[JobRecord]) -> Accounts:
    """Query accounting for jobs, a second time if the end of a recent one is missing."""
    accounts = ask_accounting(record.job_id for record in records)
    if accounts.trouble:
        return accounts
    since = time.time() - _RECENT_S
    # if Snakemake and all batches run in one SLURM job, that one has not ended yet
    ours = os.environ.get("SLURM_JOB_ID", "")
    ended = {job for job, runs in accounts.jobs.items() if all(run.has_ended for run in runs)}
    missing = {r.job_id for r in records if r.end > since} - {"", ours} - ended
    if not missing:
        return accounts
    time.sleep(_LAG_S)
    again = ask_accounting(missing)
    return Accounts(accounts.jobs | again.jobs, again.trouble)


def match_accounts(
    records: Mapping[Key, JobRecord], accounts: Mapping[str, Sequence[JobAccount]]
) -> dict[Key, JobAccount]:
    """Return which run of a SLURM job each of our jobs was; a requeued job has several runs.

    Runs of one SLURM job are told apart by their start. A run in which several batches were
    evaluated belongs to none of them, since its numbers are those of all together.
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
    # a record of another cluster, or of years ago, may have the same job number
    end = run.end if run.has_ended else math.inf
    return run.start - _CLOCK_DIFFERENCE_S <= record.start <= end + _CLOCK_DIFFERENCE_S


def job_line(
    key: Key, record: JobRecord, account: JobAccount | None, trouble: str
) -> dict[str, object]:
    """Return the line of a job, with the numbers of accounting if the job has ended there.

    Otherwise, and for what is missing there, the numbers are those that the job recorded itself.
    `trouble` says why accounting could not be queried; empty if it answered.
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
        "submit": _utc(account.submit if account else math.nan),
        "start": _utc(start),
        "end": _utc(end),
        "wait_s": _decimal(account.wait_s if account else math.nan),
        "elapsed_s": _decimal(elapsed_s),
        "core_hours": _decimal(elapsed_s * cores / 3600, 6),
        "cpu_efficiency": _decimal(cpu_s / (elapsed_s * cores) if elapsed_s > 0 else math.nan),
        "max_rss_mb": _decimal(max_rss / 1e6),
        "asked_mb": _decimal(asked / 1e6),
        "memory_share": _decimal(known.memory / asked if known else math.nan),
        "ended": record.ended,
        "state": account.state if account else "",
        "accounting": source,
    }


def _decimal(value: float, decimals: int = 3) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else ""


def _utc(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
