"""Bounds of values that satisfy constraints, by interval arithmetic: no feasible point is lost.

HC4 evaluates an expression over intervals from its leaves to its root, and then propagates the
interval that the constraint allows the root back to the leaves. Every bound is rounded outwards,
so an empty interval proves that there is no feasible point.

References
----------
Benhamou, Goualard, Granvilliers, Puget (1999), Revising hull and box consistency, ICLP, 230-244
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ensnare.study.constraints import Constraint

Interval = tuple[float, float]
ANY_VALUE: Interval = (-math.inf, math.inf)
_ROUNDS = 50  # most passes over the constraints: bounds may move forever, less and less
_MOVED = 1e-3  # passes end when every bound moves by less than this share of its interval
_GROWING = ("sqrt", "exp", "log", "log10", "log2", "arctan", "arcsin", "sinh", "tanh")


class EmptyIntervalError(Exception):
    """No value of an expression is possible."""


def contract(
    constraints: Sequence[Constraint], box: Mapping[str, Interval]
) -> tuple[dict[str, Interval], str]:
    """Return bounds, within the given ones, of the values that satisfy all constraints.

    The second result is the text of the constraint that no point within the bounds of the others
    satisfies; empty if there is none.
    """
    bounds = dict(box)
    for _ in range(_ROUNDS):
        before = dict(bounds)
        for constraint in constraints:
            try:
                _revise(constraint, bounds)
            except EmptyIntervalError:
                return bounds, constraint.text
        if not any(_has_moved(before[name], bounds[name]) for name in bounds):
            break
    return bounds, ""


def _has_moved(before: Interval, after: Interval) -> bool:
    if before == after:
        return False
    width = after[1] - after[0]
    moved = max(after[0] - before[0], before[1] - after[1])
    return not moved <= _MOVED * width


def _revise(constraint: Constraint, bounds: dict[str, Interval]) -> None:
    """Narrow the bounds, in place, by one constraint."""
    known: dict[int, Interval] = {}
    smaller = _forward(constraint.smaller, bounds, known)
    larger = _forward(constraint.larger, bounds, known)
    _backward(constraint.smaller, (-math.inf, larger[1]), bounds, known)
    _backward(constraint.larger, (smaller[0], math.inf), bounds, known)


def _outward(low: float, high: float) -> Interval:
    """Round outwards by one unit in the last place; NaN becomes infinite."""
    low = -math.inf if math.isnan(low) else math.nextafter(low, -math.inf)
    high = math.inf if math.isnan(high) else math.nextafter(high, math.inf)
    return low, high


def _intersect(a: Interval, b: Interval) -> Interval:
    low, high = max(a[0], b[0]), min(a[1], b[1])
    if low > high:
        raise EmptyIntervalError
    return low, high


def _add(a: Interval, b: Interval) -> Interval:
    low, high = _outward(a[0] + b[0], a[1] + b[1])
    # exact sums are not widened: a denominator that is never negative must keep its sign
    exact_low, exact_high = _is_exact(a[0], b[0]), _is_exact(a[1], b[1])
    return (a[0] + b[0] if exact_low else low), (a[1] + b[1] if exact_high else high)


def _is_exact(x: float, y: float) -> bool:
    """Return whether a sum is exact: whether the rounding error of Knuth's two-sum is 0."""
    total = x + y
    y_part = total - x
    return (x - (total - y_part)) + (y - y_part) == 0


def _negative(a: Interval) -> Interval:
    return -a[1], -a[0]


def _zero_safe_product(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _multiply(a: Interval, b: Interval) -> Interval:
    ends = [_zero_safe_product(x, y) for x in a for y in b]
    return _outward(min(ends), max(ends))


def _divide(a: Interval, b: Interval) -> Interval:
    if b[0] < 0 < b[1] or b == (0.0, 0.0):
        return ANY_VALUE
    if b[0] >= 0:
        inverse = (0.0 if b[1] == math.inf else 1 / b[1], math.inf if b[0] == 0 else 1 / b[0])
    else:
        inverse = (-math.inf if b[1] == 0 else 1 / b[1], 0.0 if b[0] == -math.inf else 1 / b[0])
    return _multiply(a, _outward(*inverse))


def _power(a: Interval, exponent: float) -> Interval:
    if exponent == int(exponent) and exponent > 0:
        ends = [_to_power(x, exponent) for x in a]
        if exponent % 2:
            return _outward(*ends)
        low = 0.0 if a[0] <= 0 <= a[1] else min(ends)
        bounds = _outward(low, max(ends))
        return max(0.0, bounds[0]), bounds[1]
    if a[0] > 0:
        ends = sorted(_to_power(x, exponent) for x in a)
        return _outward(ends[0], ends[1])
    return ANY_VALUE


def _to_power(x: float, exponent: float) -> float:
    try:
        return float(x**exponent)
    except OverflowError:
        return math.inf if x > 0 or exponent % 2 == 0 else -math.inf


def _constant(node: ast.expr) -> float | None:
    """Return the value of a finite literal, perhaps with a minus sign; None for anything else."""
    match node:
        case ast.Constant(value=float() | int() as value):
            found = float(value)
        case ast.UnaryOp(ast.USub(), ast.Constant(value=float() | int() as value)):
            found = -float(value)
        case _:
            return None
    return found if math.isfinite(found) else None


def _forward(node: ast.expr, bounds: Mapping[str, Interval], known: dict[int, Interval]) -> Any:  # noqa: ANN401
    """Return the interval of an expression; record it in `known` for each subexpression."""
    match node:
        case ast.Constant():
            found = (float(node.value), float(node.value))  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            found = (math.pi, math.nextafter(math.pi, 4))
        case ast.Name(id=name):
            found = bounds[name]
        case ast.UnaryOp(op, operand):
            inner = _forward(operand, bounds, known)
            found = _negative(inner) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left, ast.Pow(), right):
            base, exponent = _forward(left, bounds, known), _constant(right)
            found = ANY_VALUE if exponent is None else _power(base, exponent)
        case ast.BinOp(left, op, right):
            a, b = _forward(left, bounds, known), _forward(right, bounds, known)
            found = _combine(op, a, b)
        case ast.Call(ast.Name(id=name), args, _):
            found = _call(name, [_forward(arg, bounds, known) for arg in args])
        case _:
            raise AssertionError(ast.dump(node))
    known[id(node)] = found
    return found


def _combine(op: ast.operator, a: Interval, b: Interval) -> Interval:
    match op:
        case ast.Add():
            return _add(a, b)
        case ast.Sub():
            return _add(a, _negative(b))
        case ast.Mult():
            return _multiply(a, b)
    return _divide(a, b)


def _call(name: str, args: list[Interval]) -> Interval:
    """Return the interval of a function value, possibly wider where it is not monotonic."""
    a = args[0]
    if name == "abs":
        return (0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))), max(-a[0], a[1])
    if name in ("minimum", "maximum"):
        pick = min if name == "minimum" else max
        return pick(a[0], args[1][0]), pick(a[1], args[1][1])
    if name in ("sin", "cos"):
        return -1.0, 1.0
    if name not in _GROWING:
        return ANY_VALUE
    low, high = (_apply(name, x) for x in a)
    # the functions of the C library are accurate to a few units in the last place
    return _outward(low - 1e-15 * abs(low), high + 1e-15 * abs(high))


def _apply(name: str, x: float) -> float:
    function = getattr(math, {"arctan": "atan", "arcsin": "asin"}.get(name, name))
    try:
        return float(function(x))
    except OverflowError:
        return math.copysign(math.inf, x)
    except ValueError:  # outside the domain: the limit at its end, or unknown
        if x == 0 and name.startswith("log"):
            return -math.inf
        return math.nan


def _backward(
    node: ast.expr, allowed: Interval, bounds: dict[str, Interval], known: dict[int, Interval]
) -> None:
    """Narrow the bounds of names to those with which an expression can be in an interval."""
    now = _intersect(known[id(node)], allowed)
    match node:
        case ast.Name(id=name) if name in bounds:
            bounds[name] = _intersect(bounds[name], now)
        case ast.UnaryOp(op, operand):
            inner = _negative(now) if isinstance(op, ast.USub) else now
            _backward(operand, inner, bounds, known)
        case ast.BinOp(left, ast.Pow(), right):
            _backward(left, _root(now, _constant(right)), bounds, known)
        case ast.Call(ast.Name(id=name), [arg], _):
            _backward(arg, _inverse(name, now), bounds, known)
        case ast.BinOp(left, op, right):
            a, b = known[id(left)], known[id(right)]
            to_left, to_right = _undo(op, now, a, b)
            _backward(left, to_left, bounds, known)
            _backward(right, to_right, bounds, known)


def _undo(op: ast.operator, now: Interval, a: Interval, b: Interval) -> tuple[Interval, Interval]:
    """Return the intervals of the operands of an operation, given that of its result."""
    match op:
        case ast.Add():
            return _add(now, _negative(b)), _add(now, _negative(a))
        case ast.Sub():
            return _add(now, b), _add(a, _negative(now))
        case ast.Mult():
            # if the other operand and the result can be 0, this one can be anything
            return (
                ANY_VALUE if b[0] <= 0 <= b[1] and now[0] <= 0 <= now[1] else _divide(now, b),
                ANY_VALUE if a[0] <= 0 <= a[1] and now[0] <= 0 <= now[1] else _divide(now, a),
            )
    # an infinite end may come from a division by 0, whose sign is not known
    left = ANY_VALUE if math.inf in (abs(now[0]), abs(now[1])) and b[0] < 0 else _multiply(now, b)
    return left, (ANY_VALUE if now[0] <= 0 <= now[1] else _divide(a, now))


def _inverse(name: str, now: Interval) -> Interval:
    """Return the interval of the argument of a function, given that of its value."""
    low, high = now
    match name:
        case "abs":
            return -high, high
        case "sqrt":
            return _outward(0.0, _zero_safe_product(high, high))
        case "exp":
            inner = (_apply("log", max(low, 0.0)), _apply("log", max(high, 0.0)))
        case "log":
            inner = (_apply("exp", low), _apply("exp", high))
        case _:
            return ANY_VALUE
    return _outward(inner[0] - 1e-15 * abs(inner[0]), inner[1] + 1e-15 * abs(inner[1]))


def _root(now: Interval, exponent: float | None) -> Interval:
    """Return the interval of a base, given that of its power; only for even exponents."""
    if exponent is None or exponent <= 0 or exponent != int(exponent) or exponent % 2:
        return ANY_VALUE
    largest = max(now[1], 0.0)
    end = math.inf if largest == math.inf else largest ** (1 / exponent) * (1 + 1e-12)
    return -end, end
