"""The archive of a parareal study: writing and opening it, and its table of cases.

The layout is described in docs/archive.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ensnare.archive.archive import provenance_of, reading_archive, root_attributes
from ensnare.parareal.results import CaseResults
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy, parse_study
from ensnare.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

LAYOUT_VERSION = 1
KIND = "parareal"
_ARRAYS = (  # attributes of `CaseResults` that are datasets of a case
    *("t", "y", "maxdif", "fine_s", "coarse_s", "wall_s", "jumps", "time", "rows"),
    *("trajectory", "serial", "exact"),
)


@dataclass(frozen=True)
class PararealResults:
    """The archive of a parareal study.

    Attributes
    ----------
    paths : StudyPaths
        The files of the study.
    study : Study
        The resolved study.
    components : tuple of str, length m
        Names of the numbers of a state: `q`, and `u[0]`, `u[1]` ... of a list.
    cases : list of CaseResults
        The cases, in the order of the study file.
    attributes : dict
        Versions, git state and host of the run that wrote the archive.
    """

    paths: StudyPaths
    study: Study
    components: tuple[str, ...]
    cases: list[CaseResults]
    attributes: dict[str, Any]

    @property
    def factors(self) -> list[str]:
        """The factors of the sweep."""
        return list(self.study.factors)

    def table(self) -> pd.DataFrame:
        """Return the table of cases.

        Returns
        -------
        DataFrame
            A row for each case: factors, `iterations`, `converged`, `maxdif` of the last iteration,
            `fine_solves`, largest `jump` between slices, `error_serial` and `error_exact` (largest
            at a point) and speed-ups; see `CaseResults`.
        """
        import pandas as pd

        rows = [
            {
                **{factor: case.case.get(factor) for factor in self.factors},
                "iterations": case.iterations,
                "converged": case.converged,
                "maxdif": case.maxdif[-1],
                "fine_solves": case.fine_solves,
                "jump": case.jumps[-1].max(initial=0.0),
                "error_serial": case.errors(case.serial)[-1],
                "error_exact": case.errors(case.exact)[-1],
                "speedup_bound": case.speedup_bound,
                "speedup_measured": case.speedup_measured,
                "speedup_wall": case.speedup_wall,
            }
            for case in self.cases
        ]
        return pd.DataFrame(rows)


def write_parareal_archive(
    path: Path, study: LoadedStudy, components: tuple[str, ...], cases: list[CaseResults]
) -> None:
    """Write the archive as HDF5, with a group for each case.

    `components` are the names of the m numbers of a state.
    """

    def write(part: Path) -> None:
        with new_hdf5(part) as file:
            own = {"layout_version": LAYOUT_VERSION, "kind": KIND}
            file.attrs.update(root_attributes(study) | own)
            file.attrs["components"] = list(components)
            for number, case in enumerate(cases):
                _write_case(file.create_group(f"cases/{number:04d}"), case)

    write_whole(path, write)


def _write_case(group: h5py.Group, case: CaseResults) -> None:
    group.attrs.update(
        {
            "case": json.dumps(case.case),
            "key": case.key,
            "iterations": case.iterations,
            "converged": case.converged,
        }
    )
    for name in _ARRAYS:
        if (data := getattr(case, name)) is not None:
            packed = {"compression": "gzip", "compression_opts": 1} if data.size > 1000 else {}
            group.create_dataset(name, data=data, **packed)


def parareal_tree(components: tuple[str, ...], cases: list[CaseResults]) -> dict[str, Any]:
    """Return the content of the archive as plain dicts, lists and arrays, for `archive.pklz`."""
    return {
        "layout_version": LAYOUT_VERSION,
        "kind": KIND,
        "components": list(components),
        "cases": [
            {"case": case.case, "key": case.key, "converged": case.converged}
            | {name: data for name in _ARRAYS if (data := getattr(case, name)) is not None}
            for case in cases
        ],
    }


def open_parareal(path: str | Path) -> PararealResults:
    """Open the archive of a parareal study.

    Parameters
    ----------
    path : str or Path
        The directory of the results, `results/<study>`, or its `archive.h5`.

    Returns
    -------
    PararealResults
        Everything in memory; the file is closed.

    Raises
    ------
    ArchiveError
        If there is no archive, or it has another layout.
    """
    with reading_archive(path, LAYOUT_VERSION, KIND) as (file, paths):
        return _read(file, paths)


def _read(file: h5py.File, paths: StudyPaths) -> PararealResults:
    return PararealResults(
        paths=paths,
        study=parse_study(json.loads(file.attrs["study"]), source=str(paths.archive)),
        components=tuple(map(str, file.attrs["components"])),
        cases=[_read_case(file["cases"][name]) for name in sorted(file["cases"])],
        attributes=provenance_of(file),
    )


def _read_case(group: h5py.Group) -> CaseResults:
    arrays = {n: np.asarray(group[n][:]) if n in group else None for n in _ARRAYS}
    return CaseResults(
        case=json.loads(group.attrs["case"]),
        key=str(group.attrs["key"]),
        converged=bool(group.attrs["converged"]),
        **arrays,  # type: ignore[arg-type]
    )
