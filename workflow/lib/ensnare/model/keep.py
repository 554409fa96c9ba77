"""What stays of working directories: where samples run, and what is kept of them, and how."""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ensnare.errors import BatchError
from ensnare.model.directories import (
    copy_files,
    found_by_glob,
    is_full,
    make_parents,
    open_tree,
    prune_tree,
    remove_tree,
)
from ensnare.model.launcher import job_cores
from ensnare.plan.identity import digest
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import Kept, kept_files


class Keeper:
    """The working directories of a batch.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    key : str
        The batch.
    paths : StudyPaths
        The files of the study.

    Raises
    ------
    BatchError
        If there is no scratch directory on this machine.
    """

    def __init__(self, study: LoadedStudy, key: str, paths: StudyPaths) -> None:
        config = study.config
        self._kept = {ok: kept_files(config.keep, ok=ok) for ok in (True, False)}
        self._final = os.path.abspath(paths.samples / key)
        self._pack = paths.pack(key) if config.pack else None
        self.root = self._final
        # what is to go on in another job must not be where that job cannot see it
        if config.scratch is not None and not (config.model.python or config.model.resume):
            nodes = 1 if config.resources.ranks is None else len(job_cores(1).per_node)
            self.root = _scratch(study.path(os.path.expandvars(config.scratch)), self._final, nodes)

    def directory(self, sample_id: bytes) -> str:
        """Return where a sample runs."""
        return f"{self.root}/{sample_id.decode()}"

    def finish_sample(self, sample_id: bytes, *, ok: bool) -> None:
        """Keep of a sample that ended what is to be kept, and remove the rest.

        Raises
        ------
        OSError
            If it cannot be copied back from the scratch directory.
        """
        kept, directory = self._kept[ok], self.directory(sample_id)
        if kept != "none":
            open_tree(directory)
        if self.root == self._final:
            _reduce(directory, kept)
            return
        final = f"{self._final}/{sample_id.decode()}"
        if os.path.lexists(final):  # of an earlier attempt
            remove_tree(final)
        if kept != "none":
            copy_files(directory, final, ["**"] if kept == "all" else kept)
        remove_tree(directory)

    def finish(self) -> None:
        """Pack what was kept, if it is to be packed, and remove what is empty."""
        if self._pack is not None and os.path.isdir(self._final):
            pack_directories(self._final, self._pack)
        if self.root != self._final:
            remove_tree(self.root)
        with contextlib.suppress(OSError):  # not empty, or never made
            os.rmdir(self._final)
            os.rmdir(os.path.dirname(self._final))


def _reduce(directory: str, kept: Kept) -> None:
    if kept == "none":
        remove_tree(directory)
    elif kept != "all":
        prune_tree(directory, kept)


def _scratch(parent: Path, final: str, nodes: int) -> str:
    """Return a directory of our own below a scratch directory; the same for the same batch.

    So what a job that was killed left there is removed when the batch runs there again.
    """
    here = f"on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}"
    if "$" in str(parent):
        raise BatchError(f"scratch: the variable in '{parent}' is not set {here}")
    if not parent.is_dir():
        raise BatchError(f"scratch: no directory {parent} {here}")
    if nodes > 1:
        raise BatchError(
            f"scratch: {parent} {here} is not there for the ranks on the other nodes of this job "
            f"of {nodes}; leave scratch out, or let the job have one node"
        )
    root = parent.absolute() / f"ensnare-{os.getuid()}-{digest(final)}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BatchError(f"scratch: cannot make {root} {here}: {error.strerror}") from None
    if is_full(str(root)):
        raise BatchError(f"scratch: no space left in {parent} {here}; make room and run again")
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise BatchError(f"scratch: {root} belongs to another user; remove it")
    return str(root)


def pack_directories(root: str, pack: Path) -> None:
    """Move the directories of samples into one tar file; what it held before stays.

    Parameters
    ----------
    root : str
        The directory of the batch.
    pack : Path
        The tar file; a sample that it holds already is replaced.
    """
    names = sorted(os.listdir(root))
    if not names:
        return

    def write(part: Path) -> None:
        with part.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as new:
                if pack.exists():
                    _copy_members(pack, new, set(names))
                for name in names:
                    new.inodes = {}  # type: ignore[attr-defined]  # no links between samples
                    new.add(os.path.join(root, name), arcname=name, filter=_plain)
            raw.flush()
            os.fsync(raw.fileno())  # before the directories go

    write_whole(pack, write)
    for name in names:
        remove_tree(os.path.join(root, name))


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out pipes, sockets and devices."""
    return member if member.isreg() or member.isdir() or member.issym() or member.islnk() else None


def _copy_members(pack: Path, new: tarfile.TarFile, without: set[str]) -> None:
    with tarfile.open(pack) as old:
        for member in old:
            if member.name.partition("/")[0] not in without:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)


def unpack_directory(pack: Path, sample_id: str, target: Path) -> None:
    """Take the directory of a sample out of a tar file; the file stays as it is.

    Parameters
    ----------
    pack : Path
        The tar file.
    sample_id : str
        The sample.
    target : Path
        The directory to put it in, under its id.
    """
    with tarfile.open(pack) as file:
        wanted = [m for m in file if m.name.partition("/")[0] == sample_id]
        file.extractall(target, members=wanted, filter="tar")


def kept_directories(paths: StudyPaths) -> dict[tuple[str, str], Path]:
    """Return (batch, sample id) of what was kept, and its directory or its place in a tar file."""
    found: dict[tuple[str, str], Path] = {}
    for pack in sorted(paths.samples.glob("*.tar")):
        with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(pack) as file:
            names = {member.name.partition("/")[0] for member in file}
            found |= {(pack.stem, name): pack / name for name in names}
    if paths.samples.is_dir():
        for batch in paths.samples.iterdir():
            if batch.is_dir():
                found |= {(batch.name, path.name): path for path in batch.iterdir()}
    return found


@dataclass(frozen=True)
class KeptDirectory:
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


def index_pack(pack: str) -> dict[str, KeptDirectory]:
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
    return {s: KeptDirectory(pack, start, tuple(names.get(s, ()))) for s, start in starts.items()}


@contextlib.contextmanager
def open_kept(place: KeptDirectory, directory: str) -> Iterator[str]:
    """Give the directory of a sample, and make it the current one.

    Parameters
    ----------
    place : KeptDirectory
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


def _unpack(place: KeptDirectory, directory: str) -> None:
    root, sample = os.path.split(directory)
    with open(place.path, "rb") as raw:
        raw.seek(place.offset or 0)
        with tarfile.open(fileobj=raw, mode="r:") as file:
            for member in file:
                if member.name.partition("/")[0] != sample:
                    break
                file.extract(member, root, filter="tar")
