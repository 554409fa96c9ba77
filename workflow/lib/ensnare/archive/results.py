"""Reading the results of a study back: `ensnare.open_study("results/beam")`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ensnare.archive.archive import provenance_of, reading_archive
from ensnare.errors import ArchiveError
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import parse_study
from ensnare.study.study import Study
from ensnare.study.sweep import Case

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyResults:
    """The archive of a study with n samples, as arrays; rows are case by case, then by design row.

    Attributes
    ----------
    paths : StudyPaths
        The files of the study.
    study : Study
        The resolved study.
    inputs : dict of str to ndarray, shape (n,)
        Input values by name.
    outputs : dict of str to ndarray, shape (n,) or (n, m)
        Outputs by name, NaN unless the status is ok; an array output has a column per element.
    axes : dict of str to ndarray, shape (m,)
        Coordinates of the elements of each array output.
    cases : dict of str to ndarray, shape (n,)
        Level of each factor; "" or NaN where a case does not have the factor.
    status : ndarray of uint8, shape (n,)
        See `ensnare.store.outcome.Status`.
    columns : dict of str to ndarray, shape (n,)
        sample_id, design_row, exit_code, elapsed_s, attempts; redone, if samples were run again
        by `ensnare redo`; block and group of pick-freeze designs, group of Morris designs.
    attributes : dict
        seed; git, versions and host of where the archive was written; ran_with, the versions and
        hosts that ran the samples; adopted, who declared results of older versions of the study
        valid; rounds, what was measured in each round of a design that grows by itself.
    """

    paths: StudyPaths
    study: Study
    inputs: dict[str, NDArray[np.float64]]
    outputs: dict[str, NDArray[np.float64]]
    cases: dict[str, NDArray[Any]]
    status: NDArray[np.uint8]
    columns: dict[str, NDArray[Any]]
    attributes: dict[str, Any]
    axes: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.status)

    @property
    def x(self) -> NDArray[np.float64]:
        """Input values, shape (n, d)."""
        return np.stack(list(self.inputs.values()), axis=1) if self.inputs else self._empty()

    @property
    def y(self) -> NDArray[np.float64]:
        """Outputs, shape (n, q); an array of m numbers takes m columns."""
        return np.column_stack(list(self.outputs.values()))

    def _empty(self) -> NDArray[np.float64]:
        return np.empty((len(self), 0))

    def by_case(self) -> list[tuple[Case, slice]]:
        """Return each case with the rows of its samples."""
        cases = self.study.cases()
        rows = len(self) // len(cases)
        return [(case, slice(i * rows, (i + 1) * rows)) for i, case in enumerate(cases)]

    def of_runs(self) -> tuple[dict[int, str], list[str]]:
        """Return the messages of samples by row, and the key of the batch that ran each sample.

        The key is empty for a sample that was not run.

        Raises
        ------
        ArchiveError
            If the archive has been removed or damaged since it was opened.
        """
        try:
            with h5py.File(self.paths.archive, "r", locking=False) as file:
                rows, texts = file["messages/row"][:], file["messages/text"].asstr()[:]
                origins = file["origin"][:].astype(str).tolist()
        except (OSError, KeyError) as error:
            raise ArchiveError(f"{self.paths.archive}: {error.args[0]}") from None
        return dict(zip(rows.tolist(), texts.tolist(), strict=True)), origins

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per sample: factors, inputs, outputs, status and times.

        Returns
        -------
        DataFrame
            Indexed by sample id; the status is its name, such as `ok`; an array output has the
            columns `u[0]`, `u[1]` ...
        """
        import pandas as pd

        names = [name for output in self.study.model.outputs for name in output.flat_names]
        outputs = dict(zip(names, self.y.T, strict=True))
        columns = {**self.cases, **self.inputs, **outputs}
        labels = np.array([s.label for s in Status])
        columns["status"] = labels[self.status]
        columns |= {k: v for k, v in self.columns.items() if k != "sample_id"}
        index = pd.Index(self.columns["sample_id"].astype(str), name="sample_id")
        return pd.DataFrame(columns, index=index)


def open_study(path: str | Path) -> StudyResults:
    """Read the archive of a study into memory.

    Parameters
    ----------
    path : str or Path
        The directory of the results, `results/<study>`, or its `archive.h5`.

    Returns
    -------
    StudyResults
        All arrays of the archive; the file is closed.

    Raises
    ------
    ArchiveError
        If there is no archive, or it has another layout.
    """
    with reading_archive(path) as (file, paths):
        return _read(file, paths)


def _read(file: h5py.File, paths: StudyPaths) -> StudyResults:
    study = parse_study(json.loads(file.attrs["study"]), source=str(paths.archive))
    names = ("sample_id", "design_row", "exit_code", "elapsed_s", "attempts", "redone", "block",
             "group")  # fmt: skip
    return StudyResults(
        paths=paths,
        study=study,
        inputs={i.name: file["inputs"][i.name][:] for i in study.random_inputs},
        outputs={o.name: file["outputs"][o.name][:] for o in study.model.outputs},
        cases={factor: _column(file["cases"][factor]) for factor in study.factors},
        axes={o.name: file["axes"][o.name][:] for o in study.model.outputs if o.shape},
        status=file["status"][:],
        columns={name: file[name][:] for name in names if name in file},
        attributes={
            **provenance_of(file),
            "adopted": json.loads(file.attrs.get("adopted", "[]")),
            "ran_with": json.loads(file.attrs.get("ran_with", "[]")),
            "rounds": json.loads(file["rounds"].asstr()[()]) if "rounds" in file else [],
        },
    )


def _column(dataset: h5py.Dataset) -> NDArray[Any]:
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr()[:], dtype=object)
    return np.asarray(dataset[:])
