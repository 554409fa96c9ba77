"""Working directories of samples: made empty, removed whole."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import shutil
import stat
from collections.abc import Sequence

_LEAST_SPACE = 1 << 20  # bytes; below it, codes fail for want of space
_TAIL = 2000  # characters of a stream that a message keeps


def enter_empty(directory: str) -> None:
    """Make an empty directory and enter it; what an earlier attempt left is removed.

    Raises
    ------
    OSError
        If that cannot be.
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
    """Make the parents of a directory, though another batch may remove them while empty."""
    parent = os.path.dirname(directory)
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):
            os.makedirs(parent, exist_ok=True)
            return
    os.makedirs(parent, exist_ok=True)


def remove_tree(directory: str) -> None:
    """Remove a directory, quickly when it holds plain files only; of a link, the link alone."""
    if _removed_link(directory):
        return
    try:
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.rmdir(directory)
    except OSError:  # subdirectories, no permission, or it is gone
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.lexists(directory):  # a code took permissions from its own directories
            open_tree(directory)
            shutil.rmtree(directory, ignore_errors=True)


def _removed_link(directory: str) -> bool:
    """Remove what a code put in the place of its directory: what it points to is not ours.

    A code can also put a file or a pipe there; all but a directory counts.
    """
    try:
        if stat.S_ISDIR(os.lstat(directory).st_mode):
            return False
        os.unlink(directory)
    except FileNotFoundError:
        pass
    return True


def open_tree(directory: str) -> None:
    """Take back the permissions that a code took from its own files and directories."""
    if os.path.islink(directory):  # put there by the code; what it points to is not ours
        return
    _take_back(directory)
    for root, names, files in os.walk(directory):  # from above: each is opened before it is read
        for name in (*names, *files):
            _take_back(os.path.join(root, name))


def _take_back(path: str) -> None:
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(path, stat.S_IMODE(mode) | wanted)


def is_full(directory: str) -> bool:
    """Return whether there is next to no space left where a directory is."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < _LEAST_SPACE


def refuse_special(files: Sequence[str]) -> None:
    """Refuse files that a step replaced by a pipe: to open it would wait for ever.

    Raises
    ------
    OSError
        If one is anything but a file.
    """
    for name in files:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise OSError(errno.EINVAL, f"'{name}' is no file any more", name)


def stream_tail(streams: Sequence[str]) -> str:
    """Return the end of the error stream, or of standard output, on lines of its own.

    Parameters
    ----------
    streams : sequence of str
        Files of standard output and standard error in the current directory.
    """
    for name in reversed(streams):
        try:
            # not to wait for ever where a code left a pipe
            handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
            with open(handle, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                text = file.read().decode(errors="replace").strip()
        except OSError:
            continue
        if text:
            return f"\n{text}"
    return ""


def prune_tree(directory: str, patterns: Sequence[str]) -> None:
    """Remove the files that match none of some patterns, and what is empty then."""
    if _removed_link(directory):
        return
    wanted = _wanted(tuple(patterns))
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
    """Copy the files and links that match some patterns; neither pipes nor what cannot be read.

    Of a source that a code replaced by a link nothing is copied.

    Raises
    ------
    OSError
        If there is no room.
    """
    wanted = _wanted(tuple(patterns))
    for root, names, files in () if os.path.islink(source) else os.walk(source):
        links = [name for name in names if os.path.islink(os.path.join(root, name))]
        for name in (*files, *links):
            path = os.path.join(root, name)
            place = os.path.relpath(path, source)
            mode = os.lstat(path).st_mode
            if wanted.fullmatch(place) and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                copy = os.path.join(target, place)
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                with contextlib.suppress(PermissionError):
                    shutil.copy2(path, copy, follow_symlinks=False)


@functools.lru_cache(maxsize=16)
def _wanted(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return the expression for what patterns match: files, or all that lies in a directory.

    `*` and `?` stop at a `/`, `**` does not; a pattern without a `/` matches in any directory.
    """
    return re.compile("|".join(_translated(pattern.rstrip("/")) for pattern in patterns))


def found_by_glob(pattern: str, name: str) -> bool:
    """Return whether a glob finds a file, or a directory above it, by their names."""
    head = name if "/" in pattern else name.partition("/")[0]
    return bool(_wanted((pattern,)).fullmatch(head))


def match_all(patterns: Sequence[str], name: str) -> bool:
    """Return whether all that a glob such as `post/*/U` stands for matches some patterns."""
    # two names for what `*` may be: patterns that fit both do not depend on it
    examples = (name.replace("*", word).replace("?", word[0]) for word in ("ab", "c"))
    return all(_wanted(tuple(patterns)).fullmatch(os.path.normpath(text)) for text in examples)


def _translated(pattern: str) -> str:
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(meaning.get(piece) or re.escape(piece) for piece in pieces)
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return f"{anywhere}{text}(?:/.*)?"
