"""How many samples of a batch run at a time, and on which cores of this machine."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError
from ensnare.model.command import CommandModel
from ensnare.model.launcher import in_slurm_job, job_cores
from ensnare.store.locks import timing_lock
from ensnare.study.loading import LoadedStudy
from ensnare.study.resources import Resources

if TYPE_CHECKING:
    from ensnare.evaluate.tasks import BatchWork

_TOPOLOGY = Path("/sys/devices/system/cpu")


def side_by_side(work: BatchWork, todo: NDArray[np.int64], needs: Resources, cores: int) -> int:
    """Return how many samples to run at a time, after loading their modules and launcher.

    `todo` are the positions of the samples to run, `needs` is what one sample needs, and `cores`
    are those of the job. The samples of a batch of a scaling study, one run or all of its copies,
    always run together, each limited to its cores. Raises ConfigError if a module, a file to source
    or the launcher does not exist.
    """
    samples, scaling = work.samples, work.study.config.scaling
    cases = np.flatnonzero(np.bincount(samples.case[todo])).tolist()
    # a run of a scaling study that cannot start is a result, not an error
    with contextlib.suppress(*([] if scaling is None else [ConfigError])):
        if isinstance(work.model, CommandModel):
            work.model.make_ready(samples.shared(case) for case in cases)
    if scaling is not None:
        # in a SLURM job the allocation limits the cores
        work.cores = None if in_slurm_job() else needs.cores * len(samples)
        return len(samples)
    if not cases or needs.ranks is None:
        return cores // needs.cores
    return job_cores(cores).side_by_side(needs.cores)


def timed_alone(
    study: LoadedStudy, say: Callable[[str], None]
) -> contextlib.AbstractContextManager[None]:
    """Keep other timed runs off this machine for the time of a `with` block.

    In a SLURM job nothing is done, since the allocation separates them.
    """
    if study.config.scaling is None or in_slurm_job():
        return contextlib.nullcontext()
    return timing_lock(say)


def limit_cores(cores: int | None) -> None:
    """Limit this process, and what it starts from now on, to a number of cores.

    None, or at least as many as the process may use, changes nothing.
    """
    if cores is None or not hasattr(os, "sched_setaffinity"):  # macOS
        return
    ours = os.sched_getaffinity(0)
    if cores < len(ours):
        os.sched_setaffinity(0, set(spread(ours, siblings_of(ours))[:cores]))


def spread(cores: Iterable[int], siblings: dict[int, int]) -> list[int]:
    """Return logical cores in the order to use them: one of each physical core first.

    `siblings` maps a logical core to its number among the threads of its physical core, from 0.
    """
    return sorted(cores, key=lambda core: (siblings.get(core, 0), core))


def siblings_of(cores: Iterable[int], root: Path = _TOPOLOGY) -> dict[int, int]:
    """Return the number of each logical core among the threads of its physical core, from 0.

    Cores whose topology cannot be read are left out.
    """
    found = {}
    for core in cores:
        try:
            text = (root / f"cpu{core}/topology/thread_siblings_list").read_text()
        except OSError:  # a container may hide it
            continue
        found[core] = _numbers(text).index(core)
    return found


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list such as `0-1,8`."""
    ranges = re.findall(r"(\d+)(?:-(\d+))?", text)
    return [n for low, high in ranges for n in range(int(low), int(high or low) + 1)]
