"""The command: its input file, its output, its exit codes, and its ranks."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from constrained_sets import SETS, is_inside

PROGRAM = [sys.executable, "-m", "ensnare.models.constrained_sampler"]
MPI = os.environ | {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_btl": "self,tcp",
    "OMPI_MCA_btl_tcp_if_include": "lo",
}
# what the whole files say in other words: chains, other sides, comments and blank lines anywhere
FORMULATION = """

# four ingredients
4  # the dimension

0.2, 0.2   # the start goes on
# here
0.5 0.05
   1 >= x[0] + x[1] + (x[2] + x[3])   # the sum
0.15 >= x[3] / (x[0] + x[1]) >= 0.1
x[2] - 0.25 >= 0.25

(x[0] + x[1]) / (x[0] + x[1] + x[3]) - 0.8 >= 0.0 # last
"""


def run(tmp_path, *arguments, text=None, start=(), env=None):
    if text is not None:
        (tmp_path / "set.txt").write_text(text, encoding="utf-8", newline="")
    words = [*start, *PROGRAM, *map(str, arguments)]
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=env)


def said(done):
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^(\w+) = (\S.*)$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    "text", [None, FORMULATION, "\ufeff" + FORMULATION.strip().replace("\n", "\r\n")]
)
def test_the_file_may_say_it_in_many_ways(tmp_path, text):
    name = SETS / "formulation.txt" if text is None else "set.txt"
    found = said(run(tmp_path, name, "out/points.out", 5000, text=text))
    x = np.loadtxt(tmp_path / "out/points.out")
    assert is_inside("formulation", x).all()
    assert x.shape == (5000, 4)
    assert len(np.unique(x, axis=0)) == 5000 == int(found["distinct"])
    assert (found["points"], found["dimension"]) == ("5000", "4")
    assert float(found["log_volume"]) == pytest.approx(-8.6055, abs=0.1)
    assert 0 < float(found["acceptance"]) < 1
    assert int(found["evaluations"]) > 5000
    log = (tmp_path / "comp_time.log").read_text()
    assert re.fullmatch(r"\d+\.\d+ seconds\n", log)
    assert float(log.split()[0]) == pytest.approx(float(found["elapsed_s"]), abs=1e-3)


@pytest.mark.parametrize("method", ["SMC", "gibbs", "Metropolis", "AdaptiveMetropolis"])
def test_every_method_writes_exactly_the_rows_that_were_asked_for(tmp_path, method):
    found = said(run(tmp_path, SETS / "example.txt", "x.out", 777, method, "--seed", 5))
    x = np.loadtxt(tmp_path / "x.out")
    assert x.shape == (777, 4)
    assert is_inside("example", x).all()
    assert found["method"].lower() == method.lower()
    assert float(found["effective_sample_size"]) > 100
    assert ("r_hat" in found) == (method != "SMC")


BAD = {
    "no dimension": ("", "set.txt: found ''; expected the dimension"),
    "a name for a dimension": ("two\n", "set.txt:1: found 'two'; expected the dimension"),
    "a short start": ("2\n0.5\n", "set.txt: found 1 numbers; expected 2, the starting point"),
    "a long start": ("2\n.5 .5 .5\n", "set.txt:2: found 3 numbers; expected 2"),
    "no start": ("1\nx[0] >= 0\n", "set.txt:2: found 'x[0]'; expected 1 numbers"),
    "a hostile constraint": (
        "1\n.5\n\nx[0] + __import__('os').system('touch mark') >= 0\n",
        "set.txt:4: \"x[0] + __import__('os').system('touch mark') >= 0\": "
        "\"__import__('os').system('touch mark')\" at column 8 is not allowed",
    ),
    "an index too far": ("1\n.5\nx[1] >= 0\n", "set.txt:3: 'x[1]' at column 1 is not allowed"),
    "a contradiction": ("1\n.5\nx[0] >= 0.7\nx[0] <= 0.6\n", "no feasible point: 1 x (x[0]"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_gets_one_line_and_writes_nothing(tmp_path, case):
    text, message = BAD[case]
    done = run(tmp_path, "set.txt", "x.out", 10, text=text)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["set.txt"]


@pytest.mark.parametrize("method", ["auto", "SMC", "Metropolis"])
def test_discs_apart_have_no_feasible_point(tmp_path, method):
    done = run(tmp_path, SETS / "discs-apart.txt", "x.out", 10, method)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no feasible point: (x[0] - 0.5)**2" in done.stderr
    assert not (tmp_path / "x.out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set.txt", "x.out", "0"], "expected a number of points"),
        (["set.txt", "x.out", "10", "Gibs"], "did you mean 'Gibbs'?"),
        (["none.txt", "x.out", "10"], "none.txt: No such file"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(tmp_path, arguments, message):
    done = run(tmp_path, *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def mpirun():
    if not shutil.which("mpirun"):
        pytest.skip("there is no mpirun; apt-get install openmpi-bin")
    done = subprocess.run([sys.executable, "-c", "import mpi4py.MPI"], env=MPI)
    if done.returncode:
        pytest.skip("this Python has no mpi4py that finds an MPI; pip install mpi4py")
    return "mpirun"


# functions whose last digits may depend on where in an array a number stands
CURVED = (
    "2\n.5 .5\nexp(-x[0]) * sin(3 * x[1]) + log(x[0]) * sqrt(x[1]) <= -0.3\nx[0]**1.5 <= 0.01\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "method", "points"),
    [(CURVED, "SMC", 3001), (CURVED, "auto", 3001), (FORMULATION, "AdaptiveMetropolis", 1500)],
)
def test_any_number_of_ranks_writes_the_same_bytes(tmp_path, mpirun, text, method, points):
    written = []
    for ranks in (1, 2, 3):
        start = [mpirun, "-n", ranks]
        arguments = ["set.txt", f"{ranks}.out", points, method]
        said(run(tmp_path, *arguments, text=text, start=map(str, start), env=MPI))
        written.append((tmp_path / f"{ranks}.out").read_bytes())
    assert written[0] == written[1] == written[2]
    said(run(tmp_path, "set.txt", "alone.out", points, method))
    assert (tmp_path / "alone.out").read_bytes() == written[0]


@pytest.mark.slow
def test_an_empty_set_ends_all_ranks_with_one_line(tmp_path, mpirun):
    done = run(tmp_path, SETS / "discs-apart.txt", "x.out", 10, start=[mpirun, "-n", "2"], env=MPI)
    assert done.returncode != 0
    assert done.stderr.count("no feasible point") == 1
    assert "Traceback" not in done.stderr


def test_ranks_without_mpi4py_do_not_write_over_each_other(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"OMPI_COMM_WORLD_SIZE": "2", "PYTHONPATH": path}
    done = run(tmp_path, SETS / "mixture.txt", "x.out", 10, env=env)
    assert done.returncode == 1
    assert "has no mpi4py; pip install mpi4py" in done.stderr
    assert not (tmp_path / "x.out").exists()


def test_the_command_starts_without_scipy():
    text = "import sys; from ensnare.models import constrained_sampler; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert not {"scipy", "openturns", "pandas", "pydantic"} & set(done.stdout.split())
