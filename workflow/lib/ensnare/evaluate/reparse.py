"""Parsing kept directories again, after parsers changed or outputs were added.

The parts of a row that are still valid are taken over, the others are read from the kept directory.
"""

from __future__ import annotations

import contextlib
import glob
import math
import os
import tarfile
from dataclasses import dataclass, replace
from typing import Any

from ensnare.evaluate.batchfile import column_slices, kept_policies
from ensnare.model.command import CommandModel
from ensnare.model.directories import match_all
from ensnare.model.keep import KeptDirectory, index_pack, open_kept
from ensnare.model.process import MACHINE_TROUBLE
from ensnare.store.outcome import Outcome, Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.outputs import PythonOutput


@dataclass(frozen=True)
class Reading:
    """Which outputs of a sample are to be parsed again."""

    outputs: tuple[str, ...]  # names, sorted
    success: bool  # check the signs of success, too

    def model(self, model: CommandModel, study: LoadedStudy) -> CommandModel:
        """Return a model that reads only these outputs, in their order."""
        outputs = study.config.model.outputs
        place = {output.name: i for i, output in enumerate(outputs)}
        chosen = [place[name] for name in self.outputs]
        return replace(
            model,
            parsers=tuple(model.parsers[i] for i in chosen),
            width=sum(outputs[i].width for i in chosen),
            success=model.success if self.success else (),
        )


@dataclass(frozen=True)
class KeptSample:
    """A sample whose kept directory is to be parsed again."""

    row: Any  # of `journal.row_type`, with the outputs that are known
    place: KeptDirectory
    reading: Reading


class KeptDirectories:
    """The kept directories of a study, and whether they have the files that parsers need."""

    def __init__(self, study: LoadedStudy, paths: StudyPaths) -> None:
        self._model = study.config.model
        self._paths = paths
        self._places: dict[str, dict[str, KeptDirectory]] = {}
        self._complete: dict[tuple[str, Reading], bool] = {}
        self._needs: dict[Reading, list[str]] = {}

    def find(self, rows: Any, reading: Reading) -> list[KeptDirectory | None]:  # noqa: ANN401
        """Return the kept directory of each sample; None if it lacks files that are to be read.

        `rows` are the samples, of type `journal.row_type`, shape (k,).
        """
        origins, ids = rows["origin"].tolist(), rows["sample_id"].tolist()
        kept = {origin: self._kept(origin.decode(), reading) for origin in set(origins)}
        found: list[KeptDirectory | None] = []
        for origin, sample in zip(origins, ids, strict=True):
            place = kept[origin].get(sample.decode()) if kept[origin] else None
            found.append(place if place and self._holds(place, reading) else None)
        return found

    def _kept(self, origin: str, reading: Reading) -> dict[str, KeptDirectory]:
        """Return the kept directories of a batch by sample id; none if they may be incomplete."""
        if origin not in self._places:
            self._places[origin] = self._list(origin)
        if not self._places[origin]:
            return {}
        if (origin, reading) not in self._complete:
            self._complete[origin, reading] = self._is_complete(origin, reading)
        return self._places[origin] if self._complete[origin, reading] else {}

    def _holds(self, place: KeptDirectory, reading: Reading) -> bool:
        """Return whether a directory has the files that are to be read."""
        if reading not in self._needs:
            self._needs[reading] = self._files(reading)
        return all(place.has(name) for name in self._needs[reading])

    def _list(self, origin: str) -> dict[str, KeptDirectory]:
        """Return the kept directories of a batch by sample id, packed ones included.

        They are listed at once, since a batch may have a million of them.
        """
        pack, root = self._paths.pack(origin), os.path.abspath(self._paths.samples / origin)
        places = index_pack(os.path.abspath(pack)) if pack.exists() else {}
        with contextlib.suppress(OSError):
            places |= {name: KeptDirectory(os.path.join(root, name)) for name in os.listdir(root)}
        return places

    def _is_complete(self, origin: str, reading: Reading) -> bool:
        """Return whether the parsers would find what they would find right after a run.

        A file that is read by its name is there or not. But a glob takes the last of several files,
        and a Python function may look at all of them, so for these everything they could match must
        have been kept.
        """
        globs = [name for name in self._files(reading) if glob.has_magic(name)]
        if not globs and not self._functions(reading):
            return True
        policies = kept_policies(self._paths.journal(origin))
        patterns = [kept for kept in policies if kept != "all"]
        if not policies or (patterns and self._functions(reading)):
            return False
        return all(match_all(kept, name) for kept in patterns for name in globs)

    def _functions(self, reading: Reading) -> bool:
        """Return whether some of the outputs are read by a Python function."""
        chosen = (o for o in self._model.outputs if o.name in reading.outputs)
        return any(isinstance(output, PythonOutput) for output in chosen)

    def _files(self, reading: Reading) -> list[str]:
        """Return the names, or globs, of the files that are read."""
        chosen = [o for o in self._model.outputs if o.name in reading.outputs]
        names = {o.file or self._model.stdout for o in chosen if not isinstance(o, PythonOutput)}
        if reading.success:
            names |= {sign.in_ or self._model.stdout for sign in self._model.success}
        return sorted(names)


class Reparser:
    """Parses kept directories again."""

    def __init__(self, study: LoadedStudy, model: CommandModel) -> None:
        self._study, self._model = study, model
        outputs = sorted(study.config.model.outputs, key=lambda output: output.name)
        self._slices = column_slices({output.name: output.width for output in outputs})
        self._readers: dict[Reading, CommandModel] = {}

    def read(self, kept: KeptSample, directory: str) -> Outcome | None:
        """Return all outputs of a kept sample, sorted by name, with time and exit code of its run.

        A packed directory is unpacked to `directory`. Returns None if the kept directory is gone,
        and raises OSError if the machine is exhausted (full disk, too many open files).
        """
        row, reading = kept.row, kept.reading
        code, elapsed_s = int(row["exit_code"]), float(row["elapsed_s"])
        if reading not in self._readers:
            self._readers[reading] = reading.model(self._model, self._study)
        try:
            with open_kept(kept.place, directory) as here:
                outcome = self._readers[reading].read(here, code, elapsed_s)
        except (OSError, tarfile.TarError) as error:
            if getattr(error, "errno", None) in MACHINE_TROUBLE:
                raise
            return None
        return replace(outcome, outputs=self._merged(kept, outcome))

    def _merged(self, kept: KeptSample, outcome: Outcome) -> list[float]:
        """Return all outputs: the known ones and those that were read now."""
        if outcome.status is not Status.OK:
            return [math.nan] * len(kept.row["outputs"])
        outputs: list[float] = kept.row["outputs"].tolist()
        at = 0
        for name in kept.reading.outputs:
            place = self._slices[name]
            width = place.stop - place.start
            outputs[place] = outcome.outputs[at : at + width]
            at += width
        return outputs
