"""What the job of a batch asks of a machine, what this machine or cluster has, and in which order.

A batch has samples that need the same resources; its job needs these for as many samples as run
side by side. A job asks only for what the study states, and takes the rest from the profile. Runs
of a scaling study that nothing here can run are left out with a note, and are no failures.
"""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ensnare.plan.batches import Batch, batch_resources, case_table
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.resources import ResourceChanges, Resources

_OVERHEAD_MB = 300  # Snakemake, which runs twice in a SLURM job, the guard process and the workers
_OVERHEAD_S = 300.0  # to start, to wait for a slow file system, and to write the batch file
_SINFO = ["sinfo", "--noheader", "--format=%P|%D|%c|%s"]


@dataclass(frozen=True)
class JobNeeds:
    """The needs of the job of a batch, which follow from those of its samples."""

    sample: Resources  # what one sample needs
    samples: int
    together: bool = False  # all samples run at the same time, even with fewer cores in the profile

    def threads(self, cores: int) -> int:
        """Return how many of the cores that the profile gives to a job this one can use."""
        return min(cores, self.sample.cores * self.samples)

    def side_by_side(self, threads: int) -> int:
        """Return how many samples run at the same time in a job with this number of threads."""
        if self.together:
            return self.samples
        return max(1, min(threads // self.sample.cores, self.samples))

    def resources(self, threads: int, growth: int) -> dict[str, int | str]:
        """Return what the job asks for, by the names of Snakemake's plugin for SLURM.

        These are mem_mb, runtime [min], nodes, mpi, tasks, cpus_per_task, gpu, tasks_per_gpu and
        slurm_extra, without those that the study does not state. Memory and time are `growth`
        times those of the first job; it grows with the jobs of the batch that died.
        """
        sample, side = self.sample, self.side_by_side(threads)
        stated: dict[str, int | str] = {}
        if sample.memory is not None:
            stated["mem_mb"] = growth * (math.ceil(sample.memory * side / 1e6) + _OVERHEAD_MB)
        if sample.runtime is not None:
            seconds = sample.runtime * math.ceil(self.samples / side) + _OVERHEAD_S
            stated["runtime"] = growth * math.ceil(seconds / 60)
        if sample.nodes is not None:
            stated["nodes"] = sample.nodes
        if sample.ranks is not None:
            # with `mpi` the plugin starts the job outside of any SLURM step, so that the cores are
            # free for the steps of the samples; it refuses an MPI job with a single task
            stated["mpi"], stated["tasks"] = "srun", max(2, sample.rank_count * side)
            stated["cpus_per_task"] = sample.threads
        elif side * sample.threads != threads:
            # the profile gives cores per job: too many for a single sample, or too few for several
            stated["cpus_per_task"] = side * sample.threads
        if sample.gpus:
            stated["gpu"] = sample.gpus * side
            if sample.ranks is not None:
                stated["tasks_per_gpu"] = 0  # without it the plugin counts all tasks for each GPU
        extra = ["--exclusive"] if sample.exclusive else []
        if self.together and sample.nodes and sample.ranks is not None:
            # SLURM would fill the first node before it takes the next
            extra.append(f"--ntasks-per-node={max(2, sample.rank_count) // sample.nodes}")
        if extra:
            stated["slurm_extra"] = " ".join(extra)
        return stated


def stated_names(study: LoadedStudy) -> list[str]:
    """Return the resources that the study states for some case, by their names in Snakemake."""
    config = study.config
    changes: list[Resources | ResourceChanges] = [config.resources]
    changes += [override.resources for override in config.overrides]
    keys = {
        "mem_mb": "memory",
        "runtime": "runtime",
        "nodes": "nodes",
        "mpi": "ranks",
        "tasks": "ranks",
        "gpu": "gpus",
        "tasks_per_gpu": "gpus",
        "slurm_extra": "exclusive",
    }
    default = Resources()
    names = [
        name
        for name, key in keys.items()
        if any(getattr(change, key) not in (None, getattr(default, key)) for change in changes)
    ]
    if config.scaling is not None and config.scaling.over == "nodes":
        names.append("slurm_extra")
    return [*dict.fromkeys([*names, "cpus_per_task"])]


@dataclass(frozen=True)
class Capacity:
    """The machines that the runs of a scaling study may use."""

    nodes: tuple[int, ...] = ()  # cores of each machine; empty if they are not known
    most_nodes: int | None = None  # machines that one job may have, if fewer
    whose: str = "this run"  # for messages: `this run`, `the cluster`, `partition long`
    shares: bool = False  # more processes than cores can be started, which SLURM refuses

    @property
    def largest(self) -> tuple[int, ...]:
        """The machines that one job can have: the largest ones."""
        return tuple(sorted(self.nodes, reverse=True)[: self.most_nodes])

    def lack(self, needs: Resources, copies: int = 1) -> str:
        """Return why a run of `copies` samples at a time does not fit here; empty if it does."""
        if not self.nodes:
            return ""
        largest = self.largest
        if needs.nodes is not None and needs.nodes > len(largest):
            return f"needs {_counted(needs.nodes, 'node')}; {self.whose} has {len(largest)}"
        if len(self.nodes) > 1 and needs.threads > largest[0]:
            of_one = f"a node of {self.whose} has {largest[0]}"
            return f"needs {_counted(needs.threads, 'core')} of one node; {of_one}"
        cores = sum(largest[: needs.nodes])
        if needs.cores * copies > cores:
            return f"needs {_counted(needs.cores * copies, 'core')}; {self.whose} has {cores}"
        return ""


def local_capacity(cores: int) -> Capacity:
    """Return the capacity of this machine, of which the run may use so many cores.

    In a SLURM job the number is believed; elsewhere it cannot be more than the machine has.
    """
    if "SLURM_JOB_ID" not in os.environ and hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return Capacity((cores,), shares=True)


def cluster_capacity(partition: str = "") -> Capacity:
    """Return the nodes of a partition, or of the default one; none if `sinfo` does not answer."""
    try:
        done = subprocess.run(_SINFO, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return Capacity()
    return read_sinfo(done.stdout, partition)


def read_sinfo(text: str, partition: str = "") -> Capacity:
    """Return the nodes of a partition from lines such as `compute*|4|16|1-infinite`."""
    lines = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    default = [line for line in lines if line[0].endswith("*")] or lines
    chosen = [line for line in lines if line[0].rstrip("*") == partition] if partition else default
    nodes: list[int] = []
    most: list[int] = []
    for _, count, cores, size in chosen:
        # `16+` means that some nodes have more than 16 cores
        nodes += [int(re.sub(r"\D", "", cores) or 1)] * int(count)
        most += [int(last) for last in [size.rpartition("-")[2]] if last.isdecimal()]
    whose = f"partition {partition}" if partition else "the cluster"
    return Capacity(tuple(nodes), max(most, default=None), whose)


def not_attempted(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths, capacity: Capacity
) -> dict[str, str]:
    """Return what each run lacks that cannot run here, by the key of its batch.

    Empty for any study but a scaling study. Runs that have a batch file, perhaps from a larger
    machine, are left out.
    """
    scaling = study.config.scaling
    if scaling is None or (scaling.oversubscribe and capacity.shares):
        return {}
    needs = batch_resources(study, batches)
    lacks = {batch.key: capacity.lack(needs[batch.key], len(batch)) for batch in batches}
    return {key: lack for key, lack in lacks.items() if lack and not paths.batch(key).exists()}


def lack_notes(study: LoadedStudy, batches: Sequence[Batch], lacks: Mapping[str, str]) -> list[str]:
    """Return a line for each count of a scaling study that cannot run, with its number of runs."""
    scaling, cases, runs = study.config.scaling, case_table(study), dict[str, int]()
    for batch in batches:
        if batch.key in lacks and scaling is not None:
            count = cases[batch.segments[0].case][scaling.factor]
            line = f"not attempted: {count} {scaling.factor}: {lacks[batch.key]}"
            runs[line] = runs.get(line, 0) + 1
    return [f"{line} ({_counted(count, 'run')})" for line, count in runs.items()]


def measuring_order(batches: Sequence[Batch], seed: int) -> dict[str, int]:
    """Return a positive priority for each batch, by key, so that runs are timed in random order.

    A drift in time (the machine warms up, other users come and go) is then not taken for an effect
    of the count. The largest priority goes first. Batches that are added do not change the order of
    the others.
    """
    return {b.key: 1 + random.Random(f"{seed} {b.key}").getrandbits(30) for b in batches}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
