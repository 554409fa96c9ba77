"""Marginal distributions of OpenTURNS for the inputs of a study file, and their quantiles."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openturns as ot
from numpy.typing import NDArray

from ensnare.design.copulas import Coupling, as_point, openturns_reason
from ensnare.errors import ConfigError, did_you_mean
from ensnare.study.inputs import Input

# warnings of OpenTURNS on stderr do not name the input of the study file; errors are reported
ot.Log.Show(ot.Log.NONE)

# parameters that OpenTURNS takes as unsigned integers; a study file has floating-point numbers
_INTEGERS = {
    "Binomial": {"n"},
    "Hypergeometric": {"n", "k", "m"},
    "KPermutationsDistribution": {"k", "n"},
    "ZipfMandelbrot": {"n"},
}
# distributions whose parameters are lists, with the names that a study file has for them
_LISTS: dict[str, tuple[str, ...]] = {
    "Histogram": ("first", "width", "height"),
    "FiniteDiscreteDistribution": ("x", "p"),
}
_MOST_BARS = 10_000
_PROBED = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)  # probabilities whose quantiles are checked
_PROBED_TO = 1e-4  # error of a probability that is accepted
_CHUNK = 65536  # rows handed to OpenTURNS at once, since it copies them
_CLASSES = (ot.DistributionImplementation, ot.DistributionParametersImplementation)


def _known() -> dict[str, tuple[str, ...]]:
    """Return the parameter names of every univariate distribution that a study file can name."""
    known = dict(_LISTS)
    for name, cls in inspect.getmembers(ot, inspect.isclass):
        if name in known or not issubclass(cls, _CLASSES):
            continue
        names = _parameter_names(name, cls)
        if names is not None:
            known[name] = names
    return known


def _parameter_names(name: str, cls: type) -> tuple[str, ...] | None:
    """Return the parameter names of a class, in constructor order; None if it is not supported."""
    try:
        default = cls()
        if issubclass(cls, ot.DistributionParametersImplementation):
            return tuple(default.getDescription())
        if default.getDimension() != 1:
            return None
        names = tuple(n.removesuffix("_0") for n in default.getParameterDescription())
        if name not in _INTEGERS and cls(*default.getParameter()) != default:
            return None
    except Exception:  # OpenTURNS raises TypeError or RuntimeError for what it cannot make
        return None
    return names if names or name == "Epanechnikov" else None  # it has no parameters


def build_distribution(item: Input, where: str) -> Any:  # noqa: ANN401
    """Return the univariate OpenTURNS distribution of an input, truncated if the input says so.

    Raises ConfigError if OpenTURNS does not know the name or a parameter, or refuses a value; the
    message begins with `where`, the place of the input in the study file.
    """
    assert item.distribution is not None
    ((name, given),) = item.distribution.items()
    place, where = where, f"{where}.distribution"
    known = _parameters(name, where)
    values = [given.get(key, 0.0 if key == "gamma" else None) for key in known]
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}.{name}: unknown parameter '{key}'{_expected(key, known)}")
    for key, value in zip(known, values, strict=True):
        if value is None:
            raise ConfigError(
                f"{where}.{name}: missing parameter '{key}'; expected {', '.join(known)}"
            )
        if isinstance(value, list) != (name in _LISTS and key != "first"):
            kind = "a list of numbers" if name in _LISTS else "a number"
            raise ConfigError(f"{where}.{name}.{key}: got {value}; expected {kind}")
    try:
        distribution = _construct(name, known, values)
    except (TypeError, ValueError, RuntimeError, OverflowError, NotImplementedError) as error:
        raise ConfigError(f"{where}.{name}: {openturns_reason(error)}") from None
    return _checked(distribution, item.truncate, place)


def _parameters(name: str, where: str) -> tuple[str, ...]:
    """Return the parameter names of a distribution by its OpenTURNS name."""
    cls = getattr(ot, name, None)
    names = _LISTS.get(name)
    if names is None and inspect.isclass(cls) and issubclass(cls, _CLASSES):
        names = _parameter_names(name, cls)
    if names is None:
        close = did_you_mean(name, _known()) or (
            "; expected the OpenTURNS name of a univariate distribution, such as "
            "Normal, Uniform, LogNormal, Beta, Triangular"
        )
        raise ConfigError(f"{where}: unknown '{name}'{close}")
    return names


def _expected(got: str, known: Sequence[str]) -> str:
    return did_you_mean(got, known) or f"; expected one of {', '.join(known)}"


def _construct(name: str, names: Sequence[str], values: Sequence[Any]) -> Any:  # noqa: ANN401
    cls = getattr(ot, name)
    if name == "FiniteDiscreteDistribution":
        return cls([[x] for x in values[0]], values[1])
    integers = _INTEGERS.get(name, set())
    made = cls(*(_whole(k, v) if k in integers else v for k, v in zip(names, values, strict=True)))
    if isinstance(made, ot.DistributionParametersImplementation):
        return made.getDistribution()
    return made


def _whole(key: str, value: float) -> int:
    if value != int(value) or not 0 <= value < 2**53:
        raise ValueError(f"{key}: got {value:g}; expected a whole number from 0")
    return int(value)


def _checked(
    distribution: Any,  # noqa: ANN401
    bounds: tuple[float | None, float | None] | None,
    where: str,
) -> Any:  # noqa: ANN401
    """Return a distribution, truncated; raise ConfigError where its quantiles are wrong.

    Where OpenTURNS has no formula for a quantile it searches with an absolute accuracy, so that
    quantiles of a distribution of values near 1e-12 are arbitrary.
    """
    if bounds is not None:
        distribution = _truncate(distribution, bounds, where)
    if not distribution.isContinuous():
        return distribution
    quantiles = [distribution.computeQuantile(p)[0] for p in _PROBED]
    near = 1e-6 * (quantiles[-1] - quantiles[0])
    for p, x in zip(_PROBED, quantiles, strict=True):
        if not math.isfinite(near):  # `make_design` reports infinite values
            break
        # a quantile may be off by 1e-6 of the range, or by one unit in the last place
        below = distribution.computeCDF(min(x - near, math.nextafter(x, -math.inf)))
        above = distribution.computeCDF(max(x + near, math.nextafter(x, math.inf)))
        if not below - _PROBED_TO < p < above + _PROBED_TO:
            raise ConfigError(
                f"{where}: OpenTURNS is wrong about quantiles of this distribution of values of "
                f"about {x:.2g} (a share of {below:.3g} lies below the {p:g} quantile); give the "
                "input in another unit, and what the model takes under derived"
            )
    return distribution


def _truncate(
    distribution: Any,  # noqa: ANN401
    bounds: tuple[float | None, float | None],
    where: str,
) -> Any:  # noqa: ANN401
    low, high = bounds
    try:
        if low is None:
            return ot.TruncatedDistribution(distribution, high, ot.TruncatedDistribution.UPPER)
        if high is None:
            return ot.TruncatedDistribution(distribution, low, ot.TruncatedDistribution.LOWER)
        return ot.TruncatedDistribution(distribution, low, high)
    except (TypeError, RuntimeError):
        support = distribution.getRange()
        found = ", ".join("null" if b is None else f"{b:g}" for b in bounds)
        raise ConfigError(
            f"{where}.truncate: [{found}] leaves nothing of the distribution; its values lie in "
            f"[{support.getLowerBound()[0]:g}, {support.getUpperBound()[0]:g}]"
        ) from None


def fit_distribution(
    item: Input, values: NDArray[np.float64], weights: NDArray[np.float64] | None, where: str
) -> Any:  # noqa: ANN401
    """Return the univariate OpenTURNS distribution of an input that is given by data.

    `values` and `weights` have shape (n,); weights are for histograms and discrete distributions
    only. Raises ConfigError, beginning with `where`, if the values do not make a distribution.
    """
    assert item.data is not None
    if item.data.fit != "discrete" and values.min() == values.max():
        raise ConfigError(
            f"{where}.data: all values are {values[0]:g}; expected different ones, or the fit "
            "discrete"
        )
    match item.data.fit:
        case "kernel":
            fitted = ot.KernelSmoothing().build(ot.Sample(values[:, None]))
        case "histogram":
            edges = np.histogram_bin_edges(values, item.data.bins or _bars(values, where))
            height = np.histogram(values, edges, weights=weights, density=True)[0]
            fitted = ot.Histogram(edges[0], np.diff(edges).tolist(), height.tolist())
        case _:
            known, at = np.unique(values, return_inverse=True)
            share = np.bincount(at, weights) / (len(values) if weights is None else weights.sum())
            fitted = ot.FiniteDiscreteDistribution(ot.Sample(known[:, None]), ot.Point(share))
    return _checked(fitted, item.truncate, where)


def _bars(values: NDArray[np.float64], where: str) -> str:
    """Return "fd", numpy's name of the rule of Freedman and Diaconis; raise if it does not suit."""
    quarter, three = np.quantile(values, [0.25, 0.75])
    width = 2 * (three - quarter) / len(values) ** (1 / 3)
    if width == 0:
        raise ConfigError(
            f"{where}.data: more than half of the values are {three:g}, of which the rule of "
            "Freedman and Diaconis makes one bar; give bins, or the fit discrete"
        )
    bars = float(np.ptp(values)) / width
    if bars > _MOST_BARS:
        far = values[np.argmax(np.abs(values - np.median(values)))]
        raise ConfigError(
            f"{where}.data: the rule of Freedman and Diaconis asks for {bars:.2g} bars, since "
            f"{far:g} lies far from the other values; remove it, or give bins"
        )
    return "fd"


def from_uniform(
    u: NDArray[np.float64], marginals: Sequence[Any], couplings: Sequence[Coupling]
) -> NDArray[np.float64]:
    """Turn points of the open unit cube, shape (n, d), into input values, each row on its own.

    Couplings are copulas of disjoint columns; the other columns are independent.
    """
    x = np.empty_like(u)
    quantiles = [_quantile(marginal) for marginal in marginals]
    for start in range(0, len(u), _CHUNK):
        rows = u[start : start + _CHUNK].copy()
        for coupling in couplings:
            rows[:, coupling.columns] = coupling(rows[:, coupling.columns])
        for j, quantile in enumerate(quantiles):
            x[start : start + _CHUNK, j] = quantile(rows[:, j])
    return x


def _quantile(marginal: Any) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:  # noqa: ANN401
    def quantile(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(marginal.computeQuantile(as_point(p)))[:, 0]

    return quantile
