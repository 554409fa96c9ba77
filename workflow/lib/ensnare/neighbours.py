"""The files beside a Python file that it imports: part of what its functions do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path


def imported_beside(path: Path) -> dict[str, Path]:
    """Return the files that a file imports from its own directory, and what these import there.

    Parameters
    ----------
    path : Path
        A Python file, whose directory is the first place where it looks for modules.

    Returns
    -------
    dict of str to Path
        Places relative to the directory, sorted; also extension modules and the `__init__.py` of
        packages. Only what a statement imports is found, wherever it stands; installed packages
        are not followed.
    """
    root = path.parent
    found: dict[str, Path] = {}
    todo = [path]
    while todo:
        for file in _imported(todo.pop(), root):
            name = file.relative_to(root).as_posix()
            if file != path and name not in found:
                found[name] = file
                if file.suffix == ".py":
                    todo.append(file)
    return dict(sorted(found.items()))


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a directory that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # it says so itself when it is imported
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else root
            if not base.is_relative_to(root):
                continue
            parts = node.module.split(".") if node.module else []
            if node.level:
                yield from _files(base.parent, [base.name])
            for alias in node.names:  # what is imported may be a module itself
                yield from _files(base, [*parts, alias.name])


def _files(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the files that importing a dotted name from a directory runs."""
    for depth in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:depth])
        candidates = [
            place.with_name(f"{place.name}.py"),
            place / "__init__.py",
            *sorted(place.parent.glob(f"{place.name}*.so")),
            *sorted(place.parent.glob(f"{place.name}*.pyd")),
        ]
        wanted = place.name
        yield from (
            file
            for file in candidates
            if file.name == "__init__.py" or file.name.partition(".")[0] == wanted
            if file.is_file()
        )
