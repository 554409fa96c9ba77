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
    """Return the number of rows of an HDF5 table."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            place = file[dataset or "/"]
            if isinstance(place, h5py.Dataset):
                return int(place.shape[0]) if place.ndim else 0
            sizes = [d.shape[0] for d in place.values() if isinstance(d, h5py.Dataset) and d.ndim]
    except (OSError, KeyError) as error:
        raise ConfigError(f"design.file: cannot read {path}: {error.args[0]}") from None
    return min(sizes, default=0)


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
        raise ConfigError(f"{path}: row {row + 1}, column '{names[column]}' is not a finite number")
    return x


def _read_hdf5(path: Path, names: Sequence[str], dataset: str | None) -> list[Any]:
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        place = file[dataset or "/"]
        known = list(place.dtype.names or ()) if isinstance(place, h5py.Dataset) else list(place)
        _check_columns(path, names, known)
        columns = [np.asarray(place[name], float) for name in names]
    rows = {len(c) for c in columns if c.ndim == 1}
    if len(rows) != 1 or any(c.ndim != 1 for c in columns):
        raise ConfigError(f"{path}: the columns differ in shape; expected one value per row")
    return columns


def _read_csv(path: Path, names: Sequence[str]) -> list[Any]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#")]
    try:
        dialect: Any = csv.Sniffer().sniff("".join(lines[:20]), delimiters=",;\t ")
    except csv.Error:  # one column has no separator
        dialect = csv.excel
    rows = list(csv.reader(lines, dialect, skipinitialspace=True))
    header = [cell.strip() for cell in rows[0]]
    _check_columns(path, names, header)
    places = [header.index(name) for name in names]
    values = np.empty((len(rows) - 1, len(names)))
    for i, row in enumerate(rows[1:]):
        for j, place in enumerate(places):
            try:
                values[i, j] = float(row[place])
            except (ValueError, IndexError):
                found = row[place] if place < len(row) else ""
                raise ConfigError(
                    f"{path}: row {i + 1}, column '{names[j]}': got '{found}'; expected a number"
                ) from None
    return list(values.T)


def _check_columns(path: Path, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{path}: no column '{name}'{did_you_mean(name, known)}")
