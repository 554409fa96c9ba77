"""One point evaluated by hand, with the code that the workflow uses (`ensnare eval`)."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ensnare.archive.gather import outside, range_message
from ensnare.errors import ConfigError, did_you_mean
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.directories import enter_empty
from ensnare.model.function import PythonModel, load_python_model
from ensnare.plan.samples import known_values
from ensnare.store.ids import row_words, sample_ids, sample_seed
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.scaling import COPY, REPEAT
from ensnare.study.sweep import Case, branches, case_identity, case_label
from ensnare.study.values import to_number

Values = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """A point that the user asked for."""

    values: Values  # inputs, constants and factors by name
    # how many equal rows of the design come before it; the sample id and seed depend on it
    occurrence: int = 0


def parse_request(
    study: LoadedStudy, pairs: Sequence[str], x: Sequence[str] | None, row: int | None
) -> Point:
    """Return the point that the user asked for.

    It is given by `pairs`, which are words NAME=VALUE for inputs, constants and factors, by the
    values `x` of the uncertain inputs in the order of the study file, or by a row of the design; a
    pair wins over the two others. Raises ConfigError if a name is unknown, a value is not a number,
    or an input has no value.
    """
    config = study.config
    names = [item.name for item in config.random_inputs]
    values = _named(study, pairs)
    if x is not None and row is not None:
        raise ConfigError("found both -X and --sample; give one")
    if x is not None:
        if len(x) != len(names):
            raise ConfigError(f"-X: got {len(x)} values; expected {len(names)}: {' '.join(names)}")
        values = {name: _number(name, v) for name, v in zip(names, x, strict=True)} | values
    occurrence = 0
    if row is not None:
        found = _design_row(study, row)
        moved = any(found.values[name] != values.get(name, found.values[name]) for name in names)
        occurrence = 0 if moved else found.occurrence
        values = found.values | values
    missing = [name for name in names if name not in values]
    if missing:
        raise ConfigError(f"no value for {', '.join(missing)}; add {missing[0]}=VALUE")
    return Point(values | _levels(study, values), occurrence)


def _levels(study: LoadedStudy, values: Values) -> Values:
    """Return the level of each factor: the given one, or else the only one.

    Raises ConfigError if a factor has several levels and none was given, or does not exist for the
    given levels of other factors.
    """
    levels: Values = {}
    # the runs of a point of a scaling study are equal, so the first level of these will do
    run_factors = (REPEAT, COPY) if study.config.scaling else ()
    todo = list(study.config.whole_sweep.items())
    while todo:
        factor, known = todo.pop(0)
        opened = branches(known)
        first = next(iter(opened))
        if factor not in values and len(opened) > 1 and factor not in run_factors:
            raise ConfigError(f"no value for the factor '{factor}'; add {factor}={first}")
        levels[factor] = values.get(factor, first)
        todo = [*opened.get(levels[factor], {}).items(), *todo]
    for factor in study.config.factors:
        if factor in values and factor not in levels:
            raise ConfigError(f"the factor '{factor}' does not exist where {case_label(levels)}")
    return levels


def _named(study: LoadedStudy, pairs: Sequence[str]) -> Values:
    config = study.config
    inputs, factors = [item.name for item in config.inputs], config.factors
    values: Values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"got '{pair}'; expected NAME=VALUE")
        if name in inputs:
            values[name] = _number(name, text)
        elif name in factors:
            known = {str(level): level for level in factors[name]}
            values[name] = known.get(text, text if isinstance(factors[name][0], str) else None)
            values[name] = _number(name, text) if values[name] is None else values[name]
        else:
            known_names = [*inputs, *factors]
            raise ConfigError(
                f"'{name}' is not an input or factor{did_you_mean(name, known_names)}"
            )
    return values


def _number(name: str, text: str) -> float:
    try:
        return to_number(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _design_row(study: LoadedStudy, row: int) -> Point:
    from ensnare.design.table import make_design

    design = make_design(study)
    if not 0 <= row < len(design):
        raise ConfigError(f"--sample: got {row}; the design has the rows 0 to {len(design) - 1}")
    values = dict(zip(design.names, design.x[row].tolist(), strict=True))
    return Point(values, int(design.occurrence[row]))


def complete_values(study: LoadedStudy, point: Point) -> Values:
    """Add constants, derived values, the sample id and its seed to the values of a point.

    Raises ConfigError if a derived value is not a number.
    """
    config = study.config
    full: Values = {**known_values(study, point.values), **point.values}
    full["sample"] = sample_id_of(study, point)
    full["seed"] = sample_seed(full["sample"], config.seed)
    for name, expression in config.expressions.items():
        try:
            full[name] = expression.evaluate(full)
        except ValueError as error:
            raise ConfigError(f"derived.{name}: {error}") from None
    return full


def sample_id_of(study: LoadedStudy, point: Point) -> str:
    """Return the sample id that the workflow gives to a point."""
    values = point.values
    config = study.config
    names = [item.name for item in config.random_inputs]
    words = row_words(np.array([[values[name] for name in names]], float).reshape(1, -1), names)
    case: Case = {factor: values[factor] for factor in config.factors if factor in values}
    identity = case_identity(case, config.defaults)
    occurrence = np.array([point.occurrence], np.uint64)
    return str(sample_ids(words, occurrence, identity)[0].decode())


def evaluate_one(study: LoadedStudy, point: Point, *, prepare_only: bool) -> dict[str, Any]:
    """Evaluate one point, or with `prepare_only` make its working directory and run nothing.

    Returns the status, the outputs by name (None if the sample has no result), elapsed_s, the
    directory, and a message if there is one. Raises ConfigError for `prepare_only` with a Python
    function.
    """
    full = complete_values(study, point)
    if study.config.model.python:
        if prepare_only:
            raise ConfigError("--prepare-only: a Python function has no files to prepare")
        return _report(study, _call_in_process(study, load_python_model(study), full), "")
    model = compile_model(study, full["threads"])
    paths = StudyPaths.of(study.config.study)
    directory = (paths.samples / "by-hand" / str(full["sample"])).absolute()
    here = Path.cwd()
    try:
        enter_empty(str(directory))
        outcome = _run(model, full, str(directory), prepare_only)
    finally:
        os.chdir(here)
    return _report(study, outcome, str(directory))


def _call_in_process(study: LoadedStudy, model: PythonModel, values: Values) -> Outcome:
    """Call a Python function in a process of its own, since it may exit, crash or never end."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=lambda: sender.send(model.run(values)))
    worker.start()
    sender.close()
    limit_s = study.config.timeout
    nothing = [math.nan] * sum(o.width for o in study.config.model.outputs)
    try:
        if receiver.poll(limit_s):
            outcome: Outcome = receiver.recv()
            return outcome
        why = f"passed the time limit of {limit_s:g} s"
        return Outcome(Status.TIMEOUT, NO_EXIT_CODE, limit_s or 0.0, nothing, why)
    except EOFError:
        worker.join()
        why = "the process ended before the function returned"
        return Outcome(Status.KILLED, worker.exitcode or 0, 0.0, nothing, why)
    finally:
        worker.kill()
        worker.join()


def _run(model: CommandModel, values: Values, directory: str, prepare_only: bool) -> Outcome:
    """Prepare and run in the current directory; files that cannot be made give status ERROR."""
    nothing = [math.nan] * model.width
    try:
        model.prepare(values)
        if prepare_only:
            return Outcome(Status.NOT_RUN, NO_EXIT_CODE, 0.0, nothing)
        return model.run(values, directory)
    except (OSError, ValueError) as error:
        text = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        return Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, nothing, text)


def _report(study: LoadedStudy, outcome: Outcome, directory: str) -> dict[str, Any]:
    status, message = outcome.status, outcome.message
    found, start = {}, 0
    for output in study.config.model.outputs:
        y = np.array(outcome.outputs[start : start + output.size])
        start += output.width
        found[output.name] = y.tolist() if output.shape else float(y[0])
        # the workflow applies ranges when it gathers, so a model does not
        bad = outside(y, output.range)
        if status is Status.OK and bad.any():
            j = int(np.argmax(bad))
            status = Status.OUT_OF_RANGE
            message = range_message(output.flat_names[j], float(y[j]), output.range)
    ok = status is Status.OK
    report = {
        "status": "prepared" if status is Status.NOT_RUN else status.label,
        "outputs": {name: value if ok else None for name, value in found.items()},
        "elapsed_s": outcome.elapsed_s,
        "directory": os.path.relpath(directory) if directory else "",
    }
    return report | ({"message": message} if message else {})
