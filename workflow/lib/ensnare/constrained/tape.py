"""Constraints as one list of operations, each done once: what they share is not computed twice."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.constraints import Constraint
from ensnare.expressions import canonical_text

Array = NDArray[np.float64]
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


class Tape:
    """The operations that give the slacks of constraints.

    Parameters
    ----------
    constraints : sequence of Constraint, length K
        The constraints.
    names : sequence of str, length d
        Names of the values, in the order in which `slacks` takes them.
    """

    def __init__(self, constraints: Sequence[Constraint], names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers: dict[int, np.float64] = {}
        self._steps: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
        self._pairs = [(self._put(c.larger), self._put(c.smaller)) for c in constraints]

    def _put(self, node: ast.expr) -> int:
        """Return the place of what an expression gives, after what it needs."""
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
        """Return the slack of each constraint.

        Parameters
        ----------
        values : ndarray of float, shape (d, n)
            The values.

        Returns
        -------
        list of ndarray of float, shape (n,), length K
            Arrays that nothing else uses; negative where a constraint is violated, NaN where it
            cannot be evaluated.
        """
        found: list[_Value] = [*values, *(None for _ in range(len(self._places) - len(values)))]
        for place, number in self._numbers.items():
            found[place] = number
        with np.errstate(all="ignore"):  # 0 / 0 is outside
            for place, does, needs in self._steps:
                found[place] = does(*[found[need] for need in needs])
            return [found[larger] - found[smaller] for larger, smaller in self._pairs]
