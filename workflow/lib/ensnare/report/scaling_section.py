"""The section of the report on a scaling study."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ensnare.analyses.scaling_curves import curve_factors, scaling_of
from ensnare.report.page import ReportTable
from ensnare.report.text import NONE, format_estimate, format_range, format_value
from ensnare.study.scaling import COPIES, WALL
from ensnare.study.study import Study

SCALING = "Scaling"  # the heading
SCALING_CAPTIONS = {  # by kind of figure
    "time": "Time against the {factor}: the median of the runs of each point with its interval, "
    "single runs, the fitted laws, and the ideal line.",
    "speedup": "Speed-up relative to the smallest count that succeeded, with intervals that follow "
    "from those of the times.",
    "efficiency": "Efficiency: the share of the ideal speed-up that is reached.",
}
_PARAMETERS = {
    "time_1_s": "time at a count of 1 [s]",
    "serial_fraction": "serial fraction",
    "most_speedup": "limit of the speed-up",
    "contention": "contention (alpha)",
    "coherency": "coherency (beta)",
    "best_count": "count of the shortest time",
    "best_time_s": "shortest time [s]",
    "best_cost_core_h": "cost at that count [core-hours]",
}
_LAWS = {
    "amdahl": "Amdahl",
    "gustafson": "Gustafson",
    "universal": "universal",
}
_FITS = (
    "Laws (universal: the universal scalability law) fitted to all runs by least squares of the "
    "relative deviations, with the parameters within their bounds; intervals by a bootstrap of "
    "these deviations. The intervals show how well the runs determine the parameters, not whether "
    "the law holds."
)


def scaling_section(study: Study, frames: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Return the tables of the section: points, counts without a time, fitted laws.

    `frames` holds the tables scaling_points and scaling_fits.
    """
    points, fits = frames["scaling_points"], frames["scaling_fits"]
    tables = [
        ReportTable(SCALING, points_view(study, points), _lead(study, points),
                    "scaling_points.csv, scaling.csv"),
    ]  # fmt: skip
    holes = points[points["n_ok"] < points[["n_ok", "n_failed", "n_not_run"]].sum(axis=1)]
    if len(holes):
        keys = [*curve_factors(study), scaling_of(study).factor]
        shown = holes[[*keys, "cores", "n_ok", "n_failed", "n_not_run", "reason"]]
        shown = shown.rename(columns={"n_ok": "ok", "n_failed": "failed", "n_not_run": "not run"})
        tables.append(ReportTable(SCALING, shown, "Points with failed or missing runs, and why:"))
    if fits["value"].notna().any():
        tables.append(ReportTable(SCALING, fits_view(study, fits), _FITS, "scaling_fits.csv"))
    return tables


def _lead(study: Study, points: pd.DataFrame) -> str:
    """Return what was timed, and what speed-up and efficiency refer to."""
    scaling = scaling_of(study)
    kind = {
        "strong": "The same problem on every count",
        "weak": "A problem that grows with the count",
        "throughput": "Independent copies at the same time",
    }[scaling.mode]
    timed = "wall-clock time of the command" if scaling.time == WALL else f"output {scaling.time}"
    divided = ", divided by the number of copies" if scaling.factor == COPIES else ""
    runs = f"the median of {scaling.repeats} runs" if scaling.repeats > 1 else "one run of each"
    references = sorted({int(r) for r in points["reference"].dropna()})
    if not references:
        return f"{kind}; no run has a time."
    smallest = "the smallest that succeeded"
    which = smallest if len(references) == 1 else f"{smallest} of each curve"
    return (
        f"{kind} ({scaling.mode} scaling over {scaling.factor}); time: {timed}{divided}, {runs}, "
        "in random order. Reference of speed-up and efficiency: "
        f"{scaling.factor} = {', '.join(map(str, references))}, {which}. Intervals of times are "
        "order statistics of the runs, at the level given; those of ratios are computed from the "
        "ends of the intervals of both times. The serial fraction is that of Karp and Flatt."
    )


def points_view(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """Return the points as text: estimates with their intervals."""
    keys = [*curve_factors(study), scaling_of(study).factor]
    shown = points[[*dict.fromkeys([*keys, "cores"])]].copy()
    shown["time [s]"] = _cells(points, "time_s", "time_low_s", "time_high_s")
    shown["level"] = [f"{100 * v:.3g} %" if v > 0 else NONE for v in points["level"]]
    for name, label in (("speedup", "speed-up"), ("efficiency", "efficiency")):
        shown[label] = _cells(points, name, f"{name}_low", f"{name}_high")
    shown["serial fraction"] = points["serial_fraction"].map(format_value)
    for name, label in (("max_rss_mb", "memory [MB]"), ("cpu_time_s", "CPU time [s]")):
        if points[name].notna().any():
            shown[label] = points[name].map(format_value)
    return shown


def _cells(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    """Return `value [low, high]` for each row."""
    rows = table[[value, low, high]].itertuples(index=False, name=None)
    return [_cell(*row) for row in rows]


def _cell(value: float, low: float, high: float) -> str:
    """Return `value [low, high]`.

    The value may be infinite (the count of the shortest time), and equal to both ends (the speed-up
    of the reference).
    """
    if math.isnan(value):
        return NONE
    if low == high:
        return format_value(value)
    if math.isinf(high):
        start = "∞" if math.isinf(value) else format_value(value)
        return f"{start} {format_range((low, None))}"
    return format_estimate(value, low, high)


def fits_view(study: Study, fits: pd.DataFrame) -> pd.DataFrame:
    """Return the parameters of the fitted laws as text."""
    shown = fits[curve_factors(study)].copy()
    shown["law"] = fits["fit"].map(_LAWS)
    shown["parameter"] = fits["parameter"].map(_PARAMETERS)
    shown["estimate"] = _cells(fits, "value", "ci_low", "ci_high")
    shown["deviation"] = [f"{100 * v:.2g} %" if v == v else NONE for v in fits["deviation"]]
    shown["note"] = fits["note"].fillna("")
    return shown
