"""How many samples of a batch run at a time, and on how many cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError
from ensnare.evaluate.tasks import BatchWork
from ensnare.model.command import CommandModel
from ensnare.model.launcher import in_slurm_job, job_cores
from ensnare.store.locks import timing_lock
from ensnare.study.loading import LoadedStudy
from ensnare.study.resources import Resources


def side_by_side(work: BatchWork, todo: NDArray[np.int64], needs: Resources, cores: int) -> int:
    """Return how many samples to run at a time, after loading what they need of the machine.

    The run of a scaling study, one sample or all of its copies, keeps to its cores.

    Parameters
    ----------
    work : BatchWork
        The samples.
    todo : ndarray of int
        Positions of those to run.
    needs : Resources
        What one of them needs.
    cores : int
        Cores of the job.

    Raises
    ------
    ConfigError
        If a module, a file to source or the launcher is not there.
    """
    samples, scaling = work.samples, work.study.config.scaling
    cases = np.flatnonzero(np.bincount(samples.case[todo])).tolist()
    # a point of a scaling study that cannot start is a result
    with contextlib.suppress(*([] if scaling is None else [ConfigError])):
        if isinstance(work.model, CommandModel):
            work.model.make_ready(samples.shared(case) for case in cases)
    if scaling is not None:
        # in a job of SLURM the allocation keeps them apart
        work.cores = None if in_slurm_job() else needs.cores * len(samples)
        return len(samples)
    if not cases or needs.ranks is None:
        return cores // needs.cores
    return job_cores(cores).side_by_side(needs.cores)


def timed_alone(
    study: LoadedStudy, say: Callable[[str], None]
) -> contextlib.AbstractContextManager[None]:
    """Keep others that are timed off this machine; in a job of SLURM the allocation does it."""
    if study.config.scaling is None or in_slurm_job():
        return contextlib.nullcontext()
    return timing_lock(say)
