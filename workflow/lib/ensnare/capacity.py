"""What a machine or a cluster has, and which points of a scaling study need more."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ensnare.batches import Batch, batch_resources, case_table
from ensnare.config import LoadedStudy
from ensnare.config.resources import Resources
from ensnare.paths import StudyPaths

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
