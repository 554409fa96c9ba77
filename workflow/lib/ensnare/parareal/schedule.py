"""The driver `rules`: which jobs of Snakemake the cases take, and when they end.

Imported by rule files, so it imports what reads files only where that is needed.
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
    """An iteration of a case, as a step of a loop: what its checkpoint is asked for by."""

    key: str
    number: int

    @property
    def wildcards(self) -> dict[str, str]:
        """What its file is asked for by."""
        return {"key": self.key, "iteration": f"{self.number:03d}"}


@dataclass(frozen=True)
class CaseLoop:
    """The loop over the iterations of a case; see `ensnare.plan.loops`.

    Attributes
    ----------
    study : LoadedStudy
        The study.
    key : str
        The case.
    """

    study: LoadedStudy
    key: str

    @property
    def first(self) -> Iteration:
        """The coarse solution."""
        return Iteration(self.key, 0)

    def read(self, path: Path) -> float:
        """Return by how much the states of an iteration changed; NaN in iteration 0."""
        from ensnare.parareal.files import read_maxdif

        return read_maxdif(path)

    def after(self, done: Sequence[tuple[Iteration, float]]) -> Iteration | None:
        """Return the next iteration, or None after the last."""
        from ensnare.parareal.iteration import ends

        last, maxdif = done[-1]
        parareal = parareal_of(self.study)
        if ends(last.number, parareal.slices, maxdif, parareal.tolerance):
            return None
        return Iteration(self.key, last.number + 1)


def blocks(study: LoadedStudy, iteration: int) -> list[range]:
    """Return the slices of each job of an iteration, from 1, that has fine solves.

    Jobs end with the same slices in every iteration. The file of its last slice stands for a job.
    """
    from ensnare.parareal.iteration import needed_slices

    parareal = parareal_of(study)
    needed, size = needed_slices(iteration, parareal.slices), parareal.slices_per_job
    begins = range(needed.start // size * size, needed.stop, size)
    return [range(max(b, needed.start), min(b + size, needed.stop)) for b in begins]


def block_of(study: LoadedStudy, iteration: int, last: int) -> range:
    """Return the slices of the job of an iteration that ends with a slice."""
    return next(block for block in blocks(study, iteration) if block[-1] == last)


def end_digest(study: LoadedStudy) -> str:
    """Return a name for what ends a case: the criterion, and whether it is solved in sequence."""
    parareal = parareal_of(study)
    return digest([parareal.tolerance, parareal.serial])
