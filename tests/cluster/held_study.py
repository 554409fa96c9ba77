"""A study on a cluster whose samples are held while something goes wrong.

The code records every start and finish in a file outside its directory. A sample with a large
input waits before its finish for as long as the study is held: none is between its finish and
its record when the fault comes, so every sample has to finish exactly once.
"""

import contextlib
import subprocess
from collections import Counter
from pathlib import Path

import psutil
from cluster_helpers import ClusterRun
from killing import Round, wait_until

N, BATCHES = 40, 2
WORKERS = 8  # of two batch jobs
ARCHIVE = "results/killed/archive.h5"
# usage: code LOG SAMPLE X: y = x * x
# a code that tidies up when it is told to end: that is no failure of its sample
HELD_CODE = """#!/bin/sh
trap 'exit 3' TERM
echo "start $2 $SLURM_JOB_ID" >> "$1"
case "$3" in
  0.[6-9]*)
    echo "hold $2 $SLURM_JOB_ID" >> "$1"
    while [ -e "$1.hold" ]; do sleep 0.1; done ;;
esac
echo "y = $(echo "$3 * $3" | bc -l)"
echo "finish $2 $SLURM_JOB_ID" >> "$1"
"""
_END_S = 150.0  # generous: status checks become rare, and other programs keep the machine busy


class HeldStudy(Round):
    """A study of two batches, held from the beginning."""

    def __init__(self, root, cluster, *options):
        super().__init__(root, "sobol", N, targets=(ARCHIVE,))
        self.cluster, self.options = cluster, options
        self.environment = cluster.environment(self.environment)
        (root / "code").write_text(HELD_CODE)
        self._hold = root / "log.hold"
        self._hold.touch()
        self._runs = []

    def snakemake(self, output):
        """Start Snakemake with the profile of the cluster."""
        return subprocess.Popen(
            ClusterRun(self.root).command(*self.targets, "--configfile=study.yaml", *self.options),
            cwd=self.root,
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def begin(self):
        """Start Snakemake in the background; what it says is read by `said`."""
        path = self.root / f"said{len(self._runs)}"
        with path.open("w") as output:
            self._runs.append(self.snakemake(output))
        return self._runs[-1]

    def said(self):
        """Return what the last run said until now."""
        return (self.root / f"said{len(self._runs) - 1}").read_text()

    def wait_until_held(self, count=WORKERS):
        """Wait until so many samples are held: with all workers, no other one can start."""
        wait_until(lambda: len(self.counts("hold")) >= count, "samples that wait", _END_S)

    def release(self):
        """Let the samples go on."""
        self._hold.unlink(missing_ok=True)

    def end(self):
        """Wait for the end of the last run; return its exit code and what it said."""
        run = self._runs[-1]
        wait_until(lambda: run.poll() is not None, "the end of Snakemake", _END_S)
        return run.returncode, self.said()

    def counts(self, kind):
        """Return how often each sample started or finished."""
        return Counter(sample for what, sample, _ in self.lines() if what == kind)

    def jobs(self):
        """Return the SLURM jobs in which samples ran, in the order of their first sample."""
        return [*dict.fromkeys(job for _, _, job in self.lines())]

    def log_of(self, rule):
        """Return what jobs of a rule wrote to their logs."""
        return "".join(path.read_text() for path in self.results.glob(f"logs/{rule}/*"))

    def runs_code(self, job):
        """Return whether a SLURM job runs the code now."""
        mark = f"SLURM_JOB_ID={job}\0".encode()
        with contextlib.suppress(OSError):
            return any(mark in Path(f"/proc/{pid}/environ").read_bytes() for pid in self.codes())
        return True

    def processes_on(self, node):
        """Return the processes of jobs on a node, and the daemons of their steps."""
        found = set()
        for pid in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.environ().get("SLURMD_NODENAME") == node:
                    above = [p.pid for p in process.parents() if p.name().startswith("slurmstepd")]
                    found |= {pid, *above}
        return found

    def end_everything(self):
        """End Snakemake, and let no job hold a node for the next test."""
        for run in self._runs:
            run.kill()
            run.wait()
        self.kill_everything()
