"""The design file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ensnare.batches import case_table, design_identity, design_rows
from ensnare.config import LoadedStudy
from ensnare.design import DesignTable
from ensnare.errors import ArchiveError
from ensnare.hdf5file import new_hdf5
from ensnare.identity import digest
from ensnare.paths import write_whole
from ensnare.provenance import package_versions
from ensnare.samples import check_design


def write_design(path: Path, study: LoadedStudy, design: DesignTable) -> None:
    """Write the design of a study.

    Parameters
    ----------
    path : Path
        The file.
    study : LoadedStudy
        The study.
    design : DesignTable
        Its design.
    """
    write_whole(path, lambda part: _write(part, study, design))


def _write(part: Path, study: LoadedStudy, design: DesignTable) -> None:
    with new_hdf5(part) as file:
        for name in ("x", "words", "occurrence", "block", "group"):
            values = getattr(design, name)
            if values is not None:
                file.create_dataset(name, data=values)
        file.attrs["input_names"] = np.array(design.names, h5py.string_dtype())
        file.attrs["identity"] = digest(design_identity(study))
        file.attrs["method"] = study.config.design.method if study.config.design else ""
        file.attrs["seed"] = study.config.seed
        file.attrs["cases"] = json.dumps(case_table(study))
        file.attrs["versions"] = json.dumps(package_versions())


def read_design(path: Path, study: LoadedStudy) -> DesignTable:
    """Read the rows of a design file that a study has.

    Parameters
    ----------
    path : Path
        The file; of a design that grows by itself it may hold more rows.
    study : LoadedStudy
        The study.

    Raises
    ------
    DesignError
        If it was made for another study, or for fewer rows.
    ArchiveError
        If it cannot be read.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            rows = design_rows(study)
            check_design(path, file, study, rows)
            columns: dict[str, Any] = {
                name: file[name][:rows] if name in file else None
                for name in ("x", "block", "group", "words", "occurrence")
            }
            return DesignTable(tuple(file.attrs["input_names"]), **columns)
    except (OSError, KeyError, RuntimeError) as error:
        raise ArchiveError(
            f"{path}: cannot read the design: {error.args[0]}; remove it and run snakemake again"
        ) from None
