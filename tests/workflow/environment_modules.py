"""Modules for tests, loaded by the real package environment-modules."""

from pathlib import Path

import pytest

_INIT = Path("/usr/share/modules/init/bash")
PACKAGES = "environment-modules"


def write_modules(directory, versions=("1", "2")):
    """Write modules `solver/<version>`, whose own Python breaks every other one.

    Returns
    -------
    dict
        The variables that have them found.
    """
    if not _INIT.exists():
        pytest.skip(f"environment-modules is not installed; apt-get install {PACKAGES}")
    for version in versions:
        root = directory / f"solver-{version}"
        (root / "bin").mkdir(parents=True)
        for name, does in (("solver", f'echo "y = {version}$1"'), ("python3", "exit 66")):
            (root / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
            (root / "bin" / name).chmod(0o755)
        path = directory / "modulefiles" / "solver" / version
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"#%Module1.0\nprepend-path PATH {root}/bin\nsetenv PYTHONHOME /nowhere\n"
            f"setenv PYTHONPATH /nowhere\nsetenv SOLVER_VERSION {version}\n"
        )
    return {"MODULEPATH": str(directory / "modulefiles")}
