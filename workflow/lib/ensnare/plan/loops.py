"""Loops whose next step depends on results, such as the rounds of a design that grows by itself.

Each step leaves a small file with what was measured in it. Whoever needs to know the next step
(Snakemake while it plans, `-n`, a command) follows these files from the first step on. The
criterion that ends the loop is not part of the names of the files, so another criterion repeats
no step; it only ends the loop earlier or later. See docs/iterating.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

Step = TypeVar("Step")
Record = TypeVar("Record")


class Loop(Protocol[Step, Record]):
    """The first step of a loop, the reading of a file of a step, and the choice of the next one."""

    @property
    def first(self) -> Step:
        """The step with which the loop begins."""

    def read(self, path: Path) -> Record:
        """Return what was measured in a step, from its file."""

    def after(self, done: Sequence[tuple[Step, Record]]) -> Step | None:
        """Return the step after those that are done; None if the loop ends."""


@dataclass(frozen=True)
class Followed(Generic[Step, Record]):
    """How far a loop has come."""

    done: list[tuple[Step, Record]]  # in order, each with what was measured in it
    missing: Step | None  # the next step; None if the loop has ended


def follow(loop: Loop[Step, Record], find: Callable[[Step], Path | None]) -> Followed[Step, Record]:
    """Follow a loop through the files of its steps, to the first step that has none.

    `find` returns the file of a step, or None if the step was not taken yet. In a workflow it asks
    a Snakemake checkpoint, which raises an exception instead, so that Snakemake takes the step.
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
