"""How many samples make a batch, and where one ends."""

from __future__ import annotations

from collections.abc import Iterator

# A job should outlast its start-up (0.4 s) by far, also with samples of a millisecond. Two batches
# per doubling keep `snakemake -n` fast at a million samples, and give a cluster several at a time.
FIRST_SIZE = 8192
FIRST_SIZE_VECTORIZED = 65536
_PER_DOUBLING = 2
# Where the time of a sample is known: how long a job should take [s], and on how many cores. The
# number of cores is no profile's, since boundaries must not depend on where a study runs.
_TARGET_S = 1200.0
_TARGET_CORES = 4
MOST_SAMPLES = 65536


def boundaries(total: int, size: int | None, first: int = FIRST_SIZE) -> Iterator[tuple[int, int]]:
    """Cut 0..total into ranges that do not move when `total` grows.

    Parameters
    ----------
    total : int
        Number of items.
    size : int or None
        Items per range; None starts with `first` and doubles after every second range.
    first : int
        Size of the first ranges when `size` is None.

    Yields
    ------
    start, stop : int
        The range; `stop` is excluded. Only the last range may be shorter than planned.
    """
    start = count = 0
    while start < total:
        planned = size or first << (count // _PER_DOUBLING)
        yield start, min(start + planned, total)
        start += planned
        count += 1


def size_for(elapsed_s: float, cores: int) -> int:
    """Return how many samples make a job of the length that jobs should have.

    Parameters
    ----------
    elapsed_s : float
        Time of one sample [s].
    cores : int
        Cores of one sample.

    Returns
    -------
    int
        A power of two, so that few changes of the time move a boundary; 1 for long samples.
    """
    samples = max(1, _TARGET_CORES // cores) * _TARGET_S / elapsed_s
    return 1 << max(0, int(min(samples, MOST_SAMPLES)).bit_length() - 1)
