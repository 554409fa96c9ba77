"""The samples of a batch, with their ids and values, and the design file that they come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, DesignError
from ensnare.plan.batches import Segment, case_table, design_identity, design_rows
from ensnare.plan.identity import digest
from ensnare.store.ids import sample_ids, sample_seed
from ensnare.store.paths import write_whole
from ensnare.store.provenance import package_versions
from ensnare.study.expressions import Expression
from ensnare.study.loading import LoadedStudy
from ensnare.study.sweep import Case, case_identity

if TYPE_CHECKING:
    from ensnare.design.table import DesignTable


@dataclass(frozen=True)
class Samples:
    """The n samples of a batch, in its order, and all that is needed for their values."""

    ids: NDArray[np.bytes_]  # S20, shape (n,)
    x: NDArray[np.float64]  # input values, shape (n, d)
    names: tuple[str, ...]  # of the d inputs
    case: NDArray[np.int64]  # position of the case in `cases`, shape (n,)
    cases: Sequence[Case]  # all cases of the study
    row: NDArray[np.int64]  # row of the design, shape (n,)
    common: Sequence[Mapping[str, Any]]  # `known_values` of each case
    expressions: Mapping[str, Expression]  # derived values, each after those that it needs
    seed: int  # of the study

    def __len__(self) -> int:
        return len(self.ids)

    def shared(self, case: int) -> dict[str, Any]:
        """Return the values that all samples of a case share, with its levels."""
        return {**self.common[case], **self.cases[case]}

    def values(self, i: int) -> dict[str, Any]:
        """Return all values of a sample by name; raise ValueError if a derived one is no number."""
        sample = self.ids[i].decode()
        values = {
            **self.shared(self.case[i]),
            **dict(zip(self.names, self.x[i].tolist(), strict=True)),
            "sample": sample,
            "seed": sample_seed(sample, self.seed),
        }
        for name, expression in self.expressions.items():
            values[name] = expression.evaluate(values)
        return values

    def arrays(self, start: int, stop: int, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of samples of one case: arrays if they vary, scalars if they do not.

        `stop` is excluded. Ids and seeds of samples are slow to make, so they are left out unless
        `names` has one of the two. Raises ValueError if a derived value is not a number.
        """
        # a copy, so that a function that works in place does not change the design
        columns = np.array(self.x[start:stop].T, order="C")
        values: dict[str, Any] = {
            **self.shared(self.case[start]),
            **dict(zip(self.names, columns, strict=True)),
        }
        if {"sample", "seed"} & set(names):
            values["sample"] = self.ids[start:stop].astype(str)
            values["seed"] = np.array([sample_seed(i, self.seed) for i in values["sample"]])
        for name, expression in self.expressions.items():
            values[name] = expression.evaluate(values)
        return values


def read_samples(study: LoadedStudy, segments: Sequence[Segment], design: Path) -> Samples:
    """Read the samples of some segments from a design file.

    Raises DesignError if the file was made for another study or has too few rows, and ArchiveError
    if it cannot be read.
    """
    import h5py  # not above: the check of a study needs only names from this module

    try:
        with h5py.File(design, "r", locking=False) as file:
            check_design(design, file, study, max(s.stop for s in segments))
            names = tuple(file.attrs["input_names"])
            parts = [
                (file["x"][s.start : s.stop], file["words"][s.start : s.stop],
                 file["occurrence"][s.start : s.stop])
                for s in segments
            ]  # fmt: skip
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{design}: cannot read the design: {error.args[0]}") from None
    return _samples(study, segments, names, parts)


def samples_of(study: LoadedStudy, segments: Sequence[Segment], design: DesignTable) -> Samples:
    """Return the samples of some segments of a design in memory, without a design file."""
    parts = [
        (design.x[s.start : s.stop], design.words[s.start : s.stop],
         design.occurrence[s.start : s.stop])
        for s in segments
    ]  # fmt: skip
    return _samples(study, segments, design.names, parts)


def ids_of(
    study: LoadedStudy, segments: Sequence[Segment], design: DesignTable
) -> NDArray[np.bytes_]:
    """Return the ids of the samples of some segments of a design in memory, shape (n,)."""
    hashes = [
        (design.words[s.start : s.stop], design.occurrence[s.start : s.stop]) for s in segments
    ]
    return _ids(study, segments, case_table(study), hashes)


def known_values(study: LoadedStudy, case: Case | None = None) -> dict[str, Any]:
    """Return what all samples of a case share besides its levels: constants, threads, ranks."""
    needs = study.config.resources_of(case or {})
    return {
        **study.config.constants,
        "threads": needs.threads,
        "ranks": needs.rank_count,
        "study_dir": str(Path(study.directory).absolute()),
    }


def varying_names(study: LoadedStudy) -> frozenset[str]:
    """Return the names of the values that differ between the samples of a case."""
    varying = {item.name for item in study.config.random_inputs} | {"sample", "seed"}
    for name, expression in study.config.expressions.items():  # each after those that it needs
        if expression.names & varying:
            varying.add(name)
    return frozenset(varying)


def write_design(path: Path, study: LoadedStudy, design: DesignTable) -> None:
    """Write the design of a study to `design.h5`."""
    write_whole(path, lambda part: _write_datasets(part, study, design))


def read_design(path: Path, study: LoadedStudy) -> DesignTable:
    """Read as many rows of a design file as the study has.

    The file of a design that grows by itself may hold more. Raises DesignError if the file was made
    for another study or has too few rows, and ArchiveError if it cannot be read.
    """
    import h5py

    from ensnare.design.table import DesignTable

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


def check_design(path: Path, file: Any, study: LoadedStudy, needed: int) -> None:  # noqa: ANN401
    """Raise DesignError if an open design file is of another study, or has too few rows."""
    if file.attrs["identity"] != digest(design_identity(study)):
        raise DesignError(f"{path} is the design of another study; run snakemake again")
    if (rows := len(file["x"])) < needed:
        raise DesignError(f"{path} has {rows} rows; expected {needed}; run snakemake again")


def _samples(
    study: LoadedStudy, segments: Sequence[Segment], names: tuple[str, ...], parts: Sequence[Any]
) -> Samples:
    cases = case_table(study)
    hashes = [(words, occurrence) for _, words, occurrence in parts]
    return Samples(
        ids=_ids(study, segments, cases, hashes),
        x=_joined([x for x, _, _ in parts]),
        names=names,
        case=np.concatenate([np.full(len(s), s.case) for s in segments]),
        cases=cases,
        row=np.concatenate([np.arange(s.start, s.stop) for s in segments]),
        common=[known_values(study, case) for case in cases],
        expressions=study.config.expressions,
        seed=study.config.seed,
    )


def _ids(
    study: LoadedStudy, segments: Sequence[Segment], cases: Sequence[Case], hashes: Sequence[Any]
) -> NDArray[np.bytes_]:
    """Return ids; `hashes` has the words and the occurrences of the rows of each segment."""
    identities = {s.case: case_identity(cases[s.case], study.config.defaults) for s in segments}
    ids: NDArray[np.bytes_] = _joined(
        [
            sample_ids(words, occurrence, identities[s.case])
            for s, (words, occurrence) in zip(segments, hashes, strict=True)
        ]
    )
    return ids


def _joined(parts: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return the arrays as one, without a copy if there is only one, as in most batches."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _write_datasets(part: Path, study: LoadedStudy, design: DesignTable) -> None:
    import h5py

    from ensnare.store.hdf5 import new_hdf5

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
