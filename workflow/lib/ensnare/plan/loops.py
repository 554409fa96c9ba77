"""Loops whose next step depends on results: following what is on record up to what is missing.

A loop takes a step, and a small file keeps what was measured in it. What comes next is decided
anew from these files whenever they are read, so a criterion that changes redoes no step: it only
ends the loop earlier or later. See docs/iterating.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

Step = TypeVar("Step")
Record = TypeVar("Record")


class Loop(Protocol[Step, Record]):
    """What a loop does: its first step, what a file says of a step, and what comes next."""

    @property
    def first(self) -> Step:
        """The step that the loop begins with."""

    def read(self, path: Path) -> Record:
        """Return what was measured in a step."""

    def after(self, done: Sequence[tuple[Step, Record]]) -> Step | None:
        """Return the step that comes after those that are done, or None when the loop ends."""


@dataclass(frozen=True)
class Followed(Generic[Step, Record]):
    """How far a loop is.

    Attributes
    ----------
    done : list of (Step, Record)
        The steps on record, in order, each with what was measured in it.
    missing : Step or None
        The step that comes next; None if the loop has ended.
    """

    done: list[tuple[Step, Record]]
    missing: Step | None


def follow(loop: Loop[Step, Record], find: Callable[[Step], Path | None]) -> Followed[Step, Record]:
    """Follow a loop through the steps on record.

    Parameters
    ----------
    loop : Loop
        The loop.
    find : callable
        Returns the file of a step, or None if it was not taken yet. In a workflow it asks a
        checkpoint, which has Snakemake take the step instead of returning.
    """
    done: list[tuple[Step, Record]] = []
    step: Step | None = loop.first
    while step is not None:
        path = find(step)
        if path is None:
            return Followed(done, step)
        done.append((step, loop.read(path)))
        step = loop.after(done)
    return Followed(done, None)
