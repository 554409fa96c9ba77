"""Running the samples of a study by hand or with another scheduler: prepare, then collect."""

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

LIST, SCRIPT, BEGUN, DONE = "samples.csv", "run.sh", "run.begun", "run.done"


def prepare_all(study: LoadedStudy, directory: Path, paths: StudyPaths) -> tuple[int, int]:
    """Write the directory of every sample that has no result yet, and a list of them.

    Those that were prepared before, and have begun since, stay as they are.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    directory : Path
        Where; every sample gets `<directory>/<id>` with its files and `run.sh`.
    paths : StudyPaths
        The files of the study; samples that are on record there are left out.

    Returns
    -------
    prepared, bad : int
        Directories made, and samples whose files cannot be made; these are not in the list.

    Raises
    ------
    ConfigError
        If the model is a Python function.
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
    """Return the samples of a batch that are on record."""
    journal = read_journal(paths.journal(batch.key), record_width(study))
    return set(journal.rows["sample_id"].tolist())


def _write_list(part: Path, header: list[str], rows: list[list[object]]) -> None:
    with part.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _has_begun(model: CommandModel, place: Path) -> bool:
    """Return whether a prepared sample runs elsewhere, or did."""
    return (place / BEGUN).exists() or outcome_of(model, place) is not None


def _prepare_one(study: LoadedStudy, model: CommandModel, values: Values, place: Path) -> None:
    with contextlib.chdir(Path.cwd()):  # and back
        enter_empty(str(place))
        model.prepare(values)
        script = Path(SCRIPT)
        script.write_text(run_script(study, model, values))
        script.chmod(0o755)


def run_script(study: LoadedStudy, model: CommandModel, values: Values) -> str:
    """Return a script of bash that runs a sample in its own directory.

    It leaves `run.begun`, and at its end `run.done`: the exit code, and the times when it began
    and ended.
    """
    lines = ["#!/bin/bash", f"# sample {values['sample']} of the study {study.config.study}"]
    lines += ['cd "$(dirname "$0")" || exit 1', f"rm -f {DONE}", f": > {BEGUN}"]
    around = model.environment
    if around.modules:
        lines.append(FIND_MODULES.rstrip())
    lines += [f"module load {shlex.quote(m.render(values))} || exit 1" for m in around.modules]
    if around.source is not None:
        path = study.path(around.source.render(values)).absolute()
        lines.append(f"source {shlex.quote(str(path))}")
    threads = values["threads"]
    lines += [f'export {name}="${{{name}:-{threads}}}"' for name in THREAD_VARIABLES]
    if model.launcher:  # another machine may start ranks in another way
        start = shlex.quote(shlex.join(model.launcher.command(values)))
        lines.append(f'[ -n "${MPI_VARIABLE}" ] || {MPI_VARIABLE}={start}')
        lines.append(f"export {MPI_VARIABLE}")
    for name, template in around.variables.items():
        lines.append(f"export {name}={shlex.quote(template.render(values))}")
    lines += ["begin=$(date +%s.%N)", _commands(model, values), "code=$?"]
    lines += [f'echo "$code $begin $(date +%s.%N)" > {DONE}', "exit $code"]
    return "\n".join(lines) + "\n"


def _commands(model: CommandModel, values: Values) -> str:
    """Return the steps as one list of bash, which ends with the first that fails."""
    out, error = map(shlex.quote, model.streams)
    steps = []
    for number, step in enumerate(model.steps):
        words = [word.render(values) for word in step]
        if "/" in words[0] and not words[0].startswith("./"):  # relative to the study file
            words[0] = os.path.join(model.base, words[0])
        more = ">>" if number else ">"
        streams = f"{more}{out} 2>&1" if out == error else f"{more}{out} 2{more}{error}"
        start = f"${MPI_VARIABLE} " if model.launcher and model.launcher.steps[number] else ""
        steps.append(f"{start}{shlex.join(words)} {streams} </dev/null")
    return " &&\n".join(steps)


@dataclass
class Collected:
    """What came of collecting.

    Attributes
    ----------
    taken : int
        Samples that are on record now.
    known : int
        Samples that were on record before.
    waiting : int
        Samples that were not run yet.
    stale : int
        Samples of another version of the study.
    """

    taken: int = 0
    known: int = 0
    waiting: int = 0
    stale: int = 0


def collect(
    study: LoadedStudy, directory: Path, paths: StudyPaths, say: Callable[[str], None]
) -> Collected:
    """Read the outputs of samples that were run elsewhere, and put them on record.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    directory : Path
        What `prepare_all` made.
    paths : StudyPaths
        The files of the study.
    say : callable
        Receives lines of progress.

    Raises
    ------
    ArchiveError
        If there is no list in the directory.
    BatchError
        If another job takes a batch over meanwhile; what was read until then is on record.
    """
    model, listed, count = _model(study), _read_list(directory), Collected()
    total = len(listed)
    collector = _Collector(study, model, paths, count)
    for batch, samples in _batches(study):
        mine = {i: listed.pop(k) for i, k in enumerate(samples.ids.tolist()) if k in listed}
        if mine:
            path = paths.owner(batch.key)
            with Claim(path, say) as owner, renewing([path]):
                collector.batch(batch, samples, mine, owner)
    count.stale += len(listed)
    assert count.taken + count.known + count.waiting + count.stale == total
    return count


def _read_list(directory: Path) -> dict[bytes, tuple[Path, str]]:
    """Return for each sample its directory and what it runs."""
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
    """Where samples that were run elsewhere are put on record, and counted."""

    study: LoadedStudy
    model: CommandModel
    paths: StudyPaths
    count: Collected

    def batch(
        self, batch: Batch, samples: Samples, mine: dict[int, tuple[Path, str]], owner: Claim
    ) -> None:
        """Put those samples of a batch on record that are in `mine`: its directory, what it ran."""
        study, paths = self.study, self.paths
        known, columns = _known(study, batch, paths), column_order(study)
        journal = Journal(paths.journal(batch.key), record_width(study), journal_note(study))
        try:
            for i, (place, prepared_key) in mine.items():
                if samples.ids[i] in known:
                    self.count.known += 1
                    continue
                if not owner.renew():
                    raise BatchError(
                        f"batch {batch.key}: another job took it over; collect again when it ended"
                    )
                run_key = self.model.identity(samples.values(i))
                end = self._outcome(place, run_key == prepared_key)
                if end is not None:
                    end = replace(end, outputs=[end.outputs[j] for j in columns])
                    journal.append(samples.ids[i], (run_key, batch.key), 1, end)
            journal.sync()
            paths.counts(batch.key).unlink(missing_ok=True)  # of a job that was interrupted
        finally:
            journal.close()

    def _outcome(self, place: Path, is_current: bool) -> Outcome | None:
        """Return how a sample ended, if it has and is of the study as it is; count it."""
        if not is_current:
            self.count.stale += 1
            return None
        end = outcome_of(self.model, place)
        if end is None:
            self.count.waiting += 1
        else:
            self.count.taken += 1
        return end


def outcome_of(model: CommandModel, place: Path) -> Outcome | None:
    """Return how a sample ended that was run elsewhere; None if it has not.

    Without `run.done` it has ended when its outputs can be read, unless the script has begun: it
    may have been run otherwise. What a run has written so far is no result.
    """
    if not place.is_dir():
        return None
    try:
        code, begin, end = (place / DONE).read_text().split()
        exit_code, elapsed_s = int(code), max(0.0, float(end) - float(begin))
    except FileNotFoundError:
        return None if (place / BEGUN).exists() else _without_mark(model, place)
    except ValueError:  # it is being written
        return None
    if exit_code > 128:  # what bash says of a signal
        exit_code = 128 - exit_code
    if exit_code:
        nothing = [float("nan")] * model.width
        message = f"run elsewhere; {SCRIPT} ended with exit code {exit_code}"
        return Outcome(Status.FAILED, exit_code, elapsed_s, nothing, message)
    with contextlib.chdir(place):
        return model.read(str(place), exit_code, elapsed_s)


def _without_mark(model: CommandModel, place: Path) -> Outcome | None:
    with contextlib.chdir(place), contextlib.suppress(OutputError):
        model.parse(str(place))
        found = model.read(str(place), NO_EXIT_CODE, float("nan"))
        return found if found.status is Status.OK else None
    return None
