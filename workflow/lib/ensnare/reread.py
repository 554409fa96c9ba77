"""Reading kept directories again, when parsers changed or outputs were added."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ensnare.batchfile import column_slices, kept_policies
from ensnare.config import LoadedStudy
from ensnare.config.outputs import PythonOutput
from ensnare.directories import found_by_glob, make_parents, match_all, remove_tree
from ensnare.model import CommandModel
from ensnare.paths import StudyPaths
from ensnare.process import MACHINE_TROUBLE
from ensnare.status import Outcome, Status


@dataclass(frozen=True)
class Reading:
    """What of a sample is to be read again.

    Attributes
    ----------
    outputs : tuple of str
        Names, sorted.
    success : bool
        Whether the signs of success are to be looked for, too.
    """

    outputs: tuple[str, ...]
    success: bool

    def model(self, model: CommandModel, study: LoadedStudy) -> CommandModel:
        """Return a model that reads only that; its outputs come sorted by name."""
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
class Place:
    """Where the directory of a sample was kept.

    Attributes
    ----------
    path : str
        The directory, or the tar file that holds it.
    offset : int or None
        Where the directory begins in the tar file.
    names : tuple of str
        The files that the tar file holds of it.
    """

    path: str
    offset: int | None = None
    names: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether there is a file of that name, or one that matches that glob."""
        if self.offset is None:
            if os.path.exists(os.path.join(self.path, name)):
                return True
            return glob.has_magic(name) and bool(
                glob.glob(name, root_dir=self.path, recursive=True)
            )
        if os.path.normpath(name) in self.names:
            return True
        return glob.has_magic(name) and any(found_by_glob(name, n) for n in self.names)


@dataclass(frozen=True)
class Again:
    """A sample whose kept directory is to be read again.

    Attributes
    ----------
    row : structured scalar
        How it ended (`journal.row_type`), with the outputs that are known.
    place : Place
        Its directory.
    reading : Reading
        What to read.
    """

    row: Any
    place: Place
    reading: Reading


class KeptRuns:
    """The kept directories of a study, and whether parsers find in them what they need.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files.
    """

    def __init__(self, study: LoadedStudy, paths: StudyPaths) -> None:
        self._model = study.config.model
        self._paths = paths
        self._places: dict[str, dict[str, Place]] = {}
        self._trusted: dict[tuple[str, Reading], bool] = {}
        self._needs: dict[Reading, list[str]] = {}

    def find(self, origin: str, sample_id: str, reading: Reading) -> Place | None:
        """Return where a sample was kept, if what is to be read is there.

        Parameters
        ----------
        origin : str
            The batch that ran it.
        sample_id : str
            The sample.
        reading : Reading
            What is to be read.
        """
        if origin not in self._places:
            self._places[origin] = self._list(origin)
        place = self._places[origin].get(sample_id)
        if place is None:
            return None
        if (origin, reading) not in self._trusted:
            self._trusted[origin, reading] = self._trusts(origin, reading)
        if not self._trusted[origin, reading]:
            return None
        return place if self.holds(place, reading) else None

    def holds(self, place: Place, reading: Reading) -> bool:
        """Return whether a directory has the files that are to be read."""
        if reading not in self._needs:
            self._needs[reading] = self._files(reading)
        return all(place.has(name) for name in self._needs[reading])

    def _list(self, origin: str) -> dict[str, Place]:
        """List what was kept of a batch, once: a batch may have a million directories."""
        pack, root = self._paths.pack(origin), os.path.abspath(self._paths.samples / origin)
        places = index_pack(os.path.abspath(pack)) if pack.exists() else {}
        with contextlib.suppress(OSError):
            places |= {name: Place(os.path.join(root, name)) for name in os.listdir(root)}
        return places

    def _trusts(self, origin: str, reading: Reading) -> bool:
        """Return whether what is found is what a run leaves, where not all of it was kept.

        A name stands for itself. But a glob takes the last of several files, and a function may
        look at all of them.
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
        chosen = (o for o in self._model.outputs if o.name in reading.outputs)
        return any(isinstance(output, PythonOutput) for output in chosen)

    def _files(self, reading: Reading) -> list[str]:
        """Return the names, or globs, of the files that are read."""
        chosen = [o for o in self._model.outputs if o.name in reading.outputs]
        names = {o.file or self._model.stdout for o in chosen if not isinstance(o, PythonOutput)}
        if reading.success:
            names |= {sign.in_ or self._model.stdout for sign in self._model.success}
        return sorted(names)


def index_pack(pack: str) -> dict[str, Place]:
    """Return for each sample in a tar file where its directory begins, and its files."""
    starts: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(pack) as file:
        for member in file:
            sample, _, name = member.name.partition("/")
            starts.setdefault(sample, member.offset)
            if member.isreg() or member.islnk():
                # the same names for every sample
                names.setdefault(sample, []).append(sys.intern(name))
            file.members = []  # type: ignore[attr-defined]  # or they pile up
    return {s: Place(pack, start, tuple(names.get(s, ()))) for s, start in starts.items()}


@contextlib.contextmanager
def opened(place: Place, directory: str) -> Iterator[str]:
    """Give the directory of a sample, and make it the current one.

    Parameters
    ----------
    place : Place
        Where it was kept.
    directory : str
        Where to put it for as long, if it is in a tar file.
    """
    if place.offset is None:
        os.chdir(place.path)
        yield place.path
        return
    remove_tree(directory)
    make_parents(directory)
    try:
        _unpack(place, directory)
        os.chdir(directory)
        yield directory
    finally:
        remove_tree(directory)


class Rereader:
    """Reads kept directories again.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    model : CommandModel
        Its model.
    """

    def __init__(self, study: LoadedStudy, model: CommandModel) -> None:
        self._study, self._model = study, model
        outputs = sorted(study.config.model.outputs, key=lambda output: output.name)
        self._slices = column_slices({output.name: output.width for output in outputs})
        self._readers: dict[Reading, CommandModel] = {}

    def read(self, again: Again, directory: str) -> Outcome | None:
        """Read the directory of a sample.

        Parameters
        ----------
        again : Again
            The sample.
        directory : str
            Where to unpack it, if it is in a tar file.

        Returns
        -------
        Outcome or None
            All outputs, sorted by name; time and exit code are those of the run. None if the
            directory is gone.

        Raises
        ------
        OSError
            If the machine is exhausted.
        """
        row, reading = again.row, again.reading
        code, elapsed_s = int(row["exit_code"]), float(row["elapsed_s"])
        if reading not in self._readers:
            self._readers[reading] = reading.model(self._model, self._study)
        try:
            with opened(again.place, directory) as here:
                end = self._readers[reading].read(here, code, elapsed_s)
        except (OSError, tarfile.TarError) as error:
            if getattr(error, "errno", None) in MACHINE_TROUBLE:
                raise
            return None
        return replace(end, outputs=self._merged(again, end))

    def _merged(self, again: Again, end: Outcome) -> list[float]:
        """Return all outputs: those that were known and those that were read."""
        if end.status is not Status.OK:
            return [math.nan] * len(again.row["outputs"])
        outputs: list[float] = again.row["outputs"].tolist()
        at = 0
        for name in again.reading.outputs:
            place = self._slices[name]
            width = place.stop - place.start
            outputs[place] = end.outputs[at : at + width]
            at += width
        return outputs


def _unpack(place: Place, directory: str) -> None:
    root, sample = os.path.split(directory)
    with open(place.path, "rb") as raw:
        raw.seek(place.offset or 0)
        with tarfile.open(fileobj=raw, mode="r:") as file:
            for member in file:
                if member.name.partition("/")[0] != sample:
                    break
                file.extract(member, root, filter="tar")
