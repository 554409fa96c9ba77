"""The results of a case as arrays, collected from its files, and the speed-ups and errors.

A trajectory is the fine solves of all slices joined, of an iteration or of the serial solution.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError
from ensnare.parareal.files import Ends, read_ends, read_iterate, read_solve
from ensnare.parareal.iteration import (
    case_progress,
    fine_solve_count,
    needed_slices,
    serial_solve,
    solved_in,
)
from ensnare.parareal.problem import Problem, problems
from ensnare.parareal.propagators import Solve
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.sweep import Case, case_label

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CaseResults:
    """The results of a case, after K iterations over N slices with a state of m numbers.

    Attributes
    ----------
    case : dict
        Factor to level.
    key : str
        The name of its directory.
    converged : bool
        Whether the last change was below the tolerance. If not, the case ended after N iterations,
        since the states are then exactly the serial fine solution.
    t : ndarray of float, shape (N + 1,)
        The points in time.
    y : ndarray of float, shape (K + 1, N + 1, m)
        States after each iteration; the first is the coarse solution.
    maxdif : ndarray of float, shape (K + 1,)
        Largest change of a component at a point in each iteration; NaN for iteration 0.
    fine_s : ndarray of float, shape (K, N)
        Time of each fine solve of iterations 1 to K [s]; NaN where none was needed.
    coarse_s : ndarray of float, shape (K + 1,)
        Time of all coarse solves of each iteration [s].
    wall_s : ndarray of float, shape (K + 1,)
        Wall-clock time of each iteration [s]; NaN where it is not known, see `speedup_wall`.
    jumps : ndarray of float, shape (K, N - 1)
        Largest jump of a component of the fine trajectory of iterations 1 to K between two slices.
    time : ndarray of float, shape (rows,)
        Times of the rows of the trajectories below.
    rows : ndarray of int, shape (N + 1,)
        The rows at the points in time.
    trajectory : ndarray of float, shape (rows, m)
        Fine trajectory of the last iteration.
    serial, exact : ndarray of float, shape (rows, m), or None
        The serial fine solution and the exact one, if the study has them.
    """

    case: Case
    key: str
    converged: bool
    t: Array
    y: Array
    maxdif: Array
    fine_s: Array
    coarse_s: Array
    wall_s: Array
    jumps: Array
    time: Array
    rows: NDArray[np.int64]
    trajectory: Array
    serial: Array | None
    exact: Array | None

    @property
    def label(self) -> str:
        """The levels of the case as text; empty if the study has no factors."""
        return case_label(self.case)

    @property
    def iterations(self) -> int:
        """The number of iterations K."""
        return len(self.y) - 1

    @property
    def slices(self) -> int:
        """The number of slices N."""
        return len(self.t) - 1

    @property
    def fine_solves(self) -> int:
        """The number of fine solves of all iterations, without those of the serial solution."""
        return fine_solve_count(self.iterations, self.slices)

    @cached_property
    def serial_s(self) -> float:
        """Time of fine solves over all slices in sequence [s].

        Of each slice that is the time of its last fine solve in the iteration, so the serial
        solution need not have been run.
        """
        latest = [self.fine_s[min(self.iterations, i + 1) - 1, i] for i in range(self.slices)]
        return float(np.sum(latest))

    @property
    def speedup_bound(self) -> float:
        """The speed-up if fine solves of an iteration run all at once, and all else took no time.

        References
        ----------
        Lions, Maday and Turinici (2001), C. R. Acad. Sci. Paris 332, 661-668,
        doi:10.1016/S0764-4442(00)01793-6
        """
        return self.slices / self.iterations

    @property
    def speedup_measured(self) -> float:
        """The speed-up with one process for each slice, computed from the times of the solves."""
        slowest = float(np.nanmax(self.fine_s, axis=1).sum())
        return self.serial_s / (slowest + float(self.coarse_s.sum()))

    @property
    def speedup_wall(self) -> float:
        """The speed-up by wall-clock time.

        NaN unless the driver `pool` solved each iteration of this case alone, without interruption.
        """
        return self.serial_s / float(self.coarse_s[0] + self.wall_s[1:].sum())

    def errors(self, truth: Array | None) -> Array:
        """Return the largest error of a component at a point, after each iteration.

        Parameters
        ----------
        truth : ndarray of float, shape (rows, m), or None
            The serial fine or the exact solution.

        Returns
        -------
        ndarray of float, shape (K + 1,)
            NaN if there is no truth.
        """
        if truth is None:
            return np.full(self.iterations + 1, np.nan)
        found: Array = np.abs(self.y - truth[self.rows]).max(axis=(1, 2))
        return found


def collect_cases(study: LoadedStudy, paths: StudyPaths) -> list[CaseResults]:
    """Read the results of all cases from their files.

    Raises ArchiveError if a case is not solved to the tolerance, or a file is missing or damaged.
    """
    return [_collect(problem) for problem in problems(study, paths)]


def _collect(problem: Problem) -> CaseResults:
    progress = case_progress(problem)
    if not progress.is_over:
        raise ArchiveError(
            f"{problem.paths.parareal / problem.key}: {problem.case.label}: not solved to the "
            "tolerance; run snakemake"
        )
    paths, key, n, iterations = problem.paths, problem.key, problem.slices, progress.iteration
    iterates = [read_iterate(paths.iterate(key, k)) for k in range(iterations + 1)]
    last = read_solves(slice_files(paths, key, iterations, n))
    time = join_times(problem.times, last)
    ends = _ends(problem, iterations)
    return CaseResults(
        case=problem.case.case,
        key=key,
        converged=iterates[-1].maxdif < problem.parareal.tolerance,
        t=problem.times,
        y=np.array([iterate.y for iterate in iterates]),
        maxdif=np.array([iterate.maxdif for iterate in iterates]),
        fine_s=_fine_times(ends, (iterations, n)),
        coarse_s=np.array([iterate.coarse_s for iterate in iterates]),
        wall_s=np.array([iterate.wall_s for iterate in iterates]),
        jumps=_jumps(ends, (iterations, n)),
        time=time,
        rows=point_rows(last),
        trajectory=join(last),
        serial=_serial(problem),
        exact=problem.exact(time),
    )


def _serial(problem: Problem) -> Array | None:
    """Return the serial fine solution, if the study asks for it."""
    if not problem.parareal.serial:
        return None
    return join(read_solves([serial_solve(problem, i) for i in range(problem.slices)]))


def _ends(problem: Problem, iterations: int) -> dict[tuple[int, int], Ends]:
    """Return the end states of every fine solve by its iteration, from 1, and slice, from 0."""
    return {
        (k, i): read_ends(problem.paths.fine_solve(problem.key, k, i))
        for k in range(1, iterations + 1)
        for i in needed_slices(k, problem.slices)
    }


def _fine_times(ends: Mapping[tuple[int, int], Ends], shape: tuple[int, int]) -> Array:
    """Return the time of each fine solve [s], shape (K, N); NaN where none was needed."""
    found = np.full(shape, np.nan)
    for (k, i), solve in ends.items():
        found[k - 1, i] = solve.elapsed_s
    return found


def _jumps(ends: Mapping[tuple[int, int], Ends], shape: tuple[int, int]) -> Array:
    """Return the jumps of the trajectory of each iteration, shape (K, N - 1)."""
    iterations, slices = shape
    found = [
        boundary_jumps([ends[solved_in(k, i), i] for i in range(slices)])
        for k in range(1, iterations + 1)
    ]
    return np.array(found).reshape(iterations, slices - 1)


def slice_files(paths: StudyPaths, key: str, iteration: int, slices: int) -> list[Path]:
    """Return the files of the fine solves that the trajectory of an iteration consists of."""
    return [paths.fine_solve(key, solved_in(iteration, i), i) for i in range(slices)]


def read_solves(files: Sequence[Path]) -> list[Solve]:
    """Read fine solves; raise ArchiveError if a file is missing or damaged."""
    return [read_solve(path) for path in files]


def join(solves: Sequence[Solve]) -> Array:
    """Return the states of consecutive solves in one array, shape (rows, m).

    A point between two slices has one row: the end of the earlier solve.
    """
    return np.concatenate([solves[0].data, *(solve.data[1:] for solve in solves[1:])])


def join_times(points: Array, solves: Sequence[Solve]) -> Array:
    """Return the time of each row of joined solves, shape (rows,).

    `points` are the points in time, shape (slices + 1,), one more than solves.
    """
    parts = [
        np.linspace(t0, t1, solve.steps + 1)[1:]
        for (t0, t1), solve in zip(itertools.pairwise(points.tolist()), solves, strict=True)
    ]
    return np.concatenate([points[:1], *parts])


def point_rows(solves: Sequence[Solve]) -> NDArray[np.int64]:
    """Return the rows of joined solves that are at the points in time, shape (slices + 1,)."""
    return np.cumsum([0, *(solve.steps for solve in solves)])


def boundary_jumps(ends: Sequence[Ends]) -> Array:
    """Return the jumps between consecutive solves, shape (slices - 1,).

    A jump is the largest difference of a component between the end of a slice and the start of the
    next one.
    """
    jumps = [np.abs(b.first - a.last).max() for a, b in itertools.pairwise(ends)]
    return np.array(jumps, dtype=np.float64)
