"""Job arrays of the plugin lose batches (2.8.0): off in the profile until they work."""

import subprocess

import pytest
from cluster_helpers import submitted
from ruamel.yaml import YAML
from workflow_helpers import ROOT, awk_study, environment

BATCHES = 6


def test_the_profile_submits_no_job_arrays():
    with (ROOT / "profiles/slurm/profile.yaml").open() as file:
        assert "slurm-array-jobs" not in YAML(typ="safe").load(file)


@pytest.mark.full
@pytest.mark.xfail(
    strict=True,
    raises=(AssertionError, subprocess.TimeoutExpired),
    reason="snakemake-executor-plugin-slurm 2.8.0 breaks job arrays; when this passes, a newer one"
    " has mended them: offer slurm-array-jobs in profiles/slurm/profile.yaml and remove the mark",
)
def test_job_arrays_run_each_batch_once(slurm, on_cluster, tmp_path):
    log = tmp_path / "starts"
    study = awk_study(BATCHES, batch={"size": 1})
    study["model"]["command"] = ["sh", "-c", f"echo ${{sample}} >> {log}; echo ${{a}} ${{b}}"]
    study["model"]["outputs"] = [{"name": "y", "regex": r"(\S+)"}]
    command = on_cluster.command("--slurm-array-jobs", "evaluate", "--jobs", "4", study=study)
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=slurm.environment(environment(tmp_path)),
        capture_output=True,
        text=True,
        timeout=150,  # lost jobs are waited for without end
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert submitted(done.stdout + done.stderr) < BATCHES
    samples = log.read_text().split()
    assert len(samples) == len(set(samples)) == BATCHES
