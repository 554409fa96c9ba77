"""Copulas of a study file, as functions that couple columns of independent uniforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openturns as ot
from numpy.typing import NDArray

from ensnare.errors import ConfigError
from ensnare.study.inputs import Copula, NormalCopula, StudentBlock

Array = NDArray[np.float64]
_INSIDE = 2.0**-54  # distance from 0 and 1, to which results may be rounded: quantiles stay finite


@dataclass(frozen=True)
class Coupling:
    """A copula of k columns; without `copula` and `root` it is perfect dependence.

    Attributes
    ----------
    columns : list of int, length k
        The columns in the order of the copula.
    copula : object or None
        A copula of dimension k with `computeConditionalQuantile`, as of OpenTURNS.
    root : ndarray of float, shape (k, k), or None
        Cholesky root of the correlation matrix of a normal copula.
    """

    columns: list[int]
    copula: Any = None
    root: Array | None = None

    def __call__(self, u: Array) -> Array:
        """Turn independent uniforms, shape (n, k), into coupled ones, row by row.

        Each column is the conditional quantile given those before it.

        References
        ----------
        Rosenblatt (1952), Ann. Math. Stat. 23, 470-472, doi:10.1214/aoms/1177729394
        """
        if self.root is not None:
            return _normal(u, self.root)
        if self.copula is None:
            return np.repeat(u[:, :1], u.shape[1], axis=1)
        v = u[:, :1]
        for k in range(1, u.shape[1]):
            # the copula of the first k + 1 columns, conditioned on k of them
            quantile = self.copula.computeConditionalQuantile(as_point(u[:, k]), ot.Sample(v))
            v = np.column_stack([v, np.asarray(quantile).ravel()])
        return np.clip(v, _INSIDE, 1 - 2 * _INSIDE)


def as_point(values: Array) -> Any:  # noqa: ANN401
    """Return an array, shape (n,), as an `openturns.Point`."""
    # openturns.Point(values) leaks 32 bytes per value (OpenTURNS 1.27)
    return ot.Sample(values[:, None]).asPoint()


def _normal(u: Array, root: Array) -> Array:
    from scipy.special import ndtr, ndtri

    z = ndtri(u)
    # term by term: a matrix product may round a row differently when there are more rows
    coupled = np.zeros_like(z)
    for i, row in enumerate(root):
        for j in range(i + 1):
            coupled[:, i] += row[j] * z[:, j]
    v: Array = np.clip(ndtr(coupled), _INSIDE, 1 - 2 * _INSIDE)
    return v


@dataclass(frozen=True)
class _MarshallOlkin:
    """The copula of Marshall and Olkin, whose conditional quantile OpenTURNS lacks.

    C(u, v) = min(u^(1 - alpha) v, u v^(1 - beta)). Given u, v equals u^(alpha / beta) with
    positive probability.
    """

    alpha: float
    beta: float

    def computeConditionalQuantile(self, q: Sequence[float], y: Any) -> Array:  # noqa: N802, ANN401
        w, u = np.asarray(q), np.asarray(y)[:, 0]
        a, b = self.alpha, self.beta
        if min(a, b) == 0:  # independence
            return w
        jump = u ** (a / b)
        below, above = (1 - a) * u**-a * jump, jump ** (1 - b)
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = w * u**a / (1 - a)
            upper = w ** (1 / (1 - b)) if b < 1 else np.ones_like(w)
        v: Array = np.where(w < below, lower, np.where(w <= above, jump, upper))
        return v


def build_coupling(copula: Copula, names: Sequence[str]) -> Coupling:
    """Return the coupling of a copula of the study file, for columns of the given names.

    Raises ConfigError if correlations contradict each other, or OpenTURNS refuses the parameters.
    """
    block, where = copula.block, f"copula.{copula.name}"
    columns = [names.index(name) for name in block.inputs]
    if isinstance(block, NormalCopula):
        root: Array = np.linalg.cholesky(_correlation(block, where)).astype(float)
        return Coupling(columns, root=root)
    if copula.name == "MinCopula":
        return Coupling(columns)
    try:
        if isinstance(block, StudentBlock):
            matrix = ot.CorrelationMatrix(_correlation(block, where).tolist())
            return Coupling(columns, ot.StudentCopula(block.nu, matrix))
        parameters = block.model_dump(exclude={"inputs"})
        if copula.name == "MarshallOlkinCopula":
            return Coupling(columns, _MarshallOlkin(**parameters))
        return Coupling(columns, getattr(ot, copula.name)(*parameters.values()))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{where}: {openturns_reason(error)}") from None


def _correlation(block: NormalCopula | StudentBlock, where: str) -> Array:
    """Return the correlation matrix of the normal or Student scores, shape (k, k).

    2 sin(pi rho / 6) for a Spearman and sin(pi tau / 2) for a Kendall correlation (Kruskal 1958).
    """
    matrix = np.eye(len(block.inputs))
    kind = block.kind if isinstance(block, NormalCopula) else "pearson"
    for first, second, value in block.pairs:
        i, j = block.inputs.index(first), block.inputs.index(second)
        score = {
            "spearman": 2 * np.sin(np.pi * value / 6),
            "kendall": np.sin(np.pi * value / 2),
            "pearson": value,
        }[kind]
        matrix[i, j] = matrix[j, i] = score
    if np.linalg.eigvalsh(matrix).min() < 1e-12:
        raise ConfigError(
            f"{where}: these correlations contradict each other (the matrix is not positive "
            "definite); make the largest ones smaller"
        )
    return matrix


def openturns_reason(error: Exception) -> str:
    """Return an OpenTURNS message without the name of the C++ exception and its prototypes."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith("Wrong number or type of arguments"):
        return "OpenTURNS does not take these values"
    head, colon, tail = text.partition(" : ")
    text = tail if colon and head.endswith("Exception") else text
    return text.removeprefix("Error: ")
