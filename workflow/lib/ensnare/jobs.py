"""What the job of a batch needs of a machine: from the needs of its samples, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ensnare.config import LoadedStudy
from ensnare.config.resources import ResourceChanges, Resources

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
