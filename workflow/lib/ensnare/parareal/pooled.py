"""The driver `pool`: one job whose workers run the solves of all cases, round after round.

A round has the fine solves that the next iteration of each unfinished case still needs; then the
states of these cases are updated. Whatever has a file is never run again, so after a kill the next
job continues from the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ensnare.errors import BatchError, EnsnareError
from ensnare.evaluate.claim import Claim
from ensnare.evaluate.pool import Pool
from ensnare.evaluate.worker import Death
from ensnare.model.launcher import job_cores
from ensnare.parareal.files import is_whole, read_iterate
from ensnare.parareal.iteration import (
    begin,
    case_progress,
    failure_line,
    is_over,
    missing_serial,
    missing_solves,
    needed_slices,
    solve_fine,
    solve_serial,
    update,
)
from ensnare.parareal.problem import Problem, problems
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy
from ensnare.study.resources import Resources

# the coarse solution, one fine solve, the states of an iteration, what the serial solution lacks
Kind = Literal["begin", "fine", "update", "serial"]


class FailedSolveError(BatchError):
    """A solve failed in spite of the retries of the study."""


@dataclass(frozen=True)
class Task:
    """Work of one worker for a case."""

    problem: Problem
    kind: Kind
    iteration: int
    i: int = 0  # the slice of a fine solve, from 0
    since: float | None = None  # for `update`, see `ensnare.parareal.iteration.update`

    @property
    def is_done(self) -> bool:
        """Whether the file that it writes exists."""
        key, paths = self.problem.key, self.problem.paths
        if self.kind == "serial":
            return not missing_serial(self.problem)
        if self.kind == "fine":
            return is_whole(paths.fine_solve(key, self.iteration, self.i))
        return is_whole(paths.iterate(key, self.iteration))

    @property
    def current_solve(self) -> tuple[str, int, int | None]:
        """The solve that is running, as `failure_line` takes it; the slice of a coarse one is None.

        Seen from outside of the worker, the files do not tell which coarse solve it is.
        """
        match self.kind:
            case "fine":
                return "fine", self.iteration, self.i
            case "serial":
                return "fine", 0, missing_serial(self.problem)[0]
            case _:
                return "coarse", self.iteration, None

    def run(self, attempt: int, restart_clock: Callable[[], None]) -> None:
        """Do the task; each of several solves in sequence has the time limit of a solve."""
        match self.kind:
            case "begin":
                begin(self.problem, restart_clock)
            case "update":
                update(self.problem, self.iteration, restart_clock, self.since)
            case "fine":
                solve_fine(self.problem, self.iteration, self.i, attempt)
            case _:
                for i in missing_serial(self.problem):
                    restart_clock()
                    solve_serial(self.problem, i, attempt)


class Round:
    """Tasks that do not depend on each other, as `ensnare.evaluate.worker.Work`."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        # Forked workers share the position in this file, so all of them append. It has no name, and
        # disappears with the job.
        self._failures = tempfile.TemporaryFile()  # noqa: SIM115
        self._deaths: Counter[int] = Counter()

    def begin(self, slot: int) -> None:
        """Prepare the propagators in a worker."""
        for problem in {id(task.problem): task.problem for task in self.tasks}.values():
            problem.coarse.begin(slot)
            problem.fine.begin(slot)

    def do(self, task: int, attempt: int, restart_clock: Callable[[], None]) -> None:
        """Do a task, and record it if it fails."""
        try:
            self.tasks[task].run(attempt, restart_clock)
        except EnsnareError as error:
            self._fail(str(error))

    def record_death(self, task: int, death: Death) -> bool:
        """Return whether a task whose worker died has ended: done, or out of retries and failed."""
        found = self.tasks[task]
        self._deaths[task] += 1
        if found.is_done:
            return True
        status = Status.TIMEOUT if death.timed_out else Status.KILLED
        if self._deaths[task] <= found.problem.study.config.on_failure.times(status):
            return False
        text = f"{status.label}: its process ended with exit code {death.exit_code}"
        if death.timed_out:
            text = (
                f"{status.label}: it passed the limit of {found.problem.study.config.timeout:g} s"
            )
        self._fail(failure_line(found.problem, found.current_solve, text))
        return True

    def _fail(self, line: str) -> None:
        os.write(self._failures.fileno(), f"{line}\n".encode())

    def failures(self) -> list[str]:
        """Return a line for each task that failed."""
        self._failures.seek(0)
        return self._failures.read().decode().splitlines()

    def close(self) -> None:
        """Close, and so remove, the file of failures."""
        self._failures.close()

    @property
    def limit_s(self) -> float | None:
        """The time limit of a solve [s]; None if the propagator applies the limit itself."""
        first = self.tasks[0]  # all tasks of a round have the same kind
        fine = first.kind in ("fine", "serial")
        propagator = first.problem.fine if fine else first.problem.coarse
        return None if propagator.stops_itself else first.problem.study.config.timeout


def solve_all(
    study: LoadedStudy, paths: StudyPaths, cores: int, say: Callable[[str], None], attempt: int = 1
) -> dict[str, int]:
    """Iterate every case of a study until it has converged, or is exact.

    Returns the number of the last iteration of each case by its key. `say` receives lines of
    progress; for `attempt` see `without_job_retries`. Raises BatchError, one line, if a solve fails
    in spite of the retries of the study or another job took over.
    """
    cases = problems(study, paths)
    for problem in cases:
        problem.make_ready()
    with Claim(paths.parareal_owner, say) as owner:
        driver = Driver(side_by_side(study.config.resources, cores), owner, say)
        with without_job_retries(paths.parareal_failure, attempt):
            last = driver.iterate(cases)
            if cases[0].parareal.serial:
                driver.serial(cases)
    for problem in cases:
        problem.coarse.finish()
        problem.fine.finish()
    return last


def side_by_side(needs: Resources, cores: int) -> int:
    """Return how many solves with these needs run at the same time."""
    if needs.ranks is None:
        return max(1, cores // needs.cores)
    return job_cores(cores).side_by_side(needs.cores)


@contextlib.contextmanager
def without_job_retries(failure: Path, attempt: int) -> Iterator[None]:
    """Keep a solve that failed from being run again when Snakemake retries its job.

    The retries of a profile are for jobs that die, not for solves that fail. If a solve fails in
    this block, its message goes to the file `failure`. Attempt 2, 3, ... of the job in the same
    call of Snakemake raises BatchError with that message at once; attempt 1, of another call,
    removes the file and tries again.
    """
    if attempt > 1 and failure.exists():
        raise BatchError(failure.read_text().strip())
    failure.unlink(missing_ok=True)
    try:
        yield
    except FailedSolveError as error:
        line = f"{error}\n"
        write_whole(failure, lambda part: part.write_text(line))
        raise


@dataclass
class Driver:
    """Runs rounds of tasks in a pool of workers, as the job that holds a claim."""

    workers: int
    owner: Claim
    say: Callable[[str], None]

    def iterate(self, cases: Sequence[Problem]) -> dict[str, int]:
        """Iterate all cases; return the last iteration of each by its key."""
        found = {problem.key: case_progress(problem) for problem in cases}
        self.round([Task(p, "begin", 0) for p in cases if found[p.key].iteration < 0])
        last = {key: max(0, progress.iteration) for key, progress in found.items()}
        left = [p for p in cases if not found[p.key].is_over]
        while left:
            since = time.time()
            missing = {p.key: missing_solves(p, last[p.key] + 1) for p in left}
            self.round([Task(p, "fine", last[p.key] + 1, i) for p in left for i in missing[p.key]])
            # the wall-clock time of a round is that of an iteration only if its case had the
            # workers for itself and no earlier job had run a part of it
            first = left[0]
            whole = len(missing[first.key]) == len(needed_slices(last[first.key] + 1, first.slices))
            begun = since if len(left) == 1 and whole else None
            self.round([Task(p, "update", last[p.key] + 1, since=begun) for p in left])
            left = self._still_open(left, last)
        return last

    def _still_open(self, cases: Sequence[Problem], last: dict[str, int]) -> list[Problem]:
        """Count an iteration of each case in `last`; return the cases that are not over."""
        left, worst = [], 0.0
        for problem in cases:
            last[problem.key] += 1
            iterate = read_iterate(problem.paths.iterate(problem.key, last[problem.key]))
            if not is_over(iterate, problem.parareal.tolerance):
                left.append(problem)
                worst = max(worst, iterate.maxdif)
        k = max(last.values())
        more = f", which change by up to {worst:.3g}" if left else ""
        self.say(f"iteration {k}: {len(cases) - len(left)} cases end; {len(left)} go on{more}")
        return left

    def serial(self, cases: Sequence[Problem]) -> None:
        """Run what the serial solutions lack."""
        tasks = serial_tasks(cases)
        if tasks:
            self.say(f"serial solution: {len(tasks)} cases")
        self.round(tasks)

    def round(self, tasks: Sequence[Task]) -> None:
        """Do tasks in a pool of workers.

        Raises FailedSolveError if some fail, after all others are done.
        """
        if not tasks:
            return
        with contextlib.closing(Round(tasks)) as work:
            Pool(work, len(tasks), self.workers, work.limit_s, self._tick).run()
            lines = work.failures()
        if lines:
            more = f" ({len(lines) - 1} more solves failed)" if len(lines) > 1 else ""
            raise FailedSolveError(lines[0] + more)

    def _tick(self) -> None:
        if not self.owner.renew():
            raise BatchError("another job took over the parareal study; this one stops")


def serial_tasks(cases: Sequence[Problem]) -> list[Task]:
    """Return a task for each case whose serial solution is not complete."""
    return [Task(problem, "serial", 0) for problem in cases if missing_serial(problem)]


def write_solved(path: Path, last: dict[str, int]) -> None:
    """Write the file that says that all cases are solved: the last iteration of each by its key."""
    write_whole(path, lambda part: part.write_text(json.dumps(last, indent=1) + "\n"))
