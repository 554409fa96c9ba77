"""Arithmetic in study files: parsed against a whitelist, interpreted, never `eval`ed."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: np.power,  # a negative base to a fraction is nan here, complex in Python
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        *("sqrt", "exp", "log", "log10", "log2", "sin", "cos", "tan", "arcsin", "arccos"),
        *("arctan", "arctan2", "sinh", "cosh", "tanh", "floor", "ceil", "minimum", "maximum"),
    )
} | {"abs": np.abs}
_CONSTANTS = {"pi": math.pi}

RESERVED = frozenset(_FUNCTIONS) | frozenset(_CONSTANTS)


@dataclass(frozen=True)
class Expression:
    """An arithmetic expression over named values.

    Attributes
    ----------
    text : str
        The source text.
    names : frozenset of str
        The names of the values it needs.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr

    def evaluate(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the value, a float or an array shaped like the arrays in `values`.

        Parameters
        ----------
        values : mapping of str to float or ndarray
            At least every name in `names`.

        Raises
        ------
        ValueError
            If a value is a text, or the result is not a finite number.
        """
        with np.errstate(all="ignore"):
            try:
                result = _interpret(self._tree, values)
            except (ArithmeticError, TypeError) as error:
                raise ValueError(f"'{self.text}' cannot be evaluated: {error}") from None
        if not np.all(np.isfinite(result)):
            raise ValueError(f"'{self.text}' is not a finite number")
        return result if isinstance(result, np.ndarray) and result.ndim else float(result)


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    Parameters
    ----------
    text : str
        For example ``b * h**3 / 12``: numbers, names, + - * / **, parentheses, `pi` and
        the functions sqrt, exp, log, sin, minimum and the like.

    Raises
    ------
    ValueError
        If it is anything else; the message names what was refused and the column.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        raise ValueError(f"'{text}' is not an arithmetic expression{where}") from None
    names: set[str] = set()
    _check(tree, text, names)
    return Expression(text, frozenset(names), tree)


def _check(node: ast.expr, text: str, names: set[str]) -> None:
    """Refuse every node outside the whitelist; collect the names."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            _check(left, text, names)
            _check(right, text, names)
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            _check(operand, text, names)
        case ast.Call(ast.Name(id=name), args, []) if name in _FUNCTIONS:
            for arg in args:
                _check(arg, text, names)
        case ast.Constant(value=float() | int()) if not isinstance(node.value, bool):
            pass
        case ast.Name(id=name) if name not in _FUNCTIONS:
            if name not in _CONSTANTS:
                names.add(name)
        case _:
            raise ValueError(
                f"'{text}': '{ast.unparse(node)}' at column {node.col_offset + 1} is not allowed; "
                "expected numbers, names, + - * / ** and functions such as sqrt"
            )


def _interpret(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    match node:
        case ast.BinOp(left, op, right):
            return _BINARY[type(op)](_interpret(left, values), _interpret(right, values))
        case ast.UnaryOp(op, operand):
            return _UNARY[type(op)](_interpret(operand, values))
        case ast.Call(ast.Name(id=name), args, _):
            return _FUNCTIONS[name](*(_interpret(arg, values) for arg in args))
        case ast.Constant(value=value):
            # floats only: 9**9**9 overflows at once where integers would fill the memory
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            value = _CONSTANTS[name] if name in _CONSTANTS else values[name]
            if isinstance(value, str):
                raise TypeError(f"'{name}' is the text '{value}', not a number")
            return value
    raise AssertionError(ast.dump(node))  # _check lets nothing else through
