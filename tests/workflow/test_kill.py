"""SIGKILL at any process of a running study: the next run loses nothing and repeats nothing.

The wrapped code itself records every start and finish, so nothing here trusts our own books.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, environment

N, WORKERS = 40, 2
CODE = """#!/bin/sh
# usage: code LOG SAMPLE X: y = x * x, a start and a finish in the log
echo "start $2 $PPID" >> "$1"
sleep 0.0$(( $$ % 8 + 1 ))
echo "y = $(echo "$3 * $3" | bc -l)"
echo "finish $2 $PPID" >> "$1"
"""
ARCHIVE = "results/killed/archive.h5"


class Round:
    """A study in a directory of its own, and the processes that belong to it."""

    def __init__(self, root: Path):
        self.root, self.log = root, root / "log"
        self.environment = environment(root) | {"ENSNARE_TEST_MARK": str(root)}
        code = root / "code"
        code.write_text(CODE)
        code.chmod(0o755)
        study = {
            "study": "killed",
            "inputs": [{"name": "x", "distribution": {"Uniform": {"a": 0, "b": 1}}}],
            "design": {"method": "sobol", "size": N},
            "model": {
                "command": [str(code), str(self.log), "${sample}", "${x}"],
                "outputs": [{"name": "y", "regex": r"y = (\S+)"}],
            },
            "batch": {"size": 25},
        }
        with (root / "study.yaml").open("w") as file:
            YAML(typ="safe").dump(study, file)

    def snakemake(self, output) -> subprocess.Popen:
        """Start Snakemake for the archive; figures are not of interest here."""
        command = [sys.executable, "-m", "snakemake", ARCHIVE, "--snakefile", ROOT / "Snakefile"]
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


def kill_worker(study, snakemake, chance):
    kill(chance.choice(wait_until(lambda: study.job_processes()[1], "a worker")))


def kill_code(study, snakemake, chance):
    kill(chance.choice(wait_until(study.codes, "the code")))


def kill_batch(study, snakemake, chance):
    kill(chance.choice(wait_until(lambda: study.job_processes()[0], "the batch job")))


def kill_snakemake(study, snakemake, chance):
    snakemake.kill()


def kill_everything(study, snakemake, chance):
    snakemake.kill()
    while found := study.processes():
        for pid in found:
            kill(pid)


KILLS = {
    "a worker": kill_worker,
    "the code": kill_code,
    "the batch job": kill_batch,
    "Snakemake": kill_snakemake,
    "everything": kill_everything,
}
SHORT = [(name, seed) for seed in range(1) for name in KILLS]
LONG = [(name, seed) for seed in range(1, 10) for name in KILLS]


@pytest.mark.parametrize(
    ("name", "seed"), SHORT + [pytest.param(*case, marks=pytest.mark.full) for case in LONG]
)
def test_after_a_kill_the_next_run_completes_the_study(tmp_path, name, seed):
    study, chance = Round(tmp_path), random.Random(f"{name} {seed}")
    moment = chance.randrange(1, N - 4)
    with (tmp_path / "first").open("w") as output:
        first = study.snakemake(output)
        wait_until(
            lambda: len(study.lines()) >= 2 * moment or first.poll() is not None,
            "the moment to kill",
        )
        assert first.returncode is None, (tmp_path / "first").read_text()
        before = study.lines()
        KILLS[name](study, first, chance)
        first.wait()
    goes_on = name in ("a worker", "the code")
    assert first.returncode == 0 or not goes_on, (tmp_path / "first").read_text()

    code, said = study.run()
    assert code == 0, said
    assert study.processes() == {}
    assert_archive_is_right(study)
    starts = Counter(sample for kind, sample, _ in study.lines() if kind == "start")
    assert len(starts) == N
    again = {sample for sample, count in starts.items() if count > 1}
    assert len(again) <= (0 if name == "Snakemake" else WORKERS)
    assert max(starts.values()) <= 2
    assert not again & study.done_by(before)

    lines = study.lines()
    code, said = study.run()
    assert (code, study.lines()) == (0, lines)
    assert "Nothing to be done" in said
    assert not list(tmp_path.glob("results/killed/batches/*.owner*"))


def assert_archive_is_right(study):
    """Every sample is there once, with the value that its input gives."""
    with h5py.File(study.root / ARCHIVE, "r") as file:
        assert len(set(file["sample_id"][:].tolist())) == N
        assert (file["status"][:] == 0).all()
        np.testing.assert_allclose(file["outputs/y"][:], file["inputs/x"][:] ** 2)
