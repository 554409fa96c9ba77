"""The typed study, from a YAML file or a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ensnare.config.base import one_line
from ensnare.config.messages import first_line
from ensnare.config.study import Study
from ensnare.config.yaml12 import read_yaml, retype, typed
from ensnare.errors import ConfigError

__all__ = [
    "LoadedStudy",
    "Study",
    "accepts_rerun",
    "load_study",
    "parse_study",
    "study_from_snakemake",
]

_ACCEPT = "accept_rerun"  # an answer for one run, on the command line, and not part of a study


@dataclass(frozen=True)
class LoadedStudy:
    """A study, and the directory that its relative paths start from.

    Attributes
    ----------
    config : Study
        The typed study.
    directory : Path
        Where relative paths start: the directory of the study file.
    source : str
        What messages call it: the file, or `config`.
    stated : Study, optional
        As the file states it, where the design has another size than it begins with.
    """

    config: Study
    directory: Path
    source: str
    stated: Study | None = None

    def path(self, name: str) -> Path:
        """Return the path of a file that the study names."""
        return self.directory / name


def parse_study(tree: Mapping[str, Any], *, source: str = "config") -> Study:
    """Return the typed study of a mapping.

    Raises
    ------
    ConfigError
        If it is not a valid study: one line with the first thing that is wrong.
    """
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(one_line(f"{source}: {first_line(error)}")) from None


def load_study(path: Path) -> LoadedStudy:
    """Return the study of a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or not a valid study.
    """
    config = parse_study(read_yaml(path), source=str(path))
    return LoadedStudy(config, path.absolute().parent, str(path))


def study_from_snakemake(
    config: Mapping[str, Any], overrides: Mapping[str, Any], files: Sequence[Path]
) -> LoadedStudy:
    """Return the study that Snakemake's `config` holds, with the types of YAML 1.2.

    Parameters
    ----------
    config : mapping
        Snakemake's `config`, whole or the part handed to a module.
    overrides : mapping
        What `--config` set.
    files : sequence of Path
        The configuration files that were merged into `config`.

    Raises
    ------
    ConfigError
        If it is not a valid study.
    """
    if _ACCEPT in overrides:
        config, overrides = (
            {key: value for key, value in tree.items() if key != _ACCEPT}
            for tree in (config, overrides)
        )
    tree, source = retype(config, overrides, files)
    name = str(source) if source else "config"
    if source and source.is_relative_to(Path.cwd()):
        name = str(source.relative_to(Path.cwd()))
    directory = source.parent if source else Path()
    return LoadedStudy(parse_study(tree, source=name), directory, name)


def accepts_rerun(overrides: Mapping[str, Any]) -> bool:
    """Return whether `--config accept_rerun=true` was given: finished samples may run again.

    Raises
    ------
    ConfigError
        If it is neither true nor false.
    """
    value = typed(overrides.get(_ACCEPT, False))
    if not isinstance(value, bool):
        raise ConfigError(f"--config {_ACCEPT}: got {value}; expected true or false")
    return value
