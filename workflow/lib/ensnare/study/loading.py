"""Reading a study: from a YAML file, a mapping, Snakemake's `config`, or `study.json`.

`results/<study>/study.json` is the resolved study: the study file, typed and complete, with the
batch size that the run settled on. Jobs and later commands read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ensnare.errors import ArchiveError, ConfigError
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.resources import Batch
from ensnare.study.study import Study
from ensnare.study.values import one_line

_ACCEPT = "accept_rerun"  # a key of `--config` for one run, which is no part of the study


@dataclass(frozen=True)
class LoadedStudy:
    """A study, and the directory that its relative paths start from."""

    config: Study
    directory: Path  # the directory of the study file
    source: str  # the name of the study in messages: the file, or `config`
    # the study as the file states it, if `config` has a later size of a design with `until`
    stated: Study | None = None

    def path(self, name: str) -> Path:
        """Return the path of a file that the study names."""
        return self.directory / name


def parse_study(tree: Mapping[str, Any], *, source: str = "config") -> Study:
    """Return the typed study of a mapping.

    Raises a ConfigError if it is not a valid study, with one line about the first mistake.
    """
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        from ensnare.study.messages import first_line  # jobs read studies that are valid

        raise ConfigError(one_line(f"{source}: {first_line(error, Study)}")) from None


def load_study(path: Path) -> LoadedStudy:
    """Return the study of a YAML file.

    Raises a ConfigError if the file is missing, is not YAML or is not a valid study.
    """
    from ensnare.study.yaml12 import read_yaml  # jobs read study.json

    config = parse_study(read_yaml(path), source=str(path))
    return LoadedStudy(config, path.absolute().parent, str(path))


def study_from_snakemake(
    config: Mapping[str, Any], overrides: Mapping[str, Any], files: Sequence[Path]
) -> LoadedStudy:
    """Return the study in Snakemake's `config`, with the types of YAML 1.2.

    `config` is whole or the part handed to a module, `overrides` is what `--config` set, and
    `files` are the configuration files that Snakemake merged. Raises a ConfigError if they do not
    make a valid study.
    """
    from ensnare.study.yaml12 import retype

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
    """Return whether `--config accept_rerun=true` was given: expensive samples may run again.

    Raises a ConfigError if the value is neither true nor false.
    """
    from ensnare.study.yaml12 import typed

    value = typed(overrides.get(_ACCEPT, False))
    if not isinstance(value, bool):
        raise ConfigError(f"--config {_ACCEPT}: got {value}; expected true or false")
    return value


def resolved_tree(study: LoadedStudy) -> dict[str, Any]:
    """Return the resolved study as plain values, for `write_resolved`.

    Its directory is relative to the working directory, so results and study can be moved, or
    mounted elsewhere, together.
    """
    return {
        "directory": os.path.relpath(study.directory),
        "source": study.source,
        "study": study.config.model_dump(mode="json", by_alias=True),
    }


def write_resolved(tree: dict[str, Any], path: Path) -> None:
    """Write a resolved study as JSON."""
    text = json.dumps(tree, indent=1) + "\n"
    write_whole(path, lambda part: part.write_text(text))


def read_resolved(path: Path) -> LoadedStudy:
    """Read a resolved study; raise an ArchiveError if the file is missing or damaged."""
    try:
        tree = json.loads(path.read_text())
        directory, source, study = Path(tree["directory"]), str(tree["source"]), tree["study"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "not a resolved study"
        raise ArchiveError(f"{path}: {reason}; run snakemake first") from None
    return LoadedStudy(parse_study(study, source=source), directory, source)


def with_batch_size(study: LoadedStudy, size: int | str) -> LoadedStudy:
    """Return a study with another size of batches, a number of samples or `auto`."""
    batch = Batch.model_validate({"size": size})
    return replace(study, config=study.config.model_copy(update={"batch": batch}))


def with_settled_size(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study with the size of batches in its `study.json`, if its own size is `auto`."""
    if study.config.batch.size != "auto":
        return study
    try:
        return with_batch_size(study, read_resolved(paths.study).config.batch.size)
    except ArchiveError:  # not written yet: a job of this run will do that
        return study


def study_place(text: str) -> Path:
    """Return the path that a user means: a study file, or a directory of results.

    A text that is not an existing path may be the name of a study with results below the working
    directory.
    """
    named = StudyPaths.of(text)
    by_name = os.sep not in text and named.study.exists() and not Path(text).exists()
    return named.root if by_name else Path(text)
