"""Scaling studies as jobs of a real SLURM: each with its cores, and what it accounted for them."""

import pandas as pd
import pytest
from cluster_helpers import submitted
from mpi_programs import VARIABLES, write_program

# `nodes` is the name of a count
OUTPUTS = [
    {"name": "size", "regex": r"size = (\S+)"},
    {"name": "machines", "regex": r"nodes = (\S+)"},
]


def points_of(directory):
    return pd.read_csv(directory / "results/scaled/scaling_points.csv")


@pytest.fixture
def scaled(tmp_path, monkeypatch):
    """Return a function that makes a scaling study of the MPI program."""
    program = write_program(tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    def make(**scaling):
        command = [*program, str(tmp_path / "log"), "${sample}"]
        return {
            "study": "scaled",
            "scaling": {"repeats": 1, **scaling},
            "model": {"command": command, "outputs": OUTPUTS},
        }

    return make


def test_every_count_is_a_job_of_its_own_with_its_ranks_beside_what_slurm_accounted(
    tmp_path, slurm, on_cluster, scaled
):
    study = scaled(ranks=[1, 3, 6, 999])
    dry = on_cluster(slurm, "-n", study=study)
    assert "not attempted: 999 ranks: needs 999 cores; the cluster has" in dry.text
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    assert submitted(done.text) == 3
    samples = pd.read_csv(tmp_path / "results/scaled/samples.csv").set_index("ranks")
    assert samples["size"].dropna().tolist() == [1, 3, 6]
    points = points_of(tmp_path)
    assert points["n_ok"].tolist() == [1, 1, 1, 0]
    runs = pd.read_csv(tmp_path / "results/scaled/scaling.csv").iloc[:3]
    assert runs["slurm_job"].nunique() == 3
    assert (runs["slurm_elapsed_s"] >= runs["elapsed_s"].astype(int)).all()
    allocated = slurm.client("sacct", "-n", "-X", "-P", "-o", "jobidraw,alloccpus").split()
    cores = {float(job): int(n) for job, n in (line.split("|") for line in allocated)}
    # of a single task the plugin makes two
    assert [cores[job] for job in runs["slurm_job"]] == [2, 3, 6]
    assert (tmp_path / "results/scaled/figures/time.svg").exists()


def test_nodes_are_counted_as_machines_and_threads_as_cores_of_one(
    tmp_path, slurm, on_cluster, scaled
):
    study = scaled(nodes=[1, 2, 64], ranks_per_node=2)
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    samples = pd.read_csv(tmp_path / "results/scaled/samples.csv").set_index("nodes")
    assert samples.loc[[1, 2], ["size", "machines"]].to_numpy().tolist() == [[2, 1], [4, 2]]
    assert "needs 64 nodes; the cluster has 4" in points_of(tmp_path)["reason"][2]
    threads = scaled(threads=[1, 3, 64])
    threads["model"] = {
        "command": ["sh", "-c", "echo cores = $(nproc)"],
        "outputs": [{"name": "cores", "regex": r"cores = (\S+)"}],
    }
    done = on_cluster(slurm, study=threads)
    assert done.code == 0, done.text
    points = points_of(tmp_path)
    assert points["n_ok"].tolist() == [1, 1, 0]
    assert "needs 64 cores of one node" in points["reason"][2]
