"""Values of a study that nothing uses."""

from __future__ import annotations

from collections.abc import Iterable

from ensnare.config import LoadedStudy
from ensnare.config.constrained import constrained_names
from ensnare.config.model import TemplateFile
from ensnare.errors import ConfigError

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
