"""How far a parareal study is, read from its files: also while it runs elsewhere."""

from __future__ import annotations

from ensnare.evaluate.claim import read_claim
from ensnare.parareal.cases import solved_digest
from ensnare.parareal.files import read_iterate
from ensnare.parareal.iteration import (
    Standing,
    fine_solve_count,
    missing_serial,
    needed_slices,
    standing,
)
from ensnare.parareal.problem import Problem, problems
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy


def account_line(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return what a run would do: how many cases there are to solve, and by how many fine solves.

    How many these are is known when the cases have converged: what is said before is a bound.
    """
    cases = problems(study, paths)
    if paths.solved(solved_digest(study)).exists():
        return f"cases: 0 to solve, {len(cases)} solved"
    found = [(problem, standing(problem)) for problem in cases]
    solved = sum(where.is_over for _, where in found)
    line = f"cases: {len(cases) - solved} to solve, {solved} solved"
    counts = [_fine_solves(problem, where) for problem, where in found]
    next_ones, most = (sum(column) for column in zip(*counts, strict=True))
    if solved < len(cases):
        bound = "an upper bound: a case ends when it has converged"
        return f"{line}; fine solves: {next_ones} to begin with, at most {most} in all ({bound})"
    return f"{line}; fine solves: {most} in sequence, to compare with" if most else line


def _fine_solves(problem: Problem, where: Standing) -> tuple[int, int]:
    """Return how many fine solves the next iteration of a case takes, and most of all that follow.

    A case that never converges ends with the solution in sequence itself. So the bound holds with
    `serial: true` as well, which adds what an earlier end leaves of that solution.
    """
    if where.is_over:
        return 0, len(missing_serial(problem)) if problem.parareal.serial else 0
    n, done = problem.slices, max(0, where.iteration)
    missing = len(where.missing) if where.iteration >= 0 else n
    return missing, missing + fine_solve_count(n, n) - fine_solve_count(done + 1, n)


def parareal_status(study: LoadedStudy, paths: StudyPaths) -> tuple[list[str], bool]:
    """Return a line for each case and one for all, and whether all are solved.

    Parameters
    ----------
    study : LoadedStudy
        The resolved study.
    paths : StudyPaths
        Its files.
    """
    cases = problems(study, paths)
    lines, over = [], 0
    for problem in cases:
        line, is_over = _case_line(problem)
        lines.append(line)
        over += is_over
    claim = read_claim(paths.parareal_owner)
    runs = f"; runs on {claim.host}, process {claim.pid}" if claim and claim.is_alive else ""
    lines.append(f"study {study.config.study}: {over} of {len(cases)} cases solved{runs}")
    return lines, over == len(cases)


def _case_line(problem: Problem) -> tuple[str, bool]:
    where = standing(problem)
    if where.iteration < 0:
        return f"{problem.case.label}: not begun", False
    maxdif = read_iterate(problem.paths.iterate(problem.key, where.iteration)).maxdif
    change = f", maxdif {maxdif:.3g}" if maxdif == maxdif else ""
    line = f"{problem.case.label}: iteration {where.iteration}{change}"
    if where.is_over:
        return f"{line}; done", True
    needed = len(needed_slices(where.iteration + 1, problem.slices))
    done = needed - len(where.missing)
    return f"{line}; {done} of {needed} fine solves of the next", False
