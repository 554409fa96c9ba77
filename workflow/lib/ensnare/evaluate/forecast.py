"""What a run would do and cost: samples to run, to parse again, and reused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.design.table import make_design
from ensnare.errors import BatchError, EnsnareError
from ensnare.evaluate.amendments import read_amendments
from ensnare.evaluate.batchfile import record_width
from ensnare.evaluate.measured_size import mean_elapsed_s
from ensnare.evaluate.reuse import OlderBatches
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.function import load_python_model
from ensnare.plan.batches import Batch, batch_resources, case_table, design_rows, plan_batches
from ensnare.plan.criteria import ending
from ensnare.plan.rounds import Growth
from ensnare.plan.samples import Samples, samples_of
from ensnare.store.journal import members, read_journal
from ensnare.store.paths import StudyPaths
from ensnare.study.designs import Composite, Factorial, Lhs, Morris, OneAtATime, design_options
from ensnare.study.loading import LoadedStudy, read_resolved

# finished samples that cost more than this run again only if the user accepts it [core-hours]
RERUN_LIMIT_H = 100.0
# designs where a change of the options moves all points
_CANNOT_GROW: dict[type[Any], str] = {
    Lhs: "a Latin hypercube",
    Morris: "morris with other levels",
    Factorial: "factorial with other levels",
    OneAtATime: "one_at_a_time with other levels",
    Composite: "composite with another tail",
}


@dataclass(frozen=True)
class Forecast:
    """What a run would do."""

    run: int
    reparsed: int  # samples whose kept directories are to be parsed again
    reused: int
    cost_h: float = float("nan")  # of the run [core-hours]; NaN if no sample has finished yet
    rerun: int = 0  # finished samples that would run again
    rerun_h: float = 0.0  # what these had cost [core-hours]

    def __str__(self) -> str:
        """Return the line that Snakemake prints before a run."""
        reparsed = f"{self.reparsed} to parse again, " if self.reparsed else ""
        cost = "" if np.isnan(self.cost_h) else f"; about {_shown(self.cost_h)} core-hours"
        return (
            f"samples: {self.run} to run, {reparsed}{self.reused} reused{cost if self.run else ''}"
        )


def count_samples(study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths) -> Forecast:
    """Count the samples of batches that would run, be parsed again, or be reused.

    The design file need not exist.
    """
    missing = [batch for batch in batches if not paths.batch(batch.key).exists()]
    total = sum(map(len, batches))
    if not missing:
        return Forecast(0, 0, total)
    older = OlderBatches(study, paths)
    mean_s = mean_elapsed_s(paths)
    journals = any(paths.journal(batch.key).exists() for batch in missing)
    if not (older or journals or read_amendments(paths).skipped):
        run = sum(map(len, missing))
        needs = batch_resources(study, missing)
        cores = sum(len(batch) * needs[batch.key].cores for batch in missing)
        return Forecast(run, 0, total - run, cores * mean_s / 3600)
    run = reparsed = 0
    times, cores_of = [np.empty(0)], [np.empty(0)]
    cores_by_case = np.array([study.config.resources_of(c).cores for c in case_table(study)])
    for runs in planned_runs(study, missing, paths):
        found = older.find(runs.todo, runs)
        run, reparsed = run + len(found.rest), reparsed + len(found.to_reparse)
        times.append(older.elapsed_s(runs.samples.ids[found.rest]))
        cores_of.append(cores_by_case[runs.samples.case[found.rest]])
    elapsed_s, core_h = np.concatenate(times), np.concatenate(cores_of) / 3600
    rerun = ~np.isnan(elapsed_s)
    rerun_h = float((elapsed_s * core_h)[rerun].sum())
    cost_h = float((np.where(rerun, elapsed_s, mean_s) * core_h).sum())
    return Forecast(run, reparsed, total - run - reparsed, cost_h, int(rerun.sum()), rerun_h)


def known_batches(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths
) -> frozenset[str]:
    """Return the keys of those batches whose every sample is known already.

    The batches have no batch file; their samples may be in journals or in older batches.
    """
    older = OlderBatches(study, paths)
    if not older and not any(paths.journal(batch.key).exists() for batch in batches):
        return frozenset()
    planned = planned_runs(study, batches, paths)
    return frozenset(
        batch.key
        for batch, runs in zip(batches, planned, strict=True)
        if not len(older.find(runs.todo, runs).rest)
    )


@dataclass
class PlannedRuns:
    """The samples of a batch without batch file, and what each would run."""

    samples: Samples
    todo: NDArray[np.int64]  # positions of those not in the journal and not to be skipped
    model: CommandModel | None  # None for a Python function
    python_key: str  # identity of what the Python function runs

    def run_key(self, i: int) -> str:
        """Return the identity of what a sample runs; empty if its files cannot be prepared."""
        if self.model is None:
            return self.python_key
        try:
            return self.model.identity(self.samples.values(i))
        except ValueError:
            return ""


def planned_runs(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths
) -> Iterator[PlannedRuns]:
    """Yield the samples of batches without batch file; the design file need not exist."""
    missing = [batch for batch in batches if not paths.batch(batch.key).exists()]
    if not missing:
        return
    design = make_design(study)
    python = study.config.model.python is not None
    model = None if python else compile_model(study)
    python_key = load_python_model(study).run_key if python else ""
    skipped = np.array([name.encode() for name in read_amendments(paths).skipped], "S")
    for batch in missing:
        samples = samples_of(study, batch.segments, design)
        journal = read_journal(paths.journal(batch.key), record_width(study))
        done = members(samples.ids, journal.rows["sample_id"]) | members(samples.ids, skipped)
        todo = np.flatnonzero(~done)
        yield PlannedRuns(samples, todo, model, python_key)


def refuse_expensive_rerun(study: LoadedStudy, forecast: Forecast, accepted: bool) -> None:
    """Raise BatchError if expensive results would be computed again and the user did not accept."""
    if not accepted and (note := expensive_rerun_note(study, forecast)):
        raise BatchError(f"study {study.config.study}: {note}")


def expensive_rerun_note(study: LoadedStudy, forecast: Forecast) -> str:
    """Return a note if finished samples of more than 100 core-hours would run again; else ""."""
    if forecast.rerun_h <= RERUN_LIMIT_H:
        return ""
    return (
        f"{forecast.rerun} finished samples, {_shown(forecast.rerun_h)} core-hours, would be run "
        "again, since what they ran has changed; go on with snakemake ... --config "
        f"accept_rerun=true, or keep their results with ensnare adopt {study.source}"
    )


def _shown(hours: float) -> str:
    """Return core-hours as text."""
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"


def growth_note(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return a note if a design that cannot grow was given another size; else ""."""
    design = study.config.design
    kind = _CANNOT_GROW.get(type(design), "")
    if not kind or not paths.study.exists():
        return ""
    try:
        old = read_resolved(paths.study)
        rows, before = design_rows(study), design_rows(old)
    except EnsnareError:  # a damaged study.json is written again
        return ""
    if type(old.config.design) is not type(design):
        return ""
    if design_options(old.config.design) == design_options(design):
        return ""
    return (
        f"design: {kind} cannot grow: its {rows} samples differ from the {before} existing "
        "ones; monte_carlo, sobol, halton, saltelli, morris and constrained grow by their size"
    )


def namesake_note(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return a note if another study file of the same name made the results; else "".

    A file that was moved or renamed is not another one, so the old file must still exist.
    """
    try:
        old = Path(read_resolved(paths.study).source)
    except EnsnareError:  # no study.json: nothing has run
        return ""
    new = Path(study.source)
    if not (old.is_file() and new.is_file()) or old.samefile(new):
        return ""
    return (
        f"{paths.root} has the results of {old}, which has the same name; a run replaces them: "
        "give one of the two files another name in study:, if they are two studies"
    )


def count_rounds(growth: Growth, paths: StudyPaths) -> Forecast:
    """Count the samples to run in the present round of a design that grows by itself.

    Later rounds depend on results and are not counted. Samples to run again are counted in all
    rounds so far, since a changed model starts again with the first round and would run the others
    later.
    """
    item, before = growth.present(paths), growth.grown_before(paths)
    forecast = count_samples(item.study, item.batches, paths)
    if not forecast.rerun:
        return forecast
    whole = count_samples(before, plan_batches(before), paths)
    return replace(forecast, rerun=whole.rerun, rerun_h=whole.rerun_h)


def rounds_note(growth: Growth, paths: StudyPaths) -> str:
    """Return how far a design is that grows by itself."""
    found = growth.on_record(paths)
    said = ending(growth.study, [measured for _, measured in found.done])
    if found.missing is None:
        last = found.done[-1][0]
        return f"{len(found.done)} rounds, the last of {last.size} base rows: {said}"
    return (
        f"round {found.missing.number + 1} of at most {len(growth.rounds)}, of "
        f"{found.missing.size} base rows; {said}: what runs after it depends on its results"
    )
