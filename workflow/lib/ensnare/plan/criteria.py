"""What was measured in a round of a design that grows by itself, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensnare.study.designs import Saltelli, Until
from ensnare.study.study import Study
from ensnare.study.sweep import Case, case_label, expand_cases


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
class Decision:
    """Whether a design is large enough.

    Attributes
    ----------
    end : str
        Why the loop ends: `reached`, `budget` (the next design would not fit), `undefined` (all
        intervals that there are are narrow enough, but others are not defined, and more base rows
        would not help); empty: it goes on.
    widest : Widest
        What is farthest from the criterion: an interval that is not defined, or else the widest.
    unattainable : list of Widest
        Outputs with indices that no larger design would have, such as those of a constant.
    """

    end: str
    widest: Widest
    unattainable: list[Widest]


def decide(study: Study, measured: Measured) -> Decision:
    """Return whether a design is large enough.

    Parameters
    ----------
    study : Study
        What is to be reached, and the budget.
    measured : Measured
        What was measured with the design.
    """
    until, found = until_of(study), _judged(study, measured)
    wide = [item for item in found if item.width is not None and item.width >= until.width]
    undefined = [item for item in found if item.undefined]
    unattainable = [item for item in undefined if not item.too_few]
    goes_on = "" if measured.size < most_size(study) else "budget"
    if wide:
        return Decision(goes_on, max(wide, key=_width), unattainable)
    if unattainable:
        return Decision("undefined", unattainable[0], unattainable)
    if undefined:
        return Decision(goes_on, undefined[0], unattainable)
    return Decision("reached", max(found, key=_width), unattainable)


def _judged(study: Study, measured: Measured) -> list[Widest]:
    """Return the outputs that count."""
    names = until_of(study).outputs or list(measured.outputs)
    return [measured.outputs[name] for name in names]


def _width(item: Widest) -> float:
    return item.width or 0.0


def until_of(study: Study) -> Until:
    """Return what a design that grows by itself is to reach."""
    assert isinstance(study.design, Saltelli)
    assert study.design.until is not None
    return study.design.until


def most_size(study: Study) -> int:
    """Return the largest base size that the budget of a study allows."""
    assert isinstance(study.design, Saltelli)
    rows = until_of(study).most_rows(len(expand_cases(study.sweep, study.exclude)))
    return rows // study.design.n_blocks(len(study.random_inputs))


def ending(study: Study, done: Sequence[Measured]) -> str:
    """Return in a line why the rounds of a study ended, or what they go on for."""
    width = until_of(study).width
    if not done:
        return f"until total indices have intervals narrower than {width:g}"
    decision = decide(study, done[-1])
    why = [_why(item) for item in decision.unattainable]
    if decision.end == "undefined":
        return _unattainable(study, done[-1], why)
    widest = decision.widest
    if widest.width is None or (widest.width < width and widest.undefined):
        shown = _why(widest)
    else:
        shown = f"widest interval {_shown(widest)}"
    said = "; ".join([f"{shown}, expected less than {width:g}", *why])
    match decision.end:
        case "reached":
            return f"reached: {said}"
        case "budget":
            return f"budget of {until_of(study).budget} samples spent: {said}"
        case _:
            return f"not reached yet: {said}"


def _unattainable(study: Study, measured: Measured, why: Sequence[str]) -> str:
    """Return why a criterion cannot be reached, and how the outputs stand that can be judged."""
    widths = [item for item in _judged(study, measured) if item.width is not None]
    if not widths:
        return f"cannot be reached: {'; '.join(why)}"
    rest = f"all other intervals are narrower than {until_of(study).width:g}, the widest is"
    return f"cannot be reached: {'; '.join(why)}; {rest} {_shown(max(widths, key=_width))}"


def round_line(study: Study, number: int, measured: Measured) -> str:
    """Return what a round came to: its size, and the widest interval of each output that counts.

    Parameters
    ----------
    study : Study
        What is to be reached.
    number : int
        The round, from 0.
    measured : Measured
        What was measured in it.
    """
    failed = f", {measured.failed} failed" if measured.failed else ""
    widths = ", ".join(map(_short, _judged(study, measured)))
    return (
        f"round {number + 1}: {measured.size} base rows, {measured.samples} samples{failed}; "
        f"widest interval: {widths}; expected less than {until_of(study).width:g}"
    )


def round_report(study: Study, number: int, measured: Measured) -> str:
    """Return what to say when a round has been measured: what it came to, and what follows.

    Parameters
    ----------
    study : Study
        What is to be reached, and the budget.
    number : int
        The round, from 0.
    measured : Measured
        What was measured in it.
    """
    lines = [round_line(study, number, measured), f"rounds: {ending(study, [measured])}"]
    return "\n".join(f"study {study.study}: {line}" for line in lines)


def _short(item: Widest) -> str:
    if item.width is None:
        return f"{item.output} none"
    some = ", not defined everywhere" if item.undefined else ""
    return f"{item.output} {item.width:.3g} ({_where(item)}{some})"


def _shown(item: Widest) -> str:
    return f"{_width(item):.3g} (output {item.output}, {_where(item)})"


def _where(item: Widest) -> str:
    return f"{item.input}, {case_label(item.case)}" if item.case else item.input


def _why(item: Widest) -> str:
    return f"output {item.output}: {item.undefined}"
