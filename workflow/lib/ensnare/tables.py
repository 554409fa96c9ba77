"""Designs that come from files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError, did_you_mean


def count_hdf5_rows(path: Path, dataset: str | None) -> int:
    """Return the number of rows of an HDF5 table.

    Raises
    ------
    ConfigError
        If the file or the dataset cannot be read.
    """
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            place = _place(file, path, dataset)
            if isinstance(place, h5py.Dataset):
                return int(place.shape[0]) if place.ndim else 0
            sizes = [d.shape[0] for d in place.values() if isinstance(d, h5py.Dataset) and d.ndim]
    except OSError:
        raise ConfigError(f"design.file: {path} is not an HDF5 file") from None
    return min(sizes, default=0)


def _place(file: Any, path: Path, dataset: str | None) -> Any:  # noqa: ANN401
    """Return the group or dataset of an open HDF5 file that holds the table."""
    if dataset and dataset not in file:
        raise ConfigError(f"design.dataset: {path} has no '{dataset}'{did_you_mean(dataset, file)}")
    return file[dataset or "/"]


def read_table(path: Path, names: Sequence[str], dataset: str | None = None) -> NDArray[np.float64]:
    """Read the columns of a CSV or HDF5 table.

    Parameters
    ----------
    path : Path
        `.h5` or `.hdf5`: HDF5; anything else: CSV with a header, `#` starts a comment.
    names : sequence of str, length d
        The columns to take.
    dataset : str, optional
        HDF5: a group with a dataset per column, or a compound dataset.

    Returns
    -------
    ndarray of float, shape (n, d)
        The values.

    Raises
    ------
    ConfigError
        If a column is missing, or a value is not a finite number.
    """
    if path.suffix in (".h5", ".hdf5"):
        columns = _read_hdf5(path, names, dataset)
    else:
        columns = _read_csv(path, names)
    x = np.stack(columns, axis=1)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ConfigError(
            f"design.file: {path}: row {row + 1}, column '{names[column]}': got {x[row, column]}; "
            "expected a finite number"
        )
    return x


def _read_hdf5(path: Path, names: Sequence[str], dataset: str | None) -> list[Any]:
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        place = _place(file, path, dataset)
        known = list(place.dtype.names or ()) if isinstance(place, h5py.Dataset) else list(place)
        _check_columns(path, names, known)
        try:
            columns = [np.asarray(place[name], float) for name in names]
        except (TypeError, ValueError):
            raise ConfigError(f"design.file: {path}: expected columns of numbers") from None
    rows = {len(c) for c in columns if c.ndim == 1}
    if len(rows) != 1 or any(c.ndim != 1 for c in columns):
        raise ConfigError(
            f"design.file: {path}: the columns differ in shape; expected one value per row"
        )
    return columns


def _read_csv(path: Path, names: Sequence[str]) -> list[Any]:
    header, *rows = _csv_rows(path)
    _check_columns(path, names, header)
    twice = next((name for name in names if header.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"design.file: {path}: found two columns '{twice}'; keep one")
    places = [header.index(name) for name in names]
    values = np.empty((len(rows), len(names)))
    for i, row in enumerate(rows):
        for j, place in enumerate(places):
            try:
                values[i, j] = float(row[place])
            except (ValueError, IndexError):
                found = f"got '{row[place]}'" if place < len(row) else "found nothing"
                raise ConfigError(
                    f"design.file: {path}: row {i + 1}, column '{names[j]}': {found}; "
                    "expected a number"
                ) from None
    return list(values.T)


def _csv_rows(path: Path) -> list[list[str]]:
    """Return the cells of the header and the rows; the header decides the separator."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in file if line.strip() and not line.startswith("#")]
        separator = next((d for d in "\t;," if d in lines[0]), None)
        if separator is None:
            return [line.split() for line in lines]
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        return [[cell.strip() for cell in row] for row in rows]
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError(
            f"design.file: {path} is not a CSV file; expected a header and rows"
        ) from None


def _check_columns(path: Path, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            found = did_you_mean(name, known) or f"; found {len(known)} others"
            raise ConfigError(f"design.file: {path}: no column '{name}'{found}")
