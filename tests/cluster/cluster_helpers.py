"""What the tests on a real SLURM share."""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from slurm_cluster import PACKAGES, SlurmCluster, missing_programs


@contextmanager
def running_cluster(**options):
    """Run a cluster; skip the test where SLURM is not installed."""
    missing = missing_programs(options.get("accounting", True))
    if missing:
        pytest.skip(f"{missing[0]} is not installed; apt-get install {PACKAGES}")
    root = Path(tempfile.mkdtemp(prefix="ensnare-slurm-"))
    cluster = SlurmCluster(root)
    try:
        yield cluster.start(**options)
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)
