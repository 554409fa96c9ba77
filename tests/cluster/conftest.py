"""Real SLURMs for tests: one with accounting, one without; started once, stopped in any case."""

from pathlib import Path

import pytest
from cluster_helpers import ClusterRun, running_cluster

HERE = Path(__file__).parent
# About five minutes: that it works, and the faults that show in seconds. A job of SLURM takes some
# to start and to be noticed: the others are for `make test-full`.
IN_EVERY_RUN = {
    "test_steps_run_on_all_nodes",
    "test_a_study_runs_on_the_cluster",
    "test_the_profile_runs_the_default_study_in_a_clone",
    "test_a_dry_run_needs_no_slurm",
    "test_a_study_runs_without_accounting",
    "test_after_a_kill_of_snakemake_running_jobs_go_on_and_are_not_doubled",
    "test_a_job_that_waits_since_before_a_kill_of_snakemake_runs_nothing_again",
    "test_a_cancelled_job_is_submitted_again",
    "test_a_batch_goes_on_elsewhere_when_its_node_is_lost",
    "test_a_node_that_is_set_down_gives_its_batch_to_another",
    "test_a_requeued_job_goes_on",
    "test_a_refused_job_is_one_line_and_runs_with_the_next_call",
    "test_jobs_go_on_while_the_controller_is_gone",
    "test_a_run_goes_on_when_accounting_stops",
}


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and item.name not in IN_EVERY_RUN:
            item.add_marker(pytest.mark.full)


@pytest.fixture(scope="session")
def shared_slurm():
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(shared_slurm):
    """Return a SLURM of four nodes with accounting, all of them up and idle."""
    shared_slurm.heal()
    return shared_slurm


@pytest.fixture(scope="session")
def shared_bare_slurm():
    with running_cluster(accounting=False) as cluster:
        yield cluster


@pytest.fixture
def bare_slurm(shared_bare_slurm):
    """Return a SLURM of four nodes without accounting, all of them up and idle."""
    shared_bare_slurm.heal()
    return shared_bare_slurm


@pytest.fixture
def on_cluster(tmp_path):
    """Return what runs studies on a cluster, in an empty directory."""
    return ClusterRun(tmp_path)
