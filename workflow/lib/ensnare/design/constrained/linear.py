"""Constraints that are linear, or become so when multiplied by a denominator of known sign.

Linear programs then give the tightest bounds of each value, a point well inside, or the proof
that there is no feasible point.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.design.constrained.intervals import Interval
from ensnare.study.constraints import Constraint

Array = NDArray[np.float64]
Affine = dict[str, float]  # coefficients by name; the constant is at ""
_FLAT = 1e-13  # radius of the largest ball, in a unit cube, up to which there is no volume


@dataclass(frozen=True)
class HalfSpaces:
    """The points u of the unit cube with a u <= b: m half-spaces with rows of norm 1."""

    a: Array  # shape (m, d)
    b: Array  # shape (m,)
    texts: tuple[str, ...]  # the constraint of each row
    length: Array  # shape (m,): the slack of the constraint of a row is length (b - a u)


def half_spaces(
    constraints: Sequence[Constraint], names: Sequence[str], low: Array, high: Array
) -> tuple[HalfSpaces, bool]:
    """Return the linear constraints in coordinates of the unit cube, and whether all are linear.

    Values are affine between `low` and `high`, shape (d,), at the ends of the cube. The half-spaces
    begin with the 2 d sides of the cube.
    """
    box = {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}
    forms = [(c.text, _linear_form(c, box)) for c in constraints]
    d, width = len(names), high - low
    rows, right, texts, lengths = [-np.eye(d), np.eye(d)], [0.0] * d + [1.0] * d, [], []
    texts += [f"{name} >= {low[j]:g}" for j, name in enumerate(names)]
    texts += [f"{name} <= {high[j]:g}" for j, name in enumerate(names)]
    lengths += [*width, *width]
    for text, form in forms:
        if form is None:
            continue
        normal = np.array([form.get(name, 0.0) for name in names])
        constant = form.get("", 0.0) + float((normal * low).sum())
        # a constraint without variables holds everywhere or nowhere: its constant decides
        length = float(np.linalg.norm(normal * width)) or 1.0
        rows.append(-(normal * width)[None] / length)
        right.append(constant / length)
        texts.append(text)
        lengths.append(length)
    spaces = HalfSpaces(np.concatenate(rows), np.array(right), tuple(texts), np.array(lengths))
    return spaces, all(form is not None for _, form in forms)


def _linear_form(constraint: Constraint, box: Mapping[str, Interval]) -> Affine | None:
    """Return the affine form that is >= 0 where a constraint holds; None if there is none."""
    sides = [_fraction(constraint.larger), _fraction(constraint.smaller)]
    if sides[0] is None or sides[1] is None:
        return None
    (n1, d1), (n2, d2) = sides[0], sides[1]
    denominator: Affine | None
    if d1 == d2:
        form, denominator = _sum(n1, n2, -1.0), d1
    elif _is_constant(d1) or _is_constant(d2):
        form, denominator = _sum(_product(n1, d2), _product(n2, d1), -1.0), _product(d1, d2)
    else:
        return None
    # coefficients may overflow; the sampler then evaluates the constraint as a nonlinear one
    if form is None or denominator is None or not all(map(math.isfinite, form.values())):
        return None
    return _clear_denominator(denominator, form, box)


def _clear_denominator(
    denominator: Affine, form: Affine, box: Mapping[str, Interval]
) -> Affine | None:
    """Return a form with the sign of form / denominator; None if the denominator changes sign."""
    low, high = _range(denominator, box)
    if low >= 0 and high > 0:
        return form
    return _scaled(form, -1.0) if high <= 0 and low < 0 else None


def _fraction(node: ast.expr) -> tuple[Affine, Affine] | None:
    """Return an expression as one affine form over another; None if it is no such fraction."""
    one: Affine = {"": 1.0}
    match node:
        case ast.Constant(value=float() | int() as value):
            return {"": float(value)}, one
        case ast.Name(id="pi"):
            return {"": float(np.pi)}, one
        case ast.Name(id=name):
            return {name: 1.0}, one
        case ast.UnaryOp(op, operand):
            inner = _fraction(operand)
            sign = -1.0 if isinstance(op, ast.USub) else 1.0
            return None if inner is None else (_scaled(inner[0], sign), inner[1])
        case ast.BinOp(left, op, right):
            a, b = _fraction(left), _fraction(right)
            return None if a is None or b is None else _combined(op, a, b)
    return None


def _combined(
    op: ast.operator, a: tuple[Affine, Affine], b: tuple[Affine, Affine]
) -> tuple[Affine, Affine] | None:
    """Return the sum, difference, product or quotient of two fractions, if it is a fraction too."""
    if isinstance(op, ast.Div):
        op, b = ast.Mult(), (b[1], b[0])
    denominator = _product(a[1], b[1])
    if isinstance(op, ast.Mult):
        numerator = _product(a[0], b[0])
    elif isinstance(op, ast.Add | ast.Sub):
        if a[1] == b[1]:
            return _sum(a[0], b[0], 1.0 if isinstance(op, ast.Add) else -1.0), a[1]
        parts = _product(a[0], b[1]), _product(b[0], a[1])
        numerator = _sum(*parts, 1.0 if isinstance(op, ast.Add) else -1.0)
    else:
        return None
    return None if numerator is None or denominator is None else (numerator, denominator)


def _is_constant(form: Affine) -> bool:
    return not any(value for name, value in form.items() if name)


def _scaled(form: Affine, factor: float) -> Affine:
    return {name: value * factor for name, value in form.items()}


def _product(a: Affine, b: Affine) -> Affine | None:
    if _is_constant(a):
        return _scaled(b, a.get("", 0.0))
    return _scaled(a, b.get("", 0.0)) if _is_constant(b) else None


def _sum(a: Affine | None, b: Affine | None, factor: float) -> Any:  # noqa: ANN401
    if a is None or b is None:
        return None
    names = [*a, *(name for name in b if name not in a)]
    return {name: a.get(name, 0.0) + factor * b.get(name, 0.0) for name in names}


def _range(form: Affine, box: Mapping[str, Interval]) -> Interval:
    """Return the smallest and largest value of an affine form over a box."""
    low = high = form.get("", 0.0)
    for name, value in form.items():
        if name and value:
            ends = sorted(value * end for end in box[name])
            low, high = low + ends[0], high + ends[1]
    return low, high


def chebyshev_centre(spaces: HalfSpaces) -> tuple[Array, float, str]:
    """Return centre, shape (d,), and radius of the largest ball inside half-spaces.

    If they have no volume in common, the radius is 0 or less, and the third result says which
    constraints contradict each other; else that is empty.

    References
    ----------
    Boyd, Vandenberghe (2004), Convex Optimization, 8.5.1; for the certificate 5.8.3 (Farkas)
    """
    from scipy.optimize import linprog

    d = spaces.a.shape[1]
    a = np.column_stack([spaces.a, np.ones(len(spaces.b))])
    found = linprog([0.0] * d + [-1.0], a, spaces.b, bounds=[(None, None)] * (d + 1))
    if found.x is None:
        raise AssertionError(
            found.message
        )  # half-spaces of a cube have a largest ball, if of negative radius
    radius = float(found.x[-1])
    if radius > _FLAT:
        return found.x[:-1], radius, ""
    weights = -np.asarray(found.ineqlin.marginals)
    return found.x[:-1], radius, _contradiction(spaces, weights, radius)


def _contradiction(spaces: HalfSpaces, weights: Array, radius: float) -> str:
    """Return the weighted sum of constraints that no point satisfies; the smallest weight is 1."""
    factors = weights / spaces.length
    rows = [int(i) for i in np.argsort(-factors) if weights[i] > 1e-9]
    least = factors[rows[-1]]
    parts = " + ".join(f"{factors[i] / least:.4g} x ({spaces.texts[i]})" for i in rows)
    total = radius * weights.sum() / least
    return f"{parts} gives 0 <= {total:.3g}" if radius < -_FLAT else f"{parts} leaves no volume"


def tightest_bounds(spaces: HalfSpaces) -> tuple[Array, Array]:
    """Return the bounding box of half-spaces that have a volume, low and high of shape (d,)."""
    from scipy.optimize import linprog

    d = spaces.a.shape[1]
    ends = np.empty((2, d))
    for j in range(d):
        for side, sign in enumerate((1.0, -1.0)):
            goal = np.zeros(d)
            goal[j] = sign
            found = linprog(goal, spaces.a, spaces.b, bounds=[(0, 1)] * d)
            # the solver is accurate to 1e-7 of the sides of 1: a wider box loses no point
            ends[side, j] = sign * (found.fun - 1e-7) if found.fun is not None else side
    return np.clip(ends[0], 0, 1), np.clip(ends[1], 0, 1)
