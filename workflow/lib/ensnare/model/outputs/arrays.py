"""Numbers in HDF5 and netCDF files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ensnare.errors import OutputError
from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.shapes import as_declared, as_numbers, check_size
from ensnare.study.outputs import Hdf5Output, NetcdfOutput

# path of a file, name in it, index
Reader = Callable[[str, str, Sequence[int]], Any]


def hdf5_parser(output: Hdf5Output) -> Parser:
    """Return the parser of numbers in an HDF5 file."""
    axis = output.axis.dataset if output.axis else None
    return _parser(output, (output.hdf5, output.dataset, axis), _read_hdf5)


def netcdf_parser(output: NetcdfOutput) -> Parser:
    """Return the parser of numbers in a netCDF file."""
    axis = output.axis.variable if output.axis else None
    return _parser(output, (output.netcdf, output.variable, axis), _read_netcdf)


def _parser(
    output: Hdf5Output | NetcdfOutput, names: tuple[str, str, str | None], read: Reader
) -> Parser:
    """Return the parser for a file, a dataset or variable in it, and that of the axis or None."""
    name, dataset, axis = names
    where = f"'{name}': {dataset}"
    index = tuple(output.index)

    def numbers(files: RunFiles, of: str, at: Sequence[int]) -> list[float]:
        found = files.get(name, f"{of} {at}", lambda path: _read_or_refuse(read, path, of, at))
        return as_numbers(found, f"'{name}': {of}")

    def parse(files: RunFiles) -> float | list[float]:
        values = as_declared(numbers(files, dataset, index), output, where)
        if axis is None or not isinstance(values, list):
            return values
        axis_values = numbers(files, axis, ())
        check_size(axis_values, output)
        return values + axis_values

    return parse


def _read_or_refuse(read: Reader, path: str, name: str, index: Sequence[int]) -> Any:  # noqa: ANN401
    """Read, and raise ValueError for whatever a library raises if a name or an index is wrong."""
    try:
        return read(path, name, index)
    except (KeyError, IndexError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{name}: {error.args[0] if error.args else error}") from None


def _read_hdf5(path: str, name: str, index: Sequence[int]) -> Any:  # noqa: ANN401
    """Read a dataset of an HDF5 file."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return _dataset(file, name)[tuple(index)]


def _dataset(file: Any, name: str) -> Any:  # noqa: ANN401
    """Return a dataset of an open HDF5 file; raise OutputError if there is none of that name."""
    if name not in file:
        known = ", ".join(file)[:200]
        raise OutputError(f"no '{name}' in the file; found {known or 'nothing'}")
    if not hasattr(file[name], "dtype"):
        raise OutputError(f"'{name}' is a group; expected a dataset")
    return file[name]


def _read_netcdf(path: str, name: str, index: Sequence[int]) -> Any:  # noqa: ANN401
    """Read a variable of a netCDF file: the classic format with scipy, netCDF-4 as HDF5."""
    with open(path, "rb") as file:
        is_classic = file.read(3) == b"CDF"
    if not is_classic:
        import h5py

        with h5py.File(path, "r", locking=False) as file:
            found = _dataset(file, name)
            return _unpacked(found[tuple(index)], dict(found.attrs))
    from scipy.io import netcdf_file

    with netcdf_file(path, "r", mmap=False) as classic:
        if name not in classic.variables:
            known = ", ".join(classic.variables)[:200]
            raise OutputError(f"no '{name}' in the file; found {known or 'nothing'}")
        found = classic.variables[name]
        whole = np.asarray(found.data)
        return _unpacked(whole[tuple(index)], found._attributes)


def _unpacked(values: Any, attributes: dict[str, Any]) -> Any:  # noqa: ANN401
    """Apply the conventions of netCDF: missing values become NaN, packed values are scaled."""
    raw = np.asarray(values)
    if raw.dtype.kind not in "iuf":
        return raw
    real = raw.astype(float)
    for key in ("_FillValue", "missing_value"):
        if key in attributes:
            real[np.isin(raw, attributes[key])] = np.nan
    scale = np.ravel(attributes.get("scale_factor", 1.0))[0]
    offset = np.ravel(attributes.get("add_offset", 0.0))[0]
    return real * float(scale) + float(offset)
