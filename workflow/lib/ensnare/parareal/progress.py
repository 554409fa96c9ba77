"""How far a parareal study has come, read from its files, also while jobs elsewhere solve it."""

from __future__ import annotations

from ensnare.evaluate.claim import read_claim
from ensnare.parareal.cases import solved_digest
from ensnare.parareal.files import read_iterate
from ensnare.parareal.iteration import (
    CaseProgress,
    case_progress,
    fine_solve_count,
    missing_serial,
    needed_slices,
)
from ensnare.parareal.problem import Problem, problems
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy


def account_line(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return in one line what a run would do: how many cases and fine solves it has to solve.

    The number of fine solves is an upper bound, since nobody knows before in which iteration a
    case converges.
    """
    cases = problems(study, paths)
    if paths.solved(solved_digest(study)).exists():
        return f"cases: 0 to solve, {len(cases)} solved"
    found = [(problem, case_progress(problem)) for problem in cases]
    solved = sum(progress.is_over for _, progress in found)
    line = f"cases: {len(cases) - solved} to solve, {solved} solved"
    counts = [_fine_solves(problem, progress) for problem, progress in found]
    first, most = (sum(column) for column in zip(*counts, strict=True))
    if solved < len(cases):
        bound = "an upper bound: a case ends when it has converged"
        return f"{line}; fine solves: {first} to begin with, at most {most} in all ({bound})"
    return f"{line}; fine solves: {most} for the serial solution" if most else line


def _fine_solves(problem: Problem, progress: CaseProgress) -> tuple[int, int]:
    """Return how many fine solves the next iteration of a case takes, and at most the whole rest.

    The fine solves of a case that never converges contain the serial solution. The bound therefore
    also holds with `serial: true`, which adds only what a case that ends earlier lacks of it.
    """
    if progress.is_over:
        return 0, len(missing_serial(problem)) if problem.parareal.serial else 0
    n, done = problem.slices, max(0, progress.iteration)
    missing = len(progress.missing) if progress.iteration >= 0 else n
    return missing, missing + fine_solve_count(n, n) - fine_solve_count(done + 1, n)


def parareal_status(study: LoadedStudy, paths: StudyPaths) -> tuple[list[str], bool]:
    """Return a line for each case and one for the study, and whether all cases are solved."""
    cases = problems(study, paths)
    lines, solved = [], 0
    for problem in cases:
        line, is_over = _case_line(problem)
        lines.append(line)
        solved += is_over
    claim = read_claim(paths.parareal_owner)
    runs = f"; runs on {claim.host}, process {claim.pid}" if claim and claim.is_alive else ""
    lines.append(f"study {study.config.study}: {solved} of {len(cases)} cases solved{runs}")
    return lines, solved == len(cases)


def _case_line(problem: Problem) -> tuple[str, bool]:
    """Return the line of a case, and whether it is solved."""
    progress = case_progress(problem)
    if progress.iteration < 0:
        return f"{problem.case.label}: not begun", False
    maxdif = read_iterate(problem.paths.iterate(problem.key, progress.iteration)).maxdif
    change = f", maxdif {maxdif:.3g}" if maxdif == maxdif else ""  # NaN in iteration 0
    line = f"{problem.case.label}: iteration {progress.iteration}{change}"
    if progress.is_over:
        return f"{line}; done", True
    needed = len(needed_slices(progress.iteration + 1, problem.slices))
    done = needed - len(progress.missing)
    return f"{line}; {done} of {needed} fine solves of the next iteration", False
