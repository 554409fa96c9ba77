"""How many samples a run would evaluate, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from ensnare.amendments import read_amendments
from ensnare.batches import Batch
from ensnare.batchfile import record_width
from ensnare.callables import load_callable
from ensnare.config import LoadedStudy
from ensnare.config.designs import Lhs
from ensnare.journal import members, read_journal
from ensnare.model import CommandModel, compile_model
from ensnare.paths import StudyPaths
from ensnare.reuse import OlderBatches
from ensnare.samples import Samples, samples_of


def count_samples(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths
) -> tuple[int, int]:
    """Return how many samples are to be run, and how many are known.

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
    total = sum(map(len, batches))
    older = OlderBatches(study, paths)
    journals = any(paths.journal(batch.key).exists() for batch in missing)
    skipped = read_amendments(paths).skipped
    if not missing or not (older or journals or skipped):
        run = sum(map(len, missing))
    else:
        run = _count_exactly(study, missing, paths, older)
    return run, total - run


def growth_note(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return what to know when a Latin hypercube gets another size; empty otherwise.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files; the design file need not exist.
    """
    design = study.config.design
    if not isinstance(design, Lhs) or not paths.design.exists():
        return ""
    try:
        with h5py.File(paths.design, "r", locking=False) as file:
            method, rows = file.attrs["method"], len(file["x"])
    except (OSError, KeyError):  # a damaged file is made again
        return ""
    if method != "lhs" or rows == design.size:
        return ""
    return (
        f"design: a Latin hypercube cannot grow: its {design.size} samples are others than the "
        f"{rows} that there are; monte_carlo, sobol and halton grow"
    )


def _count_exactly(
    study: LoadedStudy, missing: Sequence[Batch], paths: StudyPaths, older: OlderBatches
) -> int:
    """Count the samples of missing batches that no journal and no older batch holds."""
    from ensnare.design import make_design

    design = make_design(study)
    python = study.config.model.python is not None
    model = None if python else compile_model(study)
    run_key = load_callable(study).run_key if python else ""
    skipped = np.array([name.encode() for name in read_amendments(paths).skipped], "S")
    run = 0
    for batch in missing:
        samples = samples_of(study, batch.segments, design)
        journal = read_journal(paths.journal(batch.key), record_width(study))
        done = members(samples.ids, journal.rows["sample_id"]) | members(samples.ids, skipped)
        todo = np.flatnonzero(~done)
        rows, _ = older.finished(todo, _Known(samples, model, run_key))
        run += len(todo) - len(rows)
    return run


@dataclass
class _Known:
    """What samples would run."""

    samples: Samples
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
