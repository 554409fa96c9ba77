"""Whether failures depend on the inputs: if they do, dropping failed samples biases all results."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.analyses.estimators.failures import failure_dependence
from ensnare.archive.results import StudyResults
from ensnare.store.outcome import Status
from ensnare.study.designs import Morris
from ensnare.study.sweep import case_label

_SIGNIFICANT = 0.05  # p-value below which failures are taken to depend on an input
_MOST_NAMED = 3  # inputs or cases in a warning


def failure_table(results: StudyResults) -> pd.DataFrame:
    """Return the test whether failures depend on an input, for every input in every case.

    Columns: one per factor, input, statistic, p_value (adjusted for the number of inputs, NaN if
    nothing or everything failed), n_failed, and n_used (samples tested). Of a pick-freeze design,
    only samples of the blocks A and B are tested. Of a Morris design, whole trajectories are: one
    has failed if any of its samples has.
    """
    names, factors = list(results.inputs), list(results.study.factors)
    rows = []
    for case, where in results.by_case():
        x, failed = _tested(results, where)
        found = failure_dependence(x, failed)
        for j, name in enumerate(names):
            rows.append(
                {
                    **{f: case.get(f) for f in factors},
                    "input": name,
                    "statistic": found.statistic[j],
                    "p_value": found.p_value[j],
                    "n_failed": int(failed.sum()),
                    "n_used": len(failed),
                }
            )
    return pd.DataFrame(rows)


def _tested(results: StudyResults, where: slice) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the inputs of independent samples that were run, shape (m, d), and which failed."""
    x, status = results.x[where], results.status[where]
    failed, not_run = status != Status.OK, status == Status.NOT_RUN
    if isinstance(results.study.design, Morris):
        group = results.columns["group"][where]
        first = np.flatnonzero(np.diff(group, prepend=-1))  # row of each trajectory
        kept = ~np.logical_or.reduceat(not_run, first)
        return x[first][kept], np.logical_or.reduceat(failed, first)[kept]
    kept = ~not_run
    if "block" in results.columns:
        kept &= results.columns["block"][where] < 2
    return x[kept], failed[kept]


def failure_notes(results: StudyResults) -> list[str]:
    """Return a warning for each case that names the inputs its failures depend on; or ""."""
    return [_note([found]) if found else "" for found in _dependences(results)]


def _dependences(results: StudyResults) -> list[dict[str, float]]:
    """Return for each case the p-values of the inputs that its failures depend on."""
    cases = results.by_case()
    if not results.inputs or not results.status.any():
        return [{} for _ in cases]
    table, d = failure_table(results), len(results.inputs)
    parts = (table.iloc[start : start + d] for start in range(0, len(table), d))
    return [
        dict(zip(rows["input"], rows["p_value"], strict=True))
        for rows in (part[part["p_value"] < _SIGNIFICANT] for part in parts)
    ]


def _note(found: list[dict[str, float]]) -> str:
    """Return the warning for cases whose failures depend on the same inputs.

    Each case is given as the p-values of these inputs; of several cases the largest is shown.
    """
    largest = {name: max(case[name] for case in found) for name in found[0]}
    sign = "=" if len(found) == 1 else "≤"
    named = [
        f"{name} (p {sign} {_rounded_up(p) if len(found) > 1 else f'{p:.1g}'})"
        for name, p in sorted(largest.items(), key=lambda item: item[1])
    ]
    more = [f"{len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    inputs = " and ".join([", ".join(named[:_MOST_NAMED]), *more])
    return f"failures are not random, they depend on {inputs}: dropping them biases results"


def _rounded_up(p: float) -> str:
    """Return a p-value rounded up to one digit, so that it is an upper bound."""
    power = 10.0 ** np.floor(np.log10(p)) if p > 0 else 1.0
    return f"{np.ceil(p / power) * power:.1g}"


def failure_warnings(results: StudyResults) -> list[str]:
    """Return a warning for each set of inputs that failures depend on, and for which cases."""
    by_inputs: dict[frozenset[str], dict[str, dict[str, float]]] = {}
    for (case, _), found in zip(results.by_case(), _dependences(results), strict=True):
        if found:
            by_inputs.setdefault(frozenset(found), {})[case_label(case)] = found
    return [
        f"{_cases(list(cases))}: {_note(list(cases.values()))}"
        if results.study.factors
        else _note(list(cases.values()))
        for cases in by_inputs.values()
    ]


def _cases(labels: list[str]) -> str:
    shown = ", ".join(labels[:_MOST_NAMED])
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return f"case{'s' if len(labels) > 1 else ''} {shown}{more}"
