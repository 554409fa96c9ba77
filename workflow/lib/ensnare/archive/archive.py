"""The archive of a study: written as HDF5, arranged for the pickle, and opened for reading.

docs/archive.md documents the layout of both files; `LAYOUT_VERSION` changes when the layout does.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ensnare.archive.gather import StudyArrays
from ensnare.errors import ArchiveError
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.store.provenance import git_state, host, package_versions
from ensnare.study.loading import LoadedStudy
from ensnare.study.outputs import OutputBase

LAYOUT_VERSION = 1
_STATUS_TYPE = h5py.enum_dtype({s.label: int(s) for s in Status}, basetype="u1")
_CHUNK = 65536  # values in a compressed chunk
_SAMPLE = "sample"  # the dimension scale that all datasets share


def write_archive(path: Path, study: LoadedStudy, arrays: StudyArrays) -> None:
    """Write the archive of a study as HDF5 into the directory of its results."""
    jobs = ran_with(arrays.origin, StudyPaths(path.parent))
    write_whole(path, lambda part: _write_hdf5(part, study, arrays, jobs))


def pickle_tree(arrays: StudyArrays) -> dict[str, Any]:
    """Return the content of `archive.pklz`, a dict of plain arrays and lists of texts.

    It needs nothing but numpy to be loaded; docs/archive.md lists the keys.
    """
    tree: dict[str, Any] = {
        "layout_version": LAYOUT_VERSION,
        "input_names": list(arrays.input_names),
        "output_names": list(arrays.output_names),
        "inputs": arrays.x,
        "outputs": arrays.y,
        "status": arrays.status,
        "status_names": [s.label for s in Status],
        "sample_id": arrays.sample_id,
        "exit_code": arrays.exit_code,
        "elapsed_s": arrays.elapsed_s,
        "attempts": arrays.attempts,
        "design_row": arrays.design_row,
        "cases": {factor: arrays.levels(factor) for factor in arrays.factors},
    }
    if arrays.redone is not None:
        tree["redone"] = arrays.redone
    if arrays.axes:
        tree["axes"] = arrays.axes
    if arrays.block is not None:
        tree |= {"block": arrays.block, "group": arrays.group}
    return tree


@contextlib.contextmanager
def reading_archive(
    path: str | Path, layout: int = LAYOUT_VERSION, kind: str = ""
) -> Iterator[tuple[h5py.File, StudyPaths]]:
    """Open the archive of a study for reading; `path` is its directory of results or the file.

    Yields the file and the paths of the study. `kind` is `parareal`, or empty for an archive of
    samples. Raises ArchiveError if there is no archive, if it has another layout or kind, or if
    the caller reads something that is missing in it.
    """
    root = Path(path)
    paths = StudyPaths(root.parent if root.suffix == ".h5" else root)
    try:
        with h5py.File(paths.archive, "r", locking=False) as file:
            if (found := str(file.attrs.get("kind", ""))) != kind:
                content = found or "samples"
                function = f"ensnare.open_{found or 'study'}"
                raise ArchiveError(f"{paths.archive}: it holds {content}; open it with {function}")
            version = int(file.attrs["layout_version"])
            if version != layout:
                raise ArchiveError(f"{paths.archive}: layout {version}; expected {layout}")
            yield file, paths
    except (OSError, KeyError) as error:
        missing = not paths.archive.exists()
        reason = "there is no archive; run snakemake first" if missing else error.args[0]
        raise ArchiveError(f"{paths.archive}: {reason}") from None


def provenance_of(file: h5py.File) -> dict[str, Any]:
    """Return what an archive was made from: its seed, git state, versions of packages and host."""
    return {
        "seed": int(file.attrs["seed"]),
        "git": str(file.attrs["git"]),
        "versions": json.loads(file.attrs["versions"]),
        "host": json.loads(file.attrs["host"]),
    }


def root_attributes(study: LoadedStudy) -> dict[str, Any]:
    """Return the attributes of every archive: the study, the seed, and where it was written."""
    return {
        "layout_version": LAYOUT_VERSION,
        "study": json.dumps((study.stated or study.config).model_dump(mode="json", by_alias=True)),
        "seed": study.config.seed,
        "versions": json.dumps(package_versions()),
        "git": git_state(study.directory),
        "host": json.dumps(host()),
    }


def _write_hdf5(
    part: Path, study: LoadedStudy, arrays: StudyArrays, jobs: list[dict[str, Any]]
) -> None:
    with new_hdf5(part) as file:
        scale = file.create_dataset(
            _SAMPLE, data=np.arange(len(arrays)), **_compression((len(arrays),))
        )
        scale.make_scale(_SAMPLE)
        write = _DatasetWriter(file, scale)
        write("sample_id", arrays.sample_id)
        write("design_row", arrays.design_row)
        write("status", arrays.status, dtype=_STATUS_TYPE)
        names = ("exit_code", "elapsed_s", "attempts", "redone", "origin", "block", "group")
        for name in names:
            write(name, getattr(arrays, name))
        file["elapsed_s"].attrs["units"] = "s"
        units = {item.name: item.unit for item in study.config.inputs}
        for j, name in enumerate(arrays.input_names):
            write(f"inputs/{name}", arrays.x[:, j], units=units[name])
        for factor in arrays.factors:
            levels, unit = arrays.levels(factor), study.config.units.get(factor, "")
            write(f"cases/{factor}", levels, units=unit)
        _write_outputs(write, study, arrays)
        with_message = sorted(arrays.messages)
        file["messages/row"] = np.array(with_message, np.int64)
        texts = [arrays.messages[i] for i in with_message]
        file.create_dataset("messages/text", data=texts, dtype=h5py.string_dtype())
        file.attrs.update(root_attributes(study), adopted=json.dumps(arrays.adopted))
        file.attrs["ran_with"] = json.dumps(jobs)
        if arrays.rounds:  # a dataset, since an attribute is too small for many outputs
            file["rounds"] = json.dumps(arrays.rounds)


def _write_outputs(write: _DatasetWriter, study: LoadedStudy, arrays: StudyArrays) -> None:
    """Write outputs, shape (n,) or (n, m), and the axes of arrays, shape (m,)."""
    start = 0
    for output in study.config.model.outputs:
        y = arrays.y[:, start : start + output.size]
        start += output.size
        if output.shape is None:
            write(f"outputs/{output.name}", y[:, 0], units=output.unit)
            continue
        axis = write.axis(arrays.axes[output.name], output)
        write(f"outputs/{output.name}", y, units=output.unit).dims[1].attach_scale(axis)


class _DatasetWriter:
    """Writes compressed datasets whose first dimension are the samples."""

    def __init__(self, file: h5py.File, scale: h5py.Dataset) -> None:
        self._file, self._scale = file, scale

    def __call__(self, name: str, data: Any, *, dtype: Any = None, units: str = "") -> Any:  # noqa: ANN401
        """Write one dataset and return it; do nothing where the study has no such data (None)."""
        if data is None:
            return None
        if data.dtype.kind == "U":
            data, dtype = data.astype(object), h5py.string_dtype()
        made = self._file.create_dataset(name, data=data, dtype=dtype, **_compression(data.shape))
        made.dims[0].attach_scale(self._scale)
        if units:
            made.attrs["units"] = units
        return made

    def axis(self, values: np.ndarray, output: OutputBase) -> Any:  # noqa: ANN401
        """Write the axis of an array output, shape (m,), as a dimension scale."""
        # netCDF looks for dimensions in the groups above only, so the data are in the root
        made = self._file.create_dataset(f"axis_{output.name}", data=values)
        self._file[f"axes/{output.name}"] = h5py.SoftLink(made.name)
        made.make_scale(f"axis_{output.name}")
        made.attrs["long_name"] = output.axis.name if output.axis else "position"
        if output.axis and output.axis.unit:
            made.attrs["units"] = output.axis.unit
        return made


def _compression(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the options of h5py for a compressed dataset of this shape."""
    if 0 in shape:
        return {}
    rows = max(1, _CHUNK // math.prod(shape[1:]))
    # level 1, since random doubles hardly compress, and higher levels only take longer
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True,
            "chunks": (min(shape[0], rows), *shape[1:])}  # fmt: skip


def ran_with(origin: NDArray[np.bytes_], paths: StudyPaths) -> list[dict[str, Any]]:
    """Return `versions` and `host` of the jobs that ran the samples, and how many `samples` each.

    `origin`, shape (n,), is the key of the batch that ran each sample, empty if it was not run.
    Jobs with equal versions and host are counted together, and those with most samples come
    first. Versions and host are empty if the batch file is gone.
    """
    if not len(origin):
        return []
    # Count stretches of equal keys, since the samples of a batch stand together: sorting a
    # million keys would take longer than all of the rest.
    start = np.flatnonzero(np.concatenate([[True], origin[1:] != origin[:-1]]))
    found: dict[str, int] = {}
    for key, count in zip(origin[start], np.diff(start, append=len(origin)), strict=True):
        found[key.decode()] = found.get(key.decode(), 0) + int(count)
    found.pop("", None)
    grouped: dict[str, int] = {}
    for key, count in found.items():
        text = json.dumps(_versions_and_host(paths.batch(key)), sort_keys=True)
        grouped[text] = grouped.get(text, 0) + count
    order = sorted(grouped, key=lambda text: (-grouped[text], text))
    return [json.loads(text) | {"samples": grouped[text]} for text in order]


def _versions_and_host(path: Path) -> dict[str, Any]:
    """Return versions and host of the job that completed a batch; both empty if unreadable."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {name: json.loads(file.attrs[name]) for name in ("versions", "host")}
    except (OSError, KeyError, ValueError):
        return {"versions": {}, "host": {}}
