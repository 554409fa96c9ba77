"""Arithmetic in study files: parsed, checked against a whitelist, interpreted.

Python's `ast` reads the text, but `eval` is never called: a study file cannot run code.
`conditions` and `constraints` build comparisons on the same whitelist.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ensnare.errors import did_you_mean

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
# functions of numpy and their number of arguments; numpy writes to one argument more (`out`)
_FUNCTIONS = {"arctan2": 2, "minimum": 2, "maximum": 2} | dict.fromkeys(
    (
        *("sqrt", "exp", "log", "log10", "log2", "sin", "cos", "tan", "arcsin", "arccos"),
        *("arctan", "sinh", "cosh", "tanh", "floor", "ceil", "abs"),
    ),
    1,
)
_CONSTANTS = {"pi": math.pi}
_DEEPEST = 400  # nested operations; Python allows 1000 nested calls
RESERVED = frozenset(_FUNCTIONS) | frozenset(_CONSTANTS)


@dataclass(frozen=True)
class Expression:
    """An arithmetic expression over named values."""

    text: str
    names: frozenset[str]  # of the values that it needs
    _tree: ast.expr

    def evaluate(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the value, a float or an array shaped like the arrays in `values`.

        `values` has a float or an ndarray for at least every name in `names`. Raises a ValueError
        if a value is a text, or if the result is not finite.
        """
        import numpy as np  # here, since Snakemake's rule files parse expressions only

        with np.errstate(all="raise", under="ignore"):  # 1 / (1 / 0) would be 0
            try:
                result = interpret(self._tree, values)
            except (ArithmeticError, TypeError) as error:
                raise ValueError(f"{short(self.text)} cannot be evaluated: {error}") from None
        if not np.all(np.isfinite(result)):
            raise ValueError(f"{short(self.text)} is not a finite number")
        return result if getattr(result, "ndim", 0) else float(result)

    def evaluate_each(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the value as `evaluate` does, but NaN or infinity where it is not finite."""
        import numpy as np

        with np.errstate(all="ignore"):
            return interpret(self._tree, values)

    def with_values(self, values: Mapping[str, ast.expr]) -> ast.expr:
        """Return the expression as a tree in which names are replaced by other expressions."""
        return replaced(self._tree, values)


def replaced(node: ast.expr, values: Mapping[str, ast.expr]) -> ast.expr:
    """Return a tree that `check_arithmetic` accepts, with names replaced by expressions."""
    match node:
        case ast.BinOp(left, op, right):
            return ast.BinOp(replaced(left, values), op, replaced(right, values))
        case ast.UnaryOp(op, operand):
            return ast.UnaryOp(op, replaced(operand, values))
        case ast.Call(function, args, _):
            return ast.Call(function, [replaced(arg, values) for arg in args], [])
        case ast.Name(id=name):
            return values.get(name, node)
    return node


def canonical_text(node: ast.expr) -> str:
    """Return a tree that `check_arithmetic` accepts as a text that does not depend on spacing."""
    match node:
        case ast.BinOp(left, op, right):
            return f"({canonical_text(left)} {type(op).__name__} {canonical_text(right)})"
        case ast.UnaryOp(op, operand):
            return f"({type(op).__name__} {canonical_text(operand)})"
        case ast.Call(ast.Name(id=name), args, _):
            return f"{name}({', '.join(map(canonical_text, args))})"
        case ast.Constant(value=value):
            return repr(float(value))  # type: ignore[arg-type]
        case ast.Name(id=name):
            return name
    raise AssertionError(ast.dump(node))


def parse_expression(text: str) -> Expression:
    """Parse an expression such as `b * h**3 / 12`.

    It may have numbers, names, + - * / **, parentheses, `pi` and the functions of `RESERVED`.
    Raises a ValueError for anything else, which quotes what was refused and its column.
    """
    text = " ".join(text.split())
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column and column <= len(text) else ""
        raise ValueError(
            f"{short(text)} is not an arithmetic expression{where}{_hint(text)}"
        ) from None
    names: set[str] = set()
    check_arithmetic(tree, text, names)
    expression = Expression(text, frozenset(names), tree)
    if not names:  # a constant, whose errors such as 1 / 0 can be found now
        expression.evaluate({})
    return expression


def _hint(text: str) -> str:
    """Return what to do about a text that is not Python syntax."""
    words = re.findall("[A-Za-z_]+", text)
    taken = next((word for word in words if keyword.iskeyword(word)), None)
    if taken:
        return f"; '{taken}' is a word of Python: give the input another name"
    return "; expected such as b * h**3 / 12"


def short(text: str) -> str:
    """Return a text in quotes, on one line and shortened to 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def check_arithmetic(node: ast.expr, text: str, names: set[str], depth: int = 0) -> None:
    """Add the names in a tree to `names`; raise a ValueError for a node outside the whitelist."""
    if depth > _DEEPEST:
        raise ValueError(f"{short(text)} is nested too deeply; expected at most {_DEEPEST} levels")
    match node:
        case ast.BinOp(left, op, right) if type(op) in _BINARY or isinstance(op, ast.Pow):
            check_arithmetic(left, text, names, depth + 1)
            check_arithmetic(right, text, names, depth + 1)
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            check_arithmetic(operand, text, names, depth + 1)
        case ast.Call(ast.Name(id=name), args, []) if _takes(name, args):
            for arg in args:
                check_arithmetic(arg, text, names, depth + 1)
        case ast.Constant(value=float() | int()) if not isinstance(node.value, bool):
            pass
        case ast.Name(id=name) if name not in _FUNCTIONS:
            if name not in _CONSTANTS:
                names.add(name)
        case _:
            raise ValueError(f"{short(text)}: {_refusal(node, text)}")


def _takes(name: str, arguments: list[ast.expr]) -> bool:
    """Return whether a function exists and takes this number of arguments."""
    return _FUNCTIONS.get(name) == len(arguments)


def _refusal(node: ast.expr, text: str) -> str:
    """Return which part is refused, at which column, and what is allowed instead."""
    at = f"at column {node.col_offset + 1}"
    match node:
        case ast.Call(ast.Name(id=name), args, []) if name in _FUNCTIONS:
            return f"{name} {at} got {len(args)} arguments; expected {_FUNCTIONS[name]}"
        case ast.Call(ast.Name(id=name)) if name not in _FUNCTIONS:
            known = did_you_mean(name, _FUNCTIONS) or "; expected sqrt, exp, log, sin or the like"
            return f"unknown function '{name}' {at}{known}"
        case ast.BinOp(op=ast.BitXor()):
            return f"^ {at} is not allowed; write ** for a power"
    part = ast.get_source_segment(text, node) or ""
    return (
        f"{short(part)} {at} is not allowed; "
        "expected numbers, names, + - * / ** and functions such as sqrt"
    )


def interpret(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the value of a tree that `check_arithmetic` accepts, a float or an ndarray."""
    import numpy as np

    match node:
        case ast.BinOp(left, ast.Pow(), right):
            # numpy gives NaN for a negative base to a fraction, Python a complex number
            return np.power(interpret(left, values), interpret(right, values))
        case ast.BinOp(left, op, right):
            return _BINARY[type(op)](interpret(left, values), interpret(right, values))
        case ast.UnaryOp(op, operand):
            return _UNARY[type(op)](interpret(operand, values))
        case ast.Call(ast.Name(id=name), args, _):
            return getattr(np, name)(*(interpret(arg, values) for arg in args))
        case ast.Constant(value=value):
            # as a float, 9**9**9 overflows at once; as an integer it would fill the memory
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            value = _CONSTANTS[name] if name in _CONSTANTS else values[name]
            if isinstance(value, str):
                raise TypeError(f"'{name}' is the text '{value}', not a number")
            # as a float, since powers of numpy integers wrap around
            return value if isinstance(value, np.ndarray) else float(value)
    raise AssertionError(ast.dump(node))  # check_arithmetic refuses all else
