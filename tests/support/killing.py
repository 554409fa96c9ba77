"""A running study whose processes are found and killed.

The wrapped code itself records every start and finish, so nothing here trusts our own books.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
from ruamel.yaml import YAML
from workflow_helpers import ROOT, environment

from ensnare.store.journal import read_journal

WORKERS = 2
CODE = """#!/bin/sh
# usage: code LOG SAMPLE X: y = x * x, a start and a finish in the log
echo "start $2 $PPID" >> "$1"
sleep 0.0$(( $$ % 8 + 1 ))
echo "y = $(echo "$3 * $3" | bc -l)"
echo "finish $2 $PPID" >> "$1"
"""


class Round:
    """A study in a directory of its own, and the processes that belong to it."""

    def __init__(self, root: Path, method: str, size: int, targets: tuple[str, ...] = ()):
        self.root, self.log, self.targets = root, root / "log", targets
        self.results = root / "results" / "killed"
        self.environment = environment(root) | {"ENSNARE_TEST_MARK": str(root)}
        code = root / "code"
        code.write_text(CODE)
        code.chmod(0o755)
        study = {
            "study": "killed",
            "inputs": [{"name": "x", "distribution": {"Uniform": {"a": 0, "b": 1}}}],
            "design": {"method": method, "size": size},
            "model": {
                "command": [str(code), str(self.log), "${sample}", "${x}"],
                "outputs": [{"name": "y", "regex": r"y = (\S+)"}],
            },
            "batch": {"size": 25},
        }
        with (root / "study.yaml").open("w") as file:
            YAML(typ="safe").dump(study, file)

    def snakemake(self, output) -> subprocess.Popen:
        """Start Snakemake."""
        command = [sys.executable, "-m", "snakemake", *self.targets]
        command += ["--snakefile", ROOT / "Snakefile"]
        command += ["--profile", ROOT / "profiles/local", "--configfile", "study.yaml"]
        command += ["--cores", str(WORKERS), "--directory", self.root]
        return subprocess.Popen(
            [*map(str, command)],
            cwd=self.root,
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def run(self) -> tuple[int, str]:
        """Run Snakemake to its end; return its exit code and what it said."""
        with (self.root / "said").open("w+") as file:
            code = self.snakemake(file).wait()
            file.seek(0)
            return code, file.read()

    def lines(self) -> list[list[str]]:
        """Return what the code recorded: (start or finish, sample, worker)."""
        if not self.log.exists():
            return []
        return [line.split() for line in self.log.read_text().splitlines()]

    def processes(self) -> dict[int, tuple[int, list[str]]]:
        """Return parent and command line of each process that runs for this study."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                pid = int(entry.name)
                if f"={self.root}\0".encode() not in (entry / "environ").read_bytes():
                    continue
                words = (entry / "cmdline").read_bytes().decode().split("\0")[:-1]
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state not in "ZX":
                found[pid] = (int(parent), words)
        return found

    def job_processes(self) -> tuple[list[int], list[int]]:
        """Return the process (or processes) of the batch job, and its workers."""
        jobs = {
            pid: parent
            for pid, (parent, words) in self.processes().items()
            if "evaluate-batch" in words  # in the shell above it, it is part of a longer word
        }
        parents = {parent for parent in jobs.values() if parent in jobs}
        return sorted(parents), sorted(set(jobs) - parents)

    def codes(self) -> list[int]:
        """Return the processes of the wrapped code."""
        found = self.processes().items()
        return [pid for pid, (_, words) in found if words[1:2] == [str(self.root / "code")]]

    def recorded(self) -> set[str]:
        """Return the samples that the journals hold."""
        journals = self.results.glob("batches/*.journal")
        rows = [read_journal(path, 1).rows for path in journals]
        return {i.decode() for part in rows for i in part["sample_id"].tolist()}

    def scripts(self, rule: str) -> list[int]:
        """Return the processes that run the script of a rule."""
        found = self.processes().items()
        return [pid for pid, (_, words) in found if words[-1:] and f".{rule}.py" in words[-1]]

    def kill_everything(self) -> None:
        """Kill Snakemake and all that runs below it."""
        while found := self.processes():
            for pid in found:
                kill(pid)

    def done_by(self, lines) -> set[str]:
        """Return the samples that are certainly on record: their worker took up another since."""
        done = set()
        current: dict[str, str] = {}
        for kind, sample, worker in lines:
            if kind == "start":
                if worker in current:
                    done.add(current[worker])
                current[worker] = sample
        return done


def wait_until(condition, what, limit_s=60.0):
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
        time.sleep(0.002)
    return value


def kill(pid) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended just now: this round kills nothing
        return


def assert_archive_is_right(path, count):
    """Every sample is there once, with the value that its input gives."""
    with h5py.File(path, "r") as file:
        assert len(set(file["sample_id"][:].tolist())) == count
        assert (file["status"][:] == 0).all()
        np.testing.assert_allclose(file["outputs/y"][:], file["inputs/x"][:] ** 2)
