"""The constraints of a design, in terms of the inputs that it varies."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ensnare.config.designs import Constrained
from ensnare.constraints import Constraint, parse_constraints, substitute
from ensnare.expressions import canonical_text, short

if TYPE_CHECKING:
    from ensnare.config.study import Study


def check_constraints(study: Study) -> None:
    """Check that the constraints of a design are arithmetic over inputs that vary.

    Raises
    ------
    ValueError
        If one is not; the message names the constraint, and the column where that helps.
    """
    if isinstance(study.design, Constrained):
        constraints_of(study)


def constraints_of(study: Study) -> tuple[Constraint, ...]:
    """Return the constraints of a constrained design, over its random inputs only.

    Constants and derived values are put in, and the order is that of their texts: neither names
    of the study file nor the order of its lines decide what is sampled.
    """
    assert isinstance(study.design, Constrained)
    inside = _definitions(study)
    names = [*(item.name for item in study.random_inputs), *inside]
    found: list[Constraint] = []
    for i, text in enumerate(study.design.constraints):
        try:
            found += _parsed(text, names, inside, study.factors)
        except ValueError as error:
            raise ValueError(f"design.constraints[{i}]: {error}") from None
    return tuple(sorted(found, key=identity_text))


def constrained_names(study: Study) -> set[str]:
    """Return the names that the constraints of a design are written with; none without them."""
    if not isinstance(study.design, Constrained):
        return set()
    known = [*(item.name for item in study.inputs), *study.derived]
    texts = study.design.constraints
    return {name for text in texts for c in parse_constraints(text, known) for name in c.names}


def _parsed(
    text: str, names: Sequence[str], inside: Mapping[str, ast.expr], factors: Mapping[str, object]
) -> list[Constraint]:
    written = parse_constraints(text, [*names, *factors])
    found = [substitute(constraint, inside) for constraint in written]
    for constraint in found:
        if of_case := sorted(constraint.names & set(factors)):
            raise ValueError(
                f"{short(text)} needs the factor '{of_case[0]}'; expected inputs, whose points "
                "are the same in every case"
            )
        if not constraint.names:
            raise ValueError(f"{short(text)} compares constants; expected an uncertain input")
    return found


def _definitions(study: Study) -> dict[str, ast.expr]:
    """Return what constants and derived values stand for, in terms of random inputs."""
    known: dict[str, ast.expr] = {n: ast.Constant(v) for n, v in study.constants.items()}
    for name, expression in study.expressions.items():  # each stands after those it needs
        known[name] = expression.with_values(known)
    return known


def identity_text(constraint: Constraint) -> str:
    """Return what a constraint says, however it was spaced."""
    sign = "<" if constraint.strict else "<="
    return f"{canonical_text(constraint.smaller)} {sign} {canonical_text(constraint.larger)}"
