"""An MPI program for tests: its ranks say who they are, in a log outside of their directory."""

import shutil
import subprocess
import sys
from functools import lru_cache

import pytest

PACKAGES = "openmpi-bin python3-mpi4py"
# as root in a container; and ranks that share a machine but not a (virtual) node talk by TCP
VARIABLES = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "self,tcp",
    "OMPI_MCA_btl_tcp_if_include": "lo",
}
# who.py LOG SAMPLE [hang | die | meet N]
_WHO = """\
import os, sys, time
from mpi4py import MPI

log, sample, what = sys.argv[1], sys.argv[2], sys.argv[3:] or [""]
world = MPI.COMM_WORLD
node = os.environ.get("SLURMD_NODENAME", "here")

def record(word):
    with open(log, "a") as file:
        file.write(f"{word} {sample} {world.rank} {world.size} {node}\\n")

def started():
    with open(log) as file:
        return {line.split()[1] for line in file if line.startswith("start")}

record("start")
nodes = world.gather(node, 0)
if what[0] == "hang":
    time.sleep(1000)
if what[0] == "die" and world.rank == world.size - 1:
    os.kill(os.getpid(), 9)
if what[0] == "meet":
    deadline = time.monotonic() + 60
    while len(started()) < int(what[1]):
        assert time.monotonic() < deadline, "the other samples do not come"
        time.sleep(0.05)
world.Barrier()
record("finish")
world.Barrier()
if world.rank == 0:
    print("size =", world.size)
    print("nodes =", len(set(nodes)))
"""
OUTPUTS = [{"name": n, "regex": rf"{n} = (\S+)", "unit": "1"} for n in ("size", "nodes")]


def write_program(directory):
    """Write the program; return the words that run it."""
    path = directory / "who.py"
    path.write_text(_WHO)
    return [python_with_mpi(), str(path)]


@lru_cache
def python_with_mpi() -> str:
    """Return a Python that has mpi4py; skip the test if there is none, or no mpiexec."""
    if shutil.which("mpiexec"):
        for python in (sys.executable, "/usr/bin/python3"):
            done = subprocess.run([python, "-c", "import mpi4py.MPI"], capture_output=True)
            if done.returncode == 0:
                return python
    pytest.skip(f"there is no mpiexec, or no Python has mpi4py; apt-get install {PACKAGES}")


def lines_by_sample(log, word="start"):
    """Return for each sample (rank, size, node) of the ranks that said a word."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        said, sample, rank, size, node = line.split()
        if said == word:
            found.setdefault(sample, []).append((int(rank), int(size), node))
    return {sample: sorted(ranks) for sample, ranks in found.items()}
