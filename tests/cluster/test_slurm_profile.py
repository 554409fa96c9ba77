"""`snakemake --profile slurm`: what runs where, how often, and at what cost to the scheduler."""

import getpass
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from cluster_helpers import running_cluster, submitted
from killing import wait_until
from workflow_helpers import ROOT, awk_study, environment, make_clone

DYING = """#!/bin/sh
# the job that runs this sample is cancelled, as by hand
echo $SLURM_JOB_ID >> "$1"
scancel $SLURM_JOB_ID
sleep 1000
"""


def small_clone(folder):
    """Return a clone whose default study has few samples."""
    clone = make_clone(folder / "ensnare")
    config = clone / "config/config.yaml"
    text = config.read_text()
    assert "size: 512" in text
    config.write_text(text.replace("size: 512", "size: 16"))
    return clone


def test_the_profile_runs_the_default_study_in_a_clone(slurm, on_cluster, tmp_path):
    clone = small_clone(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm"]
    done = on_cluster.run(slurm, command, cwd=clone)
    assert done.code == 0, done.text
    assert submitted(done.text) == 1
    assert len(pd.read_csv(clone / "results/beam/samples.csv")) == 16 * 6
    assert (clone / "results/beam/report.html").exists()


def test_a_dry_run_needs_no_slurm(tmp_path):
    variables = environment(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "bash", "which", "uname", "git"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=False)
        if found.stdout.strip():
            (programs / name).symlink_to(found.stdout.strip())
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "-n"]
    done = subprocess.run(
        [*command, "--profile", ROOT / "profiles/slurm"],
        cwd=tmp_path,
        env=variables | {"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3072 to run" in done.stdout + done.stderr
    assert "up to 3072 go to one job" in done.stdout + done.stderr


def test_a_site_sets_account_partition_and_qos_and_makes_rules_jobs(slurm, on_cluster, tmp_path):
    slurm.client("sacctmgr", "-i", "add", "qos", "urgent")
    slurm.client("sacctmgr", "-i", "modify", "user", getpass.getuser(), "set", "qos+=urgent")
    site = tmp_path / "site"
    site.mkdir()
    text = "default-resources: [runtime=5, mem_mb=1000, slurm_account=default, "
    text += "slurm_partition=short, qos=urgent]"
    rules = ["make_design", "gather", "write_samples", "write_jobs", "write_report"]
    text += f"\nset-resources: [{', '.join(f'{rule}:mem_mb=1500' for rule in rules)}]\n"
    (site / "profile.yaml").write_text(text)
    done = on_cluster(slurm, "--profile", site, study=awk_study(4, analyses=[]))
    assert done.code == 0, done.text
    assert submitted(done.text) == 1 + len(rules)
    jobs = re.findall(r"SLURM jobid (\d+)", done.text)
    asked = slurm.client(
        "sacct", "-X", "-n", "-P", "-o", "partition,account,qos", "-j", ",".join(jobs)
    )
    assert set(asked.split()) == {"short|default|urgent"}


def test_a_job_that_dies_runs_samples_three_times_at_most(slurm, on_cluster, tmp_path):
    code, log = tmp_path / "code", tmp_path / "log"
    code.write_text(DYING)
    code.chmod(0o755)
    study = awk_study(1)
    study["model"]["command"] = [str(code), str(log), "${a}", "${b}"]
    done = on_cluster(slurm, "--retries", "3", study=study)
    assert done.code != 0
    jobs = log.read_text().split()
    assert submitted(done.text) == 4
    assert len(jobs) == len(set(jobs)) == 3


def jobs_of(root):
    """Return the lines of the table of jobs."""
    return pd.read_csv(root / "results/small/jobs.csv").to_dict("records")


def test_a_study_runs_without_accounting(bare_slurm, on_cluster, tmp_path):
    done = on_cluster(bare_slurm, study=awk_study(4))
    assert done.code == 0, done.text
    (job,) = jobs_of(tmp_path)
    assert job["accounting"] == "sacct: Slurm accounting storage is disabled"
    assert job["ended"] == "done"
    assert job["core_hours"] > 0
    assert "accounting has no data on 1 job" in (tmp_path / "results/small/report.html").read_text()


@pytest.mark.parametrize("daemon", ["recorder", pytest.param("accounting", marks=pytest.mark.full)])
def test_a_study_runs_while_accounting_lags(slurm, on_cluster, tmp_path, daemon):
    slurm.daemons.send(daemon, signal.SIGSTOP)
    done = on_cluster(slurm, study=awk_study(4))
    assert done.code == 0, done.text
    silence = {"recorder": "not on record", "accounting": "sacct did not answer within 30 s"}
    assert [job["accounting"] for job in jobs_of(tmp_path)] == [silence[daemon]]
    slurm.daemons.send(daemon, signal.SIGCONT)
    wait_until(lambda: "COMPLETED" in slurm.client("sacct", "-X", "-n", "-o", "state"), "records")
    ask_again = [sys.executable, "-m", "ensnare", "gather", tmp_path / "results/small"]
    assert on_cluster.run(slurm, ask_again).code == 0
    assert [job["accounting"] for job in jobs_of(tmp_path)] == ["sacct"]


def test_a_study_survives_an_accounting_that_is_stopped(slurm, on_cluster, tmp_path):
    slurm.daemons.end("accounting")
    slurm.daemons.end("recorder")
    done = on_cluster(slurm, study=awk_study(4))
    assert done.code == 0, done.text
    (job,) = jobs_of(tmp_path)
    assert job["accounting"].startswith("sacct: ")


def queries(slurm):
    return slurm.calls()["squeue"] + slurm.calls()["sacct"]


@pytest.mark.full
def test_a_slurm_that_is_away_for_a_while_costs_no_job(slurm, on_cluster, tmp_path):
    gate, log = tmp_path / "gate", tmp_path / "log"
    study = awk_study(4)
    script = f"echo start >> {log}; while [ ! -e {gate} ]; do sleep 0.1; done; echo ${{a}} ${{b}}"
    study["model"]["command"] = ["sh", "-c", script]
    study["model"]["outputs"] = [{"name": "y", "regex": r"(\S+)"}]
    with on_cluster.started(slurm, on_cluster.command(study=study)) as snakemake:
        wait_until(log.exists, "the first sample", 120)
        slurm.daemons.end("slurmctld")
        slurm.daemons.end("accounting")
        asked = queries(slurm)
        # the plugin by itself tries five times and then forgets its jobs
        wait_until(lambda: queries(slurm) > asked + 6, "queries without an answer", 400)
        slurm.start_daemon("accounting")
        slurm.start_daemon("slurmctld")
        gate.touch()
        wait_until(lambda: snakemake.poll() is not None, "the end of the study", 300)
    assert snakemake.returncode == 0, (tmp_path / "said").read_text()
    assert len(log.read_text().split()) == 4


# jobs are first looked for after 2 s here: below three times that the plugin asks sacct
@pytest.mark.parametrize(("accounting", "age_s"), [(True, 2), (False, 6)])
def test_jobs_that_slurm_soon_forgets_are_not_waited_for(on_cluster, tmp_path, accounting, age_s):
    with running_cluster(accounting=accounting, extra=f"MinJobAge={age_s}") as cluster:
        done = on_cluster(cluster, study=awk_study(4))
        assert done.code == 0, done.text
