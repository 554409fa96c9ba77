"""The driver `rules`: what its jobs do. Each job is one round of tasks of the driver `pool`.

So results, retries and time limits are the same with both drivers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensnare.errors import ArchiveError
from ensnare.evaluate.claim import Claim
from ensnare.parareal.iteration import case_progress, missing_solves
from ensnare.parareal.pooled import (
    Driver,
    Task,
    serial_tasks,
    without_job_retries,
    write_solved,
)
from ensnare.parareal.problem import Problem
from ensnare.parareal.schedule import block_of, blocks
from ensnare.store.paths import write_whole


@dataclass(frozen=True)
class Job:
    """A job of Snakemake for a case."""

    problem: Problem
    name: str  # unique in the case: the stem of its files .owner and .failed
    workers: int  # solves at the same time
    attempt: int  # of this job in the same call of Snakemake, from 1
    say: Callable[[str], None]  # receives lines of progress

    @property
    def owner(self) -> Path:
        """The claim file, which names the process that does this job now."""
        return self.problem.paths.parareal_job(self.problem.key, self.name).with_suffix(".owner")

    def run(self, find: Callable[[], Sequence[Task]]) -> None:
        """Do those of the tasks that `find` returns that are not done yet.

        `find` is called once this job holds the claim, since the job before may change what is
        left. Raises BatchError, one line, if a solve fails in spite of the retries of the study.
        """
        failure = self.owner.with_suffix(".failed")
        with Claim(self.owner, self.say) as owner, without_job_retries(failure, self.attempt):
            tasks = [task for task in find() if not task.is_done]
            if tasks:
                self.problem.make_ready()
            Driver(self.workers, owner, self.say).round(tasks)


def fine_tasks(problem: Problem, iteration: int, last: int) -> list[Task]:
    """Return the fine solves of the job of an iteration whose last slice is `last`, from 0."""
    slices = block_of(problem.study, iteration, last)
    return [Task(problem, "fine", iteration, i) for i in slices]


def state_tasks(problem: Problem, iteration: int) -> list[Task]:
    """Return the task that computes the states of an iteration.

    Raises ArchiveError if a fine solve is missing: its file was removed, or `slices_per_job` has
    changed. The outputs of the jobs for missing solves are removed, so that the next run of
    Snakemake plans these jobs again.
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
    """Complete the serial solution, if the study asks for it, and write the last iteration.

    Raises BatchError if a solve fails in spite of the retries of the study.
    """
    problem = job.problem
    job.run(lambda: serial_tasks([problem]) if problem.parareal.serial else [])
    for propagator in (problem.coarse, problem.fine):
        propagator.finish()
    text = json.dumps({problem.key: case_progress(problem).iteration}) + "\n"
    write_whole(output, lambda part: part.write_text(text))


def join_ends(paths: Sequence[Path], output: Path) -> None:
    """Write the file that says that all cases are solved, from the files that `end_case` wrote."""
    last: dict[str, int] = {}
    for path in paths:
        last |= json.loads(path.read_text())
    write_solved(output, last)
