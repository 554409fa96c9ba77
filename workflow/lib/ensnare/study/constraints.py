"""Constraints on the points of a design, such as `0.1 <= Mg / (Zn + Cu) <= 0.15`.

Like `expressions` they are parsed against a whitelist and interpreted, never passed to `eval`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ensnare.errors import did_you_mean
from ensnare.study.expressions import check_arithmetic, interpret, replaced, short

_EXAMPLE = "expected such as x0 + x1 <= 1 or 0.1 <= x0 / x1 <= 0.15"
_DOWN = (ast.Lt, ast.LtE)
_UP = (ast.Gt, ast.GtE)
_SIGNS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True)
class Constraint:
    """One comparison of two expressions, `smaller <= larger`."""

    text: str  # as the user wrote it
    smaller: ast.expr
    larger: ast.expr
    strict: bool  # whether equality violates it
    names: frozenset[str]  # of the values that it needs

    def slack(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return larger - smaller, shaped like the arrays in `values`; NaN where undefined.

        `values` has a float or an ndarray of float for at least every name in `names`.
        """
        return interpret(self.larger, values) - interpret(self.smaller, values)


def parse_constraints(
    text: str, names: Collection[str], *, indexed: bool = False
) -> tuple[Constraint, ...]:
    """Return one constraint for each comparison of a text, which may be a chain of them.

    A text compares arithmetic over `names` by <=, >=, < or >. With `indexed` the names are
    elements of an array, such as `x[0]`. Raises a ValueError for anything else, which quotes what
    was refused and its column.
    """
    tree = _tree(text)
    if indexed:
        tree = _elements_named(tree, text, names)
    if not isinstance(tree, ast.Compare):
        raise ValueError(f"{short(text.strip())} compares nothing; {_EXAMPLE}")
    sides = [tree.left, *tree.comparators]
    found: set[str] = set()
    for side in sides:
        check_arithmetic(side, text, found)
    _refuse_large_numbers(tree, text)
    for name in sorted(found - set(names)):
        raise ValueError(
            f"{short(text.strip())}: unknown '{name}' at column {_column(tree, name)}"
            f"{did_you_mean(name, names)}"
        )
    return tuple(
        _constraint(left, op, right, text)
        for left, op, right in zip(sides, tree.ops, sides[1:], strict=False)
    )


def _refuse_large_numbers(tree: ast.expr, text: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            try:
                infinite = math.isinf(float(node.value))  # type: ignore[arg-type]
            except OverflowError:
                infinite = True
            if infinite:
                where = f"at column {node.col_offset + 1}"
                raise ValueError(f"{short(text.strip())}: the number {where} is too large")


def _tree(text: str) -> ast.expr:
    """Parse a text that may be indented; columns are counted with the indentation."""
    lead = len(text) - len(text.lstrip())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = "" if column is None else f" at column {(column or len(text.strip())) + lead}"
        raise ValueError(f"{short(text.strip())} is no constraint{where}; {_EXAMPLE}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset += lead
            node.end_col_offset = (node.end_col_offset or 0) + lead
    return tree


def _elements_named(tree: ast.expr, text: str, names: Collection[str]) -> ast.expr:
    """Return the tree with each `x[3]` replaced by a name of that spelling."""
    top = ast.Expr(tree)
    for parent in ast.walk(top):  # ast.walk does not recurse, so deep nesting is no problem
        for field, value in ast.iter_fields(parent):
            if isinstance(value, list):
                value[:] = [_element(child, text, names) for child in value]
            else:
                setattr(parent, field, _element(value, text, names))
    return top.value


def _element(node: Any, text: str, names: Collection[str]) -> Any:  # noqa: ANN401
    match node:
        case ast.Subscript(ast.Name(id="x"), ast.Constant(value=int() as i)) if f"x[{i}]" in names:
            return ast.copy_location(ast.Name(f"x[{i}]", ast.Load()), node)
        case ast.Subscript():
            part = ast.get_source_segment(text, node) or ""
            raise ValueError(
                f"{short(part)} at column {node.col_offset + 1} is not allowed; "
                f"expected x[0] to x[{len(names) - 1}]"
            )
    return node


def _constraint(left: ast.expr, op: ast.cmpop, right: ast.expr, text: str) -> Constraint:
    if not isinstance(op, _DOWN + _UP):
        raise ValueError(
            f"{short(text.strip())} at column {right.col_offset + 1}: expected <=, >=, < or >"
            + ("; an equality leaves no volume to sample" if isinstance(op, ast.Eq) else "")
        )
    smaller, larger = (left, right) if isinstance(op, _DOWN) else (right, left)
    names = frozenset(_names(left) | _names(right))
    if not names:
        raise ValueError(f"{short(text.strip())} compares constants; {_EXAMPLE}")
    written = f"{_source(left, text)} {_SIGNS[type(op)]} {_source(right, text)}"
    return Constraint(written, smaller, larger, isinstance(op, ast.Lt | ast.Gt), names)


def _source(node: ast.expr, text: str) -> str:
    return " ".join((ast.get_source_segment(text, node) or ast.unparse(node)).split())


def _names(tree: ast.expr) -> set[str]:
    """Return the names of values in arithmetic that was checked: no functions, no `pi`."""
    found: set[str] = set()
    check_arithmetic(tree, "", found)
    return found


def _column(tree: ast.expr, name: str) -> int:
    return min(
        node.col_offset + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name
    )


def substitute(constraint: Constraint, values: Mapping[str, ast.expr]) -> Constraint:
    """Return a constraint in which names are replaced by expressions."""
    smaller, larger = replaced(constraint.smaller, values), replaced(constraint.larger, values)
    names = frozenset(_names(smaller) | _names(larger))
    return Constraint(constraint.text, smaller, larger, constraint.strict, names)
