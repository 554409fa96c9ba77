"""What goes wrong on a cluster: the study completes, and no sample is lost or finishes twice."""

import pytest
from held_study import HeldStudy, assert_nothing_lost_nothing_twice
from killing import wait_until


@pytest.fixture
def held(slurm, tmp_path):
    """Return a study whose samples are held, on a cluster."""
    study = HeldStudy(tmp_path, slurm)
    yield study
    study.end_everything()


def test_after_a_kill_of_snakemake_running_jobs_go_on_and_are_not_doubled(held):
    first = held.begin()
    held.wait_until_held()
    first.kill()
    first.wait()
    held.begin()
    waiting = "another job evaluates this batch; waiting"
    wait_until(lambda: held.log_of("evaluate").count(waiting) == 2, "jobs that wait", 120)
    held.release()
    assert held.end()[0] == 0, held.said()
    assert_nothing_lost_nothing_twice(held, held.counts("start"))
    assert len(held.jobs()) == 2
