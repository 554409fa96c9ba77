"""Queries of SLURM's accounting (`sacct`) for the time, memory and queue wait of jobs."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

_FIELDS = ("JobIDRaw", "State", "NodeList", "AllocCPUS", "NNodes", "Submit", "Start", "End",
           "ElapsedRaw", "TotalCPU", "MaxRSS", "TRESUsageInTot", "ReqMem")  # fmt: skip
_TIMEOUT_S = 30.0
_IDS_PER_CALL = 5000  # Linux limits one argument of a command to 128 kB
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"([\d.]+)([KMGTP]?)([cn]?)")
_TIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):([\d.]+)")


@dataclass(frozen=True)
class JobAccount:
    """One run of a SLURM job; a requeued job has several. Numbers are NaN where not known."""

    job_id: str
    state: str  # in SLURM's words: COMPLETED, TIMEOUT, RUNNING ...
    nodes: str  # `n[1-2]`
    cores: int  # allocated
    submit: float  # this and the next two: s since 1970
    start: float
    end: float
    elapsed_s: float
    cpu_s: float  # of all processes of the job
    max_rss: float  # largest memory of one task [bytes]
    memory: float  # upper bound of the memory of all that runs at the same time [bytes]
    asked: float  # requested memory [bytes]

    @property
    def wait_s(self) -> float:
        """Time in the queue [s]."""
        return self.start - self.submit

    @property
    def has_ended(self) -> bool:
        """Whether accounting has the end of the run."""
        return math.isfinite(self.end)


@dataclass(frozen=True)
class Accounts:
    """The answer of accounting: the runs of each job by its number, in the order of their start.

    Jobs that accounting does not have are left out. `trouble` says why a query failed, so that
    more jobs are missing; empty if all succeeded.
    """

    jobs: dict[str, tuple[JobAccount, ...]] = field(default_factory=dict)
    trouble: str = ""


def ask_accounting(job_ids: Iterable[str]) -> Accounts:
    """Query sacct for jobs by their numbers (SLURM_JOB_ID); texts that are no number are ignored.

    A site without accounting, or one that does not answer, raises nothing: see `Accounts.trouble`.
    """
    wanted = sorted({job for job in job_ids if job.isdecimal()}, key=int)
    found: dict[str, tuple[JobAccount, ...]] = {}
    for start in range(0, len(wanted), _IDS_PER_CALL):
        text, trouble = _call_sacct(wanted[start : start + _IDS_PER_CALL])
        if trouble:
            return Accounts(found, trouble)
        found |= parse_accounts(text)
    return Accounts(found)


def _call_sacct(job_ids: Sequence[str]) -> tuple[str, str]:
    """Call sacct; return what it printed, and if it failed, an empty text and the reason."""
    command = ["sacct", "--noheader", "--parsable2", "--duplicates"]
    command += [f"--jobs={','.join(job_ids)}", f"--format={','.join(_FIELDS)}"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True, env=os.environ | {"SLURM_TIME_FORMAT": "%s"},
        )  # fmt: skip
    except FileNotFoundError:
        return "", "there is no sacct here"
    except OSError as error:
        return "", f"sacct: {error.strerror}"
    with process:
        try:
            text, errors = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the group, as sacct may be a script
            return "", f"sacct did not answer within {_TIMEOUT_S:.0f} s"
    if process.returncode:
        lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
        return "", f"sacct: {lines[-1].removeprefix('sacct: error: ')}"
    return text, ""


def parse_accounts(text: str) -> dict[str, tuple[JobAccount, ...]]:
    """Parse the lines that `ask_accounting` has sacct print: of each run a job, then its steps.

    Returns the runs of each job by its number, in the order of their start.
    """
    found: dict[str, list[JobAccount]] = {}
    for lines in _by_run(text):
        account = _account(lines)
        found.setdefault(account.job_id, []).append(account)
    return {job: tuple(sorted(runs, key=_start_or_inf)) for job, runs in found.items()}


def _start_or_inf(account: JobAccount) -> float:
    return account.start if math.isfinite(account.start) else math.inf


def _by_run(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield the lines of each run of a job: first that of the job, then those of its steps."""
    lines: list[dict[str, str]] = []
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) != len(_FIELDS):  # not a record: some sites print warnings
            continue
        row = dict(zip(_FIELDS, cells, strict=True))
        if "." not in row["JobIDRaw"]:
            if lines:
                yield lines
            lines = []
        elif not lines:
            continue
        lines.append(row)
    if lines:
        yield lines


def _account(lines: Sequence[dict[str, str]]) -> JobAccount:
    job, *steps = lines
    cores, max_rss = _count(job["AllocCPUS"]), max(map(_rss, steps), default=0.0)
    account = JobAccount(
        job_id=job["JobIDRaw"],
        state=(job["State"].split() or ["UNKNOWN"])[0],  # `CANCELLED by 1000`
        nodes=job["NodeList"],
        cores=cores,
        submit=parse_time(job["Submit"]),
        start=parse_time(job["Start"]),
        end=parse_time(job["End"]),
        elapsed_s=float(_count(job["ElapsedRaw"])),
        cpu_s=parse_duration_s(job["TotalCPU"]),
        max_rss=max_rss or math.nan,
        memory=_memory(steps, cores) or math.nan,
        asked=_requested_memory(job["ReqMem"], cores, max(1, _count(job["NNodes"]))) or math.nan,
    )
    if not max_rss and not account.cpu_s:  # the node was lost, or the site does not gather usage
        return replace(account, cpu_s=math.nan)
    return account


def _memory(steps: Sequence[dict[str, str]], cores: int) -> float:
    """Return an upper bound of the memory of the batch script and its parallel steps [bytes].

    The largest step is counted as often as steps of its size fit into the cores of the job.
    """
    script, largest, parallel = 0.0, 0.0, 1
    numbered = [step for step in steps if step["JobIDRaw"].rpartition(".")[2].isdecimal()]
    for step in steps:
        total = re.search(r"\bmem=([\d.]+[KMGTP]?)", step["TRESUsageInTot"])
        size = max(parse_size(total[1]) if total else 0.0, _rss(step))
        if step not in numbered:
            script += size
        elif size >= largest:
            fitting = cores // max(1, _count(step["AllocCPUS"]))
            largest, parallel = size, max(1, min(fitting, len(numbered)))
    return script + largest * parallel


def _rss(step: dict[str, str]) -> float:
    return parse_size(step["MaxRSS"])


def _requested_memory(text: str, cores: int, nodes: int) -> float:
    """Return the requested memory of a job [bytes], 0 if there is none.

    Before SLURM 21.08 it was printed per core (`2Gc`) or per node (`4Gn`).
    """
    match = _SIZE.fullmatch(text.strip())
    return parse_size(text) * {"c": cores, "n": nodes}.get(match[3] if match else "", 1)


def parse_size(text: str) -> float:
    """Return a memory size that sacct prints, such as `432192K` or `4Gn`; 0 if empty [bytes]."""
    match = _SIZE.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def parse_duration_s(text: str) -> float:
    """Return a duration that sacct prints: `00:02.791`, `1-02:03:04`; NaN if it is none [s]."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return math.nan
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_time(text: str) -> float:
    """Return a time that sacct prints, in seconds or ISO 8601; NaN if not known [s since 1970]."""
    text = text.strip()
    if text.isdecimal():
        return float(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:  # `Unknown` or `None`
        return math.nan


def _count(text: str) -> int:
    """Return a text as a whole number; 0 if it is none."""
    return int(text) if text.strip().isdecimal() else 0
