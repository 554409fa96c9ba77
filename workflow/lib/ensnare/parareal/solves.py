"""One solve over a slice: tried again as the study says, and for a fine one written to its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, BatchError
from ensnare.parareal.files import is_whole, write_solve
from ensnare.parareal.problem import Problem
from ensnare.parareal.propagators import Propagator, Solve, SolveError
from ensnare.parareal.vectors import Held, Stored, Vector
from ensnare.status import one_line

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
