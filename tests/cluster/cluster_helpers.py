"""What the tests on a real SLURM share."""

import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from slurm_cluster import PACKAGES, SlurmCluster, missing_programs
from workflow_helpers import ROOT, Finished, environment


@contextmanager
def running_cluster(**options):
    """Run a cluster; skip the test where SLURM is not installed."""
    missing = missing_programs(options.get("accounting", True))
    if missing:
        pytest.skip(f"{missing[0]} is not installed; apt-get install {PACKAGES}")
    root = Path(tempfile.mkdtemp(prefix="ensnare-slurm-"))
    cluster = SlurmCluster(root)
    try:
        yield cluster.start(**options)
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)


class ClusterRun:
    """Studies of a directory, run by Snakemake on a cluster."""

    def __init__(self, root: Path):
        self.root = root

    def command(self, *arguments, study=None) -> list[str]:
        """Return the command that runs a study with the profile, and shows faults soon."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
        command += ["--profile", ROOT / "profiles/slurm"]
        command += ["--profile", ROOT / "tests/cluster/profile"]
        if study:
            with (self.root / "study.yaml").open("w") as file:
                YAML(typ="safe").dump(study, file)
            command += ["--configfile", self.root / "study.yaml"]
        return [*map(str, command), *map(str, arguments)]

    def __call__(self, cluster, *arguments, study=None) -> Finished:
        """Run a study to its end."""
        return self.run(cluster, self.command(*arguments, study=study))

    def run(self, cluster, command, cwd=None) -> Finished:
        """Run a command whose SLURM is the cluster."""
        done = subprocess.run(
            command,
            cwd=cwd or self.root,
            env=cluster.environment(environment(self.root)),
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def started(self, cluster, command):
        """Start a command whose SLURM is the cluster; what it says is in `said`."""
        with (self.root / "said").open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=cluster.environment(environment(self.root)),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def submitted(text: str) -> int:
    """Return how many jobs Snakemake says it submitted."""
    return text.count("has been submitted with SLURM jobid")
