"""Login nodes that forbid a resident process: Snakemake itself is a job."""

import shlex
import sys

import pandas as pd
from cluster_helpers import submitted
from workflow_helpers import ROOT, Finished, awk_study


def run_as_job(slurm, on_cluster, options, command):
    """Run a command as a job, wait for its end, and return what it said."""
    log = on_cluster.root / "snakemake.log"
    script = shlex.join(map(str, command))
    sbatch = ["sbatch", "--wait", "--output", str(log), *options, "--wrap", script]
    done = on_cluster.run(slurm, sbatch)
    return Finished(done.code, log.read_text() if log.exists() else done.text)


def samples_of(root):
    return pd.read_csv(root / "results/small/samples.csv")


def test_a_whole_study_runs_inside_one_allocation(slurm, on_cluster, tmp_path):
    on_cluster.command(study=awk_study(40, batch={"size": 20}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles/local", "--configfile", "study.yaml"]
    done = run_as_job(slurm, on_cluster, ["--cpus-per-task=4"], command)
    assert done.code == 0, done.text
    assert "Provided cores: 4" in done.text
    assert submitted(done.text) == 0
    assert len(samples_of(tmp_path)) == 40


def test_snakemake_as_a_job_submits_jobs(slurm, on_cluster, tmp_path):
    command = on_cluster.command(study=awk_study(40, batch={"size": 20}))
    done = run_as_job(slurm, on_cluster, ["--cpus-per-task=1"], command)
    assert done.code == 0, done.text
    assert submitted(done.text) == 2
    assert len(samples_of(tmp_path)) == 40
