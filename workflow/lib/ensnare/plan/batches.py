"""The samples of a study cut into batches, each named by its content.

The name of a batch is known before the design exists: it is a hash of what defines the rows
(inputs, method, seed, range of rows), the cases, and the model. Neither names nor boundaries depend
on the profile; boundaries depend on resources only where these differ between cases, or `runtime`
is stated. A study that grows keeps the batches it has; a study that changes gets new ones, which
first copy the samples that they share with older batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensnare.errors import ConfigError
from ensnare.plan.identity import digest, file_digest, model_identity
from ensnare.study.design_checks import constraints_of, identity_text
from ensnare.study.designs import (
    Constrained,
    Lhs,
    MonteCarlo,
    Morris,
    Table,
    count_rows,
    design_options,
)
from ensnare.study.inputs import Input, input_identity
from ensnare.study.loading import LoadedStudy
from ensnare.study.resources import Resources
from ensnare.study.scaling import runs_of
from ensnare.study.study import Study
from ensnare.study.sweep import Case, case_identity

# Part of the names of batches: raised when the meaning of a batch file changes.
LAYOUT = 1
# A job should last much longer than its start-up (0.4 s), even with samples of a millisecond. Two
# batches of each size before it doubles: a million samples make 12 batches, so `snakemake -n` stays
# fast, and a cluster gets several at a time.
FIRST_SIZE = 8192
FIRST_SIZE_VECTORIZED = 65536
_PER_DOUBLING = 2
# Where the time of a sample is known: how long a job should take [s], and on how many cores. The
# cores are not those of the profile, since boundaries must not depend on where a study runs.
_TARGET_S = 1200.0
_TARGET_CORES = 4
MOST_SAMPLES = 65536
_SEEDED = (MonteCarlo, Lhs, Morris, Constrained)  # methods whose points depend on the seed


@dataclass(frozen=True)
class Segment:
    """Rows `start` to `stop` (excluded) of the design in one case."""

    case: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Batch:
    """The samples that one job evaluates."""

    key: str  # hash of the content; the stem of the names of its files
    segments: tuple[Segment, ...]  # its samples, in order

    def __len__(self) -> int:
        return sum(len(segment) for segment in self.segments)


def plan_batches(study: LoadedStudy, content: str | None = None) -> list[Batch]:
    """Return the batches of a study, which together hold every sample once.

    The files of the model are read for their hashes, unless `batch_content` of the study is given.
    Raises ConfigError if one of them does not exist.
    """
    config = study.config
    cases = case_table(study)
    identities = [case_identity(case, config.defaults) for case in cases]
    rows = design_rows(study)
    common = batch_content(study) if content is None else content
    cut = _cut(study, cases, identities, rows)
    return [_named(segments, identities, common) for segments in cut]


def batch_content(study: LoadedStudy) -> str:
    """Return the hash that goes into the names of all batches of a study: seed, design, model."""
    return digest(
        [LAYOUT, study.config.seed, design_identity(study), model_identity(study)], size=16
    )


def batch_resources(study: LoadedStudy, batches: Iterable[Batch]) -> dict[str, Resources]:
    """Return by key what one sample of each batch needs; it is the same for a whole batch."""
    cases = case_table(study)
    return {b.key: study.config.resources_of(cases[b.segments[0].case]) for b in batches}


def case_table(study: LoadedStudy) -> list[Case]:
    """Return the cases of a study, in the order of the file."""
    return study.config.cases()


def design_content(study: LoadedStudy) -> dict[str, Any]:
    """Return what the design file depends on; a change makes Snakemake write the file again."""
    return {
        "identity": digest(design_identity(study)),
        "rows": design_rows(study),
        "columns": [item.name for item in study.config.random_inputs],
        "cases": case_table(study),
    }


def design_identity(study: LoadedStudy) -> dict[str, Any]:
    """Return everything that the values in the rows depend on, without the number of rows.

    Raises ConfigError if a table cannot be read.
    """
    config = study.config
    if config.design is None:
        return {}
    if isinstance(config.design, Table):
        path = study.path(config.design.file)
        names = [item.name for item in config.random_inputs]
        return {
            "table": file_digest(path),
            "dataset": config.design.dataset,
            # a bare array takes its columns in the order of the inputs
            "names": names if path.suffix in (".pkl", ".pklz") else sorted(names),
        }
    inputs = [_input_identity(study, item, i) for i, item in enumerate(config.inputs)]
    copulas = sorted((copula.identity() for copula in config.copulas), key=digest)
    return {
        **design_options(config.design),
        **_constraints_identity(config),
        # low-discrepancy sequences and grids are the same for every seed
        "seed": config.seed if isinstance(config.design, _SEEDED) else None,
        "inputs": sorted((i for i in inputs if i), key=lambda i: i["name"]),
        # inputs without copulas are written as in earlier versions: names must not change
        **({"copulas": copulas} if copulas else {"spearman": []}),
    }


def design_rows(study: LoadedStudy) -> int:
    """Return the number of rows of the design without making it; 1 for a pure sweep.

    Raises ConfigError if the table of the design cannot be read.
    """
    config = study.config
    match config.design:
        case None:
            return 1
        case Table():
            try:
                return _table_rows(
                    study.path(config.design.file),
                    config.design,
                    [item.name for item in config.random_inputs],
                )
            except ConfigError as error:
                raise ConfigError(f"{study.source}: {error}") from None
        case design:
            return count_rows(design, [item.name for item in config.random_inputs])


def boundaries(total: int, size: int | None, first: int = FIRST_SIZE) -> Iterator[tuple[int, int]]:
    """Yield ranges (start, stop excluded) of 0..total that do not move when `total` grows.

    Only the last one can be shorter than `size`; if that is None, the ranges have `first` items
    and double after every second one.
    """
    start = count = 0
    while start < total:
        planned = size or first << (count // _PER_DOUBLING)
        yield start, min(start + planned, total)
        start += planned
        count += 1


def first_size(study: LoadedStudy) -> int:
    """Return the size of the first batches of a study whose samples take an unknown time."""
    python = study.config.model.python
    return FIRST_SIZE_VECTORIZED if python is not None and python.vectorized else FIRST_SIZE


def size_for(elapsed_s: float, cores: int) -> int:
    """Return how many samples, each of so many seconds and cores, make a job of 20 minutes.

    A power of two, so that most changes of the time move no boundary; 1 for long samples.
    """
    samples = max(1, _TARGET_CORES // cores) * _TARGET_S / elapsed_s
    return 1 << max(0, int(min(samples, MOST_SAMPLES)).bit_length() - 1)


def _cut(
    study: LoadedStudy, cases: list[Case], identities: list[dict[str, Any]], rows: int
) -> Iterator[tuple[Segment, ...]]:
    """Cut each case into ranges of rows, or join cases of few rows that need the same resources."""
    if study.config.scaling is not None:
        for members in runs_of(cases):
            yield tuple(Segment(i, 0, 1) for i in members)
        return
    # sorted by content, so that the order of levels and factors in the file moves no boundary
    order = sorted(range(len(identities)), key=lambda i: digest(identities[i]))
    classes: dict[Resources, list[int]] = {}
    for case in order:
        classes.setdefault(study.config.resources_of(cases[case]), []).append(case)
    first = first_size(study)
    for needs, members in classes.items():
        size = _stated_size(study, needs)
        if rows >= (size or first):
            for case in members:
                for start, stop in boundaries(rows, size, first):
                    yield (Segment(case, start, stop),)
            continue
        per_batch = max(1, (size or first) // rows)
        for low, high in boundaries(len(members), per_batch if size else None, per_batch):
            yield tuple(Segment(case, 0, rows) for case in members[low:high])


def _stated_size(study: LoadedStudy, needs: Resources) -> int | None:
    """Return the size of batches that the study states, or that follows from its `runtime`."""
    if study.config.batch.size != "auto":
        return int(study.config.batch.size)
    return None if needs.runtime is None else size_for(needs.runtime, needs.cores)


def _named(segments: tuple[Segment, ...], identities: list[dict[str, Any]], common: str) -> Batch:
    content = [[identities[s.case], s.start, s.stop] for s in segments]
    return Batch(digest([common, content]), segments)


def _constraints_identity(config: Study) -> dict[str, Any]:
    if not isinstance(config.design, Constrained):
        return {}
    return {"constraints": [identity_text(item) for item in constraints_of(config)]}


def _input_identity(study: LoadedStudy, item: Input, i: int) -> dict[str, Any]:
    """Return what the values of an input depend on; of data, the numbers and not the file name."""
    if item.is_constant:
        return {}
    if item.data is None:
        return input_identity(item)
    from ensnare.design.tables import data_columns

    try:
        values, weights = data_columns(study, item, f"inputs[{i}]")
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None
    content = [values.tolist(), None if weights is None else weights.tolist()]
    fit = {"fit": item.data.fit, "bins": item.data.bins, "values": digest(content)}
    return input_identity(item) | {"data": fit}


def _table_rows(path: Path, table: Table, names: list[str]) -> int:
    """Return how many rows of a table the study takes: `size`, or all."""
    if not os.path.isfile(path):
        raise ConfigError(f"design.file: no file {path}")
    if path.suffix in (".h5", ".hdf5"):
        from ensnare.design.tables import count_hdf5_rows

        rows = count_hdf5_rows(path, table.dataset, names)
    elif path.suffix in (".pkl", ".pklz"):
        from ensnare.design.tables import count_pickle_rows

        rows = count_pickle_rows(path)
    else:
        from ensnare.design.tables import count_csv_rows

        rows = count_csv_rows(path)
    if rows < 1:
        raise ConfigError(f"design.file: {path} has no rows; expected a header and rows")
    if table.size is not None and table.size > rows:
        raise ConfigError(f"design.size: got {table.size}; {path} has {rows} rows")
    return table.size or rows
