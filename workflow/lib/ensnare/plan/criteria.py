"""The criterion that ends the rounds of a design that grows by itself (the key `until`).

A round measures how wide the confidence intervals of the total Sobol' indices are. The design
doubles until all of them are narrow enough, the budget of samples is spent, or some interval
cannot become defined, however large the design is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ensnare.study.designs import Saltelli, Until
from ensnare.study.study import Study
from ensnare.study.sweep import Case, case_label, expand_cases


@dataclass(frozen=True)
class Widest:
    """The widest confidence interval of the total indices of one output, over inputs and cases."""

    output: str
    width: float | None  # [-]; None if no interval is defined
    input: str  # the input with this interval
    case: Case  # the case of the sweep with this interval
    undefined: str  # why some interval is not defined, and in which case; empty if all are defined
    too_few: bool = False  # only since too few base rows have no failure: a larger design may help


@dataclass(frozen=True)
class Measured:
    """What was measured in a round; the file `rounds/<key>.json`."""

    size: int  # base size of the design
    samples: int
    failed: int  # samples without a result
    outputs: dict[str, Widest]  # by name, for every output that is a number

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        outputs = {name: vars(widest) for name, widest in self.outputs.items()}
        return {**vars(self), "outputs": outputs}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Measured:
        """Return the object that `to_json` was called on."""
        outputs = {name: Widest(**widest) for name, widest in tree["outputs"].items()}
        return cls(int(tree["size"]), int(tree["samples"]), int(tree["failed"]), outputs)


@dataclass(frozen=True)
class Decision:
    """Whether the rounds end with a design, and why.

    `end` is empty if there is another round. Otherwise it is `reached`; `budget`, if a larger
    design is over the budget; or `undefined`, if all defined intervals are narrow enough, and more
    base rows would not define the others.
    """

    end: str
    widest: Widest  # farthest from the criterion: too wide, or not defined, or the widest of all
    unattainable: list[Widest]  # outputs without indices in any larger design, such as constants


def decide(study: Study, measured: Measured) -> Decision:
    """Decide whether a design with these measured intervals is the last one, and why."""
    until, found = until_of(study), _outputs_that_count(study, measured)
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


def until_of(study: Study) -> Until:
    """Return the criterion of a design that grows by itself."""
    assert isinstance(study.design, Saltelli)
    assert study.design.until is not None
    return study.design.until


def most_size(study: Study) -> int:
    """Return the largest base size whose samples, in all cases together, are within the budget."""
    assert isinstance(study.design, Saltelli)
    rows = until_of(study).most_rows(len(expand_cases(study.sweep, study.exclude)))
    return rows // study.design.n_blocks(len(study.random_inputs))


def ending(study: Study, done: Sequence[Measured]) -> str:
    """Return one line: why the rounds ended, how far they are from it, or what the criterion is."""
    width = until_of(study).width
    if not done:
        return f"until total indices have intervals narrower than {width:g}"
    decision = decide(study, done[-1])
    why = [_why(item) for item in decision.unattainable]
    if decision.end == "undefined":
        return _cannot_be_reached(study, done[-1], why)
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


def round_line(study: Study, number: int, measured: Measured) -> str:
    """Return one line on a round (from 0): its size, and the widest interval of each output."""
    failed = f", {measured.failed} failed" if measured.failed else ""
    widths = ", ".join(map(_short, _outputs_that_count(study, measured)))
    return (
        f"round {number + 1}: {measured.size} base rows, {measured.samples} samples{failed}; "
        f"widest interval: {widths}; expected less than {until_of(study).width:g}"
    )


def round_report(study: Study, number: int, measured: Measured) -> str:
    """Return two lines for the log on a round that was measured: its results, and what follows."""
    lines = [round_line(study, number, measured), f"rounds: {ending(study, [measured])}"]
    return "\n".join(f"study {study.study}: {line}" for line in lines)


def _outputs_that_count(study: Study, measured: Measured) -> list[Widest]:
    """Return what was measured of the outputs that the criterion names; of all if it names none."""
    names = until_of(study).outputs or list(measured.outputs)
    return [measured.outputs[name] for name in names]


def _cannot_be_reached(study: Study, measured: Measured, why: Sequence[str]) -> str:
    """Return why some intervals stay undefined, and how wide the widest of the others is."""
    widths = [item for item in _outputs_that_count(study, measured) if item.width is not None]
    if not widths:
        return f"cannot be reached: {'; '.join(why)}"
    rest = f"all other intervals are narrower than {until_of(study).width:g}, the widest is"
    return f"cannot be reached: {'; '.join(why)}; {rest} {_shown(max(widths, key=_width))}"


def _width(item: Widest) -> float:
    return item.width or 0.0


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
