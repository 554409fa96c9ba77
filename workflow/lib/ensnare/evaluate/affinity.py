"""Keeping to some of the cores of this machine, so that what is timed has no more of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")


def keep_to(cores: int | None) -> None:
    """Let this process, and what it starts from now on, run on so many cores only.

    Parameters
    ----------
    cores : int or None
        How many; None, or as many as there are, changes nothing.
    """
    if cores is None or not hasattr(os, "sched_setaffinity"):  # macOS
        return
    ours = os.sched_getaffinity(0)
    if cores < len(ours):
        os.sched_setaffinity(0, set(spread(ours, siblings_of(ours))[:cores]))


def spread(cores: Iterable[int], siblings: dict[int, int]) -> list[int]:
    """Return logical cores in the order to take them: one of each physical core first.

    Parameters
    ----------
    cores : iterable of int
        Logical cores.
    siblings : dict of int to int
        Which one of its physical core each of them is, from 0.
    """
    return sorted(cores, key=lambda core: (siblings.get(core, 0), core))


def siblings_of(cores: Iterable[int], root: Path = _TOPOLOGY) -> dict[int, int]:
    """Return which hardware thread of its physical core each logical core is, from 0."""
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
