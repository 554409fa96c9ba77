"""The parareal iteration of a case, from files to files: fine solves, updates, when it ends.

After k iterations the states at points 0..k are exactly those of the serial fine solution, so
iteration k needs the fine solves of slices k - 1, k, ... (from 0) only. All numbers are computed
here, in one order of operations, so every driver gets the same results bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, BatchError
from ensnare.parareal.files import Iterate, is_whole, read_iterate, write_iterate, write_solve
from ensnare.parareal.problem import Problem
from ensnare.parareal.propagators import Propagator, Solve, SolveError
from ensnare.parareal.vectors import Held, Stored, Vector
from ensnare.store.outcome import one_line

Array = NDArray[np.float64]


def begin(problem: Problem, before_solve: Callable[[], None] = lambda: None) -> Iterate:
    """Compute and write the states of iteration 0, the coarse solution.

    `before_solve` is called before each coarse solve. Raises BatchError if one fails in spite of
    the retries of the study.
    """
    n, m = problem.slices, len(problem.initial)
    y, coarse = np.empty((n + 1, m)), np.empty((n, m))
    y[0] = problem.initial
    elapsed_s = 0.0
    for i in range(n):
        before_solve()
        coarse[i], taken_s = solve_coarse(problem, 0, i, y[i])
        y[i + 1] = coarse[i]
        elapsed_s += taken_s
    iterate = Iterate(0, y, coarse, float("nan"), elapsed_s)
    write_iterate(problem.paths.iterate(problem.key, 0), iterate)
    return iterate


def update(
    problem: Problem,
    iteration: int,
    before_solve: Callable[[], None] = lambda: None,
    since: float | None = None,
) -> Iterate:
    """Compute and write the states of iteration k = 1, 2, ... of a case.

    The files of the states of iteration k - 1 and of the fine solves of iteration k must exist.
    With the coarse propagator G and the fine propagator F, for slice i,

        y_k[i+1] = G(y_k[i]) + F(y_(k-1)[i]) - G(y_(k-1)[i])

    up to point k, where both G terms are equal, it is F alone. `before_solve` is called before each
    coarse solve. `since` is the time, by `time.time()`, when the iteration began; None if it is not
    known or the iteration was interrupted. Raises BatchError if a coarse solve fails in spite of
    the retries of the study, and ArchiveError if a file is missing or damaged.
    """
    k, paths, key = iteration, problem.paths, problem.key
    before = read_iterate(paths.iterate(key, k - 1))
    y, coarse = before.y.copy(), np.full_like(before.coarse, np.nan)
    elapsed_s = 0.0
    for i in needed_slices(k, problem.slices):
        file = paths.fine_solve(key, k, i)
        fine = Stored(file, "data", -1)
        new: Vector = fine
        if i >= k:
            before_solve()
            coarse[i], taken_s = solve_coarse(problem, k, i, y[i])
            elapsed_s += taken_s
            new = Held(coarse[i]) + fine - Held(before.coarse[i])
        try:
            y[i + 1] = new.reduce()
        except (OSError, KeyError, ValueError) as error:
            raise ArchiveError(f"{file}: {error}; remove it and run snakemake again") from None
    maxdif = float(np.abs(y - before.y).max())
    wall_s = float("nan") if since is None else time.time() - since
    iterate = Iterate(k, y, coarse, maxdif, elapsed_s, wall_s)
    write_iterate(paths.iterate(key, k), iterate)
    return iterate


def is_over(iterate: Iterate, tolerance: float) -> bool:
    """Return whether the iteration of a case ends here: converged, or exact at all points."""
    return is_last_iteration(iterate.iteration, len(iterate.coarse), iterate.maxdif, tolerance)


def is_last_iteration(iteration: int, slices: int, maxdif: float, tolerance: float) -> bool:
    """Return whether an iteration that changed the states by `maxdif` is the last one."""
    return iteration >= slices or maxdif < tolerance


def needed_slices(iteration: int, slices: int) -> range:
    """Return the slices, from 0, whose fine solves iteration 1, 2, ... needs."""
    return range(iteration - 1, slices)


def fine_solve_count(iterations: int, slices: int) -> int:
    """Return the number of fine solves of all iterations 1 to `iterations` together."""
    return sum(len(needed_slices(k, slices)) for k in range(1, iterations + 1))


def solved_in(iteration: int, i: int) -> int:
    """Return which iteration made the fine solve of slice i that is valid after `iteration`.

    Iteration i + 1 solves slice i from its exact state, so later iterations use that solve.
    """
    return min(iteration, i + 1)


def missing_solves(problem: Problem, iteration: int) -> tuple[int, ...]:
    """Return the slices, from 0, whose fine solves an iteration needs and has no whole file of."""
    return tuple(
        i
        for i in needed_slices(iteration, problem.slices)
        if not is_whole(problem.paths.fine_solve(problem.key, iteration, i))
    )


@dataclass(frozen=True)
class CaseProgress:
    """How far a case has come."""

    iteration: int  # the last one whose states exist; -1 if there is none
    is_over: bool  # whether that is the last one, to the tolerance of the study
    missing: tuple[int, ...]  # slices, from 0, whose fine solves the next iteration still needs


def case_progress(problem: Problem) -> CaseProgress:
    """Return how far a case has come, from its files.

    Iterations after the first one that meets the tolerance do not count: an earlier run with a
    smaller tolerance added them.
    """
    tolerance = problem.parareal.tolerance
    last = -1
    while is_whole(problem.paths.iterate(problem.key, last + 1)):
        last += 1
        if is_over(read_iterate(problem.paths.iterate(problem.key, last)), tolerance):
            return CaseProgress(last, is_over=True, missing=())
    if last < 0:
        return CaseProgress(last, is_over=False, missing=())
    return CaseProgress(last, is_over=False, missing=missing_solves(problem, last + 1))


def solve_fine(problem: Problem, iteration: int, i: int, attempt: int = 1) -> None:
    """Run the fine solve of slice i, from 0, in iteration 1, 2, ..., and write its file.

    The file of the states of the iteration before must exist. `attempt` is how often this solve was
    started, this time included. Raises BatchError, one line, if the solve fails in spite of the
    retries of the study.
    """
    start = Stored(problem.paths.iterate(problem.key, iteration - 1), "y", i)
    _solve_to_file(problem, iteration, i, start, attempt)


def solve_serial(problem: Problem, i: int, attempt: int = 1) -> None:
    """Run the serial fine solve of a slice that no iteration solved from its exact state.

    The file of the serial solve of the slice before must exist. Otherwise as `solve_fine`.
    """
    start: Vector = Held(problem.initial)
    if i:
        start = Stored(serial_solve(problem, i - 1), "data", -1)
    _solve_to_file(problem, 0, i, start, attempt)


def serial_solve(problem: Problem, i: int) -> Path:
    """Return the file of the serial fine solve of a slice, from 0.

    That is the file of iteration i + 1 if it exists, since that one starts from the exact state.
    """
    shared = problem.paths.fine_solve(problem.key, i + 1, i)
    return shared if is_whole(shared) else problem.paths.fine_solve(problem.key, 0, i)


def missing_serial(problem: Problem) -> list[int]:
    """Return the slices, from 0, that the serial solution lacks."""
    return [i for i in range(problem.slices) if not is_whole(serial_solve(problem, i))]


def solve_coarse(problem: Problem, iteration: int, i: int, y: Array) -> tuple[Array, float]:
    """Return the coarse solution at the end of slice i, shape (m,), and the time it took [s].

    It starts from state y, shape (m,); `iteration` is for messages. Raises BatchError if the solve
    fails in spite of the retries of the study.
    """
    solve = _solve(problem, problem.coarse, ("coarse", iteration, i), y, 1)
    return solve.data[-1], solve.elapsed_s


def _solve_to_file(problem: Problem, iteration: int, i: int, start: Vector, attempt: int) -> None:
    path = problem.paths.fine_solve(problem.key, iteration, i)
    try:
        y = start.reduce()
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{path}: cannot read its initial state: {error}; run again") from None
    solve = _solve(problem, problem.fine, ("fine", iteration, i), y, attempt)
    write_solve(path, problem.slice(i), solve)


def _solve(
    problem: Problem, propagator: Propagator, which: tuple[str, int, int], y: Array, attempt: int
) -> Solve:
    """Solve over a slice; try again as often as the study says for the status of a failure."""
    kind, iteration, i = which
    name = f"{kind}-k{iteration:03d}-i{i:04d}"
    while True:
        try:
            return propagator.solve(name, problem.slice(i), y, attempt)
        except SolveError as error:
            if attempt > problem.study.config.on_failure.times(error.status):
                text = f"{error.status.label}: {one_line(str(error))}"
                raise BatchError(failure_line(problem, which, text)) from None
        attempt += 1


def failure_line(problem: Problem, which: tuple[str, int, int | None], text: str) -> str:
    """Return in one line which solve failed, and how (`text`).

    `which` is `coarse` or `fine`, the iteration (of fine solves 0 is the serial solution), and the
    slice, from 0, or None if it is not known.
    """
    kind, iteration, i = which
    where = f"iteration {iteration}" if iteration or kind == "coarse" else "the serial solution"
    what = f"a {kind} solve"
    if i is not None:
        t0, t1 = problem.slice(i)
        what = f"the {kind} solve of slice {i + 1} (t = {t0:g} to {t1:g})"
    return (
        f"study {problem.study.config.study}: {problem.case.label}: {what} of {where}: {text}; "
        "correct that and run again (what is on record stays)"
    )
