"""Where a study stands: read from its files, so also while it runs elsewhere."""

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

_REFUSED = re.compile(r"sbatch failed\. The error message was '(?:sbatch: error: )*([^'\n]+)")
_ENDED = re.compile(r"SLURM-job '\d+' failed.*?SLURM status is: '(\w+)", re.DOTALL)
# by how a job ended; a job that failed by itself says why in its log
_MEND = {
    "TIMEOUT": "give jobs more walltime (runtime in the profile)",
    "OUT_OF_MEMORY": "give jobs more memory (mem_mb in the profile)",
}
_LIMIT = "keep jobs in the profile below what the site lets a user submit"


def failure_note(log: str, unfinished: int, batches: int) -> str | None:
    """Return why a run that failed on a cluster did so, and what to do.

    Parameters
    ----------
    log : str
        What Snakemake and its SLURM plugin said.
    unfinished, batches : int
        Batches that have no file yet, and all batches.

    Returns
    -------
    str or None
        One line; None if no job was refused, ended or lost by SLURM.
    """
    refused = _REFUSED.findall(log)
    states = Counter(state for state in _ENDED.findall(log) if state != "FAILED")
    causes = [f"jobs that ended as {state}: {count}" for state, count in sorted(states.items())]
    if refused:
        causes.append(f"submissions that SLURM refused: {len(refused)} ({refused[-1]})")
    if not causes or not unfinished:
        return None
    mend = [text for key, text in _MEND.items() if key in states]
    mend += [_LIMIT] if refused else []
    return (
        f"{unfinished} of {batches} batches are not finished; {', '.join(causes)}; "
        f"{'; '.join([*mend, 'call the same command again'])}: finished samples are kept"
    )


_MOST_SHOWN = 200  # characters of a message
# what a sample is that nobody wanted to run is no failure
_QUIET = (Status.OK, Status.SKIPPED, Status.NOT_RUN)


def outcome_lines(paths: StudyPaths, batches: Sequence[str]) -> list[str]:
    """Return how many samples ended how, where the report is, and the most frequent failure.

    Parameters
    ----------
    paths : StudyPaths
        The files of the study.
    batches : sequence of str
        The keys of the batches that the archive is made of; none of a parareal study.

    Returns
    -------
    list of str
        Empty unless archive and report are there and newer than the batches: a run that was asked
        for other files makes neither.
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
        common = max((s for s in Status if s not in _QUIET), key=lambda s: int(counts[s]))
        if counts[common]:
            place = np.flatnonzero(file["messages/row"][:] == np.argmax(status == common))
            message = one_line(text[place[0]]) if len(place) else ""
            lines.append(f"the first with status {common.label}: {_cut(message)}")
    return lines


def _counted(counts: np.ndarray) -> str:
    """Return `120 samples: 100 ok, 20 timeout`."""
    by_number = sorted(Status, key=lambda s: (s is not Status.OK, -int(counts[s])))
    kinds = [f"{counts[s]} {s.label}" for s in by_number if counts[s] or s is Status.OK]
    return f"{counts.sum()} samples: {', '.join(kinds)}"


def _cut(message: str) -> str:
    return message if len(message) <= _MOST_SHOWN else f"{message[:_MOST_SHOWN]} ..."


_EVERY_S = 2.0


@dataclass(frozen=True)
class Standing:
    """Where a batch stands.

    Attributes
    ----------
    key : str
        The batch.
    tally : Counts
        How far it is.
    state : str
        What is the matter with it: `done`, `runs on host a, process 17`, `not begun` ...
    """

    key: str
    tally: Counts
    state: str

    @property
    def is_done(self) -> bool:
        """Whether its results are in its batch file."""
        return self.state == "done"


def standings(
    batches: Sequence[Batch], paths: StudyPaths, tallies: Mapping[str, Counts]
) -> list[Standing]:
    """Return where each batch of a study stands.

    Parameters
    ----------
    batches : sequence of Batch
        The batches.
    paths : StudyPaths
        The files of the study.
    tallies : mapping of str to Counts
        How far each batch is.
    """
    found = []
    for batch in batches:
        tally, claim = tallies[batch.key], read_claim(paths.owner(batch.key))
        runs = claim is not None and claim.is_alive
        if not runs:
            tally = replace(tally, rate=0.0)
        done = paths.batch(batch.key).exists()
        state = "done" if done else _state(tally, claim)
        found.append(Standing(batch.key, tally, state))
    return found


def _state(tally: Counts, claim: ClaimState | None) -> str:
    if claim is None:
        return "interrupted; the next run goes on" if tally.done else "not begun"
    if claim.is_alive:
        return f"runs on {claim.host}, process {claim.pid}"
    if claim.is_gone:
        return f"its job died (host {claim.host}, process {claim.pid}); run snakemake to go on"
    silent = f"no sign of life from {claim.host} for {claim.since_renewal_s:.0f} s"
    return f"{silent}; its job may have died"


def status_lines(study: LoadedStudy, paths: StudyPaths, found: Sequence[Standing]) -> list[str]:
    """Return what to show of a study: a line for each batch, and one for all."""
    lines = [f"batch {s.key}: {progress_line(s.tally)}; {s.state}" for s in found]
    total = sum((s.tally for s in found), Counts(0))
    lines.append(f"study {study.config.study}: {progress_line(total)}")
    if paths.stop.exists():
        lines.append(f"stopped: too many samples failed; see {paths.stop}")
    return lines


def round_lines(growth: Growth, found: Followed[Round, Measured], present: Counts) -> list[str]:
    """Return what to show of a design that grows by itself: its rounds, and what is left for more.

    Parameters
    ----------
    growth : Growth
        Its rounds.
    found : Followed
        How far its files tell that it is.
    present : Counts
        How far the samples of the present round are, those of earlier rounds included.
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


def _grown(growth: Growth, paths: StudyPaths, tallies: AllCounts) -> tuple[list[str], bool]:
    """Return the lines of a study whose design grows by itself, and whether it has ended."""
    found = growth.on_record(paths)
    present = found.missing or found.done[-1][0]
    batches = present.batches
    where = standings(batches, paths, tallies.read(batches))
    total = sum((s.tally for s in where), Counts(0))
    lines = [*status_lines(present.study, paths, where), *round_lines(growth, found, total)]
    ended = found.missing is None and all(s.is_done for s in where)
    return lines, ended or paths.stop.exists()


def show_status(study: LoadedStudy, paths: StudyPaths, *, watch: bool) -> None:
    """Print where a study stands.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files.
    watch : bool
        Again and again, until all batches are done, also those of further rounds, or the study was
        stopped.
    """
    tallies = AllCounts(paths)
    if grows(study):
        growth = Growth(study)
        show_lines(lambda: _grown(growth, paths, tallies), watch=watch)
        return
    batches = plan_batches(study)

    def read() -> tuple[list[str], bool]:
        found = standings(batches, paths, tallies.read(batches))
        over = all(s.is_done for s in found) or paths.stop.exists()
        return status_lines(study, paths, found), over

    show_lines(read, watch=watch)


def show_lines(read: Callable[[], tuple[list[str], bool]], *, watch: bool) -> None:
    """Print lines that say where something stands.

    Parameters
    ----------
    read : callable
        Returns the lines, and whether they will not change any more.
    watch : bool
        Again and again until then, each time over what was shown before.
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
        time.sleep(_EVERY_S)
