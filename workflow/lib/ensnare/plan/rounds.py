"""Designs that double until their results are good enough: rounds, and what ends them.

The sizes of all rounds are known before anything runs; which of them is the last one is not.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ensnare.errors import ArchiveError, BatchError
from ensnare.plan.batches import LAYOUT, Batch, batch_content, plan_batches
from ensnare.plan.criteria import Measured, decide, most_size, until_of
from ensnare.plan.identity import digest
from ensnare.plan.loops import Followed, follow
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.designs import Saltelli
from ensnare.study.loading import LoadedStudy, load_study, read_resolved
from ensnare.study.study import Study


@dataclass(frozen=True)
class Round:
    """A size of the design.

    Attributes
    ----------
    number, size : int
        0 for the first; its base size.
    key : str
        Hash of what decides what is measured; the stem of its file.
    study : LoadedStudy
        The study with the design of this size.
    batches : list of Batch
        All samples of that design, also those of earlier rounds.
    """

    number: int
    size: int
    key: str
    study: LoadedStudy
    batches: list[Batch]

    @property
    def wildcards(self) -> dict[str, str]:
        """What its file is asked for by."""
        return {"key": self.key}


class Growth:
    """The loop over the sizes of a design.

    Parameters
    ----------
    study : LoadedStudy
        The study, at any size of its design.
    """

    def __init__(self, study: LoadedStudy) -> None:
        study = replace(study, config=study.stated or study.config, stated=None)
        self.study = study.config
        content = batch_content(study)  # once: it reads the files of the model
        self.rounds = [_round(study, i, n, content) for i, n in enumerate(_sizes(study.config))]

    @property
    def first(self) -> Round:
        """The smallest design."""
        return self.rounds[0]

    @property
    def end_key(self) -> str:
        """Hash of the sizes that there may be, and of the criterion that ends them."""
        until = until_of(self.study)
        return digest([[item.key for item in self.rounds], until.model_dump()])

    def read(self, path: Path) -> Measured:
        """Read what was measured in a round.

        Raises
        ------
        ArchiveError
            If the file is damaged.
        """
        try:
            return Measured.from_json(json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            raise ArchiveError(
                f"{path}: not the record of a round; remove it and run snakemake again"
            ) from None

    def after(self, done: Sequence[tuple[Round, Measured]]) -> Round | None:
        """Return the next round, or None when the last one is the end."""
        last, measured = done[-1]
        if decide(self.study, measured).end:
            return None
        return self.rounds[last.number + 1]

    def on_record(self, paths: StudyPaths) -> Followed[Round, Measured]:
        """Return how far the files of a study tell that it is."""

        def find(item: Round) -> Path | None:
            path = paths.round(item.key)
            return path if path.exists() else None

        return follow(self, find)

    def present(self, paths: StudyPaths) -> Round:
        """Return the round that is evaluated now, or was the last."""
        found = self.on_record(paths)
        return found.missing or found.done[-1][0]

    def grown_before(self, paths: StudyPaths) -> LoadedStudy:
        """Return the study at the largest size that it ever had, in any version of it on record.

        What has run may be that large, also when a change of the model begins with the first round.
        """
        size, most = self.present(paths).size, self.rounds[-1].size
        for path in paths.round("").parent.glob("*.json"):
            with contextlib.suppress(ArchiveError):  # it is measured again if it is needed
                size = max(size, self.read(path).size)
        return at_size(self.rounds[0].study, min(size, most))

    def sizes(self) -> list[tuple[LoadedStudy, list[Batch]]]:
        """Return each size that the design may come to, with its batches."""
        return [(item.study, item.batches) for item in self.rounds]


def grows(study: LoadedStudy) -> bool:
    """Return whether the design of a study doubles until its results are good enough."""
    design = study.config.design
    return isinstance(design, Saltelli) and design.until is not None


def _sizes(study: Study) -> list[int]:
    """Return the base sizes that the budget allows: doubled, and last what is left of it."""
    assert isinstance(study.design, Saltelli)
    sizes, most = [study.design.size], most_size(study)
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def largest(study: LoadedStudy) -> LoadedStudy:
    """Return a study with the largest design that it may come to."""
    return at_size(study, most_size(study.config)) if grows(study) else study


def round_of(study: LoadedStudy, key: str) -> Round:
    """Return a round of a study by its key.

    Raises
    ------
    BatchError
        If there is none, because a file of the study changed since the run was planned.
    """
    for found in Growth(study).rounds:
        if found.key == key:
            return found
    raise BatchError(
        f"no round {key} in the study as it is now; a file of the model changed while the run was "
        "under way; run snakemake again"
    )


def write_round(path: Path, measured: Measured) -> None:
    """Write what was measured in a round."""
    text = json.dumps(measured.to_json(), indent=1) + "\n"
    write_whole(path, lambda part: part.write_text(text))


def sized_batches(study: LoadedStudy) -> list[tuple[LoadedStudy, list[Batch]]]:
    """Return each size that the design of a study may come to, with its batches."""
    return Growth(study).sizes() if grows(study) else [(study, plan_batches(study))]


def at_size(study: LoadedStudy, size: int) -> LoadedStudy:
    """Return a study with another size of its design."""
    assert study.config.design is not None
    design = study.config.design.model_copy(update={"size": size})
    config = study.config.model_copy(update={"design": design})
    return replace(study, config=config, stated=study.stated or study.config)


def _round(study: LoadedStudy, number: int, size: int, content: str) -> Round:
    sized, config = at_size(study, size), study.config
    batches = plan_batches(sized, content)
    assert config.analyses.sobol is not None
    ranges = {output.name: output.range for output in config.model.outputs}
    keys = sorted(batch.key for batch in batches)
    key = digest([LAYOUT, "round", keys, config.analyses.sobol.model_dump(), ranges])
    return Round(number, size, key, sized, batches)


def as_it_stands(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study with the design that it has come to; one that does not grow as it is.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files, which tell how far it is.
    """
    return Growth(study).present(paths).study if grows(study) else study


def as_it_grew(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study with the largest design that it ever had; see `Growth.grown_before`."""
    return Growth(study).grown_before(paths) if grows(study) else study


def measured_rounds(study: LoadedStudy, paths: StudyPaths) -> list[dict[str, Any]]:
    """Return what was measured in each round of a study so far, as values of JSON."""
    if not grows(study):
        return []
    return [measured.to_json() for _, measured in Growth(study).on_record(paths).done]


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
