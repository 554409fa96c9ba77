"""The resolved study: what the study file said, typed and complete, kept beside the results."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ensnare.config import LoadedStudy, load_study, parse_study
from ensnare.config.study import Batch
from ensnare.errors import ArchiveError
from ensnare.paths import StudyPaths, write_whole
from ensnare.rounds import as_it_stands


def resolved_tree(study: LoadedStudy) -> dict[str, Any]:
    """Return the resolved study as plain values; its directory relative to the working directory.

    The directory is relative so that results and study can be moved or mounted elsewhere together.
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
    """Read a resolved study.

    Raises
    ------
    ArchiveError
        If there is none.
    """
    try:
        tree = json.loads(path.read_text())
        directory, source, study = Path(tree["directory"]), str(tree["source"]), tree["study"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "not a resolved study"
        raise ArchiveError(f"{path}: {reason}; run snakemake first") from None
    return LoadedStudy(parse_study(study, source=source), directory, source)


def with_batch_size(study: LoadedStudy, size: int | str) -> LoadedStudy:
    """Return a study with another size of its batches."""
    batch = Batch.model_validate({"size": size})
    return replace(study, config=study.config.model_copy(update={"batch": batch}))


def with_settled_size(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study with the size of batches that its run settled on, for the jobs of the run."""
    if study.config.batch.size != "auto":
        return study
    try:
        return with_batch_size(study, read_resolved(paths.study).config.batch.size)
    except ArchiveError:  # the job makes it
        return study


def study_place(text: str) -> Path:
    """Return where a user points to: a study file, a directory of results, or a study by name.

    Parameters
    ----------
    text : str
        A path; or, where there is none, a name of which there are results below the working
        directory.
    """
    named = StudyPaths.of(text)
    by_name = os.sep not in text and named.study.exists() and not Path(text).exists()
    return named.root if by_name else Path(text)


def results_of(path: Path) -> tuple[LoadedStudy, StudyPaths]:
    """Return a study as it was run last, at the size that its design has come to, and its files.

    Parameters
    ----------
    path : Path
        A directory of results, `results/<study>`, or a study file, of which the name counts.

    Raises
    ------
    ArchiveError
        If there are no results.
    """
    paths = StudyPaths(path) if path.is_dir() else StudyPaths.of(load_study(path).config.study)
    study = read_resolved(paths.study)
    # its directory is relative to where the workflow ran
    root = paths.root.absolute().parents[1]
    return as_it_stands(replace(study, directory=root / study.directory), paths), paths
