"""Whether failures are random: if they are not, dropping them biases every result."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.analyses.estimators.failures import failure_dependence
from ensnare.archive.results import StudyResults
from ensnare.store.outcome import Status
from ensnare.study.designs import Morris
from ensnare.study.sweep import case_label

LIMIT = 0.05


"""Below this p-value failures are taken to depend on an input."""


_MOST_NAMED = 3


def failure_table(results: StudyResults) -> pd.DataFrame:
    """Return the test of every input against failure in every case.

    Parameters
    ----------
    results : StudyResults
        The archive of a study with a design.

    Returns
    -------
    DataFrame
        One column per factor, input, statistic, p_value (adjusted for the number of inputs, NaN
        where nothing or everything failed), n_failed, n_used: samples tested. Of a pick-freeze
        design those of the blocks A and B; of a Morris design the trajectories, which have
        failed when one of their samples has.
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
    """Return the inputs of samples that are independent and were run, and whether they failed."""
    x, status = results.x[where], results.status[where]
    failed, idle = status != Status.OK, status == Status.NOT_RUN
    if isinstance(results.study.design, Morris):
        group = results.columns["group"][where]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        kept = ~np.logical_or.reduceat(idle, first)
        return x[first][kept], np.logical_or.reduceat(failed, first)[kept]
    kept = ~idle
    if "block" in results.columns:
        kept &= results.columns["block"][where] < 2
    return x[kept], failed[kept]


def failure_notes(results: StudyResults) -> list[str]:
    """Return for each case which inputs its failures depend on; empty if on none."""
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
        for rows in (part[part["p_value"] < LIMIT] for part in parts)
    ]


def _note(found: list[dict[str, float]]) -> str:
    """Return what to say of cases whose failures depend on the same inputs."""
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
    """Return a bound of one digit."""
    power = 10.0 ** np.floor(np.log10(p)) if p > 0 else 1.0
    return f"{np.ceil(p / power) * power:.1g}"


def failure_warnings(results: StudyResults) -> list[str]:
    """Return a line for each set of inputs that failures depend on, with its cases."""
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
