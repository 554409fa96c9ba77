"""From the copulas of a study file to the coupling of columns of uniforms."""

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
_INSIDE = 2.0**-54  # rounding may reach 0 or 1, whose quantiles can be infinite


@dataclass(frozen=True)
class Coupling:
    """A copula of some columns.

    Attributes
    ----------
    columns : list of int, length k
        The columns that it couples, in its own order.
    copula : object or None
        A copula of dimension k with `computeConditionalQuantile`; None for perfect dependence,
        and for a normal copula.
    root : ndarray of float, shape (k, k), or None
        Cholesky root of the correlation of a normal copula.
    """

    columns: list[int]
    copula: Any = None
    root: Array | None = None

    def __call__(self, u: Array) -> Array:
        """Turn independent uniforms into coupled ones, row by row.

        Parameters
        ----------
        u : ndarray of float, shape (n, k)
            Points of the open unit cube.

        Returns
        -------
        ndarray of float, shape (n, k)
            Each column given those before it, at the conditional quantile.

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
    """Return an array, shape (n,), as OpenTURNS takes it."""
    # openturns.Point(values) loses 32 bytes of memory a value (1.27)
    return ot.Sample(values[:, None]).asPoint()


def _normal(u: Array, root: Array) -> Array:
    from scipy.special import ndtr, ndtri

    z = ndtri(u)
    # column by column: a matrix product may round a row differently when there are more rows
    coupled = np.zeros_like(z)
    for i, row in enumerate(root):
        for j in range(i + 1):
            coupled[:, i] += row[j] * z[:, j]
    v: Array = np.clip(ndtr(coupled), _INSIDE, 1 - 2 * _INSIDE)
    return v


@dataclass(frozen=True)
class _MarshallOlkin:
    """Marshall and Olkin's copula, whose conditional quantile OpenTURNS does not have.

    C(u, v) = min(u^(1 - alpha) v, u v^(1 - beta)): given u, v is u^(alpha / beta) with a
    probability above 0.
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
    """Return the coupling of a copula of the study file.

    Parameters
    ----------
    copula : Copula
        The copula.
    names : sequence of str, length d
        The order of the columns.

    Raises
    ------
    ConfigError
        If correlations contradict each other, or OpenTURNS does not take the parameters.
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
    """Return the correlation of the scores, shape (k, k).

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
    """Return an OpenTURNS message without the name of the C++ exception or prototypes."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith("Wrong number or type of arguments"):
        return "OpenTURNS does not take these values"
    head, colon, tail = text.partition(" : ")
    text = tail if colon and head.endswith("Exception") else text
    return text.removeprefix("Error: ")
