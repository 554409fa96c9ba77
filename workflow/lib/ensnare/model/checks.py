"""What can be wrong with a study beyond the form of its file: checked before any job starts.

The check imports OpenTURNS and reads templates, tables and the files of the model. Only the main
process of Snakemake and `ensnare check` do it, and `check_once` skips a study that has passed
before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ensnare.errors import ConfigError, did_you_mean
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.environment import CommandEnvironment
from ensnare.model.files import check_targets
from ensnare.model.function import load_python_model
from ensnare.model.programs import check_programs, check_words
from ensnare.model.templates import JinjaTemplate, Placeholder, Template
from ensnare.plan.batches import case_table, design_identity, design_rows
from ensnare.plan.identity import digest, model_identity
from ensnare.plan.samples import varying_names
from ensnare.store.provenance import package_versions
from ensnare.study.checks import BUILT_IN, missing_in
from ensnare.study.design_checks import constrained_names
from ensnare.study.designs import Constrained, Halton, Saltelli, Sobol, Table
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import TemplateFile
from ensnare.study.values import one_line

# delimiters of other template tools
_DELIMITERS = (("@", "@"), ("${", "}"), ("{{", "}}"), ("{{ ", " }}"), ("<<", ">>"), ("<", ">"),
               ("{", "}"), ("%", "%"), ("#", "#"))  # fmt: skip
_NO_PARAMETER = "is not a parameter of the function"
_NOT_USED = "is in no template, command or environment variable"


def check_study(study: LoadedStudy) -> None:
    """Check a study; raise ConfigError with the first thing that is wrong, in one line."""
    with _naming_study(study):
        design_rows(study)
        model_identity(study)  # every file of the model exists
        _check_design(study)
        used = check_model(study)
        _check_growth(study, used)
        _check_axes(study)
        refuse_unused(study, used)


def check_once(study: LoadedStudy, cache: Path) -> None:
    """Check a study unless the same one has passed before; raise ConfigError as `check_study` does.

    A study that passed leaves an empty file in the directory `cache`, named by a hash of all that
    the check depends on. Only whether its programs exist is checked every time.
    """
    config = study.config.model_dump(mode="json", by_alias=True)
    content = [config, design_identity(study), model_identity(study), package_versions()]
    mark = cache / digest([*content, os.environ.get("PATH", "")], size=16)
    if mark.exists():
        # programs are installed and removed without a change of the study
        if not study.config.model.python:
            with _naming_study(study):
                check_programs(study)
        return
    check_study(study)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:  # a dry run in a directory where the user cannot write
        return


def check_model(study: LoadedStudy) -> set[str]:
    """Check the code of a study; return the names of the values that it uses."""
    if study.config.model.python:
        return _check_function(study)
    check_targets(study)
    return _check_command(study, compile_model(study))


def derived_needs(study: LoadedStudy, used: Iterable[str]) -> set[str]:
    """Return the names that the derived values in `used` need, directly or through each other."""
    expressions = study.config.expressions
    needs: set[str] = set()
    for name in reversed(expressions):  # each comes after those that it needs
        if name in needs or name in set(used):
            needs |= expressions[name].names
    return needs


def refuse_unused(study: LoadedStudy, used: set[str], why: str = "") -> None:
    """Refuse a value that nothing uses: mostly its name is misspelled where it should be used.

    `why` says in the message why it is unused; the default depends on the kind of the model. Raises
    ConfigError with the first such value.
    """
    config = study.config
    if config.scaling is not None:
        used = used | set(config.scaling.factors)
    used = used | (limited := constrained_names(config)) | derived_needs(study, limited)
    why = why or (_NO_PARAMETER if config.model.python else _NOT_USED)
    for kind, names in (
        ("input", [item.name for item in config.inputs]),
        ("derived value", list(config.derived)),
        ("factor", list(config.factors)),
    ):
        for name in names:
            if name not in used:
                raise ConfigError(f"{kind} '{name}' {why}; {_suggestion(study, name, why)}")


def _suggestion(study: LoadedStudy, name: str, why: str) -> str:
    """Say what to do about an unused value: give other delimiters if a template has it in them."""
    for item in study.config.model.files if why == _NOT_USED else ():
        if not isinstance(item, TemplateFile) or item.engine != "plain":
            continue
        text = study.path(item.template).read_text(errors="replace")
        for start, end in _DELIMITERS:
            if f"{start}{name}{end}" in text:
                given = " and ".join(f"'{d}'" for d in item.delimiters if d)
                entry = "engine: jinja2" if start[:2] == "{{" else f"delimiters: {[start, end]}"
                return (
                    f"{item.template} has '{start}{name}{end}', but its delimiters are {given}; "
                    f"give {entry}"
                )
    return "use it or remove it"


@contextlib.contextmanager
def _naming_study(study: LoadedStudy) -> Iterator[None]:
    """Add the name of the study file to messages of errors that do not begin with it."""
    try:
        yield
    except ConfigError as error:
        where = "" if str(error).startswith(study.source) else f"{study.source}: "
        raise ConfigError(one_line(f"{where}{error}")) from None


def _check_design(study: LoadedStudy) -> None:
    """Check that the distributions, the copula, the table and the points can be made."""
    from ensnare.design.points import halton_points, sobol_points
    from ensnare.design.table import check_constraints, joint_distribution
    from ensnare.design.tables import read_table

    config = study.config
    names = [item.name for item in config.random_inputs]
    joint_distribution(study, [i.name for i in config.random_inputs if i.has_law])
    match config.design:
        case Table(file=file, dataset=dataset):
            read_table(study.path(file), names, dataset)
        case Saltelli() | Sobol():
            factor = 2 if isinstance(config.design, Saltelli) else 1
            sobol_points(1, factor * len(names))
        case Halton():
            halton_points(1, len(names))
        case Constrained():
            check_constraints(study)


def _check_function(study: LoadedStudy) -> set[str]:
    """Check that the function can be loaded, and that every case has the factors that it needs."""
    model = load_python_model(study)
    used = set(model.takes) | derived_needs(study, model.takes)
    for name in set(study.config.factors) & set(model.needs):
        if lack := missing_in(name, case_table(study)):
            raise ConfigError(
                f"model.python.call: the function needs '{name}', which does not exist in {lack}; "
                "give the parameter a default"
            )
    return used


def _check_command(study: LoadedStudy, model: CommandModel) -> set[str]:
    """Check that placeholders name values and programs exist; return the names of the values."""
    used = _placeholders(study, model)
    used |= derived_needs(study, used) | {str(study.config.resources.ranks)}
    check_words(study)
    check_programs(study)
    return used


def _placeholders(study: LoadedStudy, model: CommandModel) -> set[str]:
    """Return the names that placeholders take, after checking that every case has their values."""
    environment = model.environment
    places: list[tuple[str, Iterable[Template | JinjaTemplate]]] = [
        *((f"model.files: {f.target}", [f.template]) for f in model.files if f.template),
        ("model.command", [word for step in model.steps for word in step]),
        ("model.resume", [word for step in model.resume for word in step]),
        *((f"model.environment.set.{name}", [t]) for name, t in environment.variables.items()),
        *_batch_places(study, environment),
    ]
    known, factors, cases = study.config.value_names, study.config.factors, case_table(study)
    text_values = {f for f, levels in factors.items() if isinstance(levels[0], str)}
    text_values |= {"sample", "study_dir"}
    used: set[str] = set()
    for where, templates in places:
        for place in (p for t in templates for p in t.parts if isinstance(p, Placeholder)):
            if place.name not in known:
                hint = did_you_mean(place.name, known - BUILT_IN)
                if where.startswith("model.files") and "did you mean" not in hint:
                    hint += "; if it is a variable of the code, choose other delimiters"
                raise ConfigError(f"{where}: unknown placeholder '{place.name}'{hint}")
            if place.has_format and place.name in text_values:
                raise ConfigError(
                    f"{where}: '{place.name}' is a text; the format '{place.format}' is for numbers"
                )
            if (
                not place.is_optional
                and place.name in factors
                and (lack := missing_in(place.name, cases))
            ):
                raise ConfigError(
                    f"{where}: factor '{place.name}' does not exist in {lack}; use a Jinja2 "
                    "template (engine: jinja2), or give the factor to every level"
                )
            used.add(place.name)
    return used


def _batch_places(
    study: LoadedStudy, environment: CommandEnvironment
) -> Iterator[tuple[str, Iterable[Template]]]:
    """Yield the templates of modules and the file to source, which must not depend on the sample.

    They are loaded once for many samples. Raises ConfigError if one takes a value that varies.
    """
    own = varying_names(study) | set(study.config.derived)
    sources = [environment.source] if environment.source else []
    for key, templates in (("modules", environment.modules), ("source", sources)):
        where = f"model.environment.{key}"
        for name in sorted(frozenset().union(*(t.names for t in templates)) & own):
            raise ConfigError(
                f"{where}: found '{name}'; expected only factors and constants, which samples share"
            )
        yield where, templates


def _check_growth(study: LoadedStudy, used: set[str]) -> None:
    """Check that the problem size of a weak scaling study depends on its factor."""
    scaling = study.config.scaling
    if scaling is not None and scaling.mode == "weak" and scaling.factor not in used:
        raise ConfigError(
            f"scaling: mode weak, but nothing depends on ${{{scaling.factor}}}; use it in a "
            "template, the command or a derived value, or choose mode: strong"
        )


def _check_axes(study: LoadedStudy) -> None:
    """Check that an axis with a unit has values: figures would show positions as seconds."""
    for i, output in enumerate(study.config.model.outputs):
        axis = output.axis
        if axis is not None and axis.unit and axis.values is None and not axis.is_read:
            n = output.size
            raise ConfigError(
                f"model.outputs[{i}].axis: found the unit '{axis.unit}' but no values; give "
                f'values: "linspace(first, last, {n})", or a column, dataset or variable of a file'
            )
