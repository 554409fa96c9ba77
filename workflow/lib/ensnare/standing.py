"""Where a study stands: read from its files, so also while it runs elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ensnare.batches import Batch, plan_batches
from ensnare.config import LoadedStudy
from ensnare.loops import Followed
from ensnare.owner import Claim, read_claim
from ensnare.paths import StudyPaths
from ensnare.progress import progress_line
from ensnare.rounds import Growth, Round, grows
from ensnare.tally import Tallies, Tally
from ensnare.verdicts import Measured, ending, round_line, until_of

_EVERY_S = 2.0


@dataclass(frozen=True)
class Standing:
    """Where a batch stands.

    Attributes
    ----------
    key : str
        The batch.
    tally : Tally
        How far it is.
    state : str
        What is the matter with it: `done`, `runs on host a, process 17`, `not begun` ...
    """

    key: str
    tally: Tally
    state: str

    @property
    def is_done(self) -> bool:
        """Whether its results are in its batch file."""
        return self.state == "done"


def standings(
    batches: Sequence[Batch], paths: StudyPaths, tallies: Mapping[str, Tally]
) -> list[Standing]:
    """Return where each batch of a study stands.

    Parameters
    ----------
    batches : sequence of Batch
        The batches.
    paths : StudyPaths
        The files of the study.
    tallies : mapping of str to Tally
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


def _state(tally: Tally, claim: Claim | None) -> str:
    if claim is None:
        return "interrupted; the next run goes on" if tally.done else "not begun"
    if claim.is_alive:
        return f"runs on {claim.host}, process {claim.pid}"
    if claim.is_gone:
        return f"its job died (host {claim.host}, process {claim.pid}); run snakemake to go on"
    return f"no sign of life from {claim.host} for {claim.silent_s:.0f} s; its job may have died"


def status_lines(study: LoadedStudy, paths: StudyPaths, found: Sequence[Standing]) -> list[str]:
    """Return what to show of a study: a line for each batch, and one for all."""
    lines = [f"batch {s.key}: {progress_line(s.tally)}; {s.state}" for s in found]
    total = sum((s.tally for s in found), Tally(0))
    lines.append(f"study {study.config.study}: {progress_line(total)}")
    if paths.stop.exists():
        lines.append(f"stopped: too many samples failed; see {paths.stop}")
    return lines


def round_lines(growth: Growth, found: Followed[Round, Measured], present: Tally) -> list[str]:
    """Return what to show of a design that grows by itself: its rounds, and what is left for more.

    Parameters
    ----------
    growth : Growth
        Its rounds.
    found : Followed
        How far its files tell that it is.
    present : Tally
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


def _grown(growth: Growth, paths: StudyPaths, tallies: Tallies) -> tuple[list[str], bool]:
    """Return the lines of a study whose design grows by itself, and whether it has ended."""
    found = growth.on_record(paths)
    present = found.missing or found.done[-1][0]
    batches = present.batches
    where = standings(batches, paths, tallies.read(batches))
    total = sum((s.tally for s in where), Tally(0))
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
    tallies = Tallies(paths)
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
