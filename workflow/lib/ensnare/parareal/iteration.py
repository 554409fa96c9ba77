"""The iteration of a case over its files: which fine solves it needs, one solve, one update.

After k iterations the points 0..k are exactly the serial fine solution, so iteration k needs the
fine solves of slices k - 1, k, ... (from 0) only. Whoever runs them, and wherever, the numbers are
the same bit by bit: every one is computed here, in one order of operations.
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


def solve_fine(problem: Problem, iteration: int, i: int, attempt: int = 1) -> None:
    """Run one fine solve, and write its file.

    Parameters
    ----------
    problem : Problem
        The case; the states of the iteration before are on record.
    iteration : int
        The iteration, from 1.
    i : int
        The slice, from 0.
    attempt : int
        How often this solve was started, this time included.

    Raises
    ------
    BatchError
        If it fails, in spite of the retries of the study: one line.
    """
    start = Stored(problem.paths.iterate(problem.key, iteration - 1), "y", i)
    _solve_to_file(problem, (iteration, i), start, attempt)


def solve_serial(problem: Problem, i: int, attempt: int = 1) -> None:
    """Run the serial fine solve of a slice that no iteration solved from its exact state.

    See `solve_fine`; the solve of the slice before is on record.
    """
    start: Vector = Held(problem.initial)
    if i:
        start = Stored(serial_solve(problem, i - 1), "data", -1)
    _solve_to_file(problem, (0, i), start, attempt)


def serial_solve(problem: Problem, i: int) -> Path:
    """Return the file of the serial fine solve of a slice: an iteration's, where that was exact."""
    shared = problem.paths.fine_solve(problem.key, i + 1, i)
    return shared if is_whole(shared) else problem.paths.fine_solve(problem.key, 0, i)


def missing_serial(problem: Problem) -> list[int]:
    """Return the slices, from 0, that the serial solution lacks."""
    return [i for i in range(problem.slices) if not is_whole(serial_solve(problem, i))]


def solve_coarse(problem: Problem, iteration: int, i: int, y: Array) -> tuple[Array, float]:
    """Return the coarse solution at the end of a slice, and the time it took [s].

    Parameters
    ----------
    problem : Problem
        The case.
    iteration : int
        The iteration, for messages.
    i : int
        The slice, from 0.
    y : ndarray of float, shape (m,)
        State at its begin.

    Raises
    ------
    BatchError
        If it fails, in spite of the retries of the study.
    """
    solve = _solve(problem, problem.coarse, ("coarse", iteration, i), y, 1)
    return solve.data[-1], solve.elapsed_s


def _solve_to_file(problem: Problem, place: tuple[int, int], start: Vector, attempt: int) -> None:
    iteration, i = place
    path = problem.paths.fine_solve(problem.key, iteration, i)
    try:
        y = start.reduce()
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{path}: cannot read where it starts: {error}; run again") from None
    solve = _solve(problem, problem.fine, ("fine", iteration, i), y, attempt)
    write_solve(path, problem.slice(i), solve)


def _solve(
    problem: Problem, propagator: Propagator, which: tuple[str, int, int], y: Array, attempt: int
) -> Solve:
    """Solve over a slice, again as often as the study says for the way in which it failed."""
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
    """Return in one line which solve failed, and how.

    Parameters
    ----------
    problem : Problem
        The case.
    which : tuple of str, int, int or None
        `coarse` or `fine`; the iteration, 0 for the serial solution; the slice, from 0, if it is
        known.
    text : str
        How.
    """
    kind, iteration, i = which
    where = f"iteration {iteration}" if iteration or kind == "coarse" else "the serial solution"
    what = f"a {kind} solve"
    if i is not None:
        t0, t1 = problem.slice(i)
        what = f"the {kind} solve of slice {i + 1} (t = {t0:g} to {t1:g})"
    return (
        f"study {problem.study.config.study}: {problem.case.label}: {what} of {where}: {text}; "
        "mend that and run again (what is on record stays)"
    )


def needed_slices(iteration: int, slices: int) -> range:
    """Return the slices, from 0, whose fine solves iteration 1, 2, ... needs."""
    return range(iteration - 1, slices)


def fine_solve_count(iterations: int, slices: int) -> int:
    """Return how many fine solves so many iterations need together."""
    return sum(len(needed_slices(k, slices)) for k in range(1, iterations + 1))


def solved_in(iteration: int, i: int) -> int:
    """Return the iteration whose fine solve of slice i holds in a later one: it was exact then."""
    return min(iteration, i + 1)


def is_over(iterate: Iterate, tolerance: float) -> bool:
    """Return whether the iteration stops here: converged, or exact everywhere."""
    return ends(iterate.iteration, len(iterate.coarse), iterate.maxdif, tolerance)


def ends(iteration: int, slices: int, maxdif: float, tolerance: float) -> bool:
    """Return whether an iteration that changed the states by `maxdif` is the last one."""
    return iteration >= slices or maxdif < tolerance


@dataclass(frozen=True)
class Standing:
    """Where a case stands.

    Attributes
    ----------
    iteration : int
        The last iteration with states; -1 if there is none.
    is_over : bool
        Whether no further one is needed, to the tolerance of the study.
    missing : tuple of int
        Slices, from 0, whose fine solves the next iteration still needs.
    """

    iteration: int
    is_over: bool
    missing: tuple[int, ...]


def standing(problem: Problem) -> Standing:
    """Return where a case stands, from its files.

    Iterations that an earlier run added to a smaller tolerance do not count.
    """
    tolerance = problem.parareal.tolerance
    last = -1
    while is_whole(problem.paths.iterate(problem.key, last + 1)):
        last += 1
        if is_over(read_iterate(problem.paths.iterate(problem.key, last)), tolerance):
            return Standing(last, is_over=True, missing=())
    if last < 0:
        return Standing(last, is_over=False, missing=())
    return Standing(last, is_over=False, missing=missing_solves(problem, last + 1))


def missing_solves(problem: Problem, iteration: int) -> tuple[int, ...]:
    """Return the slices whose fine solves an iteration needs and that are not on record."""
    return tuple(
        i
        for i in needed_slices(iteration, problem.slices)
        if not is_whole(problem.paths.fine_solve(problem.key, iteration, i))
    )


def begin(problem: Problem, before_solve: Callable[[], None] = lambda: None) -> Iterate:
    """Write the states of iteration 0: the coarse solution.

    Parameters
    ----------
    problem : Problem
        The case.
    before_solve : callable
        Called before each coarse solve.

    Raises
    ------
    BatchError
        If a coarse solve fails, in spite of the retries of the study.
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
    """Compute the states of an iteration from those before and its fine solves; write them.

    y_k[i+1] = G(y_k[i]) + F(y_(k-1)[i]) - G(y_(k-1)[i]); up to point k it is F alone.

    Parameters
    ----------
    problem : Problem
        The case; the states of iteration k - 1 and the fine solves of iteration k are on record.
    iteration : int
        The iteration k, from 1.
    before_solve : callable
        Called before each coarse solve.
    since : float, optional
        When the iteration began, by `time.time()`, if it was not interrupted.

    Returns
    -------
    Iterate
        The states; `is_over` tells whether they are the last ones.

    Raises
    ------
    BatchError
        If a coarse solve fails, in spite of the retries of the study.
    ArchiveError
        If a file is missing or damaged.
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
