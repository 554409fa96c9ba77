"""Solves that failed, and the retries of a profile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ensnare.errors import BatchError
from ensnare.store.paths import write_whole


class FailedSolveError(BatchError):
    """A solve failed in spite of the retries of the study."""


@contextlib.contextmanager
def failing_once(failed: Path, attempt: int) -> Iterator[None]:
    """Keep a solve that failed from being run again by the retries of a profile.

    These are for jobs that die: the next attempt in the same call of Snakemake says the same
    again, the first one of another call tries.

    Parameters
    ----------
    failed : Path
        Keeps what failed.
    attempt : int
        Which job for the same thing it is in this call.

    Raises
    ------
    BatchError
        If it failed in an attempt before.
    """
    if attempt > 1 and failed.exists():
        raise BatchError(failed.read_text().strip())
    failed.unlink(missing_ok=True)
    try:
        yield
    except FailedSolveError as error:
        line = f"{error}\n"
        write_whole(failed, lambda part: part.write_text(line))
        raise
