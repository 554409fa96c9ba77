"""Modules for tests, loaded by the real package environment-modules."""

from pathlib import Path

import pytest

INIT = Path("/usr/share/modules/init/bash")
PACKAGES = "environment-modules"


def write_modules(directory, versions=("1", "2"), poison=True):
    """Write modules `solver/<version>`, whose own Python comes first on PATH and does nothing.

    Parameters
    ----------
    directory : Path
        Where.
    versions : sequence of str
        The versions.
    poison : bool
        Also set what breaks every other Python.

    Returns
    -------
    dict
        The variables that have them found.
    """
    if not INIT.exists():
        pytest.skip(f"environment-modules is not installed; apt-get install {PACKAGES}")
    for version in versions:
        root = directory / f"solver-{version}"
        (root / "bin").mkdir(parents=True)
        for name, does in (("solver", f'echo "y = {version}$1"'), ("python3", "exit 66")):
            (root / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
            (root / "bin" / name).chmod(0o755)
        path = directory / "modulefiles" / "solver" / version
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["#%Module1.0", f"prepend-path PATH {root}/bin", f"setenv SOLVER_VERSION {version}"]
        if poison:
            lines += ["setenv PYTHONHOME /nowhere", "setenv PYTHONPATH /nowhere"]
        path.write_text("\n".join(lines) + "\n")
    return {"MODULEPATH": str(directory / "modulefiles")}
