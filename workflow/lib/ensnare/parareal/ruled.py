"""The driver `rules`: what its jobs do, each a round of the workers of the driver `pool`.

So the numbers, the retries and the limits of time are the same whoever drives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensnare.errors import ArchiveError
from ensnare.evaluate.claim import Claim
from ensnare.parareal.attempts import failing_once
from ensnare.parareal.iteration import missing_solves, standing
from ensnare.parareal.pooled import Driver, Task, serial_tasks, write_solved
from ensnare.parareal.problem import Problem
from ensnare.parareal.schedule import block_of, blocks
from ensnare.store.paths import write_whole


@dataclass(frozen=True)
class Job:
    """A job of a case.

    Attributes
    ----------
    problem : Problem
        The case.
    name : str
        What it does, for the names of its files.
    workers : int
        Solves at a time.
    attempt : int
        Which job for the same thing it is in this call of Snakemake.
    say : callable
        Receives lines of progress.
    """

    problem: Problem
    name: str
    workers: int
    attempt: int
    say: Callable[[str], None]

    @property
    def owner(self) -> Path:
        """The file that says who does it now."""
        return self.problem.paths.parareal_job(self.problem.key, self.name).with_suffix(".owner")

    def run(self, find: Callable[[], Sequence[Task]]) -> None:
        """Do what is not done yet.

        Parameters
        ----------
        find : callable
            Returns what is to be done; called when no other job is at it.

        Raises
        ------
        BatchError
            If something fails in spite of the retries of the study: one line.
        """
        failed = self.owner.with_suffix(".failed")
        with Claim(self.owner, self.say) as owner, failing_once(failed, self.attempt):
            tasks = [task for task in find() if not task.is_done]
            if tasks:
                self.problem.make_ready()
            Driver(self.workers, owner, self.say).round(tasks)


def fine_tasks(problem: Problem, iteration: int, last: int) -> list[Task]:
    """Return the fine solves of the job of an iteration that ends with slice `last`."""
    slices = block_of(problem.study, iteration, last)
    return [Task(problem, "fine", iteration, i) for i in slices]


def state_tasks(problem: Problem, iteration: int) -> list[Task]:
    """Return the computation of the states of an iteration.

    Raises
    ------
    ArchiveError
        If a fine solve is missing, since its file was removed or the slices of a job are others
        now; the next run plans it.
    """
    if iteration == 0:
        return [Task(problem, "begin", 0)]
    if missing := missing_solves(problem, iteration):
        for block in blocks(problem.study, iteration):
            if not set(missing).isdisjoint(block):
                problem.paths.fine_solve(problem.key, iteration, block[-1]).unlink(missing_ok=True)
        raise ArchiveError(
            f"{problem.case.label}: {len(missing)} fine solves of iteration {iteration} are "
            "missing; run snakemake again, which runs them"
        )
    return [Task(problem, "update", iteration)]


def end_case(job: Job, output: Path) -> None:
    """Solve in sequence what is to be compared with, and write with which iteration a case ended.

    Raises
    ------
    BatchError
        If a solve fails, in spite of the retries of the study.
    """
    problem = job.problem
    job.run(lambda: serial_tasks([problem]) if problem.parareal.serial else [])
    for propagator in (problem.coarse, problem.fine):
        propagator.finish()
    text = json.dumps({problem.key: standing(problem).iteration}) + "\n"
    write_whole(output, lambda part: part.write_text(text))


def join_ends(paths: Sequence[Path], output: Path) -> None:
    """Write that all cases are solved, from the files that say with which iteration each ended."""
    last: dict[str, int] = {}
    for path in paths:
        last |= json.loads(path.read_text())
    write_solved(output, last)
