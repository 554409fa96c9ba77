"""The batch file: the results of one batch as HDF5; and what its columns mean."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, BatchError
from ensnare.plan.batches import LAYOUT
from ensnare.plan.identity import parser_identity
from ensnare.plan.samples import Samples
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.ids import find_ids
from ensnare.store.journal import Finished, journal_about, journal_notes, read_journal, row_type
from ensnare.store.outcome import Status
from ensnare.store.paths import write_whole
from ensnare.store.provenance import host, package_versions
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import Kept, kept_files


def parsers_of(study: LoadedStudy) -> dict[str, str]:
    """Return for each output, sorted by name, what decides how it is read, as text.

    This is also the order of the columns in journals and batch files.
    """
    model = study.config.model
    success = [item.model_dump() for item in model.success]
    outputs = sorted(model.outputs, key=lambda output: output.name)
    return {
        o.name: json.dumps([parser_identity(o, study), success], sort_keys=True) for o in outputs
    }


def widths_of(parsers: Mapping[str, str]) -> dict[str, int]:
    """Return for each output its number of columns, from `parsers_of`; see `OutputBase.width`."""
    widths = {}
    for name, text in parsers.items():
        fields = json.loads(text)[0]
        widths[name] = fields.get("shape", [1])[0] * (2 if fields.get("axis") else 1)
    return widths


def record_width(study: LoadedStudy) -> int:
    """Return the number of output columns in journals and batch files."""
    return sum(output.width for output in study.config.model.outputs)


def journal_note(study: LoadedStudy) -> str:
    """Return the note of a journal: layout, parsers of the columns, and what `keep` says."""
    keep = [kept_files(study.config.keep, ok=ok) for ok in (True, False)]
    return json.dumps([LAYOUT, parsers_of(study), keep])


def kept_policies(path: Path) -> list[Kept]:
    """Return all policies by which directories of a batch may have been kept, from its journal.

    Returns an empty list if a part of the journal does not say.
    """
    notes = [json.loads(text) for text in journal_notes(path)]
    if any(len(note) < 3 for note in notes):  # written before notes had it
        return []
    return [kept for _, _, keep in notes for kept in keep if kept != "none"]


def read_live_journal(path: Path) -> tuple[Finished, dict[str, str]]:
    """Read a journal of which only the path is known; like `read_batch`.

    Raises ArchiveError if its note is missing or of another layout.
    """
    try:
        layout, parsers, *_ = json.loads(journal_about(path))
    except ValueError:
        raise ArchiveError(f"{path}: the journal does not say what it holds") from None
    if layout != LAYOUT:
        raise ArchiveError(f"{path}: layout {layout}; expected {LAYOUT}")
    return read_journal(path, sum(widths_of(parsers).values())), parsers


def write_batch(path: Path, study: LoadedStudy, samples: Samples, finished: Finished) -> None:
    """Write the batch file of `samples` from the content of their journal.

    Raises BatchError if the journal lacks one of them; other samples are left out.
    """
    place = find_ids(samples.ids, finished.rows["sample_id"])
    if (place < 0).any():
        raise BatchError(f"{path}: the journal lacks samples of the batch; run snakemake again")
    rows = finished.rows
    if not np.array_equal(place, np.arange(len(rows))):
        rows = rows[place]
    write_rows(path, Finished(rows, finished.messages), parsers_of(study))


def write_rows(
    path: Path,
    finished: Finished,
    parsers: Mapping[str, str],
    adopted: Any = None,  # noqa: ANN401
) -> None:
    """Write finished samples as a batch file.

    `parsers` are as of `parsers_of`. `adopted` says who declared them valid for another version of
    the study, and when. Messages of other samples are left out.
    """
    attributes = {"parsers": parsers, "versions": package_versions(), "host": host()}
    if adopted is not None:
        attributes["adopted"] = adopted
    write_whole(path, lambda part: _write(part, finished, attributes))


def _write(part: Path, finished: Finished, attributes: Mapping[str, Any]) -> None:
    """Write the datasets and attributes of a batch file to its temporary name."""
    texts = finished.messages
    ids = finished.rows["sample_id"].tolist() if texts else []
    noted = [k for k, i in enumerate(ids) if i.decode() in texts]
    with new_hdf5(part) as file:
        file.create_dataset("rows", data=finished.rows)
        file.create_dataset("message_row", data=np.array(noted, np.int64))
        said = [texts[ids[k].decode()] for k in noted]
        file.create_dataset("message", data=said, dtype=h5py.string_dtype())
        file.attrs["layout"] = LAYOUT
        file.attrs["counts"] = np.array(count_statuses(finished.rows["status"]))
        file.attrs.update({name: json.dumps(value) for name, value in attributes.items()})


def read_batch(path: Path) -> tuple[Finished, dict[str, str]]:
    """Return the samples of a batch file, in its order, and their parsers as of `parsers_of`.

    Raises ArchiveError if it is not a batch file of this layout.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["layout"] != LAYOUT:
                raise ArchiveError(f"{path}: layout {file.attrs['layout']}; expected {LAYOUT}")
            parsers: dict[str, str] = json.loads(file.attrs["parsers"])
            rows = file["rows"][:]
            if rows.dtype != row_type(sum(widths_of(parsers).values())):
                raise ValueError("its rows are of another type")
            noted, texts = file["message_row"][:], file["message"].asstr()[:]
            messages = {rows["sample_id"][i].decode(): t for i, t in zip(noted, texts, strict=True)}
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise ArchiveError(
            f"{path}: cannot read the batch: {error.args[0]}; remove it and run snakemake again "
            "(its journal still holds the samples)"
        ) from None
    return Finished(rows, messages), parsers


def read_counts(path: Path) -> tuple[int, ...]:
    """Return how many samples of a batch file ended with each status, without reading its rows.

    Raises OSError if it cannot be read.
    """
    with h5py.File(path, "r", locking=False) as file:
        found = file.attrs.get("counts")
        if found is None:  # written before batch files had counts
            found = count_statuses(file["rows"]["status"])
    return tuple(int(n) for n in found)


def count_statuses(statuses: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return how many samples have each status; other values are ignored."""
    found = np.ascontiguousarray(statuses)  # counting each status is faster than one bincount
    return tuple(int(np.count_nonzero(found == int(status))) for status in Status)


def with_outputs(rows: Any, have: Mapping[str, int], want: Sequence[str]) -> Any:  # noqa: ANN401
    """Return rows with only the wanted outputs, in this order.

    `have` maps the outputs, in the order of the columns, to their numbers of columns.
    """
    if list(have) == list(want):
        return rows
    return with_known_outputs(rows, have, want, {name: have[name] for name in want})


def with_known_outputs(
    rows: Any,  # noqa: ANN401
    have: Mapping[str, int],
    known: Collection[str],
    want: Mapping[str, int],
) -> Any:  # noqa: ANN401
    """Return rows with the outputs of `want`; NaN for those that are not in `known`.

    `have` and `want` map outputs, in the order of the columns, to their numbers of columns.
    """
    taken = np.empty(len(rows), row_type(sum(want.values())))
    for field in taken.dtype.names or ():
        if field != "outputs":
            taken[field] = rows[field]
    taken["outputs"] = np.nan
    there, here = column_slices(have), column_slices(want)
    for name in set(known) & want.keys():
        taken["outputs"][:, here[name]] = rows["outputs"][:, there[name]]
    return taken


def column_slices(widths: Mapping[str, int]) -> dict[str, slice]:
    """Return the columns of each output."""
    stops = np.cumsum([*widths.values()]).tolist()
    return {n: slice(stop - widths[n], stop) for n, stop in zip(widths, stops, strict=True)}


def column_order(study: LoadedStudy) -> list[int]:
    """Return the positions of outputs as the model gives them, in the order of the columns.

    The columns are sorted by output, so the order in the study file does not change the names of
    batches.
    """
    columns: dict[str, range] = {}
    start = 0
    for output in study.config.model.outputs:
        columns[output.name] = range(start, start + output.width)
        start += output.width
    return [j for name in sorted(columns) for j in columns[name]]
