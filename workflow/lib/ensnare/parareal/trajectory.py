"""Trajectories of a case: the fine solves of an iteration, or of the serial solution, joined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.parareal.files import Ends, read_solve
from ensnare.parareal.iteration import solved_in
from ensnare.parareal.propagators import Solve
from ensnare.paths import StudyPaths

Array = NDArray[np.float64]


def slice_files(paths: StudyPaths, key: str, iteration: int, slices: int) -> list[Path]:
    """Return the fine solves that make the trajectory of an iteration, one for each slice."""
    return [paths.fine_solve(key, solved_in(iteration, i), i) for i in range(slices)]


def read_solves(files: Sequence[Path]) -> list[Solve]:
    """Read fine solves.

    Raises
    ------
    ArchiveError
        If a file is missing or damaged.
    """
    return [read_solve(path) for path in files]


def join(solves: Sequence[Solve]) -> Array:
    """Return solves joined, without the first row of each later one, shape (rows, m)."""
    return np.concatenate([solves[0].data, *(solve.data[1:] for solve in solves[1:])])


def join_times(points: Array, solves: Sequence[Solve]) -> Array:
    """Return the time of each row of joined solves, shape (rows,).

    Parameters
    ----------
    points : ndarray of float, shape (slices + 1,)
        The ends of the slices.
    solves : sequence of Solve, length slices
        The solves.
    """
    parts = [
        np.linspace(t0, t1, solve.steps + 1)[1:]
        for (t0, t1), solve in zip(itertools.pairwise(points.tolist()), solves, strict=True)
    ]
    return np.concatenate([points[:1], *parts])


def point_rows(solves: Sequence[Solve]) -> NDArray[np.int64]:
    """Return the rows of joined solves at which the points are, shape (slices + 1,)."""
    return np.cumsum([0, *(solve.steps for solve in solves)])


def boundary_jumps(ends: Sequence[Ends]) -> Array:
    """Return by how much joined solves jump from one slice to the next.

    Parameters
    ----------
    ends : sequence of Ends, length slices
        The ends of the solves.

    Returns
    -------
    ndarray of float, shape (slices - 1,)
        Largest difference of a component between the end of a slice and the begin of the next.
    """
    jumps = [np.abs(b.first - a.last).max() for a, b in itertools.pairwise(ends)]
    return np.array(jumps, dtype=np.float64)
