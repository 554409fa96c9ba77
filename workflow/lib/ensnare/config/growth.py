"""What must agree for a design that doubles itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ensnare.config.designs import MOST_ROWS, Saltelli
from ensnare.config.sweep import expand_cases
from ensnare.errors import did_you_mean

if TYPE_CHECKING:
    from ensnare.config.study import Study


def check_growth(study: Study) -> None:
    """Check that what is to be reached can be measured, and that the first round can be paid.

    Raises
    ------
    ValueError
        If not.
    """
    design = study.design
    if not isinstance(design, Saltelli) or design.until is None:
        return
    until = design.until
    if study.analyses.sobol is None:
        raise ValueError("design.until: needs the analysis sobol; add it to analyses")
    numbers = [output.name for output in study.model.outputs if output.shape is None]
    for name in until.outputs or []:
        if name in numbers:
            continue
        if any(output.name == name for output in study.model.outputs):
            raise ValueError(
                f"design.until.outputs: '{name}' is an array; expected a number: reduce it in an "
                "output of its own"
            )
        raise ValueError(f"design.until.outputs: no output '{name}'{did_you_mean(name, numbers)}")
    if not numbers:
        raise ValueError("design.until: all outputs are arrays; expected one that is a number")
    n_cases = len(expand_cases(study.sweep, study.exclude))
    first = n_cases * design.size * design.n_blocks(len(study.random_inputs))
    if until.budget < first:
        raise ValueError(
            f"design.until.budget: got {until.budget}; the first round has {first} samples"
        )
    if (rows := until.most_rows(n_cases)) > MOST_ROWS:
        raise ValueError(
            f"design.until.budget: {rows:.3g} rows of a design; expected at most {MOST_ROWS:g}"
        )
