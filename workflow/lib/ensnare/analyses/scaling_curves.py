"""The curves of a scaling study: a table of their points, and one of the laws fitted to them.

A curve has the runs of one combination of the factors that are swept besides the count, such as
mesh or solver. `scaling_runs` has the table of the single runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ensnare.analyses.estimators.scaling_laws import LAWS, Fit, fit_law
from ensnare.analyses.estimators.scaling_points import (
    Interval,
    efficiency,
    median_interval,
    reference_point,
    serial_fraction,
    speedup,
)
from ensnare.analyses.scaling_runs import runs_table
from ensnare.archive.results import StudyResults
from ensnare.study.scaling import Scaling
from ensnare.study.study import Study

# mode of a scaling study to the laws that can describe it
LAWS_OF = {
    "strong": ("amdahl", "universal"),
    "weak": ("gustafson", "universal_weak"),
    "throughput": ("universal",),
}
_MOST_REASONS = 3  # different reasons for missing times that a point shows


def scaling_points_table(results: StudyResults, *, lacks: Mapping[int, str]) -> pd.DataFrame:
    """Return the points of every curve, see `points_of`; for `lacks` see `runs_table`."""
    scaling = scaling_of(results.study)
    return _by_curve(results, lacks, lambda runs: points_of(runs, scaling))


def scaling_fits_table(results: StudyResults, *, lacks: Mapping[int, str]) -> pd.DataFrame:
    """Return the laws fitted to every curve, see `fits_of`; for `lacks` see `runs_table`."""
    scaling, seed = scaling_of(results.study), results.study.seed
    return _by_curve(results, lacks, lambda runs: fits_of(runs, scaling, seed))


def _by_curve(
    results: StudyResults,
    lacks: Mapping[int, str],
    make: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """Return the tables of all curves as one, with the factors of the curves first."""
    runs, factors = runs_table(results, lacks=lacks), curve_factors(results.study)
    parts = [make(rows).assign(**keys) for keys, rows in curves(runs, results.study)]
    table = pd.concat(parts, ignore_index=True)
    return table[[*factors, *(c for c in table.columns if c not in factors)]]


def scaling_of(study: Study) -> Scaling:
    """Return the scaling of a study; TypeError if it is no scaling study."""
    if study.scaling is None:
        raise TypeError(f"{study.study} is no scaling study")
    return study.scaling


def curve_factors(study: Study) -> list[str]:
    """Return the factors that tell one curve from another."""
    return [factor for factor in study.factors if factor not in scaling_of(study).factors]


def curves(table: pd.DataFrame, study: Study) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the levels of each curve, NaN for a factor that it does not have, and its rows."""
    factors = curve_factors(study)
    if not factors:
        yield {}, table
        return
    grouped = table.groupby(factors, sort=False, dropna=False)
    for levels, rows in grouped:
        yield dict(zip(factors, levels, strict=True)), rows


def points_of(runs: pd.DataFrame, scaling: Scaling) -> pd.DataFrame:
    """Return the points of one curve from its rows in the table of runs.

    Columns: the count; cores; time_s, the median, with time_low_s and time_high_s and the level
    that this interval reaches [-]; speedup and efficiency [-], each with _low and _high from the
    ends of the intervals of both times; serial_fraction [-]; reference, the count that they refer
    to; n_ok, n_failed, n_not_run; max_rss_mb and cpu_time_s, medians; reason, why runs have no
    time.
    """
    name = scaling.factor
    groups = [(count, rows) for count, rows in runs.groupby(name, sort=True)]
    counts = np.array([count for count, _ in groups], float)
    medians = [median_interval(rows["time_s"], scaling.confidence) for _, rows in groups]
    time_s = np.array([m.value for m in medians])
    at = reference_point(counts, time_s)
    mode = scaling.mode
    gains = _gains_with_intervals(counts, medians, at, scaling)
    table = pd.DataFrame(
        {
            name: counts.astype(int),
            "cores": [int(rows["cores"].iloc[0]) for _, rows in groups],
            "time_s": time_s,
            "time_low_s": [m.low for m in medians],
            "time_high_s": [m.high for m in medians],
            "level": [m.level for m in medians],
            **gains,
            "serial_fraction": serial_fraction(counts, time_s, mode),
            "reference": math.nan if at is None else int(counts[at]),
        }
    )
    table["reference"] = table["reference"].astype("Int64")
    notes = pd.DataFrame([_summary(rows) for _, rows in groups])
    return pd.concat([table, notes], axis=1)


def _gains_with_intervals(
    counts: np.ndarray, medians: list[Interval], at: int | None, scaling: Scaling
) -> dict[str, np.ndarray]:
    """Return speed-up and efficiency with the ends of their intervals, shape (n,) each.

    The lower end pairs the lower end of the reference time with the upper end of the point's, and
    the other way round. `at` is the position of the reference; None if there is no time.
    """
    mode = scaling.mode
    time_s = np.array([m.value for m in medians])
    found = {
        "speedup": speedup(counts, time_s, mode),
        "efficiency": efficiency(counts, time_s, mode),
    }
    columns: dict[str, np.ndarray] = {}
    for name, value in found.items():
        columns[name] = value
        for end, of_point, of_reference in (("low", "high", "low"), ("high", "low", "high")):
            ratio = np.ones_like(value)
            for i, median in enumerate(medians):
                if at is not None and i != at:
                    reference = getattr(medians[at], of_reference) / time_s[at]
                    ratio[i] = reference * time_s[i] / getattr(median, of_point)
            columns[f"{name}_{end}"] = value * ratio
    return columns


def _summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how many runs of a point have a time, what those used, and why others have none."""
    good = rows["time_s"].notna()
    not_run = rows["status"].isin(["not_run", "skipped"])
    reasons = list(dict.fromkeys(rows.loc[~good, "reason"]))
    more = [f"{len(reasons) - _MOST_REASONS} more reasons"] if len(reasons) > _MOST_REASONS else []
    return {
        "n_ok": int(good.sum()),
        "n_failed": int((~good & ~not_run).sum()),
        "n_not_run": int((~good & not_run).sum()),
        "max_rss_mb": rows.loc[good, "max_rss_mb"].median(),
        "cpu_time_s": rows.loc[good, "cpu_time_s"].median(),
        "reason": "; ".join([*reasons[:_MOST_REASONS], *more]),
    }


def fits_of(runs: pd.DataFrame, scaling: Scaling, seed: int) -> pd.DataFrame:
    """Return the laws fitted to one curve, from its rows in the table of runs.

    Columns: fit, parameter, value, ci_low, ci_high, n_used (runs), deviation (root mean square of
    the relative deviations of the runs [-]) and note. The seed is for the bootstrap.
    """
    counts = runs[scaling.factor].to_numpy(float)
    cores_per_count = float((runs["cores"] / runs[scaling.factor]).iloc[0])
    rows = []
    for name in LAWS_OF[scaling.mode]:
        fit = fit_curve(name, runs, scaling, seed)
        known = counts[runs["time_s"].notna()]
        found = {key: (p.value, p.low, p.high) for key, p in fit.parameters.items()}
        note = dict.fromkeys(found, fit.note)
        if "best_count" in found:
            best, extra = _best(fit, cores_per_count, known)
            found |= best
            note |= {key: "; ".join(filter(None, [fit.note, extra])) for key in best}
            note["best_count"] = note["best_time_s"]
        for key, (value, low, high) in found.items():
            rows.append(
                {
                    "fit": fit.law.name,
                    "parameter": key,
                    "value": value,
                    "ci_low": low,
                    "ci_high": high,
                    "n_used": fit.n_used,
                    "deviation": fit.deviation,
                    "note": note[key],
                }
            )
    return pd.DataFrame(rows)


def fit_curve(name: str, runs: pd.DataFrame, scaling: Scaling, seed: int) -> Fit:
    """Return a law, a key of `LAWS`, fitted to the runs of one curve."""
    return fit_law(
        LAWS[name],
        runs[scaling.factor].to_numpy(float),
        runs["time_s"].to_numpy(float),
        confidence=scaling.confidence,
        seed=seed,
    )


def _best(
    fit: Fit, cores_per_count: float, known: np.ndarray
) -> tuple[dict[str, tuple[float, float, float]], str]:
    """Return the time [s] and the cost [core-hours] at the best count, and a note on them.

    `known` are the counts of runs with a time: a best count beyond them is an extrapolation.
    """
    nan = math.nan
    best = fit.parameters["best_count"].value
    unknown = {"best_time_s": (nan, nan, nan), "best_cost_core_h": (nan, nan, nan)}
    if math.isnan(best):
        return unknown, ""
    if math.isinf(best):
        return unknown, "no best count: the more, the faster, as far as these runs tell"
    near = np.array([max(1, math.floor(best)), math.ceil(best)], float)
    times = fit.time_s(near)
    k = int(np.argmin(times))
    time_s = float(times[k])
    cost = time_s * near[k] * cores_per_count / 3600
    beyond = f"beyond the counts that were measured, up to {known.max():g}"
    found = {"best_time_s": (time_s, nan, nan), "best_cost_core_h": (cost, nan, nan)}
    return found, beyond if near[k] > known.max() else ""
