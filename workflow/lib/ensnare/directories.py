"""Working directories of samples: made empty, removed whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat

_LEAST_SPACE = 1 << 20  # bytes; below it, codes fail for want of space


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
    """Remove a directory; quickly when it holds plain files only."""
    try:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except OSError:  # subdirectories, no permission, or it is gone
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.lexists(directory):
            _remove_closed(directory)


def _remove_closed(directory: str) -> None:
    """Remove a directory in which a code took permissions from its own directories."""
    for root, names, _ in os.walk(directory):
        for path in (root, *(os.path.join(root, name) for name in names)):
            with contextlib.suppress(OSError):
                if not os.path.islink(path):
                    os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(directory, ignore_errors=True)


def is_full(directory: str) -> bool:
    """Return whether there is next to no space left where a directory is."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < _LEAST_SPACE
