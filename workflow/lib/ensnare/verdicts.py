"""What was measured in a round of a design that grows by itself, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensnare.config import Study
from ensnare.config.designs import Saltelli, Until
from ensnare.sweep import Case, case_label, expand_cases


@dataclass(frozen=True)
class Widest:
    """The widest interval of the total indices of an output.

    Attributes
    ----------
    output : str
        The output.
    width : float or None
        Its width [-]; None if no interval is defined.
    input : str
        The input that has it.
    case : dict
        In which case of the sweep.
    undefined : str
        Why some interval is not defined, and in which case; empty if all are.
    too_few : bool
        Whether it is only for want of base rows without a failure: a larger design may have them.
    """

    output: str
    width: float | None
    input: str
    case: Case
    undefined: str
    too_few: bool = False


@dataclass(frozen=True)
class Measured:
    """What was measured in a round.

    Attributes
    ----------
    size, samples, failed : int
        Base size, samples of that design, and how many of them have no result.
    outputs : dict of str to Widest
        Of every output that is a number, by name.
    """

    size: int
    samples: int
    failed: int
    outputs: dict[str, Widest]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        outputs = {name: vars(widest) for name, widest in self.outputs.items()}
        return {**vars(self), "outputs": outputs}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Measured:
        """Return what `to_json` gave."""
        outputs = {name: Widest(**widest) for name, widest in tree["outputs"].items()}
        return cls(int(tree["size"]), int(tree["samples"]), int(tree["failed"]), outputs)


@dataclass(frozen=True)
class Verdict:
    """Whether a design is large enough.

    Attributes
    ----------
    end : str
        Why the loop ends: `reached`, `budget` (the next design would not fit), `undefined` (all
        intervals that there are are narrow enough, but others are not defined, and more base rows
        would not help); empty: it goes on.
    widest : Widest
        What is farthest from the criterion: an interval that is not defined, or else the widest.
    """

    end: str
    widest: Widest


def judge(study: Study, measured: Measured) -> Verdict:
    """Return whether a design is large enough.

    Parameters
    ----------
    study : Study
        What is to be reached, and the budget.
    measured : Measured
        What was measured with the design.
    """
    until = _until(study)
    names = list(measured.outputs) if until.outputs is None else until.outputs
    found = [measured.outputs[name] for name in names]
    wide = [item for item in found if item.width is not None and item.width >= until.width]
    undefined = [item for item in found if item.undefined]
    goes_on = "" if measured.size < most_size(study) else "budget"
    if wide:
        return Verdict(goes_on, max(wide, key=_width))
    if undefined:
        hopeless = [item for item in undefined if not item.too_few]
        return Verdict("undefined", hopeless[0]) if hopeless else Verdict(goes_on, undefined[0])
    return Verdict("reached", max(found, key=_width))


def _width(item: Widest) -> float:
    return item.width or 0.0


def _until(study: Study) -> Until:
    assert isinstance(study.design, Saltelli)
    assert study.design.until is not None
    return study.design.until


def most_size(study: Study) -> int:
    """Return the largest base size that the budget of a study allows."""
    assert isinstance(study.design, Saltelli)
    rows = _until(study).most_rows(len(expand_cases(study.sweep, study.exclude)))
    return rows // study.design.n_blocks(len(study.random_inputs))


def ending(study: Study, done: Sequence[Measured]) -> str:
    """Return in a line why the rounds of a study ended, or what they go on for."""
    until = _until(study)
    wanted = f"expected less than {until.width:g}"
    if not done:
        return f"until total indices have intervals narrower than {until.width:g}"
    verdict = judge(study, done[-1])
    widest = verdict.widest
    case = f", {case_label(widest.case)}" if widest.case else ""
    shown = f"widest interval {_width(widest):.3g} (output {widest.output}, {widest.input}{case})"
    if verdict.end != "reached" and (widest.width is None or widest.width < until.width):
        shown = f"output {widest.output}: {widest.undefined}"
    match verdict.end:
        case "reached":
            return f"reached: {shown}, {wanted}"
        case "budget":
            return f"budget of {until.budget} samples spent: {shown}, {wanted}"
        case "undefined":
            return f"cannot be reached: output {widest.output}: {widest.undefined}"
        case _:
            return f"not reached yet: {shown}, {wanted}"
