"""What the job of a batch needs of a machine: from the needs of its samples, side by side."""

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

# Snakemake is there twice in a SLURM job, then our guard and workers [MB]
_OVERHEAD_MB = 300
_OVERHEAD_S = 300.0  # starting, waiting for a slow file system, writing the batch file


@dataclass(frozen=True)
class JobNeeds:
    """A batch as a job.

    Attributes
    ----------
    sample : Resources
        What one of its samples needs.
    samples : int
        How many there are.
    together : bool
        Whether all of them run at the same time, however few cores the profile gives.
    """

    sample: Resources
    samples: int
    together: bool = False

    def threads(self, cores: int) -> int:
        """Return how many of the cores that a job may have this one can use."""
        return min(cores, self.sample.cores * self.samples)

    def side_by_side(self, threads: int) -> int:
        """Return how many samples run at a time in a job of so many threads."""
        if self.together:
            return self.samples
        return max(1, min(threads // self.sample.cores, self.samples))

    def resources(self, threads: int, growth: int) -> dict[str, int | str]:
        """Return what a job of so many threads needs, and nothing that the study does not state.

        Parameters
        ----------
        threads : int
            Threads of the job, as the profile says.
        growth : int
            How many times as much memory and time as at first.

        Returns
        -------
        dict
            By the names that Snakemake's plugin for SLURM knows: mem_mb, runtime [min], nodes,
            mpi, tasks, cpus_per_task, gpu, tasks_per_gpu, slurm_extra.
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
            # the plugin starts an MPI job outside of any step, where steps of its own find free
            # cores, and refuses one of a single task
            stated["mpi"], stated["tasks"] = "srun", max(2, sample.rank_count * side)
            stated["cpus_per_task"] = sample.threads
        elif side * sample.threads != threads:
            # a job of one sample must not hold the cores of many, nor one of many too few
            stated["cpus_per_task"] = side * sample.threads
        if sample.gpus:
            stated["gpu"] = sample.gpus * side
            if sample.ranks is not None:
                stated["tasks_per_gpu"] = 0  # or the plugin takes all tasks for each GPU
        extra = ["--exclusive"] if sample.exclusive else []
        if self.together and sample.nodes and sample.ranks is not None:
            # SLURM would fill the first node
            extra.append(f"--ntasks-per-node={max(2, sample.rank_count) // sample.nodes}")
        if extra:
            stated["slurm_extra"] = " ".join(extra)
        return stated


def stated_names(study: LoadedStudy) -> list[str]:
    """Return the resources that the study states for some case, by the names of Snakemake."""
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


_SINFO = ["sinfo", "--noheader", "--format=%P|%D|%c|%s"]


@dataclass(frozen=True)
class Capacity:
    """What the runs of a study may use.

    Attributes
    ----------
    nodes : tuple of int
        Cores of each machine; empty if that is not known.
    most_nodes : int or None
        Machines that one job may have, if fewer.
    whose : str
        Who has them, for messages: `this run`, `the cluster`.
    shares : bool
        Whether more processes than cores can be started; SLURM refuses such a job.
    """

    nodes: tuple[int, ...] = ()
    most_nodes: int | None = None
    whose: str = "this run"
    shares: bool = False

    @property
    def largest(self) -> tuple[int, ...]:
        """The machines that one job can have: the largest ones."""
        return tuple(sorted(self.nodes, reverse=True)[: self.most_nodes])

    def lack(self, needs: Resources, copies: int = 1) -> str:
        """Return what is missing for a run; empty if nothing is.

        Parameters
        ----------
        needs : Resources
            What one sample needs.
        copies : int
            How many samples run at the same time.
        """
        if not self.nodes:
            return ""
        largest = self.largest
        if needs.nodes is not None and needs.nodes > len(largest):
            return f"needs {_said(needs.nodes, 'node')}; {self.whose} has {len(largest)}"
        if len(self.nodes) > 1 and needs.threads > largest[0]:
            of_one = f"a node of {self.whose} has {largest[0]}"
            return f"needs {_said(needs.threads, 'core')} of one node; {of_one}"
        cores = sum(largest[: needs.nodes])
        if needs.cores * copies > cores:
            return f"needs {_said(needs.cores * copies, 'core')}; {self.whose} has {cores}"
        return ""


def _said(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def local_capacity(cores: int) -> Capacity:
    """Return what there is where jobs run on this machine.

    Parameters
    ----------
    cores : int
        The cores that the run may use. In a job of SLURM they are taken as they are; elsewhere a
        machine has no more than it has.
    """
    if "SLURM_JOB_ID" not in os.environ and hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    return Capacity((cores,), shares=True)


def cluster_capacity(partition: str = "") -> Capacity:
    """Ask SLURM for its nodes; nothing is known if it does not answer.

    Parameters
    ----------
    partition : str
        Where the jobs go; empty for the default partition.
    """
    try:
        done = subprocess.run(_SINFO, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return Capacity()
    return read_sinfo(done.stdout, partition)


def read_sinfo(text: str, partition: str = "") -> Capacity:
    """Return the nodes of a partition: lines such as `compute*|4|16|1-infinite`."""
    lines = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    default = [line for line in lines if line[0].endswith("*")] or lines
    chosen = [line for line in lines if line[0].rstrip("*") == partition] if partition else default
    nodes: list[int] = []
    most: list[int] = []
    for _, count, cores, size in chosen:
        # a `+` says that some of the nodes have more
        nodes += [int(re.sub(r"\D", "", cores) or 1)] * int(count)
        most += [int(last) for last in [size.rpartition("-")[2]] if last.isdecimal()]
    whose = f"partition {partition}" if partition else "the cluster"
    return Capacity(tuple(nodes), max(most, default=None), whose)


def not_attempted(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths, capacity: Capacity
) -> dict[str, str]:
    """Return the runs of a scaling study that nothing here can run, by the key of their batch.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    batches : sequence of Batch
        Its batches; those that ran, here or on a larger machine, are not among those returned.
    paths : StudyPaths
        Its files.
    capacity : Capacity
        What there is.

    Returns
    -------
    dict of str to str
        What each of them lacks.
    """
    scaling = study.config.scaling
    if scaling is None or (scaling.oversubscribe and capacity.shares):
        return {}
    needs = batch_resources(study, batches)
    lacks = {batch.key: capacity.lack(needs[batch.key], len(batch)) for batch in batches}
    return {key: lack for key, lack in lacks.items() if lack and not paths.batch(key).exists()}


def lack_notes(study: LoadedStudy, batches: Sequence[Batch], lacks: Mapping[str, str]) -> list[str]:
    """Return a line for each count that is not attempted, with the number of its runs."""
    scaling, cases, runs = study.config.scaling, case_table(study), dict[str, int]()
    for batch in batches:
        if batch.key in lacks and scaling is not None:
            count = cases[batch.segments[0].case][scaling.factor]
            line = f"not attempted: {count} {scaling.factor}: {lacks[batch.key]}"
            runs[line] = runs.get(line, 0) + 1
    return [f"{line} ({_said(count, 'run')})" for line, count in runs.items()]


def measuring_order(batches: Sequence[Batch], seed: int) -> dict[str, int]:
    """Return a priority for each batch: the points of a study in an order by chance.

    What changes in the course of time (the machine warms up, others come and go) is then not
    taken for an effect of the count. The order of some batches stays when others are added.

    Parameters
    ----------
    batches : sequence of Batch
        The batches.
    seed : int
        The seed of the study.

    Returns
    -------
    dict of str to int
        Positive numbers by key; the largest goes first.
    """
    return {b.key: 1 + random.Random(f"{seed} {b.key}").getrandbits(30) for b in batches}
