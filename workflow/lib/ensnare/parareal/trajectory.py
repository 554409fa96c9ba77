"""Trajectories of a case: the fine solves of an iteration, or of the serial solution, joined."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensnare.parareal.files import read_solve
from ensnare.parareal.iteration import solved_in
from ensnare.parareal.problem import Problem
from ensnare.parareal.solves import serial_solve

Array = NDArray[np.float64]


def slice_files(problem: Problem, iteration: int) -> list[Path]:
    """Return the fine solves that make the trajectory of an iteration, one for each slice."""
    found = [(solved_in(iteration, i), i) for i in range(problem.slices)]
    return [problem.paths.fine_solve(problem.key, k, i) for k, i in found]


def serial_files(problem: Problem) -> list[Path]:
    """Return the fine solves that make the serial solution, one for each slice."""
    return [serial_solve(problem, i) for i in range(problem.slices)]


def join(files: list[Path]) -> Array:
    """Return solves joined, without the first row of each later one, shape (rows, m).

    Raises
    ------
    ArchiveError
        If a file is missing or damaged.
    """
    parts = [read_solve(path).data for path in files]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def join_times(problem: Problem, files: list[Path]) -> Array:
    """Return the time of each row of joined solves, shape (rows,)."""
    found = [np.array([problem.times[0]])]
    for i, path in enumerate(files):
        t0, t1 = problem.slice(i)
        found.append(np.linspace(t0, t1, read_solve(path).steps + 1)[1:])
    return np.concatenate(found)


def boundary_jumps(files: list[Path]) -> Array:
    """Return by how much joined solves jump from one slice to the next.

    Returns
    -------
    ndarray of float, shape (slices - 1,)
        Largest difference of a component between the end of a slice and the begin of the next.
    """
    parts = [read_solve(path).data for path in files]
    jumps = [np.abs(after[0] - before[-1]).max() for before, after in itertools.pairwise(parts)]
    return np.array(jumps, dtype=np.float64)
