"""Batch sizes measured on finished samples, for studies that do not state a run time."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from ensnare.errors import ArchiveError
from ensnare.plan.batches import (
    MOST_SAMPLES,
    Batch,
    batch_resources,
    case_table,
    first_size,
    plan_batches,
    size_for,
)
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy, read_resolved, with_batch_size

_FEW_SAMPLES = 64  # a job of so many samples needs no note, however long they take
_ROWS_READ = 4096  # of each batch file, for the mean time


def with_measured_size(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return the study with a measured batch size, if it says `auto` and samples have finished.

    The size is kept in the resolved study and stays as long as a batch that was cut by it exists,
    since timings must not move the boundaries of existing batches. It is measured only while there
    is none.
    """
    config = study.config
    needs = map(config.resources_of, case_table(study))
    if config.batch.size != "auto" or all(item.runtime is not None for item in needs):
        return study
    if config.scaling is not None:  # a batch is one run, whatever it takes
        return study
    try:
        kept = with_batch_size(study, read_resolved(paths.study).config.batch.size)
    except ArchiveError:  # no study.json: nothing has run
        return study
    if any(_exists(paths, batch.key) for batch in plan_batches(kept)):
        return kept
    return with_batch_size(study, _measured_size(study, paths))


def mean_elapsed_s(paths: StudyPaths) -> float:
    """Return the mean time of a sample [s], from the first rows of each batch; NaN if unknown."""
    sums = np.zeros(2)
    for path in paths.batches.glob("*.h5"):
        try:
            with h5py.File(path, "r", locking=False) as file:
                rows, size = file["rows"][:_ROWS_READ], len(file["rows"])
        except (OSError, KeyError):  # a damaged file; its journal has the samples
            continue
        good = ~np.isin(rows["status"], (Status.KILLED, Status.NOT_RUN, Status.SKIPPED))
        elapsed_s = rows["elapsed_s"][good & np.isfinite(rows["elapsed_s"])]
        if len(elapsed_s):
            sums += np.array([elapsed_s.mean(), 1]) * size
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def length_note(study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths) -> str:
    """Return a note if the jobs of a run on a cluster may be too long; else ""."""
    config = study.config
    vectorized = config.model.python is not None and config.model.python.vectorized
    if vectorized or config.scaling is not None or config.batch.size != "auto":
        return ""
    needs = batch_resources(study, batches)
    unsized = [
        len(batch)
        for batch in batches
        if needs[batch.key].runtime is None and not paths.batch(batch.key).exists()
    ]
    most = max(unsized, default=0)
    if most <= _FEW_SAMPLES or np.isfinite(mean_elapsed_s(paths)):
        return ""
    return (
        f"nothing says how long a sample takes, so up to {most} go to one job; for a code of more "
        "than some seconds state resources.runtime, the longest time of a sample, and jobs take "
        "about 20 minutes each"
    )


def _measured_size(study: LoadedStudy, paths: StudyPaths) -> int | str:
    """Return the batch size for jobs of 20 minutes; "auto" if unknown or samples are short."""
    mean_s = mean_elapsed_s(paths)
    if not mean_s > 0:
        return "auto"
    size = size_for(mean_s, study.config.resources.cores)
    # for short samples the default sizes, which double, soon give jobs that are long enough
    return "auto" if size >= min(MOST_SAMPLES, first_size(study)) else size


def _exists(paths: StudyPaths, key: str) -> bool:
    """Return whether a batch has a batch file or a journal."""
    return paths.batch(key).exists() or paths.journal(key).exists()
