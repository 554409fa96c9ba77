"""The HDF5 files of a case: one for each fine solve, one for the states of each iteration.

The file of a fine solve has the dataset `data`, shape (n + 1, m), and the attributes `t0`, `t1`,
`h` (the step size that was asked for), `n` (the number of steps), `step` (the step size that was
used) and `elapsed_s`. The file of an iteration has the dataset `y`, shape (slices + 1, m), with the
states at the points in time, the dataset `coarse`, shape (slices, m), with the coarse solution at
the end of each slice, started from these states, and the attributes `iteration`, `maxdif`,
`coarse_s` and `wall_s`; see `Iterate`.
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
# Flushing a file to the disk (fsync) can take longer than a short solve, so results of solves
# shorter than this [s] are not flushed. A power failure may then leave an empty file, which
# `is_whole` detects, and the solve is run again.
_FLUSHED_FROM_S = 1.0


@dataclass(frozen=True)
class Iterate:
    """The states after an iteration."""

    iteration: int  # 0 is the coarse solution
    y: Array  # states at the points in time, shape (slices + 1, m)
    # the coarse solution at the end of each slice, started from these states, shape (slices, m);
    # NaN for slices 0 to k - 1 of iteration k, whose ends are exact already
    coarse: Array
    maxdif: float  # largest change of a component at a point in this iteration; NaN in iteration 0
    coarse_s: float  # time of all coarse solves of this iteration [s]
    # wall-clock time of the iteration [s]; NaN if it is unknown: iteration 0, an iteration that was
    # interrupted, solved together with other cases, or done by several jobs
    wall_s: float = float("nan")


def write_solve(path: Path, times: tuple[float, float], solve: Solve) -> None:
    """Write a fine solve; `times` are the start and end of its slice."""

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

    write_whole(path, write, durable=solve.elapsed_s >= _FLUSHED_FROM_S)


def read_solve(path: Path) -> Solve:
    """Read a fine solve; raise ArchiveError if its file is missing or damaged."""
    with _reading(path) as file:
        attributes = file.attrs
        return Solve(file["data"][:], float(attributes["h"]), float(attributes["elapsed_s"]))


@dataclass(frozen=True)
class Ends:
    """The states of a fine solve at both ends of its slice, without the steps in between."""

    first: Array  # shape (m,)
    last: Array  # shape (m,)
    elapsed_s: float  # wall-clock time of the whole solve [s]


def read_ends(path: Path) -> Ends:
    """Read the first and last state of a fine solve, and nothing in between.

    Raises ArchiveError if its file is missing or damaged.
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

    write_whole(path, write, durable=iterate.coarse_s >= _FLUSHED_FROM_S)


def read_iterate(path: Path) -> Iterate:
    """Read the states after an iteration; raise ArchiveError if they are missing or damaged."""
    with _reading(path) as file:
        numbers = {n: float(file.attrs[n]) for n in ("maxdif", "coarse_s", "wall_s")}
        return Iterate(int(file.attrs["iteration"]), file["y"][:], file["coarse"][:], **numbers)


def read_maxdif(path: Path) -> float:
    """Return `maxdif` of an iteration without reading its states.

    Raises ArchiveError if the file is missing or damaged.
    """
    with _reading(path) as file:
        return float(file.attrs["maxdif"])


def is_whole(path: Path) -> bool:
    """Return whether a file exists and HDF5 can open it.

    The work whose file is damaged is done again.
    """
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "data" in file or "y" in file
    except OSError:
        return False


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    """Open a file; raise ArchiveError, in one line, for what cannot be read of it."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, KeyError) as error:
        reason = error.args[0] if path.exists() else "it is missing"
        raise ArchiveError(
            f"{path}: {reason}; remove it if it is there, and run snakemake again"
        ) from None
