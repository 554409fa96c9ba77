"""Designs that grow by themselves: a Saltelli design that doubles until its results are precise.

A round is one size of the design; all samples of earlier rounds are part of it. The sizes of all
rounds are known before anything runs, so a job on another machine needs no results to find its
batch; which round is the last one is known only from results. Code that reads the results of such
a study gets the study *at a size* (`LoadedStudy.stated` is what the file says) and need not know
of rounds.
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
    """One size of the design."""

    number: int  # 0 for the first
    size: int  # base size
    key: str  # hash of what is measured and of its batches; the stem of the name of its file
    study: LoadedStudy  # with the design of this size
    batches: list[Batch]  # all samples of the design, also those of earlier rounds

    @property
    def wildcards(self) -> dict[str, str]:
        """The wildcards of its file in the checkpoint that measures it."""
        return {"key": self.key}


class Growth:
    """The loop over the sizes of a design; the study may be given at any of them."""

    def __init__(self, study: LoadedStudy) -> None:
        study = replace(study, config=study.stated or study.config, stated=None)
        self.study = study.config
        content = batch_content(study)  # once for all sizes, since it reads the files of the model
        self.rounds = [_round(study, i, n, content) for i, n in enumerate(_sizes(study.config))]

    @property
    def first(self) -> Round:
        """The smallest design."""
        return self.rounds[0]

    @property
    def end_key(self) -> str:
        """Hash of all possible rounds and of the criterion that ends them."""
        until = until_of(self.study)
        return digest([[item.key for item in self.rounds], until.model_dump()])

    def read(self, path: Path) -> Measured:
        """Read what was measured in a round; raise ArchiveError if the file is damaged."""
        try:
            return Measured.from_json(json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            raise ArchiveError(
                f"{path}: not the record of a round; remove it and run snakemake again"
            ) from None

    def after(self, done: Sequence[tuple[Round, Measured]]) -> Round | None:
        """Return the next round; None if the criterion or the budget ends the loop."""
        last, measured = done[-1]
        if decide(self.study, measured).end:
            return None
        return self.rounds[last.number + 1]

    def on_record(self, paths: StudyPaths) -> Followed[Round, Measured]:
        """Return how far the loop has come by the files of the study."""

        def find(item: Round) -> Path | None:
            path = paths.round(item.key)
            return path if path.exists() else None

        return follow(self, find)

    def present(self, paths: StudyPaths) -> Round:
        """Return the round that is to be evaluated next, or the last one if the loop has ended."""
        found = self.on_record(paths)
        return found.missing or found.done[-1][0]

    def grown_before(self, paths: StudyPaths) -> LoadedStudy:
        """Return the study at the largest size that any version of it has reached so far.

        After a change of the model the rounds begin again with the first one, but results of
        earlier versions can still be of this size.
        """
        size, most = self.present(paths).size, self.rounds[-1].size
        for path in paths.round("").parent.glob("*.json"):
            with contextlib.suppress(
                ArchiveError
            ):  # damaged: it is measured again when it is needed
                size = max(size, self.read(path).size)
        return at_size(self.rounds[0].study, min(size, most))

    def sizes(self) -> list[tuple[LoadedStudy, list[Batch]]]:
        """Return the study at each size that its design may reach, with its batches there."""
        return [(item.study, item.batches) for item in self.rounds]


def grows(study: LoadedStudy) -> bool:
    """Return whether the design of a study doubles until its results are precise (key `until`)."""
    design = study.config.design
    return isinstance(design, Saltelli) and design.until is not None


def sized_batches(study: LoadedStudy) -> list[tuple[LoadedStudy, list[Batch]]]:
    """Return a study at each size that its design may reach, with the batches of that size."""
    return Growth(study).sizes() if grows(study) else [(study, plan_batches(study))]


def largest(study: LoadedStudy) -> LoadedStudy:
    """Return a study with the largest design that it may reach; unchanged if it does not grow."""
    return at_size(study, most_size(study.config)) if grows(study) else study


def at_size(study: LoadedStudy, size: int) -> LoadedStudy:
    """Return a study with another size of its design."""
    assert study.config.design is not None
    design = study.config.design.model_copy(update={"size": size})
    config = study.config.model_copy(update={"design": design})
    return replace(study, config=config, stated=study.stated or study.config)


def as_it_stands(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study at the size that its design has reached; unchanged if it does not grow."""
    return Growth(study).present(paths).study if grows(study) else study


def as_it_grew(study: LoadedStudy, paths: StudyPaths) -> LoadedStudy:
    """Return a study at the largest size that it has ever had; see `Growth.grown_before`."""
    return Growth(study).grown_before(paths) if grows(study) else study


def results_of(path: Path) -> tuple[LoadedStudy, StudyPaths]:
    """Return a study as it was last run, at the size that its design has reached, and its files.

    `path` is a directory of results, `results/<study>`, or a study file, of which only the name of
    the study is used. Raises ArchiveError if there are no results.
    """
    paths = StudyPaths(path) if path.is_dir() else StudyPaths.of(load_study(path).config.study)
    study = read_resolved(paths.study)
    # the directory of the study is relative to where the workflow ran, two levels above `root`
    root = paths.root.absolute().parents[1]
    return as_it_stands(replace(study, directory=root / study.directory), paths), paths


def round_of(study: LoadedStudy, key: str) -> Round:
    """Return a round of a study by its key.

    Raises BatchError if there is none, because a file of the study changed since the run began.
    """
    for found in Growth(study).rounds:
        if found.key == key:
            return found
    raise BatchError(
        f"no round {key} in the study as it is now; a file of the model changed while the run was "
        "under way; run snakemake again"
    )


def write_round(path: Path, measured: Measured) -> None:
    """Write what was measured in a round to its file."""
    text = json.dumps(measured.to_json(), indent=1) + "\n"
    write_whole(path, lambda part: part.write_text(text))


def measured_rounds(study: LoadedStudy, paths: StudyPaths) -> list[dict[str, Any]]:
    """Return what was measured in each round so far, as JSON objects; empty if it does not grow."""
    if not grows(study):
        return []
    return [measured.to_json() for _, measured in Growth(study).on_record(paths).done]


def _sizes(study: Study) -> list[int]:
    """Return the base sizes of all rounds: doubled each time, the last one cut to the budget."""
    assert isinstance(study.design, Saltelli)
    sizes, most = [study.design.size], most_size(study)
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def _round(study: LoadedStudy, number: int, size: int, content: str) -> Round:
    sized, config = at_size(study, size), study.config
    batches = plan_batches(sized, content)
    assert config.analyses.sobol is not None
    ranges = {output.name: output.range for output in config.model.outputs}
    keys = sorted(batch.key for batch in batches)
    key = digest([LAYOUT, "round", keys, config.analyses.sobol.model_dump(), ranges])
    return Round(number, size, key, sized, batches)
