"""Job arrays of the plugin lose batches (2.8.0): off in the profile until they work."""

import pytest
from killing import wait_until
from ruamel.yaml import YAML
from workflow_helpers import ROOT, awk_study

BATCHES = 100  # few tasks work; from about 85 on, all of them run the first batch


def test_the_profile_submits_no_job_arrays():
    with (ROOT / "profiles/slurm/profile.yaml").open() as file:
        assert "slurm-array-jobs" not in YAML(typ="safe").load(file)


@pytest.mark.full
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="snakemake-executor-plugin-slurm 2.8.0 breaks job arrays; when this passes, a newer one"
    " has mended them: offer slurm-array-jobs in profiles/slurm/profile.yaml and remove the mark",
)
def test_job_arrays_run_each_batch_once(slurm, on_cluster, tmp_path):
    log = tmp_path / "starts"
    study = awk_study(BATCHES, batch={"size": 1})
    study["model"]["command"] = ["sh", "-c", f"echo ${{sample}} >> {log}; echo ${{a}} ${{b}}"]
    study["model"]["outputs"] = [{"name": "y", "regex": r"(\S+)"}]
    arguments = ["--slurm-array-jobs", "evaluate", "--jobs", "200", "--retries", "0"]
    with on_cluster.started(slurm, on_cluster.command(*arguments, study=study)):
        wait_until(log.exists, "the first sample", 120)
        # Snakemake may wait without end for tasks that are lost
        wait_until(lambda: not slurm.client("squeue", "-h").strip(), "the end of all tasks", 1200)
    samples = log.read_text().split()
    assert len(samples) == len(set(samples)) == BATCHES
