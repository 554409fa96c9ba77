"""The driver `pool`: every fine solve once, whatever is killed, fails or is asked for later."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from parareal_studies import (
    RK4,
    coded_tree,
    load,
    parareal_tree,
    problems_of,
    results_paths,
    solve,
    solve_one_by_one,
)
from waiting import lines_of, wait_until

from ensnare.errors import EnsnareError
from ensnare.evaluate.claim import Claim
from ensnare.parareal.iteration import fine_solve_count
from ensnare.parareal.pooled import solve_all
from ensnare.parareal.progress import account_line, parareal_status
from ensnare.parareal.results import collect_cases
from ensnare.study.loading import resolved_tree, write_resolved


def starts(log):
    return sum(line.startswith("start") for line in lines_of(log))


def failure_of(tree, directory):
    """Return the one line that a study ends with."""
    with pytest.raises(EnsnareError) as caught:
        solve(tree, directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_the_model_runs_as_often_as_iterations_need_it(tmp_path):
    log = tmp_path / "log"
    iterations = solve(coded_tree(log, tmp_path), tmp_path)
    assert max(iterations) < 7
    assert starts(log) == sum(fine_solve_count(k, 7) for k in iterations)


@pytest.mark.slow
def test_a_rerun_runs_nothing_and_a_smaller_tolerance_what_is_missing(tmp_path):
    log = tmp_path / "log"
    first = solve(coded_tree(log, tmp_path), tmp_path)
    assert solve(coded_tree(log, tmp_path), tmp_path) == first
    assert starts(log) == sum(fine_solve_count(k, 7) for k in first)
    more = solve(coded_tree(log, tmp_path, tolerance=1e-9), tmp_path)
    assert all(a > b for a, b in zip(more, first, strict=True))
    assert starts(log) == sum(fine_solve_count(k, 7) for k in more)
    # and back to the larger tolerance: the files are still used
    assert solve(coded_tree(log, tmp_path), tmp_path) == first
    assert starts(log) == sum(fine_solve_count(k, 7) for k in more)


@pytest.mark.slow
def test_the_serial_solution_shares_what_the_iteration_solved_exactly(tmp_path):
    log = tmp_path / "log"
    iterations = solve(coded_tree(log, tmp_path, serial=True), tmp_path)
    needed = sum(fine_solve_count(k, 7) + 7 - k for k in iterations)
    assert starts(log) == needed
    solve(coded_tree(log, tmp_path, serial=True), tmp_path)
    assert starts(log) == needed


@pytest.mark.slow
def test_a_new_level_of_the_sweep_runs_only_its_own_cases(tmp_path):
    log = tmp_path / "log"
    tree = coded_tree(log, tmp_path)
    solve(tree, tmp_path)
    before = starts(log)
    tree["sweep"]["zeta"] = [0.8, 0.5, 0.2]
    iterations = solve(tree, tmp_path)
    assert starts(log) - before == fine_solve_count(iterations[0], 7)


@pytest.mark.slow
def test_a_solve_that_fails_ends_the_study_with_one_line_that_says_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log, fixed = tmp_path / "log", tmp_path / "fixed"
    hook = f"[ -e {fixed} ] || case ${{t0}} in 8.5*) echo sorry >&2; false;; esac"
    tree = coded_tree(log, tmp_path, hook=hook)
    said = failure_of(tree, tmp_path)
    assert said.startswith(
        "study osc: omega0=1, zeta=0.2: the fine solve of slice 5 (t = 8.57143 to 10.7143) of "
        "iteration 1: failed: step 1 ended with exit code 3: sorry; see results/osc/samples/"
    )
    assert said.endswith("run again (what is on record stays) (1 more solves failed)")
    directory = tmp_path / re.search(r"see (\S+);", said)[1]
    assert (directory / "stderr.txt").read_text() == "sorry\n"
    assert starts(log) == 14  # the others of the round were run
    fixed.touch()
    iterations = solve(tree, tmp_path)
    assert starts(log) == 2 + sum(fine_solve_count(k, 7) for k in iterations)


def test_a_solve_is_tried_again_as_the_study_says(tmp_path):
    log = tmp_path / "log"
    hook = f"case ${{t0}} in 0) test $(grep -c 'start 0$' {log}) -gt 1;; esac"
    tree = coded_tree(log, tmp_path, hook=hook)
    tree["sweep"]["zeta"] = [0.5]
    assert "failed: step 1" in failure_of(tree, tmp_path)
    log.unlink()
    tree["on_failure"] = {"retries": {"failed": 1}}
    (iterations,) = solve(tree, tmp_path)
    # the six others of the first round are on record
    assert starts(log) == 2 + fine_solve_count(iterations, 7) - 7


def test_a_worker_that_dies_with_a_solve_is_replaced(tmp_path):
    log, mark = tmp_path / "log", tmp_path / "mark"
    hook = f"[ -e {mark} ] || {{ touch {mark}; kill -9 $PPID; sleep 5; }}"
    iterations = solve(coded_tree(log, tmp_path, hook=hook), tmp_path)
    needed = sum(fine_solve_count(k, 7) for k in iterations)
    assert needed < starts(log) <= needed + 2


SLOW = "import time\ndef f(t, y):\n    if t > 5: time.sleep(60)\n    return -y\n"
BAD = "def f(t, y):\n    raise ArithmeticError('no slope here')\n"
SHORT = "def f(t, y):\n    return y[:1]\n"
NOWHERE = "def f(t, y):\n    return y * 1e200\n"
DYING = "import os\ndef f(t, y):\n    os._exit(7)\n"
BAD_SLOPES = {
    "late": (SLOW, "the fine solve ... timeout: it passed the limit of 0.3 s"),
    "raising": (BAD, "the coarse solve of slice 1 ... error: ArithmeticError: no slope here"),
    "short": (SHORT, "error: ValueError: rhs returned the shape (1,); expected (2,)"),
    "huge": (NOWHERE, "the state is not finite at t = 15"),
    "dying": (DYING, "a coarse solve of iteration 0: killed: its process ended with exit code 7"),
}


@pytest.mark.parametrize("kind", BAD_SLOPES)
def test_a_right_hand_side_that_fails_ends_the_study_with_one_line(tmp_path, kind):
    text, expected = BAD_SLOPES[kind]
    (tmp_path / "slope.py").write_text(text)
    tree = parareal_tree((0.5,), points=3, rhs={"call": "slope.py:f"})
    tree["timeout"] = 0.3
    del tree["sweep"]
    if kind == "late":  # not in the coarse steps
        tree["parareal"]["interval"] = [0, 9]
    said = failure_of(tree, tmp_path)
    for part in expected.split(" ... "):
        assert part in said


@pytest.mark.slow
def test_a_damaged_file_is_made_again(tmp_path):
    log = tmp_path / "log"
    tree = coded_tree(log, tmp_path)
    solve(tree, tmp_path)
    before = starts(log)
    problem = problems_of(tree, tmp_path)[0]
    fine = problem.paths.fine_solve(problem.key, 2, 3)
    fine.write_bytes(fine.read_bytes()[:900])
    problem.paths.iterate(problem.key, 2).unlink()
    (problem.paths.iterate(problem.key, 1)).write_bytes(b"")
    solve(tree, tmp_path)
    assert starts(log) == before + 1


def all_states(tree, directory):
    cases = collect_cases(load(tree, directory), results_paths(directory))
    return [case.y.tobytes() for case in cases]


def start_job(tree, directory):
    paths = results_paths(directory)
    write_resolved(resolved_tree(load(tree, directory)), paths.study)
    command = [sys.executable, "-m", "ensnare", "solve-parareal", paths.study, "solved.json"]
    return subprocess.Popen(
        [*command, "--threads", "2", "--log", "log.txt"], cwd=directory, start_new_session=True
    )


def kill_group(job):
    for line in os.listdir("/proc"):
        if line.isdigit():
            try:
                if os.getsid(int(line)) == job.pid:
                    os.kill(int(line), signal.SIGKILL)
            except ProcessLookupError:
                continue
    job.wait()


@pytest.mark.slow
def test_a_job_that_is_killed_anywhere_goes_on_and_gives_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    tree = coded_tree(log, tmp_path, tolerance=1e-9, serial=True)
    chance, kills = random.Random(7), 4
    for round_ in range(kills):
        goal = starts(log) + chance.randint(1, 6)
        job = start_job(tree, tmp_path)
        wait_until(
            lambda goal=goal, job=job: starts(log) >= goal or job.poll() is not None, "solves"
        )
        assert job.poll() is None, f"ended in round {round_}"
        time.sleep(chance.uniform(0, 0.05))
        kill_group(job)
    assert start_job(tree, tmp_path).wait() == 0
    iterations = [
        case.iterations for case in collect_cases(load(tree, tmp_path), results_paths("."))
    ]
    needed = sum(fine_solve_count(k, 7) + 7 - k for k in iterations)
    assert needed <= starts(log) <= needed + 2 * kills  # those under way in two workers
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
    alone = tmp_path / "alone"
    alone.mkdir()
    other = coded_tree(tmp_path / "other", alone, tolerance=1e-9, serial=True)
    assert solve(other, alone) == iterations
    assert all_states(tree, tmp_path) == all_states(other, alone)


@pytest.mark.slow
def test_a_job_waits_for_another_one_and_runs_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    tree = coded_tree(log, tmp_path)
    jobs = [start_job(tree, tmp_path) for _ in range(2)]
    assert [job.wait() for job in jobs] == [0, 0]
    iterations = [
        case.iterations for case in collect_cases(load(tree, tmp_path), results_paths("."))
    ]
    assert starts(log) == sum(fine_solve_count(k, 7) for k in iterations)


@pytest.mark.slow
def test_a_code_gives_the_same_states_as_a_python_function(tmp_path):
    (tmp_path / "model.py").write_text(
        "def f(t0, t1, q, p, zeta, omega0):\n"
        "    n = 20; h = (t1 - t0) / n\n"
        "    for _ in range(n): q, p = q + h * p, p - h * (2 * zeta * p + q)\n"
        "    return {'q': q, 'p': p}\n"
    )
    log = tmp_path / "log"
    code = coded_tree(log, tmp_path)
    solve(code, tmp_path)
    outputs = [{"name": "q"}, {"name": "p"}]
    model = {"python": {"call": "model.py:f"}, "outputs": outputs}
    python = code | {"study": "other", "parareal": code["parareal"] | {"fine": {"model": model}}}
    study = load(python, tmp_path)
    problems = problems_of(python, tmp_path)
    iterations = [solve_one_by_one(problem) for problem in problems]
    cases = collect_cases(study, results_paths(tmp_path))
    for case, other, k in zip(
        collect_cases(load(code, tmp_path), results_paths(tmp_path)), cases, iterations, strict=True
    ):
        assert case.iterations == k
        np.testing.assert_allclose(case.y, other.y, rtol=1e-12, atol=1e-14)


def test_a_state_of_a_list_reaches_a_code_as_lines_and_comes_back_as_an_array(tmp_path):
    (tmp_path / "state.txt").write_text("${u}\n")
    script = "awk -v h=${h} '{print $1 * (1 - h)}' state.txt"
    model = {
        "files": [{"template": "state.txt"}],
        "command": ["sh", "-c", script],
        "outputs": [{"name": "u", "table": "stdout.txt", "column": 0, "shape": [3]}],
    }
    tree = parareal_tree(
        points=4, rhs=None, state={"u": [1, 2, 4]}, tolerance=1e-3,
        coarse={"model": model}, fine={"model": model},
    )  # fmt: skip
    del tree["sweep"]
    tree["inputs"] = [{"name": "h", "value": 0.5}]
    assert solve(tree, tmp_path) == [1]  # both propagators are one
    (case,) = collect_cases(load(tree, tmp_path), results_paths(tmp_path))
    np.testing.assert_array_equal(case.y[-1], np.outer(0.5 ** np.arange(4), [1, 2, 4]))


def test_initial_values_are_expressions_over_factors(tmp_path):
    tree = parareal_tree((0.5, 0.8), points=3, coarse=RK4, state={"q": "2 * zeta", "p": 0})
    initial = [problem.initial.tolist() for problem in problems_of(tree, tmp_path)]
    assert initial == [[1.0, 0.0], [1.6, 0.0]]


def test_status_and_forecast_say_how_far_cases_have_come(tmp_path):
    tree = parareal_tree((0.5, 0.9), points=4)
    study, paths = load(tree, tmp_path), results_paths(tmp_path)
    bound = "in all (an upper bound: a case ends when it has converged)"
    said = account_line(study, paths)  # 3 slices: at most 3 + 2 + 1 fine solves
    assert said == f"cases: 2 to solve, 0 solved; fine solves: 6 to begin with, at most 12 {bound}"
    lines, over = parareal_status(study, paths)
    assert lines[0] == "omega0=1, zeta=0.5: not begun"
    assert not over
    solve_one_by_one(problems_of(tree, tmp_path)[1])
    first = problems_of(tree, tmp_path)[0]
    solve_one_by_one(first)
    for path in (paths.iterate(first.key, k) for k in (2, 3)):
        path.unlink()
    paths.fine_solve(first.key, 2, 2).unlink()
    said = account_line(study, paths)  # 1 of 2 solves of iteration 2, and iteration 3
    assert said == f"cases: 1 to solve, 1 solved; fine solves: 1 to begin with, at most 2 {bound}"
    lines, over = parareal_status(study, paths)
    line = r"omega0=1, zeta=0.5: iteration 1, maxdif \S+; 1 of 2 fine solves of the next iteration"
    assert re.fullmatch(line, lines[0])
    assert lines[1].endswith("; done")
    assert lines[2] == "study osc: 1 of 2 cases solved"
    solve(tree, tmp_path)
    with Claim(paths.parareal_owner):
        lines, over = parareal_status(study, paths)
    assert over
    assert re.search(rf"runs on \S+, process {os.getpid()}$", lines[-1])


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-9, 1e-2, 10])
@pytest.mark.parametrize("serial", [True, False])
def test_the_bound_that_is_announced_is_never_exceeded(tmp_path, tolerance, serial):
    tree = parareal_tree((0.5, 0.9), points=6, tolerance=tolerance, serial=serial)
    study, paths = load(tree, tmp_path), results_paths(tmp_path)
    most = int(re.search(r"at most (\d+) in all", account_line(study, paths))[1])
    assert most == 2 * (5 + 4 + 3 + 2 + 1)
    last = solve(tree, tmp_path)
    solves = len(list(paths.parareal.glob("*/fine/*.h5")))
    assert solves <= most
    assert (solves == most) == (last == [5, 5])
    assert account_line(study, paths) == "cases: 0 to solve, 2 solved"
    if not serial:
        tree["parareal"]["serial"] = True
        left = sum(5 - k for k in last)
        more = f"; fine solves: {left} for the serial solution" if left else ""
        said = account_line(load(tree, tmp_path), paths)
        assert said == f"cases: 0 to solve, 2 solved{more}"


def test_results_of_cases_that_are_not_solved_are_refused_in_one_line(tmp_path):
    tree = parareal_tree(points=4)
    with pytest.raises(EnsnareError, match=r"omega0=1, zeta=0.5: not solved to the tolerance"):
        collect_cases(load(tree, tmp_path), results_paths(tmp_path))
    solve(tree, tmp_path)
    (problem,) = problems_of(tree, tmp_path)
    path = problem.paths.fine_solve(problem.key, 1, 1)
    with h5py.File(path, "r+") as file:
        del file.attrs["elapsed_s"]
    with pytest.raises(EnsnareError, match=rf"{path.name}: .*; remove it .* run snakemake again"):
        collect_cases(load(tree, tmp_path), results_paths(tmp_path))


@pytest.mark.slow
def test_a_retry_of_the_job_does_not_repeat_a_solve_that_failed(tmp_path):
    log, fixed = tmp_path / "log", tmp_path / "fixed"
    hook = f"[ -e {fixed} ] || case ${{t0}} in 0) false;; esac"
    study = load(coded_tree(log, tmp_path, hook=hook), tmp_path)
    paths, said = results_paths(tmp_path), []
    for attempt in (1, 2, 3):
        with pytest.raises(EnsnareError) as caught:
            solve_all(study, paths, 2, said.append, attempt)
        assert "failed: step 1 ended with exit code 3" in str(caught.value)
        assert starts(log) == 14
    fixed.touch()
    last = solve_all(study, paths, 2, said.append, 1)  # another call of Snakemake
    assert starts(log) == 2 + sum(fine_solve_count(k, 7) for k in last.values())


@pytest.mark.slow
def test_a_code_that_can_resume_goes_on_where_its_job_was_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    tree = coded_tree(
        log, tmp_path, hook=f"case ${{t0}} in 0) echo begun >> {log}; sleep 60;; esac"
    )
    model = tree["parareal"]["fine"]["model"]
    model["resume"] = [["sh", "-c", f"echo resumed >> {log}; HOOK= sh fine.sh"]]
    tree["sweep"]["zeta"] = [0.5]
    job = start_job(tree, tmp_path)
    wait_until(lambda: "begun" in lines_of(log), "the first slice")
    kill_group(job)
    assert start_job(tree, tmp_path).wait() == 0
    assert lines_of(log).count("begun") == 1
    assert 1 <= lines_of(log).count("resumed") <= 2  # and what else was under way


def test_a_serial_solve_that_kills_its_worker_is_named(tmp_path):
    (tmp_path / "slope.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "def f(t, y):\n"
        f"    if t == 6 and Path({str(tmp_path / 'on')!r}).exists(): os._exit(7)\n"
        "    return -y\n"
    )
    tree = parareal_tree(
        points=6, rhs={"call": "slope.py:f"}, tolerance=1e9, fine={"method": "euler", "steps": 4}
    )
    del tree["sweep"]
    assert solve(tree, tmp_path) == [1]
    (tmp_path / "on").touch()
    tree["parareal"]["serial"] = True
    assert "the fine solve of slice 3 (t = 6 to 9) of the serial solution: killed" in failure_of(
        tree, tmp_path
    )
