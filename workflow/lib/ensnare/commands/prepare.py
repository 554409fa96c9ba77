"""Samples that the user runs by hand or with another scheduler (`ensnare prepare`, `collect`).

`prepare` writes a directory for each sample, with its input files and a script `run.sh`. `collect`
reads the outputs in these directories, and writes them to the journals of the batches.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ensnare.errors import ArchiveError, BatchError, ConfigError, OutputError
from ensnare.evaluate.amendments import read_amendments
from ensnare.evaluate.batchfile import column_order, journal_note, record_width
from ensnare.evaluate.claim import Claim, renewing
from ensnare.model.command import CommandModel, Values, compile_model
from ensnare.model.directories import enter_empty
from ensnare.model.environment import FIND_MODULES, THREAD_VARIABLES
from ensnare.model.launcher import MPI_VARIABLE
from ensnare.plan.batches import Batch, plan_batches
from ensnare.plan.samples import Samples, samples_of
from ensnare.store.journal import Journal, read_journal
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy

LIST = "samples.csv"  # the prepared samples: directory, id, hash of what they run, values
# in the directory of each sample; the script writes BEGUN first and DONE last
SCRIPT, BEGUN, DONE = "run.sh", "run.begun", "run.done"


@dataclass
class Collected:
    """How many samples were collected, and how many were not."""

    taken: int = 0  # recorded now
    known: int = 0  # recorded before
    waiting: int = 0  # not run yet, or still running
    stale: int = 0  # of another version of the study


def prepare_all(study: LoadedStudy, directory: Path, paths: StudyPaths) -> tuple[int, int]:
    """Write `<directory>/<id>` with the files and `run.sh` of every sample, and a list of them.

    Samples that have a result or are skipped are left out; a directory that was prepared before and
    has begun since stays as it is. Returns the number of samples in the list, and of those whose
    files cannot be made, which are not in it. Raises ConfigError if the model is a Python function.
    """
    model = _model(study)
    directory.mkdir(parents=True, exist_ok=True)
    before = _read_list(directory) if (directory / LIST).exists() else {}
    rows: list[list[object]] = []
    bad = 0
    skipped = read_amendments(paths).skipped
    for batch, samples in _batches(study):
        known = _known(study, batch, paths)
        for i, name in enumerate(samples.ids.tolist()):
            if name in known or name.decode() in skipped:
                continue
            try:
                values = samples.values(i)
                run_key = model.identity(values)
                place = directory.absolute() / name.decode()
                if before.get(name) != (place, run_key) or not _has_begun(model, place):
                    _prepare_one(study, model, values, place)
            except ValueError:
                bad += 1
                continue
            case = samples.cases[samples.case[i]]
            levels = [case.get(factor, "") for factor in study.config.factors]
            rows.append([name.decode(), name.decode(), run_key, *levels, *samples.x[i].tolist()])
    header = ["directory", "id", "run_key", *study.config.factors, *samples.names]
    write_whole(directory / LIST, lambda part: _write_list(part, header, rows))
    return len(rows), bad


def _model(study: LoadedStudy) -> CommandModel:
    if study.config.model.python:
        raise ConfigError("the model is a Python function, which has no directories to prepare")
    return compile_model(study)


def _batches(study: LoadedStudy) -> Iterator[tuple[Batch, Samples]]:
    from ensnare.design.table import make_design

    design = make_design(study)
    for batch in plan_batches(study):
        yield batch, samples_of(study, batch.segments, design)


def _known(study: LoadedStudy, batch: Batch, paths: StudyPaths) -> set[bytes]:
    """Return the ids of the samples of a batch that have a result in its journal."""
    journal = read_journal(paths.journal(batch.key), record_width(study))
    return set(journal.rows["sample_id"].tolist())


def _write_list(part: Path, header: list[str], rows: list[list[object]]) -> None:
    with part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _has_begun(model: CommandModel, place: Path) -> bool:
    """Return whether a prepared sample is running, or has run."""
    return (place / BEGUN).exists() or outcome_of(model, place) is not None


def _prepare_one(study: LoadedStudy, model: CommandModel, values: Values, place: Path) -> None:
    with contextlib.chdir(Path.cwd()):  # returns to the present directory at the end
        enter_empty(str(place))
        model.prepare(values)
        script = Path(SCRIPT)
        script.write_text(run_script(study, model, values))
        script.chmod(0o755)


def run_script(study: LoadedStudy, model: CommandModel, values: Values) -> str:
    """Return a bash script that runs a sample in its own directory.

    It creates `run.begun` first, and at its end `run.done` with the exit code and the times when
    the command began and ended [s since 1970].
    """
    lines = ["#!/bin/bash", f"# sample {values['sample']} of the study {study.config.study}"]
    lines += ['cd "$(dirname "$0")" || exit 1', f"rm -f {DONE}", f": > {BEGUN}"]
    environment = model.environment
    if environment.modules:
        lines.append(FIND_MODULES.rstrip())
    lines += [f"module load {shlex.quote(m.render(values))} || exit 1" for m in environment.modules]
    if environment.source is not None:
        path = study.path(environment.source.render(values)).absolute()
        lines.append(f"source {shlex.quote(str(path))}")
    threads = values["threads"]
    lines += [f'export {name}="${{{name}:-{threads}}}"' for name in THREAD_VARIABLES]
    if model.launcher:  # a launcher that is set already wins: the script may run on another machine
        start = shlex.quote(shlex.join(model.launcher.command(values)))
        lines.append(f'[ -n "${MPI_VARIABLE}" ] || {MPI_VARIABLE}={start}')
        lines.append(f"export {MPI_VARIABLE}")
    for name, template in environment.variables.items():
        lines.append(f"export {name}={shlex.quote(template.render(values))}")
    lines += ["begin=$(date +%s.%N)", _commands(model, values), "code=$?"]
    lines += [f'echo "$code $begin $(date +%s.%N)" > {DONE}', "exit $code"]
    return "\n".join(lines) + "\n"


def _commands(model: CommandModel, values: Values) -> str:
    """Return the steps joined by `&&`, so that the first step that fails ends the run."""
    out, error = map(shlex.quote, model.streams)
    steps = []
    for number, step in enumerate(model.steps):
        words = [word.render(values) for word in step]
        if "/" in words[0] and not words[0].startswith("./"):  # relative to the study file
            words[0] = os.path.join(model.base, words[0])
        to = ">>" if number else ">"
        streams = f"{to}{out} 2>&1" if out == error else f"{to}{out} 2{to}{error}"
        start = f"${MPI_VARIABLE} " if model.launcher and model.launcher.steps[number] else ""
        steps.append(f"{start}{shlex.join(words)} {streams} </dev/null")
    return " &&\n".join(steps)


def collect(
    study: LoadedStudy, directory: Path, paths: StudyPaths, say: Callable[[str], None]
) -> Collected:
    """Read the outputs of the samples in `directory`, and write them to the journals.

    `say` receives lines of progress. Raises ArchiveError if the directory has no list of samples,
    and BatchError if another job takes over the claim on a batch; results written before stay.
    """
    model, listed, counts = _model(study), _read_list(directory), Collected()
    total = len(listed)
    collector = _Collector(study, model, paths, counts)
    for batch, samples in _batches(study):
        prepared = {i: listed.pop(k) for i, k in enumerate(samples.ids.tolist()) if k in listed}
        if prepared:
            path = paths.owner(batch.key)
            with Claim(path, say) as claim, renewing([path]):
                collector.collect_batch(batch, samples, prepared, claim)
    counts.stale += len(listed)  # these are in no batch of the study as it is
    assert counts.taken + counts.known + counts.waiting + counts.stale == total
    return counts


def _read_list(directory: Path) -> dict[bytes, tuple[Path, str]]:
    """Return the directory of each sample, and the hash of what it runs, by its id."""
    path = directory / LIST
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            row["id"].encode(): ((directory / row["directory"]).absolute(), row["run_key"])
            for row in rows
        }
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise ArchiveError(f"{path}: not a list of samples; run ensnare prepare first") from None


@dataclass(frozen=True)
class _Collector:
    """Writes results to the journals of batches, and counts samples."""

    study: LoadedStudy
    model: CommandModel
    paths: StudyPaths
    counts: Collected

    def collect_batch(
        self, batch: Batch, samples: Samples, prepared: dict[int, tuple[Path, str]], claim: Claim
    ) -> None:
        """Write the results of the prepared samples of a batch to its journal.

        `prepared` has the directory of a sample, and the hash of what it was prepared to run, by
        the position of the sample in the batch.
        """
        study, paths = self.study, self.paths
        known, columns = _known(study, batch, paths), column_order(study)
        journal = Journal(paths.journal(batch.key), record_width(study), journal_note(study))
        try:
            for i, (place, prepared_key) in prepared.items():
                if samples.ids[i] in known:
                    self.counts.known += 1
                    continue
                if not claim.renew():
                    raise BatchError(
                        f"batch {batch.key}: another job took it over; collect again when it ended"
                    )
                run_key = self.model.identity(samples.values(i))
                outcome = self._outcome(place, run_key == prepared_key)
                if outcome is not None:
                    outcome = replace(outcome, outputs=[outcome.outputs[j] for j in columns])
                    journal.append(samples.ids[i], (run_key, batch.key), 1, outcome)
            journal.sync()
            # counts that an interrupted job published are out of date now
            paths.counts(batch.key).unlink(missing_ok=True)
        finally:
            journal.close()

    def _outcome(self, place: Path, is_current: bool) -> Outcome | None:
        """Return how a sample ended and count it; None if it is stale or has not ended."""
        if not is_current:
            self.counts.stale += 1
            return None
        outcome = outcome_of(self.model, place)
        if outcome is None:
            self.counts.waiting += 1
        else:
            self.counts.taken += 1
        return outcome


def outcome_of(model: CommandModel, place: Path) -> Outcome | None:
    """Return how the sample in a prepared directory ended; None if it has not.

    Without `run.begun` and `run.done` the user ran it without the script: it has ended if all of
    its outputs can be read. With `run.begun` alone it still runs, so its outputs are incomplete.
    """
    if not place.is_dir():
        return None
    try:
        code, begin, end = (place / DONE).read_text().split()
        exit_code, elapsed_s = int(code), max(0.0, float(end) - float(begin))
    except FileNotFoundError:
        return None if (place / BEGUN).exists() else _outcome_without_script(model, place)
    except ValueError:  # the script is just writing DONE
        return None
    if exit_code > 128:  # bash adds 128 to the number of the signal that ended a step
        exit_code = 128 - exit_code
    if exit_code:
        nothing = [float("nan")] * model.width
        message = f"run elsewhere; {SCRIPT} ended with exit code {exit_code}"
        return Outcome(Status.FAILED, exit_code, elapsed_s, nothing, message)
    with contextlib.chdir(place):
        return model.read(str(place), exit_code, elapsed_s)


def _outcome_without_script(model: CommandModel, place: Path) -> Outcome | None:
    with contextlib.chdir(place), contextlib.suppress(OutputError):
        model.parse(str(place))
        found = model.read(str(place), NO_EXIT_CODE, float("nan"))
        return found if found.status is Status.OK else None
    return None
