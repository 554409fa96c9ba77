"""Laws of scaling fitted to times: Amdahl, Gustafson, and the universal scalability law.

Each law is linear in coefficients that are not negative: the fit is a convex problem with one
solution, and the bounds of the parameters (fractions between 0 and 1, no negative overhead) hold
exactly. Deviations are relative to the time, since times span decades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
REPLICATES = 999  # of the bootstrap
_ROUNDING = 1e-9  # terms are rounding errors below this part of the largest term
_BOUND_TOLERANCE = 1e-6  # a parameter that is closer to a bound counts as at the bound


@dataclass(frozen=True)
class Law:
    """A law of scaling.

    Attributes
    ----------
    name : str
        Its name in tables.
    columns : callable
        From counts, shape (n,), to the terms that the coefficients multiply, shape (n, k).
    inverse : bool
        Whether the sum of the terms is 1 / time instead of the time.
    parameters : callable
        From coefficients, shape (k,), to the parameters by name.
    coefficients : callable
        From the parameters by name to the coefficients.
    """

    name: str
    columns: Callable[[Array], Array]
    inverse: bool
    parameters: Callable[[Array], dict[str, float]]
    coefficients: Callable[[Mapping[str, float]], Array]

    def time_s(self, coefficients: Array, counts: ArrayLike) -> Array:
        """Return the time that the law predicts for counts [s], shape (n,)."""
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
        The law that was fitted.
    coefficients : ndarray of float, shape (k,)
        NaN if there were fewer different counts than coefficients.
    parameters : dict of str to Parameter
        By name: time_1_s [s]; all others have no unit.
    n_used : int
        Runs with a time.
    deviation : float
        Root mean square of the relative deviations of the runs, per degree of freedom [-].
    note : str
        Why there is no fit or no interval, and which parameters are at a bound; may be empty.
    """

    law: Law
    coefficients: Array
    parameters: Mapping[str, Parameter]
    n_used: int
    deviation: float
    note: str = ""

    def time_s(self, counts: ArrayLike) -> Array:
        """Return the time that the fit predicts for counts [s], shape (n,)."""
        return self.law.time_s(self.coefficients, counts)


def _amdahl(c: Array) -> dict[str, float]:
    total = float(c.sum())
    serial = _share(c[0], total)
    return {"time_1_s": total, "serial_fraction": serial, "most_speedup": _inverse(serial)}


def _gustafson(c: Array) -> dict[str, float]:
    total = float(c.sum())
    return {"time_1_s": _inverse(total), "serial_fraction": _share(c[1], total)}


def _universal(c: Array) -> dict[str, float]:
    """Return sigma and kappa of t = u/p + v + w (p - 1), and the count of the shortest time."""
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


# Gunther (2008), arXiv:0808.1431, for the universal scalability law; for Amdahl and Gustafson see
# `scaling_points.speedup`.
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


def fit_law(
    law: Law, counts: ArrayLike, time_s: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> Fit:
    """Fit a law to runs by least squares of the relative deviations, with parameters in bounds.

    Intervals are percentiles of a bootstrap of the relative deviations. These are scaled up for
    the degrees of freedom of the fit, and by the ratio of Student's to the normal interval, since
    the spread of few runs is underestimated: for 4 runs with a spread of 3 % the intervals cover
    95 %, without this scaling 83 %. They tell how well the runs determine the parameters, not
    whether the law describes the code.

    Parameters
    ----------
    law : Law
        One of `LAWS`.
    counts : array_like of int, shape (n,)
        Count of every run: ranks, threads, nodes or copies.
    time_s : array_like of float, shape (n,)
        Time of every run [s]; NaN where it failed.
    confidence : float
        Probability that an interval covers its parameter [-], in (0, 1).
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Fit
        NaN if there are fewer different counts than coefficients; no intervals if there are as
        many runs as coefficients.
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
    spread = relative * math.sqrt(len(t) / free) * _student_to_normal(free, confidence)
    draws = _bootstrap(law, p, fitted, spread, seed)
    tail = 50 * (1 - confidence)
    ends = np.percentile(draws, [tail, 100 - tail], axis=0, method="inverted_cdf")
    parameters = {
        name: Parameter(value, min(low, value), max(high, value))
        for (name, value), low, high in zip(found.items(), *ends.tolist(), strict=True)
    }
    return Fit(law, coefficients, parameters, len(t), deviation, note)


def _student_to_normal(free: int, confidence: float) -> float:
    """Return the ratio of Student's to the normal interval, for `free` degrees of freedom [-].

    A bootstrap takes the spread of the runs as the true one; that of few runs is mostly smaller.
    """
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    return float(stdtrit(free, upper) / ndtri(upper))


def _solve(law: Law, terms: Array, time_s: Array) -> Array:
    """Return the coefficients, none negative, of least squares of the relative deviations."""
    from scipy.optimize import nnls

    rows = terms * (time_s if law.inverse else 1 / time_s)[:, None]
    scale = np.linalg.norm(rows, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    shares = nnls(rows / scale, np.ones(len(rows)))[0]
    # a coefficient that is only rounding error would give a finite best count
    shares[shares < _ROUNDING * shares.max()] = 0.0
    coefficients: Array = shares / scale
    return coefficients


def _bootstrap(law: Law, p: Array, fitted: Array, spread: Array, seed: int) -> Array:
    """Return the parameters of fits to resampled times, shape (replicates, parameters)."""
    rng = np.random.default_rng(seed)
    centred = spread - spread.mean()
    terms = law.columns(p)
    drawn = rng.choice(centred, size=(REPLICATES, len(p)))
    # times must stay above 0, also if the law describes the runs badly
    times = fitted * np.maximum(1 + drawn, 0.05)
    found = [list(law.parameters(_solve(law, terms, row)).values()) for row in times]
    return np.array(found)


def _at_bounds(coefficients: Array, parameters: Mapping[str, Any]) -> str:
    """Return a note on the parameters at a bound, beyond which the runs would fit better; or ""."""
    shown = ("serial_fraction", "contention", "coherency")
    zero = [n for n in shown if abs(parameters.get(n, 1.0)) < _BOUND_TOLERANCE]
    one = [n for n in shown if abs(parameters.get(n, 0.0) - 1) < _BOUND_TOLERANCE]
    return "; ".join(
        f"{' and '.join(names)} at the bound {bound}"
        for names, bound in ((zero, 0), (one, 1))
        if names
    )
