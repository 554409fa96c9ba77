"""Working directories of samples: made empty, reduced to what is kept, removed.

A code may do anything in its directory: replace it or its files by links or pipes, remove it, or
take permissions away. These functions neither follow such links nor wait for such pipes.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import shutil
import stat
from collections.abc import Sequence

_LEAST_SPACE = 1 << 20  # bytes; with less, codes fail because the disk is full
_TAIL = 2000  # bytes of a stream that a message keeps


def enter_empty(directory: str) -> None:
    """Make an empty directory and enter it, after removing what an earlier attempt left.

    Raises OSError if the directory cannot be made.
    """
    try:
        os.mkdir(directory)
    except FileExistsError:
        remove_tree(directory)
        os.mkdir(directory)
    except FileNotFoundError:
        make_parents(directory)
        os.mkdir(directory)
    os.chdir(directory)


def make_parents(directory: str) -> None:
    """Make the parents of a directory, again if another batch removes them while they are empty."""
    parent = os.path.dirname(directory)
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):
            os.makedirs(parent, exist_ok=True)
            return
    os.makedirs(parent, exist_ok=True)


def remove_tree(directory: str) -> None:
    """Remove a directory, quickly if it holds plain files only; of a link, only the link."""
    if _removed_special(directory):
        return
    try:
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.rmdir(directory)
    except OSError:  # subdirectories, no permission, or it is gone
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.lexists(directory):  # a code took permissions away from its directories
            restore_access(directory)
            shutil.rmtree(directory, ignore_errors=True)


def restore_access(directory: str) -> None:
    """Give the user access again to files and directories whose permissions a code took away."""
    if os.path.islink(directory):  # the code made it; its target is not part of the sample
        return
    _make_readable(directory)
    # top down: a directory is made readable before it is listed
    for root, names, files in os.walk(directory):
        for name in (*names, *files):
            _make_readable(os.path.join(root, name))


def prune_tree(directory: str, patterns: Sequence[str]) -> None:
    """Remove the files that match none of the patterns, and directories that are empty then."""
    if _removed_special(directory):
        return
    wanted = _compile_globs(tuple(patterns))
    for root, names, files in os.walk(directory, topdown=False):
        for name in (*files, *names):
            path = os.path.join(root, name)
            with contextlib.suppress(OSError):
                if not os.path.islink(path) and os.path.isdir(path):
                    if not wanted.fullmatch(os.path.relpath(path, directory)):
                        os.rmdir(path)
                elif not wanted.fullmatch(os.path.relpath(path, directory)):
                    os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(directory)


def copy_files(source: str, target: str, patterns: Sequence[str]) -> None:
    """Copy the files and links that match a pattern, but no pipes and no unreadable files.

    Nothing is copied if a code replaced `source` by a link. Raises OSError if there is no space.
    """
    wanted = _compile_globs(tuple(patterns))
    for root, names, files in () if os.path.islink(source) else os.walk(source):
        links = [name for name in names if os.path.islink(os.path.join(root, name))]
        for name in (*files, *links):
            path = os.path.join(root, name)
            name_below = os.path.relpath(path, source)
            mode = os.lstat(path).st_mode
            if wanted.fullmatch(name_below) and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                copy = os.path.join(target, name_below)
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                with contextlib.suppress(PermissionError):
                    shutil.copy2(path, copy, follow_symlinks=False)


def is_full(directory: str) -> bool:
    """Return whether a directory is on a file system with less than 1 MiB of free space."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < _LEAST_SPACE


def refuse_special(files: Sequence[str]) -> None:
    """Raise OSError if a step replaced a file by a pipe: opening it would wait forever."""
    for name in files:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise OSError(errno.EINVAL, f"'{name}' is no longer a regular file", name)


def stream_tail(streams: Sequence[str]) -> str:
    """Return the end of standard error, or else of standard output, after a line break.

    `streams` are their files in the current directory. The text has at most 2,000 bytes and is
    empty if both streams are empty or unreadable.
    """
    for name in reversed(streams):
        try:
            # O_NONBLOCK: a code may have left a pipe, whose opening would wait forever
            handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
            with open(handle, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                text = file.read().decode(errors="replace").strip()
        except OSError:
            continue
        if text:
            return f"\n{text}"
    return ""


def glob_matches(pattern: str, name: str) -> bool:
    """Return whether a glob matches a file, or a directory above it, by name only."""
    start = name if "/" in pattern else name.partition("/")[0]
    return bool(_compile_globs((pattern,)).fullmatch(start))


def match_all(patterns: Sequence[str], name: str) -> bool:
    """Return whether every name that a glob such as `post/*/U` can match also matches a pattern."""
    # two examples of what `*` may stand for: a pattern that matches both does not depend on it
    examples = (name.replace("*", word).replace("?", word[0]) for word in ("ab", "c"))
    return all(
        _compile_globs(tuple(patterns)).fullmatch(os.path.normpath(text)) for text in examples
    )


def _removed_special(directory: str) -> bool:
    """Remove whatever a code put in the place of its directory; return False for a directory.

    The target of a link stays, since it does not belong to the sample.
    """
    try:
        if stat.S_ISDIR(os.lstat(directory).st_mode):
            return False
        os.unlink(directory)
    except FileNotFoundError:
        pass
    return True


def _make_readable(path: str) -> None:
    """Add the permissions that the user needs, and leave links alone."""
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(path, stat.S_IMODE(mode) | wanted)


@functools.lru_cache(maxsize=16)
def _compile_globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one expression for what some globs match: files, or all files below a directory.

    `*` and `?` do not match a `/`, but `**` does; a glob without a `/` matches in any directory.
    """
    return re.compile("|".join(_translated(pattern.rstrip("/")) for pattern in patterns))


def _translated(pattern: str) -> str:
    """Return the regular expression of one glob."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(meaning.get(piece) or re.escape(piece) for piece in pieces)
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return f"{anywhere}{text}(?:/.*)?"
