"""Constraints on values, and the points of the unit cube that become values."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.study.constraints import Constraint
from ensnare.study.expressions import canonical_text

Array = NDArray[np.float64]
CHUNK = 10240  # points evaluated at once: few numpy calls, and intermediate results stay in cache
_OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: np.power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_Value = Any  # a number or an array of them


@dataclass
class EvaluationCounts:
    """At how many points this process evaluated the constraints."""

    evaluations: int = 0


@dataclass(frozen=True)
class Problem:
    """Constraints on d named values, and how points of the unit cube become values.

    Attributes
    ----------
    low, high : ndarray of float, shape (d,)
        Bounds of each value before the constraints; may be infinite.
    to_values : callable or None
        Turns points into values, both of shape (d, n), each point on its own. None: points are
        values.
    to_unit : callable or None
        Turns a value of column j into the coordinate of its point, rounded down (-1) or up (1).
        None where a coordinate depends on several values, as with a copula.
    affine : bool
        Whether values are low + (high - low) point.
    counts : EvaluationCounts
        Shared by all problems that are derived from this one.
    """

    names: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    low: Array
    high: Array
    to_values: Callable[[Array], Array] | None = None
    to_unit: Callable[[int, float, int], float] | None = None
    affine: bool = False
    counts: EvaluationCounts = field(default_factory=EvaluationCounts)

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return len(self.names)

    def values(self, u: Array) -> Array:
        """Return the values of points, both of shape (d, n)."""
        return u if self.to_values is None else self.to_values(u)

    def slacks(self, u: Array) -> Array:
        """Return the slack of each constraint at points of shape (d, n), shape (K, n).

        Negative where a constraint is violated, NaN where it cannot be evaluated.
        """
        out = np.empty((len(self.constraints), u.shape[1]))
        for start in range(0, u.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            for k, slack in enumerate(self._each_slack(u[:, part])):
                out[k, part] = slack
        return out

    def _each_slack(self, u: Array) -> list[Array]:
        self.counts.evaluations += u.shape[1]
        return self._tape.slacks(self.values(u))

    @cached_property
    def _tape(self) -> Tape:
        return Tape(self.constraints, self.names)

    def violation(self, u: Array, scale: Array) -> Array:
        """Return the largest violation of a constraint at points of shape (d, n), shape (n,).

        `scale`, shape (K,), is the unit of each constraint. 0 where none is violated, infinite
        outside the open cube and where a constraint cannot be evaluated.
        """
        worst = np.empty(u.shape[1])
        for start in range(0, u.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            worst[part] = self._worst(u[:, part], scale)
        return worst

    def _worst(self, u: Array, scale: Array) -> Array:
        worst = np.zeros(u.shape[1])
        outside = ~((u.min(axis=0) > 0) & (u.max(axis=0) < 1))
        if self.to_values is not None:  # quantiles are defined only inside
            u = np.where(outside, 0.5, u)
        for slack, unit, constraint in zip(
            self._each_slack(u), scale, self.constraints, strict=True
        ):
            if constraint.strict:  # equality is the smallest possible violation
                slack[slack == 0] = -np.finfo(float).tiny * max(1.0, unit)
            slack *= -1 / unit
            np.maximum(worst, slack, out=worst)  # NaN stays NaN
        worst[outside | np.isnan(worst)] = np.inf
        return worst

    def feasible(self, u: Array) -> NDArray[np.bool_]:
        """Return whether points, shape (d, n), satisfy every constraint exactly, shape (n,)."""
        satisfied: NDArray[np.bool_] = self.violation(u, np.ones(len(self.constraints))) == 0
        return satisfied

    def violated(self, u: Array) -> str:
        """Return the first constraint that a point, shape (d,), violates; empty if none."""
        slacks = self.slacks(u[:, None])[:, 0]
        for constraint, slack in zip(self.constraints, slacks, strict=True):
            if not (slack > 0 or (slack == 0 and not constraint.strict)):
                return constraint.text
        return ""

    def zoomed(self, low: Array, high: Array) -> Problem:
        """Return the same problem with a box inside the cube, both shape (d,), as its cube."""
        inner, width = self.to_values, high - low

        def to_values(z: Array) -> Array:
            u = low[:, None] + width[:, None] * z
            # quantiles are defined only inside the cube, and a sum may be rounded to 0 or 1
            return u if inner is None else inner(np.clip(u, 2.0**-54, 1 - 2.0**-53))

        span = self.high - self.low
        if self.affine:
            low_value, high_value = self.low + span * low, self.low + span * high
        else:
            low_value, high_value = self.low, self.high
        return replace(self, low=low_value, high=high_value, to_values=to_values, to_unit=None)


def unit_cube(names: Sequence[str], constraints: Sequence[Constraint]) -> Problem:
    """Return the problem whose points are their own values."""
    d = len(names)
    return Problem(
        tuple(names),
        tuple(constraints),
        np.zeros(d),
        np.ones(d),
        to_unit=lambda j, value, side: float(value),
        affine=True,
    )


class Tape:
    """The operations that give the slacks of K constraints on d named values, in order.

    Each distinct subexpression is one operation, so that what constraints share is computed once.
    """

    def __init__(self, constraints: Sequence[Constraint], names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers: dict[int, np.float64] = {}
        self._steps: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
        self._pairs = [(self._put(c.larger), self._put(c.smaller)) for c in constraints]

    def _put(self, node: ast.expr) -> int:
        """Return the place of the result of an expression; its operands are put before it."""
        key = canonical_text(node)
        if key in self._places:
            return self._places[key]
        needs: tuple[int, ...]
        match node:
            case ast.BinOp(left, op, right):
                needs = self._put(left), self._put(right)
                does = _OPERATIONS[type(op)]
            case ast.UnaryOp(op, operand):
                needs = (self._put(operand),)
                does = _OPERATIONS[type(op)]
            case ast.Call(ast.Name(id=name), args, _):
                needs = tuple(map(self._put, args))
                does = getattr(np, name)
            case _:
                return self._put_number(key, node)
        place = self._places[key] = len(self._places)
        self._steps.append((place, does, needs))
        return place

    def _put_number(self, key: str, node: ast.expr) -> int:
        place = self._places[key] = len(self._places)
        value = node.value if isinstance(node, ast.Constant) else math.pi
        # numpy's, so that 1 / 0 is infinite and no error
        self._numbers[place] = np.float64(value)  # type: ignore[arg-type]
        return place

    def slacks(self, values: Array) -> list[Array]:
        """Return the slacks at values of shape (d, n): K new arrays of shape (n,).

        Negative where a constraint is violated, NaN where it cannot be evaluated.
        """
        found: list[_Value] = [*values, *(None for _ in range(len(self._places) - len(values)))]
        for place, number in self._numbers.items():
            found[place] = number
        with np.errstate(all="ignore"):  # 0 / 0 is NaN, which counts as a violation
            for place, does, needs in self._steps:
                found[place] = does(*[found[need] for need in needs])
            return [found[larger] - found[smaller] for larger, smaller in self._pairs]
