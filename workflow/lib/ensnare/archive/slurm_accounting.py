"""What the accounting of SLURM knows of jobs that ended: their time, their memory, their wait."""

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
_PATIENCE_S = 30.0
_AT_ONCE = 5000  # job ids in one call: a word of a command has at most 128 kB
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"([\d.]+)([KMGTP]?)([cn]?)")
_TIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):([\d.]+)")


@dataclass(frozen=True)
class JobAccount:
    """One run of a SLURM job, which has several if it was requeued.

    Attributes
    ----------
    job_id : str
        Its number.
    state : str
        How it ended, as SLURM says it: COMPLETED, TIMEOUT; or RUNNING.
    nodes : str
        Where it ran: `n[1-2]`.
    cores : int
        Cores that it held.
    submit, start, end : float
        When it was submitted, began and ended [s since 1970]; NaN if not known.
    elapsed_s : float
        Wall-clock time [s].
    cpu_s : float
        CPU time of all of its processes [s]; NaN if not known.
    max_rss : float
        Most memory of one task [bytes]; NaN if not known.
    memory : float
        Most memory of all that runs at a time, as an upper bound [bytes]; NaN if not known.
    asked : float
        Memory that it was given [bytes]; NaN if not known.
    """

    job_id: str
    state: str
    nodes: str
    cores: int
    submit: float
    start: float
    end: float
    elapsed_s: float
    cpu_s: float
    max_rss: float
    memory: float
    asked: float

    @property
    def wait_s(self) -> float:
        """How long it waited in the queue [s]."""
        return self.start - self.submit

    @property
    def has_ended(self) -> bool:
        """Whether it is over, as far as accounting knows."""
        return math.isfinite(self.end)


@dataclass(frozen=True)
class Accounts:
    """What accounting said.

    Attributes
    ----------
    jobs : dict of str to tuple of JobAccount
        The runs of each job by its number, in the order of their start; jobs that accounting does
        not know are left out.
    trouble : str
        Why there is nothing, or not all; empty if accounting answered.
    """

    jobs: dict[str, tuple[JobAccount, ...]] = field(default_factory=dict)
    trouble: str = ""


def ask_accounting(job_ids: Iterable[str]) -> Accounts:
    """Ask SLURM for what is on record of jobs: one call of sacct for all of them.

    A site without accounting, or one that does not answer, is no error.

    Parameters
    ----------
    job_ids : iterable of str
        Numbers of jobs, as in SLURM_JOB_ID.
    """
    wanted = sorted({job for job in job_ids if job.isdecimal()}, key=int)
    found: dict[str, tuple[JobAccount, ...]] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        text, trouble = _call(wanted[at : at + _AT_ONCE])
        if trouble:
            return Accounts(found, trouble)
        found |= parse_accounts(text)
    return Accounts(found)


def _call(job_ids: Sequence[str]) -> tuple[str, str]:
    """Call sacct; return what it printed, and why it printed nothing."""
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
            text, said = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # sacct may be a script that waits for another
            return "", f"sacct did not answer within {_PATIENCE_S:.0f} s"
    if process.returncode:
        lines = said.strip().splitlines() or [f"exit code {process.returncode}"]
        return "", f"sacct: {lines[-1].removeprefix('sacct: error: ')}"
    return text, ""


def parse_accounts(text: str) -> dict[str, tuple[JobAccount, ...]]:
    """Parse what `sacct --parsable2 --duplicates` printed.

    Parameters
    ----------
    text : str
        Lines of the fields that `ask_accounting` asks for: a job, then its steps.

    Returns
    -------
    dict of str to tuple of JobAccount
        The runs of each job by its number, in the order of their start.
    """
    found: dict[str, list[JobAccount]] = {}
    for lines in _by_run(text):
        account = _account(lines)
        found.setdefault(account.job_id, []).append(account)
    return {job: tuple(sorted(runs, key=_start)) for job, runs in found.items()}


def _start(account: JobAccount) -> float:
    return account.start if math.isfinite(account.start) else math.inf


def _by_run(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield the lines of each run of a job: its own, and those of its steps."""
    lines: list[dict[str, str]] = []
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) != len(_FIELDS):  # a warning that a site prints
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
        asked=_asked(job["ReqMem"], cores, max(1, _count(job["NNodes"]))) or math.nan,
    )
    if not max_rss and not account.cpu_s:  # its node was lost, or nothing gathers that
        return replace(account, cpu_s=math.nan)
    return account


def _memory(steps: Sequence[dict[str, str]], cores: int) -> float:
    """Return the most memory of what may run at a time: the batch script and steps side by side."""
    script, largest, side_by_side = 0.0, 0.0, 1
    numbered = [step for step in steps if step["JobIDRaw"].rpartition(".")[2].isdecimal()]
    for step in steps:
        total = re.search(r"\bmem=([\d.]+[KMGTP]?)", step["TRESUsageInTot"])
        size = max(parse_size(total[1]) if total else 0.0, _rss(step))
        if step not in numbered:
            script += size
        elif size >= largest:
            fit = cores // max(1, _count(step["AllocCPUS"]))
            largest, side_by_side = size, max(1, min(fit, len(numbered)))
    return script + largest * side_by_side


def _rss(step: dict[str, str]) -> float:
    return parse_size(step["MaxRSS"])


def _asked(text: str, cores: int, nodes: int) -> float:
    """Return requested memory; before SLURM 21.08 it was per core (`2Gc`) or per node (`4Gn`)."""
    match = _SIZE.fullmatch(text.strip())
    return parse_size(text) * {"c": cores, "n": nodes}.get(match[3] if match else "", 1)


def parse_size(text: str) -> float:
    """Return memory as sacct prints it: `432192K`, `4Gn`; 0 if there is none [bytes]."""
    match = _SIZE.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def parse_duration_s(text: str) -> float:
    """Return a duration as sacct prints it: `00:02.791`, `1-02:03:04`; NaN if there is none [s]."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return math.nan
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_time(text: str) -> float:
    """Return a time as sacct prints it, in seconds or ISO 8601; NaN if not known [s since 1970]."""
    text = text.strip()
    if text.isdecimal():
        return float(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:  # Unknown, None
        return math.nan


def _count(text: str) -> int:
    """Return a whole number; 0 if there is none."""
    return int(text) if text.strip().isdecimal() else 0
