"""What a job leaves to the next one: for want of time, or of memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ensnare.errors import HandedBackError, ShortOfMemoryError
from ensnare.evaluate.jobs import read_ends

if TYPE_CHECKING:
    from ensnare.evaluate.walltime import Walltime

RETRIES = "ENSNARE_RETRIES"  # how often a job with more memory may follow; where none does, not set
_NEXT = "which the retries of the profile start, or snakemake when it is run again"


def another_has_more_memory(path: Path, attempt: int, tries: int) -> bool:
    """Return whether a sample that was killed should be left to the next job of its batch.

    That is so where a failed job is followed by one with more memory, unless samples that may be
    tried again so often have had that already.

    Parameters
    ----------
    path : Path
        The record of the jobs of the batch.
    attempt : int
        Which job of this call of Snakemake this one is, from 1.
    tries : int
        How often a killed sample is tried again.
    """
    retries = os.environ.get(RETRIES, "")
    follows = retries.isdecimal() and attempt <= int(retries)
    return follows and read_ends(path).deaths < tries


def handed_back(key: str, counts: tuple[int, int, int], walltime: Walltime) -> HandedBackError:
    """Return the error that ends a job with samples left.

    Parameters
    ----------
    key : str
        The batch.
    counts : tuple of int
        Samples that are left, those of them that were killed, and all of the batch.
    walltime : Walltime
        The time of the job.
    """
    left, killed, total = counts
    if killed:
        return ShortOfMemoryError(
            f"batch {key}: {killed} of {total} samples were killed, perhaps for want of memory, "
            f"and {left} are handed back; the next job, with more of it, takes them, {_NEXT}"
        )
    return HandedBackError(
        f"batch {key}: {left} of {total} samples are handed back: the job ends in "
        f"{walltime.left_s():.0f} s, and samples may need {walltime.needed_s():.0f} s; the next "
        f"job takes them, {_NEXT}"
    )
