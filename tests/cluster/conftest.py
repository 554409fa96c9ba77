"""Real SLURMs for tests: one with accounting, one without; started once, stopped in any case."""

import subprocess
import sys

import pytest
from cluster_helpers import running_cluster
from ruamel.yaml import YAML
from workflow_helpers import ROOT, Finished, environment


@pytest.fixture(scope="session")
def shared_slurm():
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(shared_slurm):
    """Return a SLURM of four nodes with accounting, all of them up and idle."""
    shared_slurm.heal()
    return shared_slurm


@pytest.fixture(scope="session")
def shared_bare_slurm():
    with running_cluster(accounting=False) as cluster:
        yield cluster


@pytest.fixture
def bare_slurm(shared_bare_slurm):
    """Return a SLURM of four nodes without accounting, all of them up and idle."""
    shared_bare_slurm.heal()
    return shared_bare_slurm


@pytest.fixture
def on_cluster(tmp_path):
    """Return a function that runs Snakemake on a cluster, in an empty directory."""

    def run(cluster, *arguments, study=None, cwd=tmp_path, variables=None) -> Finished:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--profile", str(ROOT / "profiles/slurm")]
        command += ["--profile", str(ROOT / "tests/cluster/profile")]
        if study:
            with (tmp_path / "study.yaml").open("w") as file:
                YAML(typ="safe").dump(study, file)
            command += ["--configfile", str(tmp_path / "study.yaml")]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=cwd,
            env=cluster.environment(environment(tmp_path)) | (variables or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    return run
