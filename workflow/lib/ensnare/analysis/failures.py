"""Whether failures are random: if they are not, dropping them biases every result."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.config.designs import Morris
from ensnare.results import StudyResults
from ensnare.sensitivity import failure_dependence
from ensnare.sweep import case_label

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
    """Return the inputs of samples that are independent, and whether they failed."""
    x, failed = results.x[where], results.status[where] != 0
    if isinstance(results.study.design, Morris):
        group = results.columns["group"][where]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        return x[first], np.logical_or.reduceat(failed, first)
    if "block" in results.columns:
        kept = results.columns["block"][where] < 2
        return x[kept], failed[kept]
    return x, failed


def failure_notes(results: StudyResults) -> list[str]:
    """Return for each case which inputs its failures depend on; empty if on none."""
    if not results.inputs or not results.status.any():
        return ["" for _ in results.by_case()]
    table, d = failure_table(results), len(results.inputs)
    return [_note(table.iloc[start : start + d]) for start in range(0, len(table), d)]


def _note(rows: pd.DataFrame) -> str:
    found = rows[rows["p_value"] < LIMIT].sort_values("p_value", kind="stable")
    if found.empty:
        return ""
    named = [f"{r['input']} (p = {r['p_value']:.1g})" for _, r in found.iterrows()]
    more = [f"{len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    inputs = " and ".join([", ".join(named[:_MOST_NAMED]), *more])
    return f"failures are not random, they depend on {inputs}: dropping them biases results"


def failure_warnings(results: StudyResults) -> list[str]:
    """Return the notes of all cases, each once, with its cases where not all have it."""
    by_note: dict[str, list[str]] = {}
    for (case, _), note in zip(results.by_case(), failure_notes(results), strict=True):
        if note:
            by_note.setdefault(note, []).append(case_label(case))
    return [
        f"case {labels[0]}{f' and {len(labels) - 1} more' if len(labels) > 1 else ''}: {note}"
        if results.study.factors
        else note
        for note, labels in by_note.items()
    ]
