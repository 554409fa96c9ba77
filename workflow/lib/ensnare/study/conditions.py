"""Conditions on samples, such as `status == 'timeout' and F > 320`.

They are what users give as `--where`. Like `expressions` they are parsed against a whitelist and
interpreted, never passed to `eval`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ensnare.study.expressions import check_arithmetic, interpret, short

_NUMBERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_DEEPEST = 100  # nested `and`, `or` and `not`
_EXAMPLE = "expected such as status == 'timeout' and F > 320"


@dataclass(frozen=True)
class Condition:
    """A condition on named values."""

    text: str
    names: frozenset[str]  # of the values that it needs
    texts: Mapping[str, set[str]]  # name to the texts that it is compared with
    _tree: ast.expr

    def holds(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return where the condition holds, an ndarray of bool shaped like the arrays in `values`.

        `values` has an ndarray of floats or of texts for at least every name in `names`; NaN is
        neither above nor below anything. Raises a ValueError if a text is compared with a number.
        """
        import numpy as np

        with np.errstate(all="ignore"):  # failed samples have NaN as outputs
            return _holds(self._tree, values)


def parse_condition(text: str) -> Condition:
    """Parse comparisons joined by and, or, not.

    A comparison (< <= > >= == != in) is of arithmetic over names, or of a name with texts in
    quotes. Raises a ValueError for anything else, which quotes what was refused and its column.
    """
    text = text.strip()
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        hint = "; write == for equal" if " = " in text else ""
        raise ValueError(f"{short(text)} is no condition{where}{hint}; {_EXAMPLE}") from None
    names: set[str] = set()
    texts: dict[str, set[str]] = {}
    _check(tree, text, names, texts)
    return Condition(text, frozenset(names), texts, tree)


def _check(
    node: ast.expr, text: str, names: set[str], texts: dict[str, set[str]], depth: int = 0
) -> None:
    """Collect names and texts; raise a ValueError for a node outside the whitelist."""
    match node:
        case _ if depth > _DEEPEST:
            raise ValueError(f"{short(text)} is nested too deeply")
        case ast.BoolOp(_, parts):
            for inner in parts:
                _check(inner, text, names, texts, depth + 1)
        case ast.UnaryOp(ast.Not(), operand):
            _check(operand, text, names, texts, depth + 1)
        case ast.Compare(left, [ast.In() | ast.NotIn()], [ast.Tuple(parts) | ast.List(parts)]):
            for member in parts:
                _check_pair(left, member, ast.Eq(), text, (names, texts))
        case ast.Compare(left, operators, others):
            for first, second, compared in zip([left, *others], others, operators, strict=False):
                _check_pair(first, second, compared, text, (names, texts))
        case _:
            source = ast.get_source_segment(text, node) or ""
            raise ValueError(
                f"{short(source)} at column {node.col_offset + 1} is no condition; {_EXAMPLE}"
            )


def _check_pair(
    left: ast.expr,
    right: ast.expr,
    compared: ast.cmpop,
    text: str,
    found: tuple[set[str], dict[str, set[str]]],
) -> None:
    names, texts = found
    name, word = _name_and_word(left, right)
    if word is None:
        if type(compared) not in _NUMBERS:
            raise ValueError(f"{short(text)}: {_EXAMPLE}; in takes a list such as (1, 2)")
        check_arithmetic(left, text, names)
        check_arithmetic(right, text, names)
    elif name is None or type(compared) not in (ast.Eq, ast.NotEq):
        raise ValueError(f"{short(word)}: a text can only be equal to a name or not; {_EXAMPLE}")
    else:
        names.add(name)
        texts.setdefault(name, set()).add(word)


def _name_and_word(left: ast.expr, right: ast.expr) -> tuple[str | None, str | None]:
    """Return the name and the text in quotes of a comparison; None for what it does not have."""
    for word, name in ((left, right), (right, left)):
        if isinstance(word, ast.Constant) and isinstance(word.value, str):
            return (name.id if isinstance(name, ast.Name) else None), word.value
    return None, None


def _holds(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    import numpy as np

    match node:
        case ast.BoolOp(joined, parts):
            both = np.logical_and if isinstance(joined, ast.And) else np.logical_or
            return both.reduce(np.broadcast_arrays(*(_holds(part, values) for part in parts)))
        case ast.UnaryOp(ast.Not(), operand):
            return np.logical_not(_holds(operand, values))
        case ast.Compare(
            left, [ast.In() | ast.NotIn() as op], [ast.Tuple(parts) | ast.List(parts)]
        ):
            pairs = [_compare(left, part, ast.Eq(), values) for part in parts]
            inside = np.logical_or.reduce(np.broadcast_arrays(np.False_, *pairs))
            return inside if isinstance(op, ast.In) else ~inside
        case ast.Compare(left, operators, others):
            pairs = [
                _compare(first, second, op, values)
                for first, second, op in zip([left, *others], others, operators, strict=False)
            ]
            return np.logical_and.reduce(np.broadcast_arrays(*pairs))
    raise AssertionError(ast.dump(node))  # _check refuses all else


def _compare(left: ast.expr, right: ast.expr, op: ast.cmpop, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    name, word = _name_and_word(left, right)
    if name is None:
        return _NUMBERS[type(op)](_number(left, values), _number(right, values))
    if not _is_text(values[name]):
        raise ValueError(f"'{name}' is a number; write {word} without quotes")
    return values[name] == word if isinstance(op, ast.Eq) else values[name] != word


def _number(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in values and _is_text(values[part.id]):
            raise ValueError(f"'{part.id}' is a text; compare it with a text in quotes")
    return interpret(node, values)


def _is_text(values: Any) -> bool:  # noqa: ANN401
    return getattr(values, "dtype", None) is not None and values.dtype.kind in "UO"
