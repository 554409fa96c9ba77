"""Tables of numbers in files: CSV, HDF5 and pickles, as designs and as data of inputs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, ConfigError, did_you_mean
from ensnare.store.pickles import read_pickle
from ensnare.study.inputs import Input
from ensnare.study.loading import LoadedStudy

PICKLES = (".pkl", ".pklz")


class TableError(ValueError):
    """A fault of a table; the caller puts the place in the study file before the message."""


def count_csv_rows(path: Path) -> int:
    """Return the number of rows of a CSV table; raise ConfigError if it is not a CSV file."""
    try:
        return len(_csv_rows(path)) - 1
    except TableError as error:
        raise ConfigError(f"design.file: {error}") from None


def count_hdf5_rows(path: Path, dataset: str | None, names: Sequence[str]) -> int:
    """Return the number of rows of an HDF5 table: of the shortest of the given columns.

    Raises ConfigError if the file or the dataset cannot be read.
    """
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            place = _place(file, path, dataset)
            if isinstance(place, h5py.Dataset):
                return int(place.shape[0]) if place.ndim else 0
            columns = [place[name] for name in names if name in place]
            sizes = [d.shape[0] for d in columns if isinstance(d, h5py.Dataset) and d.ndim]
    except TableError as error:
        raise ConfigError(f"design.dataset: {error}") from None
    except OSError:
        raise ConfigError(f"design.file: {path} is not an HDF5 file") from None
    return min(sizes, default=0)


def count_pickle_rows(path: Path) -> int:
    """Return the number of rows of a pickled table; raise ConfigError if it cannot be read."""
    try:
        tree = _pickled(path)
        if isinstance(tree, dict):
            tree = next((tree[k] for k in ("inputs", "x") if k in tree), [*tree.values()][:1][0])
        return len(tree)
    except (TableError, TypeError, IndexError) as error:
        raise ConfigError(f"design.file: {error}") from None


def data_columns(
    study: LoadedStudy, item: Input, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the data of an input and their weights, each of shape (n,); no weights: None.

    Raises
    ------
    ConfigError
        If there is no such column of at least two numbers, or the weights are negative or all 0;
        the message begins with `where`, the place of the input in the study file.
    """
    assert item.data is not None
    data, path = item.data, study.path(item.data.file)
    if not path.is_file():
        raise ConfigError(f"{where}.data.file: no file {path}")
    names = [data.column or item.name, *([data.weights] if data.weights else [])]
    table = read_table(path, names, where=f"{where}.data")
    if len(table) < 2:
        raise ConfigError(f"{where}.data: {path}: found {len(table)} values; expected at least 2")
    if data.weights is None:
        return table[:, 0], None
    if table[:, 1].min() < 0 or table[:, 1].sum() <= 0:
        raise ConfigError(f"{where}.data.weights: {path}: expected weights from 0, not all 0")
    return table[:, 0], table[:, 1]


def read_table(
    path: Path, names: Sequence[str], dataset: str | None = None, where: str = "design.file"
) -> NDArray[np.float64]:
    """Read columns of a table, shape (n, d).

    Parameters
    ----------
    path : Path
        `.h5` or `.hdf5`: HDF5; `.pkl` or `.pklz`: a pickle of arrays, such as otwrapy's; anything
        else: CSV with a header, `#` starts a comment.
    names : sequence of str, length d
        The columns to take.
    dataset : str, optional
        HDF5: a group with a dataset per column, or a compound dataset; default: the root group.
    where : str
        Place in the study file, with which messages begin.

    Raises
    ------
    ConfigError
        If a column is missing, or a value is not a finite number.
    """
    try:
        if path.suffix in (".h5", ".hdf5"):
            columns = _read_hdf5(path, names, dataset)
        elif path.suffix in PICKLES:
            columns = _read_pickle(path, names)
        else:
            columns = _read_csv(path, names)
    except TableError as error:
        raise ConfigError(f"{where}: {error}") from None
    x = np.stack(columns, axis=1)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ConfigError(
            f"{where}: {path}: row {row + 1}, column '{names[column]}': got {x[row, column]}; "
            "expected a finite number"
        )
    return x


def _place(file: Any, path: Path, dataset: str | None) -> Any:  # noqa: ANN401
    """Return the group or dataset of an open HDF5 file that holds the table."""
    if dataset and dataset not in file:
        raise TableError(f"{path} has no '{dataset}'{did_you_mean(dataset, file)}")
    return file[dataset or "/"]


def _read_hdf5(path: Path, names: Sequence[str], dataset: str | None) -> list[Any]:
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        place = _place(file, path, dataset)
        known = list(place.dtype.names or ()) if isinstance(place, h5py.Dataset) else list(place)
        _check_columns(path, names, known)
        try:
            columns = [np.asarray(place[name], float) for name in names]
        except (TypeError, ValueError):
            raise TableError(f"{path}: expected columns of numbers") from None
    rows = {len(c) for c in columns if c.ndim == 1}
    if len(rows) != 1 or any(c.ndim != 1 for c in columns):
        raise TableError(f"{path}: the columns differ in shape; expected one value per row")
    return columns


def _read_csv(path: Path, names: Sequence[str]) -> list[Any]:
    header, *rows = _csv_rows(path)
    _check_columns(path, names, header)
    twice = next((name for name in names if header.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{path}: found two columns '{twice}'; keep one")
    places = [header.index(name) for name in names]
    values = np.empty((len(rows), len(names)))
    for i, row in enumerate(rows):
        for j, place in enumerate(places):
            try:
                values[i, j] = float(row[place])
            except (ValueError, IndexError):
                found = f"got '{row[place]}'" if place < len(row) else "found nothing"
                raise TableError(
                    f"{path}: row {i + 1}, column '{names[j]}': {found}; expected a number"
                ) from None
    return list(values.T)


def _csv_rows(path: Path) -> list[list[str]]:
    """Return the cells of the header and the rows, separated as the header is."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in file if line.strip() and not line.lstrip().startswith("#")]
        separator = next((d for d in "\t;," if lines and d in lines[0]), None)
        if separator is None:
            return [line.split() for line in lines]
        rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        return [[cell.strip() for cell in row] for row in rows]
    except (UnicodeDecodeError, csv.Error):
        raise TableError(f"{path} is not a CSV file; expected a header and rows") from None


def _check_columns(path: Path, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            found = did_you_mean(name, known) or f"; found {len(known)} others"
            raise TableError(f"{path}: no column '{name}'{found}")


def _read_pickle(path: Path, names: Sequence[str]) -> list[Any]:
    """Return columns of a pickle: an archive of ensnare, a sample of otwrapy, or a mapping.

    An array, shape (n, d), has a column per input, in the order of the study file. A mapping has
    `inputs` or `x` (n, d) and `input_names`, or a column for each name.
    """
    tree = _pickled(path)
    if isinstance(tree, dict):
        found = next((key for key in ("inputs", "x") if key in tree), None)
        if found is not None and "input_names" in tree:
            known = [str(name) for name in tree["input_names"]]
            _check_columns(path, names, known)
            x = _two_dimensional(path, tree[found], len(known))
            return [x[:, known.index(name)] for name in names]
        _check_columns(path, names, [str(key) for key in tree])
        return list(_two_dimensional(path, [tree[name] for name in names], None))
    return list(_two_dimensional(path, tree, len(names)).T)


def _pickled(path: Path) -> Any:  # noqa: ANN401
    try:
        return read_pickle(path)
    except ArchiveError as error:
        raise TableError(str(error)) from None


def _two_dimensional(path: Path, values: Any, width: int | None) -> NDArray[np.float64]:  # noqa: ANN401
    try:
        x = np.asarray(values, float)
    except (TypeError, ValueError):
        raise TableError(f"{path}: expected an array of numbers of shape (n, d)") from None
    if x.ndim == 1 and width == 1:
        return x[:, None]
    if x.ndim != 2 or (width is not None and x.shape[1] != width):
        expected = "(n,) per column" if width is None else f"(n, {width})"
        raise TableError(f"{path}: found an array of shape {x.shape}; expected {expected}")
    return x
