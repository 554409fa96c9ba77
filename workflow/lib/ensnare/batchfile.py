"""The batch file: the results of one batch as HDF5."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from ensnare.batches import LAYOUT
from ensnare.config import LoadedStudy
from ensnare.errors import ArchiveError, BatchError
from ensnare.identity import parser_identity
from ensnare.journal import Finished, row_type
from ensnare.paths import write_whole
from ensnare.provenance import host, package_versions
from ensnare.samples import Samples


def parsers_of(study: LoadedStudy) -> dict[str, str]:
    """Return for each output what decides how it is read, as text."""
    return {
        o.name: json.dumps(parser_identity(o), sort_keys=True) for o in study.config.model.outputs
    }


def write_batch(path: Path, study: LoadedStudy, samples: Samples, finished: Finished) -> None:
    """Write a batch file.

    Parameters
    ----------
    path : Path
        The file.
    study : LoadedStudy
        The study.
    samples : Samples
        The samples of the batch, in order.
    finished : Finished
        What the journal holds; others than the batch's samples are left out.

    Raises
    ------
    BatchError
        If a sample is missing in the journal.
    """
    order = np.argsort(finished.rows["sample_id"])
    ids = finished.rows["sample_id"][order]
    place = np.minimum(np.searchsorted(ids, samples.ids), max(len(ids) - 1, 0))
    if not len(ids) or (ids[place] != samples.ids).any():
        raise BatchError(f"{path}: the journal lacks samples of the batch; run snakemake again")
    rows = finished.rows[order[place]]
    texts = [finished.messages.get(i.decode(), "") for i in samples.ids]
    noted = [i for i, text in enumerate(texts) if text]
    write_whole(path, lambda part: _write(part, study, rows, noted, [texts[i] for i in noted]))


def _write(
    part: Path,
    study: LoadedStudy,
    rows: np.ndarray,
    noted: list[int],
    texts: list[str],
) -> None:
    with h5py.File(part, "w", locking=False) as file:
        file.create_dataset("rows", data=rows)
        file.create_dataset("message_row", data=np.array(noted, np.int64))
        file.create_dataset("message", data=texts, dtype=h5py.string_dtype())
        file.attrs["layout"] = LAYOUT
        file.attrs["parsers"] = json.dumps(parsers_of(study))
        file.attrs["versions"] = json.dumps(package_versions())
        file.attrs["host"] = json.dumps(host())


def read_batch(path: Path) -> tuple[Finished, dict[str, str]]:
    """Read a batch file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    finished : Finished
        Its samples, in the order of the batch.
    parsers : dict
        Output to what decided how it was read, in the order of the columns.

    Raises
    ------
    ArchiveError
        If it is not a batch file of this layout.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["layout"] != LAYOUT:
                raise ArchiveError(f"{path}: layout {file.attrs['layout']}; expected {LAYOUT}")
            parsers: dict[str, str] = json.loads(file.attrs["parsers"])
            rows = file["rows"][:].astype(row_type(len(parsers)), copy=False)
            noted, texts = file["message_row"][:], file["message"].asstr()[:]
    except (OSError, KeyError, ValueError) as error:
        raise ArchiveError(f"{path}: cannot read the batch: {error.args[0]}") from None
    messages = {rows["sample_id"][i].decode(): t for i, t in zip(noted, texts, strict=True)}
    return Finished(rows, messages), parsers
