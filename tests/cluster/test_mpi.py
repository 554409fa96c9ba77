"""MPI models as steps of real SLURM jobs."""

import subprocess
import sys

import pandas as pd
import pytest
from mpi_programs import OUTPUTS, VARIABLES, lines_by_sample, write_program
from workflow_helpers import ROOT, awk_study, environment


@pytest.fixture
def mpi_study(tmp_path, monkeypatch):
    """Return a function that makes a study of the MPI program."""
    program = write_program(tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    def make(*words, size=2, ranks=2, **rest):
        command = [*program, str(tmp_path / "log"), "${sample}", *words, "x${a}x${b}"]
        study = awk_study(size, resources={"ranks": ranks}, **rest)
        return study | {"model": {"command": command, "outputs": OUTPUTS}}

    return make


def samples(directory):
    return pd.read_csv(directory / "results/small/samples.csv")


def running(cluster):
    """Return the steps of jobs that run, but for the batch scripts."""
    steps = cluster.client("squeue", "--steps", "-h", "-o", "%i").split()
    return [step for step in steps if step.rpartition(".")[2].isdecimal()]


def test_ranks_are_steps_side_by_side_on_cores_of_their_own(tmp_path, slurm, on_cluster, mpi_study):
    # all four meet: 8 ranks in a job of 8 cores on two nodes, and each sample is on one node
    study = mpi_study("meet", "4", size=4)
    wanted = ["evaluate:tasks=8", "evaluate:cpus_per_task=1", "evaluate:nodes=2"]
    done = on_cluster(slurm, "--set-resources", *wanted, "--", study=study)
    assert done.code == 0, done.text
    ranks = lines_by_sample(tmp_path / "log")
    assert len(ranks) == 4
    assert all([(r, s) for r, s, _ in found] == [(0, 2), (1, 2)] for found in ranks.values())
    places = [{node for _, _, node in found} for found in ranks.values()]
    assert all(len(nodes) == 1 for nodes in places)
    assert len(set.union(*places)) == 2
    assert lines_by_sample(tmp_path / "log", "finish") == ranks
    steps = slurm.client("sacct", "-n", "-P", "-o", "jobname,alloccpus,nnodes").split()
    assert {f"{sample}|2|1" for sample in ranks} <= {*steps}


def test_a_sample_can_have_ranks_on_several_nodes(tmp_path, slurm, on_cluster, mpi_study):
    done = on_cluster(slurm, study=mpi_study(size=2, ranks=6))
    assert done.code == 0, done.text
    found = samples(tmp_path)
    assert found["status"].tolist() == ["ok", "ok"]
    assert found[["size", "nodes"]].to_numpy().tolist() == [[6, 2], [6, 2]]


def test_a_factor_says_the_ranks_and_the_launcher_is_no_part_of_the_study(
    tmp_path, slurm, on_cluster, mpi_study
):
    study = mpi_study(size=1, ranks="cores", sweep={"cores": [1, 2, 4]})
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    sizes = sorted(len(ranks) for ranks in lines_by_sample(tmp_path / "log").values())
    assert sizes == [1, 2, 4]
    (tmp_path / "log").unlink()
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles/local", "--configfile", tmp_path / "study.yaml"]
    here = subprocess.run(
        [*map(str, command)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert here.returncode == 0, here.stderr
    assert "0 to run, 3 reused" in here.stderr
    assert not (tmp_path / "log").exists()


def test_a_sample_that_is_late_ends_with_its_step(tmp_path, slurm, on_cluster, mpi_study):
    # the second one needs the cores of the first
    study = mpi_study("hang", size=2, ranks=4, timeout="4 s")
    wanted = ["evaluate:tasks=4", "evaluate:cpus_per_task=1"]
    done = on_cluster(slurm, "--set-resources", *wanted, "--", study=study)
    assert done.code == 0, done.text
    assert samples(tmp_path)["status"].tolist() == ["timeout", "timeout"]
    assert running(slurm) == []


def test_a_study_inside_one_allocation_has_steps_on_all_of_its_nodes(tmp_path, slurm, mpi_study):
    from ruamel.yaml import YAML

    with (tmp_path / "study.yaml").open("w") as file:
        YAML(typ="safe").dump(mpi_study("meet", "4", size=4), file)
    command = f"{sys.executable} -m snakemake --snakefile {ROOT}/Snakefile"
    command += f" --profile {ROOT}/profiles/local"
    job = ["sbatch", "--wait", "--nodes=2", "--ntasks=8", "--output=job.txt", "--wrap"]
    done = subprocess.run(
        [*job, f"{command} --configfile study.yaml"],
        cwd=tmp_path,
        env=slurm.environment(environment(tmp_path)),
    )
    assert done.returncode == 0, (tmp_path / "job.txt").read_text()
    places = lines_by_sample(tmp_path / "log").values()
    assert sorted({node for found in places for _, _, node in found}) == ["n1", "n2"]


def test_a_worker_that_dies_takes_its_step_along(tmp_path, slurm, on_cluster, mpi_study):
    # a sample kills its worker, the parent of its srun; all others need the cores of that step
    study = mpi_study(size=2, ranks=4, timeout="1 min")
    program = study["model"]["command"]
    ends = "$ENSNARE_MPI sleep 1000 & sleep 3; kill -9 $PPID; sleep 1000"
    script = ["sh", "-c", f"if mkdir {tmp_path}/once; then {ends}; fi"]
    study["model"] |= {"command": [script, program], "serial": ["sh"]}
    wanted = ["evaluate:tasks=4", "evaluate:cpus_per_task=1"]
    done = on_cluster(slurm, "--set-resources", *wanted, "--", study=study)
    assert done.code == 0, done.text
    assert (tmp_path / "once").is_dir()
    assert samples(tmp_path)["status"].tolist() == ["ok", "ok"]
    assert samples(tmp_path)["attempts"].sum() == 3
