"""Laws of scaling fitted to times: Amdahl, Gustafson, and the universal scalability law.

Each law is linear in coefficients that are not negative: the fit is a convex problem with one
answer, and the bounds of the parameters (fractions between 0 and 1, no negative overhead) hold
exactly. Deviations count relative to the time, since times span decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
REPLICATES = 999
_ROUNDING = 1e-9  # a term that has so small a share of all times is not there
_CLOSE = 1e-6  # a coefficient that is so much smaller than the largest one is at its bound


@dataclass(frozen=True)
class Law:
    """A law of scaling.

    Attributes
    ----------
    name : str
        As in tables.
    columns : callable
        Counts, shape (n,), to the terms that the coefficients multiply, shape (n, k).
    inverse : bool
        Whether the sum is 1 / time and not the time.
    parameters : callable
        Coefficients, shape (k,), to the parameters by name.
    coefficients : callable
        The other way round.
    """

    name: str
    columns: Callable[[Array], Array]
    inverse: bool
    parameters: Callable[[Array], dict[str, float]]
    coefficients: Callable[[Mapping[str, float]], Array]

    def time_s(self, coefficients: Array, counts: ArrayLike) -> Array:
        """Return the time that the law says for counts [s], shape (n,)."""
        found: Array = self.columns(np.asarray(counts, float)) @ coefficients
        with np.errstate(divide="ignore"):
            return 1 / found if self.inverse else found


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law, with its interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """A law fitted to runs.

    Attributes
    ----------
    law : Law
        The law.
    coefficients : ndarray of float, shape (k,)
        NaN if there were too few counts.
    parameters : dict of str to Parameter
        By name.
    n_used : int
        Runs that it rests on.
    deviation : float
        Root of the mean squared relative deviation of the runs, by degrees of freedom [-].
    note : str
        Why there is no fit or no interval, and which parameters are at a bound.
    """

    law: Law
    coefficients: Array
    parameters: Mapping[str, Parameter]
    n_used: int
    deviation: float
    note: str = ""

    def time_s(self, counts: ArrayLike) -> Array:
        """Return the time that the fit says for counts [s], shape (n,)."""
        return self.law.time_s(self.coefficients, counts)


def _amdahl(c: Array) -> dict[str, float]:
    total = float(c.sum())
    serial = _share(c[0], total)
    return {"time_1_s": total, "serial_fraction": serial, "most_speedup": _inverse(serial)}


def _gustafson(c: Array) -> dict[str, float]:
    total = float(c.sum())
    return {"time_1_s": _inverse(total), "serial_fraction": _share(c[1], total)}


def _universal(c: Array) -> dict[str, float]:
    """Return sigma and kappa of t = u/p + v + w (p - 1), and where the time is shortest."""
    total = float(c[0] + c[1])
    best = math.sqrt(_share(c[0], float(c[2]))) if c[0] > 0 else 1.0
    return {
        "time_1_s": total,
        "contention": _share(c[1], total),
        "coherency": _share(c[2], total),
        "best_count": max(1.0, best),
    }


def _universal_weak(c: Array) -> dict[str, float]:
    total = float(c[0])
    kappa = _share(c[2], total)
    best = math.sqrt(max(0.0, 1 - _share(c[1], total)) / kappa) if kappa > 0 else math.inf
    return {
        "time_1_s": total,
        "contention": _share(c[1], total),
        "coherency": kappa,
        "best_count": max(1.0, best),
    }


def _share(part: float, whole: float) -> float:
    return float(part) / whole if whole > 0 else math.inf


def _inverse(value: float) -> float:
    return 1 / value if value > 0 else math.inf


def _split(fraction: float) -> Array:
    return np.array([fraction, 1 - fraction])


def _stack(*columns: Array) -> Array:
    return np.stack(np.broadcast_arrays(*columns), axis=1)


LAWS = {
    # t = t1 (s + (1 - s) / p)
    "amdahl": Law("amdahl", lambda p: _stack(np.ones_like(p), 1 / p), inverse=False,
                  parameters=_amdahl,
                  coefficients=lambda v: v["time_1_s"] * _split(v["serial_fraction"])),
    # t = t1 / (1 - s + s / p), from the scaled speed-up p + (1 - p) s
    "gustafson": Law("gustafson", lambda p: _stack(np.ones_like(p), 1 / p), inverse=True,
                     parameters=_gustafson,
                     coefficients=lambda v: _split(v["serial_fraction"])[::-1] / v["time_1_s"]),
    # t = t1 (1 + sigma (p - 1) + kappa p (p - 1)) / p
    "universal": Law("universal", lambda p: _stack(1 / p, np.ones_like(p), p - 1), inverse=False,
                     parameters=_universal,
                     coefficients=lambda v: v["time_1_s"] * np.array(
                         [1 - v["contention"], v["contention"], v["coherency"]])),
    # the same throughput p / (1 + sigma (p - 1) + kappa p (p - 1)), of work that grows as p
    "universal_weak": Law("universal", lambda p: _stack(np.ones_like(p), p - 1, p * (p - 1)),
                          inverse=False, parameters=_universal_weak,
                          coefficients=lambda v: v["time_1_s"] * np.array(
                              [1, v["contention"], v["coherency"]])),
}  # fmt: skip


"""The laws by name. Gunther (2008), arXiv:0808.1431, for the universal scalability law; for Amdahl
and Gustafson see `points.speedup`."""


def fit_law(
    law: Law, counts: ArrayLike, time_s: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> Fit:
    """Fit a law to runs by least squares of the relative deviations, parameters within bounds.

    Intervals are percentiles of a bootstrap of the relative deviations, which are scaled up for
    the degrees of freedom that the fit took, and as Student's interval is for few runs: with 4
    runs of 3 % spread they cover 95 % where they would cover 83 %. They say how well the runs
    determine the parameters, not whether the law is the right one.

    Parameters
    ----------
    law : Law
        One of `LAWS`.
    counts : array_like of int, shape (n,)
        Count of every run.
    time_s : array_like of float, shape (n,)
        Its time [s]; NaN where it failed.
    confidence : float
        Level of the intervals.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Fit
        NaN if there are fewer different counts than coefficients.
    """
    p, t = np.asarray(counts, float), np.asarray(time_s, float)
    p, t = p[np.isfinite(t)], t[np.isfinite(t)]
    terms = law.columns(p)
    k = terms.shape[1]
    names = list(law.parameters(np.ones(k)))
    if len(np.unique(p)) < k:
        nothing = Parameter(math.nan, math.nan, math.nan)
        lack = f"expected at least {k} counts with a time; found {len(np.unique(p))}"
        return Fit(law, np.full(k, np.nan), dict.fromkeys(names, nothing), len(t), math.nan, lack)
    coefficients = _solve(law, terms, t)
    found = law.parameters(coefficients)
    fitted = law.time_s(coefficients, p)
    free = len(t) - k
    relative = t / fitted - 1
    deviation = math.sqrt(float(np.square(relative).sum()) / free) if free else math.nan
    note = _at_bounds(coefficients, found)
    if not free:
        alone = {name: Parameter(value, math.nan, math.nan) for name, value in found.items()}
        note = "; ".join(filter(None, ["as many coefficients as runs: no interval", note]))
        return Fit(law, coefficients, alone, len(t), deviation, note)
    spread = relative * math.sqrt(len(t) / free) * _for_few(free, confidence)
    draws = _bootstrap(law, p, fitted, spread, seed)
    tail = 50 * (1 - confidence)
    ends = np.percentile(draws, [tail, 100 - tail], axis=0, method="inverted_cdf")
    parameters = {
        name: Parameter(value, min(low, value), max(high, value))
        for (name, value), low, high in zip(found.items(), *ends.tolist(), strict=True)
    }
    return Fit(law, coefficients, parameters, len(t), deviation, note)


def _for_few(free: int, confidence: float) -> float:
    """Return by how much Student's interval is wider than the normal one [-].

    A bootstrap knows the spread of its own deviations only; of few runs that is mostly too small.
    """
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    return float(stdtrit(free, upper) / ndtri(upper))


def _solve(law: Law, terms: Array, time_s: Array) -> Array:
    """Return the coefficients, none negative, of least squares of relative deviations."""
    rows = terms * (time_s if law.inverse else 1 / time_s)[:, None]
    scale = np.linalg.norm(rows, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    from scipy.optimize import nnls

    shares = nnls(rows / scale, np.ones(len(rows)))[0]
    # what only rounding left is none: a best count would follow from it
    shares[shares < _ROUNDING * shares.max()] = 0.0
    coefficients: Array = shares / scale
    return coefficients


def _bootstrap(law: Law, p: Array, fitted: Array, spread: Array, seed: int) -> Array:
    """Return the parameters of fits to times drawn anew, shape (replicates, parameters)."""
    chance = np.random.default_rng(seed)
    centred = spread - spread.mean()
    terms = law.columns(p)
    drawn = chance.choice(centred, size=(REPLICATES, len(p)))
    # a time stays above 0 however far the law is off
    times = fitted * np.maximum(1 + drawn, 0.05)
    found = [list(law.parameters(_solve(law, terms, row)).values()) for row in times]
    return np.array(found)


def _at_bounds(coefficients: Array, parameters: Mapping[str, Any]) -> str:
    """Return which parameters are at a bound: the data ask for more than the law allows."""
    shown = ("serial_fraction", "contention", "coherency")
    zero = [n for n in shown if abs(parameters.get(n, 1.0)) < _CLOSE]
    one = [n for n in shown if abs(parameters.get(n, 0.0) - 1) < _CLOSE]
    return "; ".join(
        f"{' and '.join(names)} at the bound {bound}"
        for names, bound in ((zero, 0), (one, 1))
        if names
    )
