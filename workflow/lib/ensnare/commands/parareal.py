"""The commands that the rules of a parareal study call (`solve-parareal` and three more)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensnare.commands.job import job_log
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import read_resolved

if TYPE_CHECKING:
    from ensnare.parareal.ruled import Job


def add_parareal_jobs(commands: Any) -> None:  # noqa: ANN401
    """Add the commands to the command line."""
    solve = _command(commands, "solve-parareal", "solve all cases", _solve_all)
    solve.add_argument("output", type=Path, help="file that says that all are solved")

    slices = _command(commands, "solve-slices", "run fine solves of a case", _solve_slices)
    slices.add_argument("key", help="the case")
    slices.add_argument("iteration", type=int, help="the iteration, from 1")
    slices.add_argument("last", type=int, help="the last slice of the job, from 0")

    states = _command(commands, "update-states", "compute the states of an iteration", _update)
    states.add_argument("key", help="the case")
    states.add_argument("iteration", type=int, help="the iteration; 0 is the coarse solution")

    end = _command(commands, "end-case", "end a case that has converged", _end_case)
    end.add_argument("key", help="the case")
    end.add_argument("output", type=Path, help="file that says with which iteration it ended")


def _command(
    commands: Any,  # noqa: ANN401
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=f"{text} (a rule's command)")
    parser.add_argument("study", type=Path, help="resolved study, study.json")
    parser.add_argument(
        "--log", type=Path, default="/dev/stdout", help="file for lines of progress"
    )
    parser.add_argument("--threads", type=int, default=1, help="cores to use")
    parser.add_argument("--attempt", type=int, default=1, help="which job of this call it is")
    parser.set_defaults(run=run)
    return parser


def _fork_job(owner: Path) -> int | None:
    """Fork: the child does the job and gets None, the parent renews its claim until it has ended.

    The parent returns the exit code of the child.
    """
    from ensnare.evaluate.claim import renew_for
    from ensnare.model.process import fork_with_guard

    return fork_with_guard(lambda child: renew_for(owner, child))


def _solve_all(options: argparse.Namespace) -> int:
    from ensnare.parareal.pooled import solve_all, write_solved

    study = read_resolved(options.study)
    paths = StudyPaths(options.study.parent)
    if (code := _fork_job(paths.parareal_owner)) is not None:
        return code
    with job_log(options.log) as say:
        write_solved(options.output, solve_all(study, paths, options.threads, say, options.attempt))
    return 0


def _solve_slices(options: argparse.Namespace) -> int:
    from ensnare.parareal.ruled import fine_tasks

    name = f"k{options.iteration:03d}-i{options.last:04d}"
    return _job(
        options,
        name,
        lambda job: job.run(lambda: fine_tasks(job.problem, options.iteration, options.last)),
    )


def _update(options: argparse.Namespace) -> int:
    from ensnare.parareal.ruled import state_tasks

    return _job(
        options,
        f"k{options.iteration:03d}",
        lambda job: job.run(lambda: state_tasks(job.problem, options.iteration)),
    )


def _end_case(options: argparse.Namespace) -> int:
    from ensnare.parareal.ruled import end_case

    return _job(options, "end", lambda job: end_case(job, options.output))


def _job(options: argparse.Namespace, name: str, do: Callable[[Job], None]) -> int:
    """Do a job of a case; if another job does it now, wait for that one."""
    from ensnare.parareal.pooled import side_by_side
    from ensnare.parareal.problem import problem_of
    from ensnare.parareal.ruled import Job

    study = read_resolved(options.study)
    problem = problem_of(study, StudyPaths(options.study.parent), options.key)
    workers = side_by_side(study.config.resources_of(problem.case.case), options.threads)
    with job_log(options.log) as say:
        job = Job(problem, name, workers, options.attempt, say)
        if (code := _fork_job(job.owner)) is not None:
            return code
        do(job)
    return 0
