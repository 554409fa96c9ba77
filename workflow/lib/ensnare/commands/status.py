"""How far a study is (`ensnare status`), and the lines that end a run of Snakemake.

Everything is read from the files of the study, so it works as well while jobs run on other
machines.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import h5py
import numpy as np

from ensnare.evaluate.claim import ClaimState, read_claim
from ensnare.evaluate.progress import AllCounts, Counts, progress_line
from ensnare.plan.batches import Batch, plan_batches
from ensnare.plan.criteria import Measured, ending, round_line, until_of
from ensnare.plan.loops import Followed
from ensnare.plan.rounds import Growth, Round, grows
from ensnare.store.outcome import Status, one_line
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy

_WATCH_EVERY_S = 2.0

# what Snakemake prints when sbatch refuses a job, and when a job has failed
_REFUSED = re.compile(r"sbatch failed\. The error message was '(?:sbatch: error: )*([^'\n]+)")
_ENDED = re.compile(r"SLURM-job '\d+' failed.*?SLURM status is: '(\w+)", re.DOTALL)
# advice by the state in which SLURM ended a job; the log of a job in state FAILED has its own
_ADVICE = {
    "TIMEOUT": "give jobs more walltime (runtime in the profile)",
    "OUT_OF_MEMORY": "give jobs more memory (mem_mb in the profile)",
}
_REFUSED_ADVICE = "keep jobs in the profile below what the site lets a user submit"

_LONGEST_MESSAGE = 200  # characters
_NO_FAILURES = (Status.OK, Status.SKIPPED, Status.NOT_RUN)


# --- ensnare status -----------------------------------------------------------------------


@dataclass(frozen=True)
class BatchState:
    """How far a batch is, and what its job does."""

    key: str
    counts: Counts
    state: str  # `done`, `runs on node1, process 17`, `not begun` ...

    @property
    def is_done(self) -> bool:
        """Whether its batch file exists."""
        return self.state == "done"


def show_status(study: LoadedStudy, paths: StudyPaths, *, watch: bool) -> None:
    """Print how far a study of samples is.

    With `watch` it is printed again and again until all batches are done, those of further rounds
    included, or the study was stopped.
    """
    counts = AllCounts(paths)
    if grows(study):
        growth = Growth(study)
        show_lines(lambda: _growth_status(growth, paths, counts), watch=watch)
        return
    batches = plan_batches(study)

    def read() -> tuple[list[str], bool]:
        found = batch_states(batches, paths, counts.read(batches))
        over = all(s.is_done for s in found) or paths.stop.exists()
        return status_lines(study, paths, found), over

    show_lines(read, watch=watch)


def show_lines(read: Callable[[], tuple[list[str], bool]], *, watch: bool) -> None:
    """Print lines about the progress of a study.

    `read` returns the lines, and whether they are final. With `watch` it is called again every 2 s
    until they are; on a terminal the new lines replace those that were shown before.
    """
    shown = 0
    while True:
        lines, over = read()
        if shown and sys.stdout.isatty():
            print(f"\033[{shown}A\033[J", end="")
        print("\n".join(lines), flush=True)
        shown = len(lines)
        if over or not watch:
            return
        time.sleep(_WATCH_EVERY_S)


def batch_states(
    batches: Sequence[Batch], paths: StudyPaths, counts_of: Mapping[str, Counts]
) -> list[BatchState]:
    """Return how far each batch is; `counts_of` has the counts of each batch by its key."""
    found = []
    for batch in batches:
        counts, claim = counts_of[batch.key], read_claim(paths.owner(batch.key))
        runs = claim is not None and claim.is_alive
        if not runs:  # then the published rate is that of a job that has ended
            counts = replace(counts, rate=0.0)
        done = paths.batch(batch.key).exists()
        state = "done" if done else _state(counts, claim)
        found.append(BatchState(batch.key, counts, state))
    return found


def _state(counts: Counts, claim: ClaimState | None) -> str:
    if claim is None:
        return "interrupted; the next run goes on" if counts.done else "not begun"
    if claim.is_alive:
        return f"runs on {claim.host}, process {claim.pid}"
    if claim.is_gone:
        return f"its job died (host {claim.host}, process {claim.pid}); run snakemake to go on"
    silent = f"no sign of life from {claim.host} for {claim.since_renewal_s:.0f} s"
    return f"{silent}; its job may have died"


def status_lines(study: LoadedStudy, paths: StudyPaths, found: Sequence[BatchState]) -> list[str]:
    """Return a line for each batch, one for the whole study, and one if it was stopped."""
    lines = [f"batch {s.key}: {progress_line(s.counts)}; {s.state}" for s in found]
    total = sum((s.counts for s in found), Counts(0))
    lines.append(f"study {study.config.study}: {progress_line(total)}")
    if paths.stop.exists():
        lines.append(f"stopped: too many samples failed; see {paths.stop}")
    return lines


def round_lines(growth: Growth, found: Followed[Round, Measured], present: Counts) -> list[str]:
    """Return a line for each round of a design that doubles, and what is left of its budget.

    `present` counts the samples of the round that is evaluated now; rows of earlier rounds are
    among them.
    """
    study = growth.study
    # a batch takes earlier samples over when its job begins: until then it does not count them
    spent = max(present.done, found.done[-1][1].samples if found.done else 0)
    lines = [round_line(study, item.number, measured) for item, measured in found.done]
    if found.missing is not None:
        size, most = found.missing.size, len(growth.rounds)
        whole = "evaluated, not measured yet; " if present.done == present.samples else ""
        lines.append(
            f"round {found.missing.number + 1} of at most {most}: {size} base rows, {whole}"
            f"{spent} of {present.samples} samples"
        )
    budget = until_of(study).budget
    lines.append(f"budget: {spent} of {budget} samples spent, {max(0, budget - spent)} left")
    lines.append(f"rounds: {ending(study, [measured for _, measured in found.done])}")
    return lines


def _growth_status(growth: Growth, paths: StudyPaths, counts: AllCounts) -> tuple[list[str], bool]:
    """Return the lines of a study whose design doubles, and whether it has ended."""
    found = growth.on_record(paths)
    present = found.missing or found.done[-1][0]
    batches = present.batches
    states = batch_states(batches, paths, counts.read(batches))
    total = sum((s.counts for s in states), Counts(0))
    lines = [*status_lines(present.study, paths, states), *round_lines(growth, found, total)]
    ended = found.missing is None and all(s.is_done for s in states)
    return lines, ended or paths.stop.exists()


# --- the end of a run of Snakemake --------------------------------------------------------


def failure_note(log: str, unfinished: int, batches: int) -> str | None:
    """Return one line that says why a run on a cluster failed, and what to do about it.

    `log` is what Snakemake and its SLURM plugin printed; `unfinished` of all `batches` have no
    batch file. Returns None unless SLURM refused, ended or lost a job.
    """
    refused = _REFUSED.findall(log)
    states = Counter(state for state in _ENDED.findall(log) if state != "FAILED")
    causes = [f"jobs that ended as {state}: {count}" for state, count in sorted(states.items())]
    if refused:
        causes.append(f"submissions that SLURM refused: {len(refused)} ({refused[-1]})")
    if not causes or not unfinished:
        return None
    advice = [text for key, text in _ADVICE.items() if key in states]
    advice += [_REFUSED_ADVICE] if refused else []
    return (
        f"{unfinished} of {batches} batches are not finished; {', '.join(causes)}; "
        f"{'; '.join([*advice, 'call the same command again'])}: finished samples are kept"
    )


def outcome_lines(paths: StudyPaths, batches: Sequence[str]) -> list[str]:
    """Return the samples counted by status, the path of the report, and the commonest failure.

    `batches` has the keys of the batches in the archive; it is empty for a parareal study, of which
    only the path of the report is returned. Returns nothing unless archive and report are newer
    than all batches: a run that was asked for other files makes neither.
    """
    made = [paths.batch(key) for key in batches] + [paths.archive, paths.report]
    if not all(path.exists() for path in made):
        return []
    times = [path.stat().st_mtime_ns for path in made]
    if max(times[:-1]) != times[-2] or times[-2] > times[-1]:
        return []
    with h5py.File(paths.archive, "r", locking=False) as file:
        if not batches or "status" not in file:
            return [str(paths.report)]
        status, text = file["status"][:], file["messages/text"].asstr()
        counts = np.bincount(status, minlength=len(Status))
        lines = [f"{_counted(counts)}; {paths.report}"]
        common = max((s for s in Status if s not in _NO_FAILURES), key=lambda s: int(counts[s]))
        if counts[common]:
            position = np.flatnonzero(file["messages/row"][:] == np.argmax(status == common))
            message = one_line(text[position[0]]) if len(position) else ""
            lines.append(f"the first with status {common.label}: {_shortened(message)}")
    return lines


def _counted(counts: np.ndarray) -> str:
    """Return `120 samples: 100 ok, 20 timeout`."""
    by_number = sorted(Status, key=lambda s: (s is not Status.OK, -int(counts[s])))
    kinds = [f"{counts[s]} {s.label}" for s in by_number if counts[s] or s is Status.OK]
    return f"{counts.sum()} samples: {', '.join(kinds)}"


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]} ..."
