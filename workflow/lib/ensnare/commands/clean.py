"""Figures and tables that the study does not have any more (`ensnare clean`).

Ensnare lists each figure and table that it writes with its checksum, in `derived.json`. So a file
is removed only if Ensnare wrote it and nobody changed it since. Batch files, journals, kept
directories, fine solves and what was measured in rounds are never removed: later versions of the
study take them over.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from ensnare.errors import ArchiveError, EnsnareError
from ensnare.parareal.cases import solved_digest
from ensnare.parareal.schedule import end_digest
from ensnare.plan.rounds import Growth, grows
from ensnare.report.names import figure_files
from ensnare.store.derived import checksum_of, note_derived, noted_files
from ensnare.store.locks import exclude_runs
from ensnare.store.paths import StudyPaths
from ensnare.study.analyses import wanted_tables
from ensnare.study.loading import LoadedStudy, parse_study
from ensnare.study.study import Study


@dataclass(frozen=True)
class Leftovers:
    """Files of earlier versions of a study."""

    unused: list[Path]  # may be removed: written by Ensnare, and neither used nor changed
    changed: list[Path]  # tables and figures that were changed after Ensnare wrote them


def find_leftovers(study: LoadedStudy, paths: StudyPaths) -> Leftovers:
    """Return the files that earlier versions of a study left; `study` is as it was last run.

    Figures and tables of the present archive count as used: until a run of the changed study has
    ended, they are its results. Raises ArchiveError if the archive is damaged.
    """
    unused, changed = list(_unused_ends(study, paths)), list[Path]()
    # without an archive the figures and tables are all that is left of an earlier one
    if (archived := _archived_study(paths)) is None:
        return Leftovers(unused, changed)
    used = {path for config in (archived, study.config) for path in _derived_files(config, paths)}
    for name, checksum in noted_files(paths).items():
        path = paths.root / name
        if path not in used and path.is_file() and not path.is_symlink():
            (unused if checksum_of(path) == checksum else changed).append(path)
    return Leftovers(sorted(unused), sorted(changed))


def remove_leftovers(study: LoadedStudy, paths: StudyPaths) -> Leftovers:
    """Remove the unused files that `find_leftovers` finds, and return what it found.

    Raises BatchError while a run of the study is under way.
    """
    with exclude_runs(paths.lock):
        found = find_leftovers(study, paths)
        for path in found.unused:
            path.unlink(missing_ok=True)
        if paths.derived.exists():
            note_derived(paths, [])
    return found


def leftovers_note(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return a line that counts unused figures and tables and names the command to remove them.

    Returns an empty text if there are none, or if they cannot be found out; this is only a hint.
    """
    with contextlib.suppress(EnsnareError, OSError):
        ends = set(_unused_ends(study, paths))  # nobody takes them for results
        if n := len([path for path in find_leftovers(study, paths).unused if path not in ends]):
            return (
                f"{n} files of figures and tables are left of earlier versions of the study; "
                f"ensnare clean {paths.root} removes them"
            )
    return ""


def _archived_study(paths: StudyPaths) -> Study | None:
    """Return the study whose results are in the archive; None if there is no archive."""
    if not paths.archive.exists():
        return None
    try:
        with h5py.File(paths.archive, "r", locking=False) as file:
            text = str(file.attrs["study"])
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{paths.archive}: {error.args[0]}") from None
    return parse_study(json.loads(text), source=str(paths.archive))


def _derived_files(study: Study, paths: StudyPaths) -> list[Path]:
    """Return the tables and figures of a study."""
    names = ["parareal"] if study.parareal else list(wanted_tables(study))
    return [*map(paths.table, names), *figure_files(study, paths)]


def _unused_ends(study: LoadedStudy, paths: StudyPaths) -> Iterable[Path]:
    """Yield the files in which a loop ended by an earlier criterion (`until`, `tolerance`).

    If the user returns to that criterion, the loop ends again from its recorded steps. The newest
    file of each kind stays, since it may belong to the last run: its name also depends on files of
    the model, which may have changed since.
    """
    is_parareal = study.config.parareal is not None
    digest = Growth(study).end_key if not is_parareal and grows(study) else ""
    yield from _others(paths.rounds_end("").parent, r"[0-9a-f]+\.end", f"{digest}.end")
    digest = solved_digest(study) if is_parareal else ""
    yield from _others(paths.parareal, r"solved-[0-9a-f]+\.json", paths.solved(digest).name)
    digest = end_digest(study) if is_parareal else ""
    for case in sorted(paths.parareal.glob("*/")):
        name = paths.case_end(case.name, digest).name
        yield from _others(case, r"end-[0-9a-f]+\.json", name)


def _others(directory: Path, pattern: str, present: str) -> Sequence[Path]:
    """Return the files whose name matches a pattern, without the present and the newest one."""
    if not directory.is_dir():
        return []
    found = [p for p in directory.iterdir() if re.fullmatch(pattern, p.name) and p.is_file()]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [path for path in found[:-1] if path.name != present]
