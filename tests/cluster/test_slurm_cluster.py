"""The SLURM of the tests: what it can do, and that it leaves nothing behind."""

import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from cluster_helpers import running_cluster, submitted
from killing import wait_until
from workflow_helpers import awk_study


def job_state(cluster, job):
    return cluster.client("sacct", "-X", "-n", "-o", "state", "-j", job).strip()


def test_steps_run_on_all_nodes(slurm):
    ranks = slurm.client(
        "srun", "-N4", "--ntasks-per-node=2", "printenv", "SLURMD_NODENAME"
    ).split()
    assert sorted(ranks) == ["n1", "n1", "n2", "n2", "n3", "n3", "n4", "n4"]


def test_accounting_can_lag_behind(slurm):
    slurm.daemons.send("recorder", signal.SIGSTOP)
    job = slurm.client("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "true").strip()
    wait_until(lambda: "COMPLETED" in slurm.client("scontrol", "show", "job", job), "the job")
    assert job_state(slurm, job) == ""
    slurm.daemons.send("recorder", signal.SIGCONT)
    wait_until(lambda: job_state(slurm, job) == "COMPLETED", "the record of the job")


def test_without_accounting_squeue_answers_and_sacct_does_not(bare_slurm):
    job = bare_slurm.client("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "true").strip()
    assert bare_slurm.client("squeue", "-h", "-t", "all", "-j", job, "-o", "%i").strip() == job
    with pytest.raises(RuntimeError, match="disabled"):
        bare_slurm.client("sacct")


def test_a_cluster_that_stops_leaves_no_process_and_no_job():
    with running_cluster(nodes=1, accounting=False) as cluster:
        mark = str(cluster.root).encode()
        cluster.client("sbatch", "-o", "/dev/null", "--wrap", "trap '' TERM; sleep 1000")
        wait_until(lambda: "R" in cluster.client("squeue", "-h", "-o", "%t"), "the job")
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            left += [entry.name] if mark in (entry / "environ").read_bytes() else []
        except OSError:
            continue
    assert left == []


def test_calls_of_clients_are_counted(slurm):
    before = slurm.calls()
    for name in ("sinfo", "sacct", "sinfo"):
        subprocess.run([name], env=slurm.environment(), stdout=subprocess.DEVNULL, check=True)
    assert slurm.calls() - before == {"sinfo": 2, "sacct": 1}


def test_a_study_runs_on_the_cluster(slurm, on_cluster, tmp_path):
    done = on_cluster(slurm, study=awk_study(20, batch={"size": 10}))
    assert done.code == 0, done.text
    assert (tmp_path / "results/small/report.html").exists()
    assert submitted(done.text) == 2
    jobs = pd.read_csv(tmp_path / "results/small/jobs.csv")
    assert jobs["accounting"].tolist() == ["sacct", "sacct"]
    assert jobs["state"].tolist() == ["COMPLETED", "COMPLETED"]
    assert jobs["ended"].tolist() == ["done", "done"]
    assert {*jobs["node"]} <= {"n1", "n2", "n3", "n4"}
    known = jobs[["wait_s", "elapsed_s", "core_hours", "cpu_efficiency", "max_rss_mb"]]
    assert (known.drop(columns="wait_s") > 0).all(axis=None)
    assert (known["wait_s"] >= 0).all()
    assert jobs["memory_share"].between(0.01, 1).all()


def test_nothing_to_do_asks_nobody(slurm, on_cluster):
    study = awk_study(4)
    assert on_cluster(slurm, study=study).code == 0
    before = slurm.calls()["sacct"]
    done = on_cluster(slurm, study=study)
    assert "Nothing to be done" in done.text
    assert slurm.calls()["sacct"] == before
