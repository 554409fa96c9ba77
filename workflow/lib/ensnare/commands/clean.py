"""What a study leaves behind when it changes: tables and figures that nothing asks for any more.

Each table and figure is noted with its checksum when it is written. So what may be removed is known
to be ours, and as we wrote it, by more than its name. Samples, batches, journals, fine solves and
what was measured in rounds are results, which later versions of the study take over: they stay.
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
    """Files of earlier versions of a study.

    Attributes
    ----------
    unused : list of Path
        Those that may be removed: ours, and needed by nothing.
    changed : list of Path
        Tables and figures that somebody changed after we wrote them.
    """

    unused: list[Path]
    changed: list[Path]


def find_leftovers(study: LoadedStudy, paths: StudyPaths) -> Leftovers:
    """Return what earlier versions of a study left.

    What belongs to the archive that is there counts as used: until a run of the study as it is now
    has ended, those are its results.

    Parameters
    ----------
    study : LoadedStudy
        The study as it was run last.
    paths : StudyPaths
        Its files.

    Raises
    ------
    ArchiveError
        If the archive is damaged.
    """
    unused, changed = list(_unused_ends(study, paths)), list[Path]()
    if (archived := _archived(paths)) is None:  # then they are all that is left of it
        return Leftovers(unused, changed)
    used = {path for config in (archived, study.config) for path in _derived_files(config, paths)}
    for name, checksum in noted_files(paths).items():
        path = paths.root / name
        if path not in used and path.is_file() and not path.is_symlink():
            (unused if checksum_of(path) == checksum else changed).append(path)
    return Leftovers(sorted(unused), sorted(changed))


def remove_leftovers(study: LoadedStudy, paths: StudyPaths) -> Leftovers:
    """Remove what earlier versions of a study left; return it. See `find_leftovers`.

    Raises
    ------
    BatchError
        If a run of the study is under way.
    """
    with exclude_runs(paths.lock):
        found = find_leftovers(study, paths)
        for path in found.unused:
            path.unlink(missing_ok=True)
        if paths.derived.exists():
            note_derived(paths, [])
    return found


def leftovers_note(study: LoadedStudy, paths: StudyPaths) -> str:
    """Return what to say of tables and figures that nothing asks for any more; or else nothing.

    Nothing also where that cannot be told: it is a word by the way.
    """
    with contextlib.suppress(EnsnareError, OSError):
        ends = set(_unused_ends(study, paths))  # they mislead nobody
        if n := len([path for path in find_leftovers(study, paths).unused if path not in ends]):
            return (
                f"{n} files of figures and tables are left of earlier versions of the study; "
                f"ensnare clean {paths.root} removes them"
            )
    return ""


def _archived(paths: StudyPaths) -> Study | None:
    """Return the study of which there is an archive."""
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
    """Yield the files that say how an earlier criterion ended a loop.

    Without them a return to that criterion ends the loop again, from results on record. The newest
    ones stay whatever the study says: files of the model may have changed since its last run.
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
    """Return the files of a pattern in a directory but the present one and the newest."""
    if not directory.is_dir():
        return []
    found = [p for p in directory.iterdir() if re.fullmatch(pattern, p.name) and p.is_file()]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [path for path in found[:-1] if path.name != present]
