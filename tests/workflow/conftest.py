"""Whole studies through the real Snakemake, in directories of their own."""

import subprocess
import sys

import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, Finished, environment, make_clone


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
    return make_clone(tmp_path_factory.mktemp("clone") / "ensnare")
