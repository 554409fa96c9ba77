"""The tables and figures that Ensnare wrote, with their checksums: `derived.json`.

`ensnare clean` removes a file only if it is listed here and has not been changed since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ensnare.store.paths import StudyPaths, write_whole


def note_derived(paths: StudyPaths, files: Iterable[Path]) -> None:
    """Add tables or figures below the directory of the study, with their checksums, to the list."""
    noted = noted_files(paths) | {str(p.relative_to(paths.root)): checksum_of(p) for p in files}
    text = json.dumps({name: noted[name] for name in sorted(noted)}, indent=1) + "\n"
    write_whole(paths.derived, lambda part: part.write_text(text))


def noted_files(paths: StudyPaths) -> dict[str, str]:
    """Return the checksums of the listed files that still exist; none if the list is damaged."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        tree = json.loads(paths.derived.read_text())
        return {name: str(sum_) for name, sum_ in tree.items() if _is_there(paths.root, name)}
    return {}


def _is_there(root: Path, name: str) -> bool:
    # a name that leaves the directory of the study is not from us, and must never be removed
    return ".." not in Path(name).parts and (root / name).is_file()


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of the content of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
