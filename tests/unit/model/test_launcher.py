"""MPI models outside of SLURM; tests/cluster has those inside."""

import os
import re

import pytest
from mpi_programs import OUTPUTS, VARIABLES, lines_by_sample, write_program
from small_studies import evaluate, labels, load, shell, study_tree
from waiting import lines_of, marked_processes

from ensnare.errors import BatchError, ConfigError
from ensnare.model.launcher import Cores, compile_launcher, job_cores
from ensnare.study.loading import parse_study


@pytest.fixture
def mpi(tmp_path, monkeypatch):
    """Return a function that makes a study of the MPI program."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    program = write_program(tmp_path)

    def make(*words, size=2, ranks=2, **rest):
        command = [*program, str(tmp_path / "log"), "${sample}", *words]
        model = {"command": command, "outputs": OUTPUTS, "environment": {"set": {"X": "${x}"}}}
        return study_tree(model, size=size, resources={"ranks": ranks}, **rest)

    return make


@pytest.fixture
def starter(tmp_path, monkeypatch):
    """Set a launcher that notes what it starts, once for each rank; return its notes."""
    script, notes = tmp_path / "starter", tmp_path / "notes"
    script.write_text(f'#!/bin/sh\necho "$@" >> {notes}\nshift\nexec "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("ENSNARE_LAUNCHER", f"{script} ${{ranks}}")
    return notes


@pytest.mark.slow
def test_every_rank_runs_once_and_knows_the_others(tmp_path, mpi):
    _, arrays = evaluate(mpi(size=3), tmp_path)
    assert labels(arrays) == ["ok"] * 3
    assert arrays.y[:, 0].tolist() == [2, 2, 2]
    ranks = lines_by_sample(tmp_path / "log")
    assert len(ranks) == 3
    assert all(found == [(0, 2, "here"), (1, 2, "here")] for found in ranks.values())


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["cores", "${cores}"])
def test_a_factor_says_how_many_ranks_run(tmp_path, mpi, factor):
    tree = mpi(size=1, ranks=factor, sweep={"cores": [1, 2, 3]})
    tree["model"]["command"].append("ranks:${ranks}")
    _, arrays = evaluate(tree, tmp_path, workers=3)
    sizes = {a["cores"]: y for a, y in zip(arrays.cases, arrays.y[:, 0].tolist(), strict=True)}
    assert sizes == {1: 1, 2: 2, 3: 3}


@pytest.mark.slow
def test_samples_run_side_by_side_as_far_as_there_are_cores(tmp_path, mpi):
    _, arrays = evaluate(mpi("meet", "2"), tmp_path, workers=4)
    assert labels(arrays) == ["ok"] * 2
    (tmp_path / "log").unlink()
    tree = mpi(size=4)
    evaluate(tree, tmp_path, workers=3)
    words = [line.split()[0] for line in lines_of(tmp_path / "log")]
    assert words == ["start", "start", "finish", "finish"] * 4


@pytest.mark.slow
def test_a_sample_that_is_late_leaves_no_rank_behind(tmp_path, mpi):
    _, arrays = evaluate(mpi("hang", timeout="3 s", keep="none"), tmp_path, workers=4)
    assert labels(arrays) == ["timeout"] * 2
    assert len(lines_of(tmp_path / "log")) == 4
    assert marked_processes(str(tmp_path / "who.py")) == []


@pytest.mark.slow
def test_a_rank_that_is_killed_is_a_sample_that_was_killed(tmp_path, mpi):
    _, arrays = evaluate(mpi("die", size=1), tmp_path)
    assert labels(arrays) == ["killed"]
    assert marked_processes(str(tmp_path / "who.py")) == []


def test_one_rank_is_started_by_the_launcher_and_no_ranks_are_not(tmp_path, starter):
    tree = study_tree(shell("echo y = ${x}"), size=2)
    evaluate(tree, tmp_path)
    assert lines_of(starter) == []
    _, arrays = evaluate(tree | {"study": "other", "resources": {"ranks": 1}}, tmp_path)
    assert labels(arrays) == ["ok"] * 2
    assert [line[:7] for line in lines_of(starter)] == ["1 /usr/", "1 /usr/"]


def test_ranks_and_launcher_do_not_make_another_run(tmp_path, starter, monkeypatch):
    log = tmp_path / "log"
    tree = study_tree(shell(f"echo start >> {log}; echo y = ${{x}}"), size=3, keep="all")
    tree["model"]["command"].append("${ranks}")
    evaluate(tree | {"resources": {"ranks": 2}}, tmp_path)
    monkeypatch.setenv("ENSNARE_LAUNCHER", "env R=${ranks}")
    tree["model"]["serial"] = ["sh"]
    evaluate(tree | {"resources": {"ranks": 3}, "batch": {"size": 1}}, tmp_path)
    assert len(lines_of(log)) == 3


def test_serial_steps_start_without_it_and_scripts_find_it(tmp_path, starter):
    steps = [["sh", "-c", "echo y = ${x}"], ["env", "true"]]
    tree = study_tree(shell("") | {"command": steps, "serial": ["sh"]}, size=1)
    evaluate(tree | {"resources": {"ranks": 3}}, tmp_path)
    (line,) = lines_of(starter)
    assert re.fullmatch(r"3 \S+/env true", line)
    script = {"command": ["sh", "-c", "echo y = ${x}; $ENSNARE_MPI true"], "serial": "all"}
    tree = study_tree(shell("") | script, size=1, study="script", resources={"ranks": 4})
    _, arrays = evaluate(tree, tmp_path)
    assert (labels(arrays), lines_of(starter)[1:]) == (["ok"], ["4 true"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mpirun", "ENSNARE_LAUNCHER: got 'mpirun'; expected a command such as"),
        ("mpirun -n ${ranks} ${cores}", "expected a command such as"),
        ("mpirun -n '${ranks}", "ENSNARE_LAUNCHER: No closing quotation"),
        ("mpirum -n ${ranks}", "no program 'mpirum' on PATH to start MPI ranks with"),
    ],
)
def test_a_wrong_launcher_is_one_line_before_any_sample_runs(tmp_path, monkeypatch, text, said):
    log = tmp_path / "log"
    monkeypatch.setenv("ENSNARE_LAUNCHER", text)
    tree = study_tree(shell(f"echo start >> {log}; echo y = ${{x}}"), resources={"ranks": 2})
    with pytest.raises(ConfigError) as error:
        evaluate(tree, tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert lines_of(log) == []


SWEEP = {"cores": [1, 2], "mesh": ["a", "b"], "solver": {"cg": {"parts": [1, 2]}, "lu": {}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resources": {"ranks": 0}}, "resources.ranks: got 0; expected a whole number above 0"),
        ({"resources": {"ranks": "core"}}, "is not a factor of the sweep; did you mean 'cores'?"),
        ({"resources": {"ranks": "mesh"}}, "'mesh' has the level 'a'; expected whole numbers"),
        ({"resources": {"ranks": "parts"}}, "factor 'parts' does not exist in the case"),
        ({"serial": ["blockMesh"]}, "model.serial: no launcher starts the steps; add resources"),
        ({"serial": ["s"], "resources": {"ranks": 2}}, "'s' is not the program of a step"),
    ],
)
def test_ranks_that_cannot_be_are_said(changes, said):
    changes = dict(changes)
    serial = {"serial": changes.pop("serial")} if "serial" in changes else {}
    tree = study_tree(shell("echo y = 1") | serial, sweep=SWEEP, **changes)
    with pytest.raises(ConfigError) as error:
        parse_study(tree, source="study.yaml")
    assert said in str(error.value)


def test_cores_of_several_nodes_are_shared_out_by_node():
    three = Cores((4, 4, 4))
    # a sample that fits one node stays on one: the fourth core of each is left over
    assert [three.side_by_side(n) for n in (1, 2, 3, 4, 6, 12, 99)] == [12, 6, 3, 3, 2, 1, 1]
    assert [three.nodes_for(n) for n in (1, 4, 5, 9, 99)] == [1, 1, 2, 3, 3]
    assert Cores((2, 6)).nodes_for(5) == 1


def test_the_cores_of_a_job_are_those_of_its_nodes(monkeypatch):
    job_cores.cache_clear()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "4(x2),3")
    assert job_cores(2) == Cores((4, 4, 3))
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "8")
    assert job_cores(3) == Cores((3,))
    monkeypatch.delenv("SLURM_JOB_CPUS_PER_NODE")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BatchError, match="scontrol does not say how many cores the SLURM job 7"):
        job_cores(4)


def test_what_a_job_was_asked_for_is_not_told_to_its_steps(tmp_path, monkeypatch):
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "4")
    monkeypatch.delenv("SLURM_STEP_ID", raising=False)
    study = load(study_tree(shell("true"), resources={"ranks": 2, "threads": 2}), tmp_path)
    launcher = compile_launcher(study)
    given = {"SLURM_NTASKS": "9", "SLURM_MEM_PER_NODE": "1", "SLURM_MPI_TYPE": "pmix", "A": "b"}
    values = {"ranks": 2, "threads": 2, "sample": "s"}
    made = launcher.environment(given, values)
    assert {"SLURM_NTASKS", "SLURM_MEM_PER_NODE"}.isdisjoint(made)
    assert (made["SLURM_MPI_TYPE"], made["A"]) == ("pmix", "b")
    assert "--exact --nodes=1 --ntasks=2 --cpus-per-task=2" in made["ENSNARE_MPI"]
    monkeypatch.setenv("SLURM_STEP_ID", "0")  # whose step has all cores
    assert "--overlap" in compile_launcher(study).environment(given, values)["ENSNARE_MPI"]
