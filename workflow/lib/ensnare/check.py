"""What can be wrong with a study beyond its form: checked before any job starts.

This needs OpenTURNS and reads templates and tables, so only Snakemake's main process does it,
and not again while nothing changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ensnare.batches import design_identity, design_rows
from ensnare.callables import load_callable
from ensnare.config import LoadedStudy
from ensnare.config.inputs import Saltelli, Sobol, Table
from ensnare.config.study import BUILT_IN
from ensnare.errors import ConfigError, EnsnareError, did_you_mean
from ensnare.identity import digest, model_identity
from ensnare.model import CommandModel, compile_model, find_program
from ensnare.provenance import package_versions
from ensnare.templates import Template


def check_study(study: LoadedStudy) -> None:
    """Check a study.

    Raises
    ------
    ConfigError
        With the first thing that is wrong, in one line.
    """
    design_rows(study)
    _check_design(study)
    if study.config.model.python:
        _check_callable(study)
    else:
        _check_command(study, compile_model(study))


def check_once(study: LoadedStudy, cache: Path) -> None:
    """Check a study unless the same one has passed before.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    cache : Path
        A directory for the marks of studies that passed.

    Raises
    ------
    ConfigError
        With the first thing that is wrong, in one line.
    """
    config = study.config.model_dump(mode="json", by_alias=True)
    content = [config, design_identity(study), model_identity(study), package_versions()]
    mark = cache / digest([*content, os.environ.get("PATH", "")], size=16)
    if mark.exists():
        return
    check_study(study)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:  # a dry run in a directory that is not ours
        return


def _check_design(study: LoadedStudy) -> None:
    """Check that the distributions, the copula and the table can be made."""
    from ensnare.design import joint_distribution, sobol_points
    from ensnare.tables import read_table

    config = study.config
    names = [item.name for item in config.random_inputs]
    joint_distribution(study, [i.name for i in config.random_inputs if i.distribution])
    match config.design:
        case Table(file=file, dataset=dataset):
            try:
                read_table(study.path(file), names, dataset)
            except EnsnareError as error:
                raise ConfigError(f"{study.source}: design.file: {error}") from None
        case Saltelli() | Sobol():
            factor = 2 if isinstance(config.design, Saltelli) else 1
            sobol_points(1, factor * len(names))


def _check_callable(study: LoadedStudy) -> None:
    """Check that the function can be loaded, and takes all that varies."""
    model = load_callable(study)
    used = set(model.takes) | _derived_needs(study, model.takes)
    _refuse_unused(study, used, "is not a parameter of the function")


def _check_command(study: LoadedStudy, model: CommandModel) -> None:
    """Check that placeholders name values, values are used, and programs exist."""
    used: set[str] = set()
    places: list[tuple[str, Iterable[Template]]] = [
        *((f"model.files: {f.target}", [f.template]) for f in model.files if f.template),
        ("model.command", [word for step in model.steps for word in step]),
        ("model.environment", model.variables.values()),
    ]
    known = study.config.value_names
    for where, templates in places:
        for name in sorted(set().union(*(t.names for t in templates))):
            if name not in known:
                raise ConfigError(
                    f"{study.source}: {where}: unknown placeholder '{name}'"
                    + did_you_mean(name, known - BUILT_IN)
                )
            used.add(name)
    used |= _derived_needs(study, used)
    _refuse_unused(study, used, "is in no template, command or environment variable")
    _check_targets(study, model)
    _check_programs(study, model)


def _derived_needs(study: LoadedStudy, used: Iterable[str]) -> set[str]:
    """Return what the derived values in use need, and what these need."""
    expressions = study.config.expressions
    needs: set[str] = set()
    for name in reversed(expressions):  # each stands after those it needs
        if name in needs or name in set(used):
            needs |= expressions[name].names
    return needs


def _refuse_unused(study: LoadedStudy, used: set[str], why: str) -> None:
    config = study.config
    for kind, names in (
        ("input", [item.name for item in config.inputs]),
        ("derived value", list(config.derived)),
        ("factor", list(config.sweep)),
    ):
        for name in names:
            if name not in used:
                raise ConfigError(f"{study.source}: {kind} '{name}' {why}; use it or remove it")


def _check_targets(study: LoadedStudy, model: CommandModel) -> None:
    """Check that files stay inside the working directory of their sample."""
    for name in [*(f.target for f in model.files), *model.streams]:
        path = os.path.normpath(name)
        if os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
            raise ConfigError(
                f"{study.source}: model.files: '{name}' lies outside the working directory of the "
                "sample; expected a relative path without .."
            )


def _check_programs(study: LoadedStudy, model: CommandModel) -> None:
    """Check that the programs exist and can be run."""
    for step in model.steps:
        word = "".join(p for p in step[0].parts if isinstance(p, str))
        # a placeholder, or a program that the files of the sample bring along
        if step[0].names or word.startswith("./"):
            continue
        where = f"{study.source}: model.command"
        try:
            path = find_program(word, model.base, model.environment.get("PATH"))
        except FileNotFoundError:
            raise ConfigError(
                f"{where}: no program '{word}' on PATH; give its path relative to the study file, "
                "or model.environment.source a file that sets PATH"
            ) from None
        if not os.path.isfile(path):
            raise ConfigError(f"{where}: no program {path}")
        if not os.access(path, os.X_OK):
            raise ConfigError(f"{where}: {path} is not executable; run chmod +x on it")
