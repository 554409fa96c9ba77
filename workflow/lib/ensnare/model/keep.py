"""Where the samples of a batch run, what is kept of their directories, and where to find it."""

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
    glob_matches,
    is_full,
    make_parents,
    prune_tree,
    remove_tree,
    restore_access,
)
from ensnare.model.launcher import job_cores
from ensnare.plan.identity import digest
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import Kept, kept_files


class Keeper:
    """The working directories of a batch: where samples run, and what is kept of them.

    Raises BatchError if the study has a scratch directory that this machine cannot provide.
    """

    def __init__(self, study: LoadedStudy, key: str, paths: StudyPaths) -> None:
        config = study.config
        self._kept = {ok: kept_files(config.keep, ok=ok) for ok in (True, False)}
        self._final = os.path.abspath(paths.samples / key)
        self._pack = paths.pack(key) if config.pack else None
        self.root = self._final
        # a sample that another job may resume must not be on the disk of one node
        if config.scratch is not None and not (config.model.python or config.model.resume):
            nodes = 1 if config.resources.ranks is None else len(job_cores(1).per_node)
            self.root = _make_scratch(
                study.path(os.path.expandvars(config.scratch)), self._final, nodes
            )

    def directory(self, sample_id: bytes) -> str:
        """Return the working directory of a sample."""
        return f"{self.root}/{sample_id.decode()}"

    def finish_sample(self, sample_id: bytes, *, ok: bool) -> None:
        """Keep the files of a finished sample that `keep` lists for its status, remove the others.

        Raises OSError if they cannot be copied back from the scratch directory.
        """
        kept, directory = self._kept[ok], self.directory(sample_id)
        if kept != "none":
            restore_access(directory)
        if self.root == self._final:
            _reduce(directory, kept)
            return
        final = f"{self._final}/{sample_id.decode()}"
        if os.path.lexists(final):  # from an earlier attempt
            remove_tree(final)
        if kept != "none":
            copy_files(directory, final, ["**"] if kept == "all" else kept)
        remove_tree(directory)

    def finish(self) -> None:
        """Pack the kept directories if the study says so, and remove directories that are empty."""
        if self._pack is not None and os.path.isdir(self._final):
            pack_directories(self._final, self._pack)
        if self.root != self._final:
            remove_tree(self.root)
        with contextlib.suppress(OSError):  # not empty, or never made
            os.rmdir(self._final)
            os.rmdir(os.path.dirname(self._final))


@dataclass(frozen=True)
class KeptDirectory:
    """Where the directory of a sample was kept."""

    path: str  # the directory, or the tar file that holds it
    offset: int | None = None  # byte in the tar file at which it begins; None for a directory
    names: tuple[str, ...] = ()  # of its files in the tar file

    def has(self, name: str) -> bool:
        """Return whether there is a file of that name, or one that matches it as a glob."""
        if self.offset is None:
            if os.path.exists(os.path.join(self.path, name)):
                return True
            return glob.has_magic(name) and bool(
                glob.glob(name, root_dir=self.path, recursive=True)
            )
        if os.path.normpath(name) in self.names:
            return True
        return glob.has_magic(name) and any(glob_matches(name, n) for n in self.names)


def index_pack(pack: str) -> dict[str, KeptDirectory]:
    """Return the kept directories in a tar file by sample id, as far as the file can be read."""
    offsets: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    with contextlib.suppress(OSError, tarfile.TarError), tarfile.open(pack) as file:
        for member in file:
            sample, _, name = member.name.partition("/")
            offsets.setdefault(sample, member.offset)
            if member.isreg() or member.islnk():
                # interned: names are the same for every sample
                names.setdefault(sample, []).append(sys.intern(name))
            file.members = []  # type: ignore[attr-defined]  # tarfile would keep all of them
    return {s: KeptDirectory(pack, start, tuple(names.get(s, ()))) for s, start in offsets.items()}


@contextlib.contextmanager
def open_kept(kept: KeptDirectory, directory: str) -> Iterator[str]:
    """Make the kept directory of a sample the current one, and yield its path.

    A directory in a tar file is unpacked to `directory`, and removed at the end.
    """
    if kept.offset is None:
        os.chdir(kept.path)
        yield kept.path
        return
    remove_tree(directory)
    make_parents(directory)
    try:
        _unpack_at_offset(kept, directory)
        os.chdir(directory)
        yield directory
    finally:
        remove_tree(directory)


def kept_directories(paths: StudyPaths) -> dict[tuple[str, str], Path]:
    """Return the kept directory of each (batch, sample id), below the tar file if it is in one."""
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


def pack_directories(root: str, pack: Path) -> None:
    """Move the directories below `root`, one per sample, into a tar file.

    The file keeps the samples that it has already, except for those that are replaced.
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
                    # forget hard links, so that no sample becomes a link to a file of another
                    new.inodes = {}  # type: ignore[attr-defined]
                    new.add(os.path.join(root, name), arcname=name, filter=_without_devices)
            raw.flush()
            os.fsync(raw.fileno())  # on disk before the directories are removed

    write_whole(pack, write)
    for name in names:
        remove_tree(os.path.join(root, name))


def unpack_directory(pack: Path, sample_id: str, target: Path) -> None:
    """Copy the directory of a sample from a tar file to `target`, under its id."""
    with tarfile.open(pack) as file:
        wanted = [m for m in file if m.name.partition("/")[0] == sample_id]
        file.extractall(target, members=wanted, filter="tar")


def _make_scratch(parent: Path, final: str, nodes: int) -> str:
    """Return a directory of this batch below a scratch directory; raise BatchError on failure.

    It has the same name whenever the batch runs, so that the batch removes what a killed job left.
    """
    host = f"on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}"
    if "$" in str(parent):
        raise BatchError(f"scratch: the variable in '{parent}' is not set {host}")
    if not parent.is_dir():
        raise BatchError(f"scratch: no directory {parent} {host}")
    if nodes > 1:
        raise BatchError(
            f"scratch: {parent} {host} is not there for the ranks on the other nodes of this job "
            f"of {nodes}; leave scratch out, or let the job have one node"
        )
    root = parent.absolute() / f"ensnare-{os.getuid()}-{digest(final)}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BatchError(f"scratch: cannot make {root} {host}: {error.strerror}") from None
    if is_full(str(root)):
        raise BatchError(f"scratch: no space left in {parent} {host}; make room and run again")
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise BatchError(f"scratch: {root} belongs to another user; remove it")
    return str(root)


def _reduce(directory: str, kept: Kept) -> None:
    """Keep in a directory what `keep` says: all, none, or the files that match its globs."""
    if kept == "none":
        remove_tree(directory)
    elif kept != "all":
        prune_tree(directory, kept)


def _without_devices(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave pipes, sockets and devices out of a tar file."""
    return member if member.isreg() or member.isdir() or member.issym() or member.islnk() else None


def _copy_members(pack: Path, new: tarfile.TarFile, without: set[str]) -> None:
    """Copy the samples of a tar file to another, except for some."""
    with tarfile.open(pack) as old:
        for member in old:
            if member.name.partition("/")[0] not in without:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)


def _unpack_at_offset(kept: KeptDirectory, directory: str) -> None:
    """Unpack one sample, whose members follow each other from its offset on."""
    root, sample = os.path.split(directory)
    with open(kept.path, "rb") as raw:
        raw.seek(kept.offset or 0)
        with tarfile.open(fileobj=raw, mode="r:") as file:
            for member in file:
                if member.name.partition("/")[0] != sample:
                    break
                file.extract(member, root, filter="tar")
