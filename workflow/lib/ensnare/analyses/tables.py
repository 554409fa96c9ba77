"""Tables of results: every analysis of every output in every case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.analyses.estimators.correlation import COEFFICIENTS, correlations
from ensnare.analyses.estimators.morris import morris_effects
from ensnare.analyses.estimators.rank_sobol import rank_sobol_indices
from ensnare.analyses.estimators.sobol import sobol_indices
from ensnare.analyses.estimators.statistics import exceedance, summarise
from ensnare.analyses.failures import failure_table
from ensnare.analyses.groups import Group, groups, independent_rows, pick_freeze_table
from ensnare.analyses.rounds import rounds_table
from ensnare.analyses.scaling_curves import scaling_fits_table, scaling_points_table
from ensnare.analyses.scaling_runs import runs_table
from ensnare.archive.results import StudyResults
from ensnare.design.table import unit_points
from ensnare.store.paths import write_whole
from ensnare.study.analyses import Exceedance
from ensnare.study.designs import Saltelli
from ensnare.study.values import AnyLevel

Array = NDArray[np.float64]


def statistics_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return the statistics of every output in every case.

    Parameters
    ----------
    results : StudyResults
        The archive.
    confidence : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        output, position, one column per factor, statistic, value, ci_low, ci_high, n_used,
        n_dropped, note. Of a pick-freeze design only the blocks A and B count: the others
        repeat their values.
    """
    independent = independent_rows(results)
    rows = []
    for group in groups(results):
        found, used, dropped = summarise(group.y[independent[group.where]], confidence=confidence)
        rows += [
            group.row(statistic=item.name, value=item.value, ci_low=item.low, ci_high=item.high,
                      n_used=used, n_dropped=dropped)
            for item in found
        ]  # fmt: skip
    return pd.DataFrame(rows)


def exceedance_table(results: StudyResults, *, items: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the probabilities that outputs are beyond thresholds, in every case.

    Parameters
    ----------
    results : StudyResults
        The archive.
    items : list of dict
        See `ensnare.study.analyses.Exceedance`.

    Returns
    -------
    DataFrame
        output, position, one column per factor, event (above or below), threshold, value,
        ci_low, ci_high, n_used, n_dropped, note.
    """
    independent = independent_rows(results)
    rows = []
    for item in map(Exceedance.model_validate, items):
        is_below = item.below is not None
        for group in groups(results, item.output):
            y = group.y[independent[group.where]]
            found = exceedance(y, item.threshold, below=is_below, confidence=item.confidence)
            rows.append(
                group.row(event="below" if is_below else "above", threshold=item.threshold,
                          value=found.value, ci_low=found.low, ci_high=found.high,
                          n_used=found.n_used, n_dropped=found.n_dropped)
            )  # fmt: skip
    return pd.DataFrame(rows)


def sobol_table(results: StudyResults, *, estimator: str, confidence: float) -> pd.DataFrame:
    """Return the Sobol' indices of every output in every case.

    Parameters
    ----------
    results : StudyResults
        The archive of a pick-freeze design.
    estimator : str
        Name of the estimator.
    confidence : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        output, position, one column per factor, input, index (first, total; second of the pair
        `x1:x2` where the design has its samples), value, ci_low, ci_high, n_used, n_dropped,
        note; the counts are of base rows.
    """
    names = list(results.inputs)
    design = results.study.design
    second = isinstance(design, Saltelli) and design.second_order
    rows = []
    for group in groups(results):
        where = group.where
        table = pick_freeze_table(
            group.y, results.columns["block"][where], results.columns["group"][where]
        )
        if second and len(names) == 2:  # C_1 = E_2 and C_2 = E_1
            table = table[:, [0, 1, 2, 3, 3, 2]]
        found = sobol_indices(
            table, estimator=estimator, confidence=confidence, second_order=second
        )
        pairs = [(i, j) for i in range(len(names)) for j in range(i)] if second else []
        places: list[tuple[str, Any, str]] = [
            (kind, i, name) for kind in ("first", "total") for i, name in enumerate(names)
        ]
        places += [("second", pair, f"{names[pair[1]]}:{names[pair[0]]}") for pair in pairs]
        for kind, at, name in places:
            value, low, high = (getattr(found, kind + part)[at] for part in ("", "_low", "_high"))
            rows.append(
                group.row(input=name, index=kind, value=value, ci_low=low, ci_high=high,
                          n_used=found.n_used, n_dropped=found.n_dropped)
            )  # fmt: skip
    return pd.DataFrame(rows)


def rank_sobol_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return first-order Sobol' indices by ranks, of every output in every case.

    Returns
    -------
    DataFrame
        As `sobol_table`, with the index first only; the counts are of samples.
    """
    rows = []
    for group, x, y in _samples(results):
        found = rank_sobol_indices(x, y, confidence=confidence)
        rows += [
            group.row(input=name, index="first", value=found.first[i], ci_low=found.low[i],
                      ci_high=found.high[i], n_used=found.n_used, n_dropped=found.n_dropped)
            for i, name in enumerate(results.inputs)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def correlations_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return the correlations of every output with every input in every case.

    Returns
    -------
    DataFrame
        output, position, one column per factor, input, coefficient (pearson, spearman, src,
        srrc, pcc, prcc), value, ci_low, ci_high, n_used, n_dropped, note.
    """
    rows = []
    for group, x, y in _samples(results):
        found = correlations(x, y, confidence=confidence)
        for kind in COEFFICIENTS:
            coefficient = getattr(found, kind)
            rows += [
                group.row(input=name, coefficient=kind, value=coefficient.value[i],
                          ci_low=coefficient.low[i], ci_high=coefficient.high[i],
                          n_used=found.n_used, n_dropped=found.n_dropped)
                for i, name in enumerate(results.inputs)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def _samples(results: StudyResults) -> Iterator[tuple[Group, Array, Array]]:
    """Yield each group with the inputs and outputs of its independent samples."""
    independent, x = independent_rows(results), results.x
    for group in groups(results):
        kept = independent[group.where]
        yield group, x[group.where][kept], group.y[kept]


def morris_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return the elementary effects on every output in every case.

    Returns
    -------
    DataFrame
        output, position, one column per factor, input, then mu, mu_star, sigma each with its
        _low and _high, in the unit of the output over the range of the input; n_used,
        n_dropped (effects) and note.
    """
    names = list(results.inputs)
    order = sorted(names)
    # steps are taken in the quantiles: a step in values would differ from place to place
    u, _, _ = unit_points(results.study.design, order, results.study.seed)
    u = u[:, [order.index(name) for name in names]]
    rows = []
    for group in groups(results):
        trajectory = results.columns["group"][group.where]
        found = morris_effects(u, group.y, trajectory, confidence=confidence)
        for i, name in enumerate(names):
            estimates = {
                kind + part: getattr(found, kind + part)[i]
                for kind in ("mu", "mu_star", "sigma")
                for part in ("", "_low", "_high")
            }
            rows.append(
                group.row(input=name, **estimates, n_used=found.n_used[i],
                          n_dropped=found.n_dropped[i])
            )  # fmt: skip
    return pd.DataFrame(rows)


ANALYSES: dict[str, Callable[..., pd.DataFrame]] = {
    "statistics": statistics_table,
    "exceedance": exceedance_table,
    "sobol_indices": sobol_table,
    "rank_sobol_indices": rank_sobol_table,
    "morris": morris_table,
    "correlations": correlations_table,
    "failures": failure_table,
    "rounds": rounds_table,
    "scaling": runs_table,
    "scaling_points": scaling_points_table,
    "scaling_fits": scaling_fits_table,
}


"""Name of a table to what makes it from the results and the options of its analysis."""


def read_table(path: Path, factors: Mapping[str, Sequence[AnyLevel]]) -> pd.DataFrame:
    """Read a table back, with its factors as they are: `3.10` may be a text.

    Parameters
    ----------
    path : Path
        The CSV file.
    factors : mapping
        Factor to levels; not every table has them all.
    """
    texts = {name: str for name, levels in factors.items() if isinstance(levels[0], str)}
    # a level may be called none or NA
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=["", "nan"])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, with all digits."""
    write_whole(path, lambda part: table.to_csv(part, index=False, lineterminator="\n"))
