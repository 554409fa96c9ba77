"""The jobs of parareal's driver `rules`: their slices, what they leave, when cases end."""

import json

import numpy as np
import pytest
from small_studies import load

from ensnare.errors import ArchiveError, BatchError
from ensnare.parareal.cases import plan_cases
from ensnare.parareal.files import is_whole, read_iterate, read_maxdif
from ensnare.parareal.problem import problem_of
from ensnare.parareal.ruled import Job, end_case, fine_tasks, join_ends, state_tasks
from ensnare.parareal.schedule import CaseLoop, Iteration, block_of, blocks, end_digest
from ensnare.store.paths import StudyPaths

RHS = """
import os

def slope(t, y):
    if os.path.exists({broken!r}):
        raise ArithmeticError("overflow")
    return -y
"""


def tree(directory, points=6, **changes):
    (directory / "f.py").write_text(RHS.format(broken=str(directory / "broken")))
    return {
        "study": "decay",
        "parareal": {
            "interval": [0, 5],
            "points": points,
            "state": {"m": 1},
            "rhs": {"call": "f.py:slope"},
            "coarse": {"method": "euler", "steps": 1},
            "fine": {"method": "euler", "steps": 20},
            "tolerance": 1e-3,
            "driver": "rules",
            **changes,
        },
    }


@pytest.fixture
def jobs(tmp_path):
    """Return a function that makes a job of the one case of a study."""
    said = []

    def make(name="job", attempt=1, **changes):
        study = load(tree(tmp_path, **changes), tmp_path)
        paths = StudyPaths(tmp_path / "results/decay")
        problem = problem_of(study, paths, plan_cases(study)[0].key)
        return Job(problem, name, 2, attempt, said.append)

    return make


def take(job, iteration):
    """Do all jobs of an iteration."""
    if iteration:
        for block in blocks(job.problem.study, iteration):
            job.run(lambda last=block[-1]: fine_tasks(job.problem, iteration, last))
    job.run(lambda: state_tasks(job.problem, iteration))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 99])
@pytest.mark.parametrize("points", [2, 3, 7, 8])
def test_jobs_have_each_needed_slice_once_and_end_at_the_same_slices_in_every_iteration(
    tmp_path, size, points
):
    study = load(tree(tmp_path, points=points, slices_per_job=size), tmp_path)
    ends = {block[-1] for block in blocks(study, 1)}
    for k in range(1, points):
        found = blocks(study, k)
        assert [i for block in found for i in block] == list(range(k - 1, points - 1))
        assert all(0 < len(block) <= size for block in found)
        assert {block[-1] for block in found} <= ends
        assert all(block_of(study, k, block[-1]) == block for block in found)


def test_a_loop_ends_below_the_tolerance_or_when_it_is_exact(tmp_path):
    study = load(tree(tmp_path), tmp_path)
    loop = CaseLoop(study, "key")
    first = Iteration("key", 0)
    assert loop.first == first
    assert first.wildcards == {"key": "key", "iteration": "000"}
    assert loop.after([(first, np.nan)]) == Iteration("key", 1)
    assert loop.after([(Iteration("key", 4), 1e-3)]) == Iteration("key", 5)
    assert loop.after([(Iteration("key", 4), 9e-4)]) is None
    assert loop.after([(Iteration("key", 5), 1.0)]) is None
    assert end_digest(study) != end_digest(load(tree(tmp_path, tolerance=1e-4), tmp_path))
    assert end_digest(study) == end_digest(load(tree(tmp_path, slices_per_job=4), tmp_path))


def test_jobs_do_what_is_missing_and_no_more(jobs, tmp_path):
    job = jobs(slices_per_job=5)
    take(job, 0)
    take(job, 1)
    files = sorted(job.problem.paths.root.rglob("*.h5"))
    assert len(files) == 5 + 2
    times = [path.stat().st_mtime_ns for path in files]
    take(job, 0)
    take(job, 1)
    assert [path.stat().st_mtime_ns for path in files] == times
    state = job.problem.paths.iterate(job.problem.key, 1)
    assert read_maxdif(state) == read_iterate(state).maxdif
    assert not job.owner.exists()


def test_states_without_a_fine_solve_are_refused_and_the_job_is_planned_again(jobs):
    job = jobs(slices_per_job=3)
    paths, key = job.problem.paths, job.problem.key
    take(job, 0)
    take(job, 1)
    paths.iterate(key, 1).unlink()
    paths.fine_solve(key, 1, 1).unlink()
    with pytest.raises(ArchiveError, match="1 fine solves of iteration 1 are missing; run snake"):
        job.run(lambda: state_tasks(job.problem, 1))
    assert not paths.fine_solve(key, 1, 2).exists()  # stands for the job of the missing one
    assert paths.fine_solve(key, 1, 4).exists()
    take(job, 1)
    assert is_whole(paths.iterate(key, 1))


def test_what_failed_is_not_run_again_by_the_retries_of_a_profile(jobs, tmp_path):
    take(jobs(), 0)
    job = jobs("k001-i0004")
    (tmp_path / "broken").touch()
    with pytest.raises(BatchError, match="overflow") as first:
        job.run(lambda: fine_tasks(job.problem, 1, 4))
    again = Job(job.problem, job.name, 2, 2, job.say)
    (tmp_path / "broken").unlink()
    with pytest.raises(BatchError) as second:
        again.run(lambda: pytest.fail("was run again"))
    assert str(second.value) == str(first.value)
    assert "\n" not in str(first.value)
    fresh = jobs("k001-i0004")  # another call of Snakemake
    fresh.run(lambda: fine_tasks(fresh.problem, 1, 4))
    assert is_whole(fresh.problem.paths.fine_solve(fresh.problem.key, 1, 4))


@pytest.mark.parametrize("serial", [False, True])
def test_the_end_of_a_case_says_its_last_iteration(jobs, tmp_path, serial):
    job = jobs("end", serial=serial, tolerance=0.5)
    k = 0
    take(job, 0)
    while CaseLoop(job.problem.study, job.problem.key).after(
        [(Iteration("", k), read_maxdif(job.problem.paths.iterate(job.problem.key, k)))]
    ):
        k += 1
        take(job, k)
    take(job, k + 1)  # that an earlier run added to a smaller tolerance
    end_case(job, tmp_path / "end.json")
    assert json.loads((tmp_path / "end.json").read_text()) == {job.problem.key: k}
    serial_files = list(job.problem.paths.root.rglob("serial-*.h5"))
    assert len(serial_files) == (5 - k - 1 if serial else 0)
    join_ends([tmp_path / "end.json"], tmp_path / "solved.json")
    assert json.loads((tmp_path / "solved.json").read_text()) == {job.problem.key: k}
