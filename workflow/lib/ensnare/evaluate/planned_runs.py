"""What the samples of a study would run that are on no record of it as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensnare.design.table import make_design
from ensnare.evaluate.amendments import read_amendments
from ensnare.evaluate.batchfile import record_width
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.function import load_callable
from ensnare.plan.batches import Batch
from ensnare.plan.samples import Samples, samples_of
from ensnare.store.journal import members, read_journal
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy


@dataclass
class PlannedRuns:
    """The samples of a batch, and what each would run.

    Attributes
    ----------
    samples : Samples
        All of the batch.
    todo : ndarray of int
        Positions of those that its journal does not hold, and that are not to be skipped.
    model : CommandModel or None
        The external code.
    python_key : str
        The identity of what a Python function runs.
    """

    samples: Samples
    todo: NDArray[np.int64]
    model: CommandModel | None
    python_key: str

    def run_key(self, i: int) -> str:
        """Return the identity of what a sample runs; empty if it cannot be prepared."""
        if self.model is None:
            return self.python_key
        try:
            return self.model.identity(self.samples.values(i))
        except ValueError:
            return ""


def planned_runs(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths
) -> Iterator[PlannedRuns]:
    """Yield the samples of batches that have no batch file.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    batches : sequence of Batch
        Its batches.
    paths : StudyPaths
        Its files; the design file need not exist.
    """
    missing = [batch for batch in batches if not paths.batch(batch.key).exists()]
    if not missing:
        return
    design = make_design(study)
    python = study.config.model.python is not None
    model = None if python else compile_model(study)
    python_key = load_callable(study).run_key if python else ""
    skipped = np.array([name.encode() for name in read_amendments(paths).skipped], "S")
    for batch in missing:
        samples = samples_of(study, batch.segments, design)
        journal = read_journal(paths.journal(batch.key), record_width(study))
        done = members(samples.ids, journal.rows["sample_id"]) | members(samples.ids, skipped)
        todo = np.flatnonzero(~done)
        yield PlannedRuns(samples, todo, model, python_key)
