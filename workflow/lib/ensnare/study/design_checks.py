"""Checks that design, copulas and constraints of a study fit its inputs.

Each check raises a ValueError with the first thing that is wrong. `constraints_of` also serves
those who sample: it returns constraints in terms of the uncertain inputs only.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ensnare.errors import did_you_mean
from ensnare.study.constraints import Constraint, parse_constraints, substitute
from ensnare.study.designs import (
    MOST_ROWS,
    TAKE_COPULA,
    Constrained,
    Factorial,
    Saltelli,
    Table,
    count_rows,
)
from ensnare.study.expressions import canonical_text, short
from ensnare.study.sweep import expand_cases

if TYPE_CHECKING:
    from ensnare.study.study import Study


def check_design(study: Study) -> None:
    """Check that there is a design if and only if there are uncertain inputs, and that it fits."""
    names = [item.name for item in study.random_inputs]
    if study.design is None:
        if names:
            raise ValueError(
                f"input '{names[0]}' is uncertain but there is no design; add one such as "
                "design: {method: monte_carlo, size: 100}"
            )
        if not (study.sweep or study.scaling):
            raise ValueError("found neither a design nor a sweep; add one")
        return
    if not names:
        raise ValueError("there is a design but no uncertain input; add inputs with distributions")
    if not isinstance(study.design, Table):
        for i, item in enumerate(study.inputs):
            if not item.has_law and item.value is None:
                raise ValueError(
                    f"inputs[{i}]: '{item.name}' has neither a distribution nor a value; add one"
                )
        _check_rows(study.design, names)
    if isinstance(study.design, Saltelli) and study.design.second_order and len(names) < 2:
        raise ValueError("design.second_order: found one uncertain input; expected two or more")


def _check_rows(design: Any, names: list[str]) -> None:  # noqa: ANN401
    """Check that a factorial design has levels for every input, and the number of rows."""
    if isinstance(design, Factorial) and isinstance(design.levels, dict):
        for name in design.levels:
            if name not in names:
                raise ValueError(
                    f"design.levels: '{name}' is not an uncertain input{did_you_mean(name, names)}"
                )
        missing = [name for name in names if name not in design.levels]
        if missing:
            raise ValueError(f"design.levels: no number of levels for '{missing[0]}'; add it")
    rows = count_rows(design, names)
    if rows > MOST_ROWS:
        raise ValueError(
            f"design: {design.method} of {len(names)} inputs has {rows:.3g} rows; "
            f"expected at most {MOST_ROWS:g}"
        )


def check_growth(study: Study) -> None:
    """Check `until` of a design: its outputs have indices, and its budget holds the first round."""
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


def check_copula(study: Study) -> None:
    """Check that copulas couple uncertain inputs, each input in one copula, each pair once."""
    if not study.copulas:
        return
    if study.design is not None and not isinstance(study.design, TAKE_COPULA):
        raise ValueError(
            f"copula: the design {study.design.method} takes independent inputs; "
            "remove the copula or choose monte_carlo, sobol, halton, lhs or constrained"
        )
    names = [item.name for item in study.random_inputs]
    coupled: set[str] = set()
    for copula in study.copulas:
        pairs = getattr(copula.block, "pairs", [])
        used = [*copula.block.inputs, *(name for pair in pairs for name in pair[:2])]
        for name in used:
            if name not in names:
                raise ValueError(
                    f"copula: '{name}' is not an uncertain input" + did_you_mean(name, names)
                )
        _check_block(copula.name, copula.block.inputs, pairs)
        for name in copula.block.inputs:
            if name in coupled:
                raise ValueError(f"copula: '{name}' is in two copulas; expected one")
            coupled.add(name)


def _check_block(name: str, inputs: list[str], pairs: list[tuple[str, str, float]]) -> None:
    """Check the inputs and the correlations of one copula."""
    if len(set(inputs)) < len(inputs):
        raise ValueError(f"copula.{name}: found an input twice; expected different ones")
    seen: set[frozenset[str]] = set()
    for first, second, value in pairs:
        if not {first, second} <= set(inputs):
            raise ValueError(
                f"copula.{name}: found the pair {first}, {second}; expected pairs of "
                + ", ".join(inputs)
            )
        if first == second:
            raise ValueError(f"copula: found the pair {first}, {second}; expected two inputs")
        if frozenset((first, second)) in seen:
            raise ValueError(f"copula: found the pair {first}, {second} twice; keep one")
        if not -1 < value < 1:
            raise ValueError(
                f"copula: got the correlation {value:g} of {first}, {second}; "
                "expected between -1 and 1"
            )
        seen.add(frozenset((first, second)))


def check_constraints(study: Study) -> None:
    """Check that the constraints of a design are comparisons over uncertain inputs."""
    if isinstance(study.design, Constrained):
        constraints_of(study)


def constraints_of(study: Study) -> tuple[Constraint, ...]:
    """Return the constraints of a constrained design, over its uncertain inputs only.

    Constants and derived values are replaced by what they stand for, and the constraints are
    sorted by `identity_text`, so the order of lines in the study file does not change the points.
    Raises a ValueError for one that is not a comparison over uncertain inputs.
    """
    assert isinstance(study.design, Constrained)
    definitions = _definitions(study)
    names = [*(item.name for item in study.random_inputs), *definitions]
    found: list[Constraint] = []
    for i, text in enumerate(study.design.constraints):
        try:
            found += _parsed(text, names, definitions, study.factors)
        except ValueError as error:
            raise ValueError(f"design.constraints[{i}]: {error}") from None
    return tuple(sorted(found, key=identity_text))


def constrained_names(study: Study) -> set[str]:
    """Return the names that stand in the constraints of a design: inputs and derived values."""
    if not isinstance(study.design, Constrained):
        return set()
    known = [*(item.name for item in study.inputs), *study.derived]
    texts = study.design.constraints
    return {name for text in texts for c in parse_constraints(text, known) for name in c.names}


def _parsed(
    text: str,
    names: Sequence[str],
    definitions: Mapping[str, ast.expr],
    factors: Mapping[str, object],
) -> list[Constraint]:
    written = parse_constraints(text, [*names, *factors])
    found = [substitute(constraint, definitions) for constraint in written]
    for constraint in found:
        # the same points are used in every case, so they cannot depend on a factor
        if used_factors := sorted(constraint.names & set(factors)):
            raise ValueError(
                f"{short(text)} needs the factor '{used_factors[0]}'; expected inputs, whose "
                "points are the same in every case"
            )
        if not constraint.names:
            raise ValueError(f"{short(text)} compares constants; expected an uncertain input")
    return found


def _definitions(study: Study) -> dict[str, ast.expr]:
    """Return constants and derived values as expressions in terms of uncertain inputs."""
    known: dict[str, ast.expr] = {n: ast.Constant(v) for n, v in study.constants.items()}
    for name, expression in study.expressions.items():  # sorted: each comes after those it needs
        known[name] = expression.with_values(known)
    return known


def identity_text(constraint: Constraint) -> str:
    """Return a constraint as a text that does not depend on how it was spaced."""
    sign = "<" if constraint.strict else "<="
    return f"{canonical_text(constraint.smaller)} {sign} {canonical_text(constraint.larger)}"
