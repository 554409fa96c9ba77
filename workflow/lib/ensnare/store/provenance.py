"""On which machine and with which versions a study was run."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("ensnare", "snakemake", "openturns", "numpy", "scipy", "h5py", "pandas", "matplotlib")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except (
            PackageNotFoundError
        ):  # an environment with only a part of them, such as that of a job
            continue
    return found


def host() -> dict[str, str]:
    """Return the host name, the platform, and the path of this Python."""
    return {"host": socket.gethostname(), "platform": platform.platform(), "python": sys.executable}


def git_state(directory: Path) -> str:
    """Return the commit of a git checkout, with `-dirty` if files differ; empty outside of one."""
    command = ["git", "-C", str(directory), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
