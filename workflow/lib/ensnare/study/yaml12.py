"""Reading of study files as YAML 1.2: `65e9` is a number, `no` is a text.

Snakemake reads its configuration as YAML 1.1, so `retype` reads its files again. A repeated key is
an error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ensnare.errors import ConfigError

Tree = dict[str, Any]
# beginning of a message of the parser to a plainer one
_PLAINER = {
    "found character '\\t'": "found a tab; indent with spaces",
    "mapping values are not allowed": "found a ': ' that does not belong here; mend the "
    "indentation, or quote a text that holds one: 'a: b'",
    "expected <block end>": "the indentation is not that of the lines before; keys of one mapping, "
    "and the dashes of one list, begin in the same column",
}
_ESCAPES = "; between double quotes write \\\\ for \\, or use single quotes"


def read_yaml(path: Path) -> Tree:
    """Read a study file.

    Raises a ConfigError if it cannot be read, is not YAML, repeats a key, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: cannot read the study file: {reason}") from None
    try:
        tree = _parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {_problem(error)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path}: found {_kind(tree)}; expected a mapping that starts with 'study: ...'"
        )
    return tree


def _problem(error: MarkedYAMLError) -> str:
    """Return the message of a YAML error as one line."""
    text = " ".join(str(error.problem or error.context).split())
    if text.startswith("found duplicate key"):  # without the values, which can be long
        return text.partition(" with value")[0] + "; keep one"
    if text.startswith("found unknown escape"):
        return text + _ESCAPES
    plainer = (said for start, said in _PLAINER.items() if text.startswith(start))
    return next(plainer, f"{error.context}, {text}" if text.startswith("but ") else text)


def _kind(tree: Any) -> str:  # noqa: ANN401
    if isinstance(tree, str):
        return "a text"
    return "nothing" if tree is None else "a list" if isinstance(tree, list) else str(tree)


def _parse(text: str) -> Any:  # noqa: ANN401
    return YAML(typ="safe", pure=True).load(io.StringIO(text))


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Return `base` updated by `over` as Snakemake does: mappings merge, other values replace."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def typed(value: Any) -> Any:  # noqa: ANN401
    """Return values of `--config` with their texts read as scalars of YAML 1.2."""
    if isinstance(value, Mapping):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        scalar = _parse(value)
    except (YAMLError, ValueError):
        return value
    return scalar if isinstance(scalar, str | int | float | bool | None) else value


def retype(
    config: Mapping[str, Any], overrides: Mapping[str, Any], files: Sequence[Path]
) -> tuple[Tree, Path | None]:
    """Return Snakemake's configuration with the types of YAML 1.2, and the last file it is from.

    `config` is what Snakemake has, whole or the part handed to a module, `overrides` is what
    `--config` set, and `files` are the configuration files in the order of merging. A `config`
    that is not from files (a mapping built in a Snakefile) is returned as it is, without a file.
    """
    if not files:  # a config that equals the overrides comes from `--config` alone
        return merge({}, typed(overrides) if dict(config) == dict(overrides) else config), None
    from snakemake.common.configfile import load_configfile

    old: Tree = {}
    new: Tree = {}
    for path in files:
        old = merge(old, load_configfile(str(path)))
        new = merge(new, read_yaml(Path(path)))
    old, new = merge(old, overrides), merge(new, typed(overrides))
    found = _same_place(old, new, dict(config))
    return (merge({}, config), None) if found is None else (found, Path(files[-1]))


def _same_place(old: Any, new: Any, wanted: Tree) -> Tree | None:  # noqa: ANN401
    """Find `wanted` in `old`, and return the tree at the same place of `new`; None if not found."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return None
    if dict(old) == wanted:
        return dict(new)
    for key in old:
        # YAML 1.1 may have read a key such as `no` or `1e3` as something else
        found = _same_place(old[key], new.get(key), wanted)
        if found is not None:
            return found
    return None
