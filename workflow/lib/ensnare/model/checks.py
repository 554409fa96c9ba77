"""What can be wrong with a study beyond its form: checked before any job starts.

This needs OpenTURNS and reads templates and tables, so only Snakemake's main process does it,
and not again while nothing changed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ensnare.errors import ConfigError, did_you_mean
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.environment import CommandEnvironment
from ensnare.model.function import load_python_model
from ensnare.model.programs import check_programs, check_words
from ensnare.model.templates import JinjaTemplate, Placeholder, Template
from ensnare.plan.batches import case_table, design_identity, design_rows
from ensnare.plan.identity import digest, file_target, model_identity
from ensnare.plan.samples import varying_names
from ensnare.store.provenance import package_versions
from ensnare.study.checks import BUILT_IN, missing_in
from ensnare.study.design_checks import constrained_names
from ensnare.study.designs import Constrained, Halton, Saltelli, Sobol, Table
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import TemplateFile, TreeFile
from ensnare.study.values import one_line

# what other tools enclose names in
_DELIMITERS = (("@", "@"), ("${", "}"), ("{{", "}}"), ("{{ ", " }}"), ("<<", ">>"), ("<", ">"),
               ("{", "}"), ("%", "%"), ("#", "#"))  # fmt: skip
_NO_PARAMETER = "is not a parameter of the function"
_IN_NOTHING = "is in no template, command or environment variable"


def derived_needs(study: LoadedStudy, used: Iterable[str]) -> set[str]:
    """Return what the derived values in use need, and what these need.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    used : iterable of str
        Names in use, derived values among them.
    """
    expressions = study.config.expressions
    needs: set[str] = set()
    for name in reversed(expressions):  # each stands after those it needs
        if name in needs or name in set(used):
            needs |= expressions[name].names
    return needs


def refuse_unused(study: LoadedStudy, used: set[str], why: str = "") -> None:
    """Refuse a value that nothing uses: mostly its name is misspelled where it should be used.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    used : set of str
        Names in use.
    why : str
        What to say of another one; default: by the kind of the model.

    Raises
    ------
    ConfigError
        With the first one.
    """
    config = study.config
    if config.scaling is not None:
        used = used | set(config.scaling.factors)
    used = used | (limited := constrained_names(config)) | derived_needs(study, limited)
    why = why or (_NO_PARAMETER if config.model.python else _IN_NOTHING)
    for kind, names in (
        ("input", [item.name for item in config.inputs]),
        ("derived value", list(config.derived)),
        ("factor", list(config.factors)),
    ):
        for name in names:
            if name not in used:
                raise ConfigError(f"{kind} '{name}' {why}; {_mend(study, name, why)}")


def _mend(study: LoadedStudy, name: str, why: str) -> str:
    """Return what to do about a value that nothing uses: other delimiters, if they enclose it."""
    for item in study.config.model.files if why == _IN_NOTHING else ():
        if not isinstance(item, TemplateFile) or item.engine != "plain":
            continue
        text = study.path(item.template).read_text(errors="replace")
        for start, end in _DELIMITERS:
            if f"{start}{name}{end}" in text:
                between = " and ".join(f"'{d}'" for d in item.delimiters if d)
                mend = "engine: jinja2" if start[:2] == "{{" else f"delimiters: {[start, end]}"
                return (
                    f"{item.template} has '{start}{name}{end}', but its delimiters are {between}; "
                    f"give {mend}"
                )
    return "use it or remove it"


def check_study(study: LoadedStudy) -> None:
    """Check a study.

    Raises
    ------
    ConfigError
        With the first thing that is wrong, in one line.
    """
    with _at(study):
        design_rows(study)
        model_identity(study)  # every file of the model exists
        _check_design(study)
        used = check_model(study)
        _check_growth(study, used)
        _check_axes(study)
        refuse_unused(study, used)


def check_model(study: LoadedStudy) -> set[str]:
    """Check the code of a study; return the names of the values that it uses."""
    if study.config.model.python:
        return _check_callable(study)
    _check_targets(study)
    return _check_command(study, compile_model(study))


@contextlib.contextmanager
def _at(study: LoadedStudy) -> Iterator[None]:
    """Begin messages with the study file."""
    try:
        yield
    except ConfigError as error:
        where = "" if str(error).startswith(study.source) else f"{study.source}: "
        raise ConfigError(one_line(f"{where}{error}")) from None


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
        if not study.config.model.python:  # programs come and go without a change of the study
            with _at(study):
                check_programs(study)
        return
    check_study(study)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:  # a dry run in a directory that is not ours
        return


def _check_design(study: LoadedStudy) -> None:
    """Check that the distributions, the copula and the table can be made."""
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


def _check_callable(study: LoadedStudy) -> set[str]:
    """Check that the function can be loaded, and that all that it needs exists."""
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
    """Check that placeholders name values, and that programs exist."""
    used = _placeholders(study, model)
    used |= derived_needs(study, used) | {str(study.config.resources.ranks)}
    check_words(study)
    check_programs(study)
    return used


def _placeholders(study: LoadedStudy, model: CommandModel) -> set[str]:
    """Return the names that placeholders take, after checking that they can."""
    around = model.environment
    places: list[tuple[str, Iterable[Template | JinjaTemplate]]] = [
        *((f"model.files: {f.target}", [f.template]) for f in model.files if f.template),
        ("model.command", [word for step in model.steps for word in step]),
        ("model.resume", [word for step in model.resume for word in step]),
        *((f"model.environment.set.{name}", [t]) for name, t in around.variables.items()),
        *_shared_places(study, around),
    ]
    known, factors, cases = study.config.value_names, study.config.factors, case_table(study)
    texts = {f for f, levels in factors.items() if isinstance(levels[0], str)}
    texts |= {"sample", "study_dir"}
    used: set[str] = set()
    for where, templates in places:
        for place in (p for t in templates for p in t.parts if isinstance(p, Placeholder)):
            if place.name not in known:
                hint = did_you_mean(place.name, known - BUILT_IN)
                if where.startswith("model.files") and "did you mean" not in hint:
                    hint += "; if it is a variable of the code, choose other delimiters"
                raise ConfigError(f"{where}: unknown placeholder '{place.name}'{hint}")
            if place.is_own and place.name in texts:
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


def _shared_places(
    study: LoadedStudy, around: CommandEnvironment
) -> Iterator[tuple[str, Iterable[Template]]]:
    """Give what is loaded once for many samples, after checking that it is the same for them."""
    own = varying_names(study) | set(study.config.derived)
    sources = [around.source] if around.source else []
    for key, templates in (("modules", around.modules), ("source", sources)):
        where = f"model.environment.{key}"
        for name in sorted(frozenset().union(*(t.names for t in templates)) & own):
            raise ConfigError(
                f"{where}: found '{name}'; expected only factors and constants, which samples share"
            )
        yield where, templates


def _check_growth(study: LoadedStudy, used: set[str]) -> None:
    """Check that the problem of a weak scaling study grows."""
    scaling = study.config.scaling
    if scaling is not None and scaling.mode == "weak" and scaling.factor not in used:
        raise ConfigError(
            f"scaling: mode weak, but nothing depends on ${{{scaling.factor}}}; use it in a "
            "template, the command or a derived value, or choose mode: strong"
        )


def _check_axes(study: LoadedStudy) -> None:
    """Check that no axis is a position and has a unit: figures would show 0, 1, 2 ... seconds."""
    for i, output in enumerate(study.config.model.outputs):
        axis = output.axis
        if axis is not None and axis.unit and axis.values is None and not axis.is_read:
            n = output.size
            raise ConfigError(
                f"model.outputs[{i}].axis: found the unit '{axis.unit}' but no values; give "
                f'values: "linspace(first, last, {n})", or a column, dataset or variable of a file'
            )


def _check_targets(study: LoadedStudy) -> None:
    """Check that files lie inside the working directory of their sample."""
    model = study.config.model
    for i, item in enumerate(model.files):
        _refuse_outside(file_target(item), f"model.files[{i}].to")
        if not isinstance(item, TreeFile):
            _refuse_directory(file_target(item), f"model.files[{i}].to")
    for i, output in enumerate(model.outputs):
        fields = output.model_dump(by_alias=True)
        for kind in ("json", "xml", "table", "in", "hdf5", "netcdf"):
            if name := fields.get(kind):
                _refuse_outside(name, f"model.outputs[{i}].{kind}")
    for key, name in (("stdout", model.stdout), ("stderr", model.stderr)):
        _refuse_outside(name, f"model.{key}")
        _refuse_directory(name, f"model.{key}")
        if os.path.normpath(name) in {os.path.normpath(file_target(f)) for f in model.files}:
            raise ConfigError(f"model.{key}: '{name}' is also a file of model.files; rename one")
    for i, sign in enumerate(model.success):
        _refuse_outside(sign.in_ or model.stdout, f"model.success[{i}].in")


def _refuse_outside(name: str, where: str) -> None:
    path = os.path.normpath(name)
    if os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
        raise ConfigError(
            f"{where}: '{name}' lies outside the working directory of the sample; "
            "expected a relative path without .."
        )


def _refuse_directory(name: str, where: str) -> None:
    if name.endswith(("/", "/.")) or os.path.normpath(name) == os.curdir:
        raise ConfigError(f"{where}: '{name}' is a directory; expected the name of a file")
