"""The driver `rules`: which jobs of Snakemake a case takes, and after which iteration it ends.

Rule files import this module in every job. It must stay light, so functions that need numpy or
h5py import them when they are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ensnare.parareal.cases import parareal_of
from ensnare.plan.identity import digest
from ensnare.study.loading import LoadedStudy


@dataclass(frozen=True)
class Iteration:
    """An iteration of a case, as a step of a loop; see `ensnare.plan.loops`."""

    key: str
    number: int

    @property
    def wildcards(self) -> dict[str, str]:
        """The wildcards with which a rule asks the checkpoint for the file of this iteration."""
        return {"key": self.key, "iteration": f"{self.number:03d}"}


@dataclass(frozen=True)
class CaseLoop:
    """The loop over the iterations of a case; see `ensnare.plan.loops`."""

    study: LoadedStudy
    key: str

    @property
    def first(self) -> Iteration:
        """Iteration 0, the coarse solution."""
        return Iteration(self.key, 0)

    def read(self, path: Path) -> float:
        """Return the largest change of the states in an iteration; NaN for iteration 0."""
        from ensnare.parareal.files import read_maxdif

        return read_maxdif(path)

    def after(self, done: Sequence[tuple[Iteration, float]]) -> Iteration | None:
        """Return the next iteration, or None after the last."""
        from ensnare.parareal.iteration import is_last_iteration

        last, maxdif = done[-1]
        parareal = parareal_of(self.study)
        if is_last_iteration(last.number, parareal.slices, maxdif, parareal.tolerance):
            return None
        return Iteration(self.key, last.number + 1)


def blocks(study: LoadedStudy, iteration: int) -> list[range]:
    """Return the slices, from 0, of each job with fine solves of an iteration (1, 2, ...).

    Jobs end at the same slices in every iteration. To Snakemake, the output of a job is the file
    of its last slice alone.
    """
    from ensnare.parareal.iteration import needed_slices

    parareal = parareal_of(study)
    needed, size = needed_slices(iteration, parareal.slices), parareal.slices_per_job
    begins = range(needed.start // size * size, needed.stop, size)
    return [range(max(b, needed.start), min(b + size, needed.stop)) for b in begins]


def block_of(study: LoadedStudy, iteration: int, last: int) -> range:
    """Return the slices of the job of an iteration whose last slice is `last`."""
    return next(block for block in blocks(study, iteration) if block[-1] == last)


def end_digest(study: LoadedStudy) -> str:
    """Return a hash of what decides when a case is finished: the tolerance, and `serial`."""
    parareal = parareal_of(study)
    return digest([parareal.tolerance, parareal.serial])
