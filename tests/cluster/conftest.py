"""Real SLURMs for tests: one with accounting, one without; started once, stopped in any case."""

import pytest
from cluster_helpers import ClusterRun, running_cluster


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
