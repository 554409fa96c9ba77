"""What became of the jobs of a run that failed on a cluster, in one line."""

from __future__ import annotations

import re
from collections import Counter

_REFUSED = re.compile(r"sbatch failed\. The error message was '(?:sbatch: error: )*([^'\n]+)")
_ENDED = re.compile(r"SLURM-job '\d+' failed.*?SLURM status is: '(\w+)", re.DOTALL)
# by how a job ended; a job that failed by itself says why in its log
_MEND = {
    "TIMEOUT": "give jobs more walltime (runtime in the profile)",
    "OUT_OF_MEMORY": "give jobs more memory (mem_mb in the profile)",
}
_LIMIT = "keep jobs in the profile below what the site lets a user submit"


def failure_note(log: str, unfinished: int, batches: int) -> str | None:
    """Return why a run that failed on a cluster did so, and what to do.

    Parameters
    ----------
    log : str
        What Snakemake and its SLURM plugin said.
    unfinished, batches : int
        Batches that have no file yet, and all batches.

    Returns
    -------
    str or None
        One line; None if no job was refused, ended or lost by SLURM.
    """
    refused = _REFUSED.findall(log)
    states = Counter(state for state in _ENDED.findall(log) if state != "FAILED")
    causes = [f"jobs that ended as {state}: {count}" for state, count in sorted(states.items())]
    if refused:
        causes.append(f"submissions that SLURM refused: {len(refused)} ({refused[-1]})")
    if not causes or not unfinished:
        return None
    mend = [text for key, text in _MEND.items() if key in states]
    mend += [_LIMIT] if refused else []
    return (
        f"{unfinished} of {batches} batches are not finished; {', '.join(causes)}; "
        f"{'; '.join([*mend, 'call the same command again'])}: finished samples are kept"
    )
