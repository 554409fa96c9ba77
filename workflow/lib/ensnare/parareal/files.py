"""The HDF5 files of a case: one for each fine solve, one for the states of each iteration.

A fine solve has the dataset `data`, shape (n + 1, m), and the attributes `t0`, `t1`, `h` (the step
that was asked for), `n` (the number of steps), `step` (the step that was taken) and `elapsed_s`.
The states of iteration k have the dataset `y`, shape (slices + 1, m), the dataset `coarse`, shape
(slices, m), which holds the coarse solution over each slice from these states, and the attributes
`iteration`, `maxdif`, `coarse_s` and `wall_s`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError
from ensnare.parareal.propagators import Solve
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.paths import write_whole

Array = NDArray[np.float64]
# To bring a file to the disk takes longer than many a solve: for less than this [s] it is not worth
# it. A power loss may leave an empty file of it, which is made again (`is_whole`).
_WORTH_S = 1.0


@dataclass(frozen=True)
class Iterate:
    """The states after an iteration.

    Attributes
    ----------
    iteration : int
        Which one; 0 is the coarse solution.
    y : ndarray of float, shape (slices + 1, m)
        States at the points.
    coarse : ndarray of float, shape (slices, m)
        The coarse solution over each slice from these states; NaN where it is not needed any more.
    maxdif : float
        Largest change of a component at a point; NaN in iteration 0.
    coarse_s : float
        Time of the coarse solves of this iteration [s].
    wall_s : float
        Wall-clock time of the iteration [s]; NaN where it was interrupted, or was several jobs.
    """

    iteration: int
    y: Array
    coarse: Array
    maxdif: float
    coarse_s: float
    wall_s: float = float("nan")


def write_solve(path: Path, times: tuple[float, float], solve: Solve) -> None:
    """Write a fine solve."""

    def write(part: Path) -> None:
        with new_hdf5(part) as file:
            file.create_dataset("data", data=solve.data)
            t0, t1 = times
            file.attrs.update(
                {
                    "t0": t0,
                    "t1": t1,
                    "h": solve.requested_h,
                    "n": solve.steps,
                    "step": (t1 - t0) / solve.steps,
                    "elapsed_s": solve.elapsed_s,
                }
            )

    write_whole(path, write, durable=solve.elapsed_s >= _WORTH_S)


def read_solve(path: Path) -> Solve:
    """Read a fine solve.

    Raises
    ------
    ArchiveError
        If it is missing or damaged.
    """
    with _reading(path) as file:
        attributes = file.attrs
        return Solve(file["data"][:], float(attributes["h"]), float(attributes["elapsed_s"]))


@dataclass(frozen=True)
class Ends:
    """The ends of a fine solve.

    Attributes
    ----------
    first, last : ndarray of float, shape (m,)
        Its states at the begin and the end of the slice.
    elapsed_s : float
        Wall-clock time [s].
    """

    first: Array
    last: Array
    elapsed_s: float


def read_ends(path: Path) -> Ends:
    """Read the ends of a fine solve, and not what is between.

    Raises
    ------
    ArchiveError
        If it is missing or damaged.
    """
    with _reading(path) as file:
        data = file["data"]
        return Ends(data[0], data[len(data) - 1], float(file.attrs["elapsed_s"]))


def write_iterate(path: Path, iterate: Iterate) -> None:
    """Write the states after an iteration."""

    def write(part: Path) -> None:
        with new_hdf5(part) as file:
            file.create_dataset("y", data=iterate.y)
            file.create_dataset("coarse", data=iterate.coarse)
            for name in ("iteration", "maxdif", "coarse_s", "wall_s"):
                file.attrs[name] = getattr(iterate, name)

    write_whole(path, write, durable=iterate.coarse_s >= _WORTH_S)


def read_iterate(path: Path) -> Iterate:
    """Read the states after an iteration.

    Raises
    ------
    ArchiveError
        If they are missing or damaged.
    """
    with _reading(path) as file:
        numbers = {n: float(file.attrs[n]) for n in ("maxdif", "coarse_s", "wall_s")}
        return Iterate(int(file.attrs["iteration"]), file["y"][:], file["coarse"][:], **numbers)


def read_maxdif(path: Path) -> float:
    """Return by how much an iteration changed the states, without reading them.

    Raises
    ------
    ArchiveError
        If the file is missing or damaged.
    """
    with _reading(path) as file:
        return float(file.attrs["maxdif"])


def is_whole(path: Path) -> bool:
    """Return whether there is a file, and HDF5 can open it; of a damaged one the work is redone."""
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "data" in file or "y" in file
    except OSError:
        return False


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    """Open a file; what cannot be read in it is one line."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, KeyError) as error:
        reason = error.args[0] if path.exists() else "it is missing"
        raise ArchiveError(
            f"{path}: {reason}; remove it if it is there, and run snakemake again"
        ) from None
