"""Whole studies through the real Snakemake, in directories of their own."""

import os
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, Finished, environment


@pytest.fixture
def snakemake(tmp_path):
    """Return a function that runs Snakemake on a study in an empty directory."""

    def run(*arguments, study=None, snakefile=ROOT / "Snakefile", cwd=tmp_path) -> Finished:
        if isinstance(study, dict):
            path = tmp_path / "study.yaml"
            with path.open("w") as file:
                YAML(typ="safe").dump(study, file)
            study = path
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--profile", str(ROOT / "profiles/local")]
        command += ["--configfile", str(study)] if study else []
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=cwd,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    return run


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """Return a copy of the working tree as `git clone` would make it of the next commit."""
    target = tmp_path_factory.mktemp("clone") / "ensnare"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if os.path.lexists(ROOT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target
