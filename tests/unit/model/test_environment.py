"""What surrounds the command, and only the command: modules, a file to source, variables."""

import os
import subprocess
import sys

import pytest
from environment_modules import write_modules
from small_studies import evaluate, labels, prepare, shell, study_tree
from waiting import lines_of

from ensnare.archive.gather import gather
from ensnare.errors import ConfigError
from ensnare.model.checks import check_study


@pytest.fixture
def modules(tmp_path, monkeypatch):
    variables = write_modules(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def solver(*modules, **rest):
    output = {"name": "y", "regex": r"y = (\S+)"}
    environment = {"modules": [*modules], **rest, "set": {"X": "${x}"}}
    return {"command": ["solver", "5"], "environment": environment, "outputs": [output]}


VERSIONS = {"version": [1, 2]}


def test_a_factor_says_which_module_is_loaded(tmp_path, modules):
    tree = study_tree(solver("solver/${version}"), size=2, sweep=VERSIONS)
    study, _, _ = prepare(tree, tmp_path)
    check_study(study)
    _, arrays = evaluate(tree, tmp_path)
    expected = {1: 15.0, 2: 25.0}
    assert [expected[v] for v in arrays.levels("version").tolist()] == arrays.y[:, 0].tolist()


def test_modules_do_not_reach_the_worker(tmp_path, modules):
    # a Python that finds PYTHONHOME=/nowhere cannot start; the parser runs in the worker
    (tmp_path / "read.py").write_text(
        "import os\n"
        "def y(directory):\n"
        "    assert 'PYTHONHOME' not in os.environ and 'SOLVER_VERSION' not in os.environ\n"
        '    return float(os.popen(\'exec "$ENSNARE_TEST_PYTHON" -c "print(7)"\').read())\n'
    )
    model = solver("solver/2") | {"outputs": [{"name": "y", "python": "read.py:y"}]}
    model["command"] = ["sh", "-c", "test $PYTHONHOME = /nowhere && ! python3 && solver 5"]
    study, paths, batches = prepare(study_tree(model, size=3), tmp_path)
    command = [sys.executable, "-m", "ensnare", "evaluate-batch", paths.study, batches[0].key]
    command += ["--log", tmp_path / "log"]
    variables = os.environ | {"ENSNARE_TEST_PYTHON": sys.executable}
    done = subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    arrays = gather(study, batches, paths)
    assert (labels(arrays), arrays.y[:, 0].tolist()) == (["ok"] * 3, [7.0] * 3)


def test_modules_come_before_the_file_and_variables_after(tmp_path, modules):
    log = tmp_path / "sourced"
    (tmp_path / "env2.sh").write_text(
        f"echo $SOLVER_VERSION >> {log}\nexport SOLVER_VERSION=${{SOLVER_VERSION}}0 A=file\n"
    )
    model = shell('echo "y = $SOLVER_VERSION$A"')
    model["environment"] = {
        "modules": ["solver/${version}"],
        "source": "env${version}.sh",
        "set": {"A": "${version}", "X": "${x}"},
    }
    tree = study_tree(model, size=4, sweep={"version": [2]})
    _, arrays = evaluate(tree, tmp_path)
    assert arrays.y[:, 0].tolist() == [202.0] * 4
    # once for all samples and workers of the batch
    assert lines_of(log) == ["2"]


@pytest.mark.parametrize(
    ("name", "rest", "said"),
    [
        ("solver/9", {}, "study.yaml: model.environment.modules: cannot load solver/9: "),
        ("solver/${version}9", {}, "model.environment.modules: cannot load solver/19: "),
        ("solver/1", {"source": "no${version}.sh"}, "model.environment.source: no file "),
        ("solver/${x}", {}, "model.environment.modules: found 'x'; expected only factors"),
        ("solver/${sample}", {}, "model.environment.modules: found 'sample'; expected only"),
        ("solver/${versoin}", {}, "unknown placeholder 'versoin'; did you mean 'version'?"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_one_line(tmp_path, modules, name, rest, said):
    model = solver(name, **rest)
    model["command"].append("${version}")
    study, _, _ = prepare(study_tree(model, sweep=VERSIONS), tmp_path)
    with pytest.raises(ConfigError) as error:
        check_study(study)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_job_that_cannot_load_a_module_runs_no_sample(tmp_path, modules, monkeypatch):
    model = solver("solver/${version}")
    tree = study_tree(model, size=2, sweep=VERSIONS)
    monkeypatch.setenv("MODULEPATH", "/nowhere")  # of a node that lacks them
    with pytest.raises(ConfigError, match=r"modules: cannot load solver/[12]: .*solver/[12]"):
        evaluate(tree, tmp_path)
    assert list(tmp_path.glob("results/small/batches/*.h5")) == []


def test_an_environment_that_is_activated_wraps_the_command_only(tmp_path):
    # as `conda activate` and `bin/activate` do: PATH and a function for the shell
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    model = shell('echo "y = 1"; command -v python3; echo $VIRTUAL_ENV')
    model |= {"environment": {"source": "env/bin/activate", "set": {"X": "${x}"}}}
    _, arrays = evaluate(study_tree(model, size=2, keep="all"), tmp_path)
    assert labels(arrays) == ["ok"] * 2
    for path in (tmp_path / "results/small/samples").glob("*/*/stdout.txt"):
        env = str(tmp_path / "env")
        assert path.read_text().split("\n")[1:3] == [f"{env}/bin/python3", env]
    assert os.environ.get("VIRTUAL_ENV") != str(tmp_path / "env")
