"""The archive of a study: HDF5 for analysis, a pickle for exchange, a table for people.

The layout is documented in docs/archive.md; `LAYOUT_VERSION` changes when it does.
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


def ran_with(origin: NDArray[np.bytes_], paths: StudyPaths) -> list[dict[str, Any]]:
    """Return with what samples were run, as far as the files of their batches tell.

    Parameters
    ----------
    origin : ndarray of S16, shape (n,)
        The batch that ran each sample; empty for those that were not run.
    paths : StudyPaths
        The files of the study.

    Returns
    -------
    list of dict
        `versions` and `host` of the job that completed a batch (empty if its file is gone), and
        how many `samples` they ran; those that ran most come first.
    """
    if not len(origin):
        return []
    # batch by batch, as the samples stand: sorting a million names costs more than all the rest
    start = np.flatnonzero(np.concatenate([[True], origin[1:] != origin[:-1]]))
    found: dict[str, int] = {}
    for key, count in zip(origin[start], np.diff(start, append=len(origin)), strict=True):
        found[key.decode()] = found.get(key.decode(), 0) + int(count)
    found.pop("", None)
    grouped: dict[str, int] = {}
    for key, count in found.items():
        text = json.dumps(_attributes(paths.batch(key)), sort_keys=True)
        grouped[text] = grouped.get(text, 0) + count
    order = sorted(grouped, key=lambda text: (-grouped[text], text))
    return [json.loads(text) | {"samples": grouped[text]} for text in order]


def _attributes(path: Path) -> dict[str, Any]:
    """Return what a batch file says of the job that completed it."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {name: json.loads(file.attrs[name]) for name in ("versions", "host")}
    except (OSError, KeyError, ValueError):
        return {"versions": {}, "host": {}}


LAYOUT_VERSION = 1
_STATUS_TYPE = h5py.enum_dtype({s.label: int(s) for s in Status}, basetype="u1")
_CHUNK = 65536  # values
_SAMPLE = "sample"  # the dimension that all datasets share


def write_archive(path: Path, study: LoadedStudy, arrays: StudyArrays) -> None:
    """Write the archive as HDF5.

    Parameters
    ----------
    path : Path
        The file.
    study : LoadedStudy
        The resolved study.
    arrays : StudyArrays
        Its samples.
    """
    jobs = ran_with(arrays.origin, StudyPaths(path.parent))
    write_whole(path, lambda part: _write_hdf5(part, study, arrays, jobs))


def _write_hdf5(
    part: Path, study: LoadedStudy, arrays: StudyArrays, jobs: list[dict[str, Any]]
) -> None:
    with new_hdf5(part) as file:
        scale = file.create_dataset(_SAMPLE, data=np.arange(len(arrays)), **_packed((len(arrays),)))
        scale.make_scale(_SAMPLE)
        put = _Putter(file, scale)
        put("sample_id", arrays.sample_id)
        put("design_row", arrays.design_row)
        put("status", arrays.status, dtype=_STATUS_TYPE)
        names = ("exit_code", "elapsed_s", "attempts", "redone", "origin", "block", "group")
        for name in names:
            put(name, getattr(arrays, name))
        file["elapsed_s"].attrs["units"] = "s"
        units = {item.name: item.unit for item in study.config.inputs}
        for j, name in enumerate(arrays.input_names):
            put(f"inputs/{name}", arrays.x[:, j], units=units[name])
        for factor in arrays.factors:
            levels, unit = arrays.levels(factor), study.config.units.get(factor, "")
            put(f"cases/{factor}", levels, units=unit)
        _write_outputs(put, study, arrays)
        noted = sorted(arrays.messages)
        file["messages/row"] = np.array(noted, np.int64)
        texts = [arrays.messages[i] for i in noted]
        file.create_dataset("messages/text", data=texts, dtype=h5py.string_dtype())
        file.attrs.update(root_attributes(study), adopted=json.dumps(arrays.adopted))
        file.attrs["ran_with"] = json.dumps(jobs)
        if arrays.rounds:  # of many outputs more than fits into an attribute
            file["rounds"] = json.dumps(arrays.rounds)


def _write_outputs(put: _Putter, study: LoadedStudy, arrays: StudyArrays) -> None:
    """Write outputs, shape (n,) or (n, m), and the axes of arrays, shape (m,)."""
    start = 0
    for output in study.config.model.outputs:
        y = arrays.y[:, start : start + output.size]
        start += output.size
        if output.shape is None:
            put(f"outputs/{output.name}", y[:, 0], units=output.unit)
            continue
        axis = put.axis(arrays.axes[output.name], output)
        put(f"outputs/{output.name}", y, units=output.unit).dims[1].attach_scale(axis)


class _Putter:
    """Writes datasets that share the sample dimension."""

    def __init__(self, file: h5py.File, scale: h5py.Dataset) -> None:
        self._file, self._scale = file, scale

    def __call__(self, name: str, data: Any, *, dtype: Any = None, units: str = "") -> Any:  # noqa: ANN401
        if data is None:
            return None
        if data.dtype.kind == "U":
            data, dtype = data.astype(object), h5py.string_dtype()
        made = self._file.create_dataset(name, data=data, dtype=dtype, **_packed(data.shape))
        made.dims[0].attach_scale(self._scale)
        if units:
            made.attrs["units"] = units
        return made

    def axis(self, values: np.ndarray, output: OutputBase) -> Any:  # noqa: ANN401
        """Write the axis of an array output as a dimension."""
        # netCDF looks for dimensions in the groups above only, so the data are in the root
        made = self._file.create_dataset(f"axis_{output.name}", data=values)
        self._file[f"axes/{output.name}"] = h5py.SoftLink(made.name)
        made.make_scale(f"axis_{output.name}")
        made.attrs["long_name"] = output.axis.name if output.axis else "position"
        if output.axis and output.axis.unit:
            made.attrs["units"] = output.axis.unit
        return made


def _packed(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the options of a compressed dataset."""
    if 0 in shape:
        return {}
    rows = max(1, _CHUNK // math.prod(shape[1:]))
    # level 1: random doubles hardly compress, and higher levels only cost time
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True,
            "chunks": (min(shape[0], rows), *shape[1:])}  # fmt: skip


def root_attributes(study: LoadedStudy) -> dict[str, Any]:
    """Return what every archive says of its study, and of where it was made."""
    return {
        "layout_version": LAYOUT_VERSION,
        "study": json.dumps((study.stated or study.config).model_dump(mode="json", by_alias=True)),
        "seed": study.config.seed,
        "versions": json.dumps(package_versions()),
        "git": git_state(study.directory),
        "host": json.dumps(host()),
    }


def pickle_tree(arrays: StudyArrays) -> dict[str, Any]:
    """Return the content of `archive.pklz`; see docs/archive.md."""
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
    """Open an archive of a kind; see `ensnare.open_study`.

    Parameters
    ----------
    path : str or Path
        The directory of the results, or the archive.
    layout : int
        The version of its layout.
    kind : str
        What it holds if not samples.

    Yields
    ------
    tuple of h5py.File and StudyPaths
        The file, open for reading, and the files of its study.

    Raises
    ------
    ArchiveError
        If there is no archive, or it has another layout, or something is missing in it.
    """
    root = Path(path)
    paths = StudyPaths(root.parent if root.suffix == ".h5" else root)
    try:
        with h5py.File(paths.archive, "r", locking=False) as file:
            if (found := str(file.attrs.get("kind", ""))) != kind:
                held = found or "samples"
                function = f"ensnare.open_{found or 'study'}"
                raise ArchiveError(f"{paths.archive}: it holds {held}; open it with {function}")
            version = int(file.attrs["layout_version"])
            if version != layout:
                raise ArchiveError(f"{paths.archive}: layout {version}; expected {layout}")
            yield file, paths
    except (OSError, KeyError) as error:
        missing = not paths.archive.exists()
        reason = "there is no archive; run snakemake first" if missing else error.args[0]
        raise ArchiveError(f"{paths.archive}: {reason}") from None


def provenance_of(file: h5py.File) -> dict[str, Any]:
    """Return from what an archive was made: seed, git, versions and host."""
    return {
        "seed": int(file.attrs["seed"]),
        "git": str(file.attrs["git"]),
        "versions": json.loads(file.attrs["versions"]),
        "host": json.loads(file.attrs["host"]),
    }
