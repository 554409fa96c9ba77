"""The tables of the analyses, each with rows for every output in every case.

`ANALYSES` maps the name of each table to the function that makes it. Tables of estimates start with
the columns output, position (in an array output, from 0) and one per factor. They end with n_used
and n_dropped, the numbers of samples used and left out, and note, a warning if failures depend on
an input. The docstrings below name the columns between those; ci_low and ci_high are the ends of
the confidence interval of value.
"""

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
    """Return mean, standard deviation, extremes and quantiles of every output in every case.

    Columns: statistic, value, ci_low, ci_high. Only independent samples are used: of a
    pick-freeze design those of the blocks A and B.
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
    """Return the probabilities that outputs are above or below thresholds, in every case.

    `items` are `ensnare.study.analyses.Exceedance` as mappings. Own columns: event (above or
    below), threshold, value, ci_low, ci_high.
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
    """Return the Sobol' indices of every output in every case, from a pick-freeze design.

    Columns: input, index, value, ci_low, ci_high. The index is first or total, or second for
    a pair of inputs `x1:x2` if the design has the blocks for it. n_used and n_dropped count base
    rows.
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
        if second and len(names) == 2:  # the design has no blocks C, since C_1 = E_2, C_2 = E_1
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

    Columns as in `sobol_table`; n_used and n_dropped count samples.
    """
    rows = []
    for group, x, y in _independent_samples(results):
        found = rank_sobol_indices(x, y, confidence=confidence)
        rows += [
            group.row(input=name, index="first", value=found.first[i], ci_low=found.low[i],
                      ci_high=found.high[i], n_used=found.n_used, n_dropped=found.n_dropped)
            for i, name in enumerate(results.inputs)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def correlations_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return the correlations of every output with every input in every case.

    Columns: input, coefficient (pearson, spearman, src, srrc, pcc, prcc), value, ci_low,
    ci_high.
    """
    rows = []
    for group, x, y in _independent_samples(results):
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


def _independent_samples(results: StudyResults) -> Iterator[tuple[Group, Array, Array]]:
    """Yield each group with its independent samples: inputs, shape (m, d), and outputs, (m,)."""
    independent, x = independent_rows(results), results.x
    for group in groups(results):
        kept = independent[group.where]
        yield group, x[group.where][kept], group.y[kept]


def morris_table(results: StudyResults, *, confidence: float) -> pd.DataFrame:
    """Return Morris' measures of the elementary effects on every output in every case.

    Columns: input, then mu, mu_star and sigma, each with its _low and _high, in the unit of
    the output over the whole range of the input. n_used and n_dropped count effects.
    """
    names = list(results.inputs)
    order = sorted(names)
    # the design takes its steps in quantiles: in values, steps of one input differ in size
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


# name of each table to the function that makes it from the results and the options of its analysis
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


def read_table(path: Path, factors: Mapping[str, Sequence[AnyLevel]]) -> pd.DataFrame:
    """Read a table back; levels of factors that are texts stay texts, such as a version `3.10`.

    `factors` are the levels of each factor of the study; a table need not have all of them.
    """
    texts = {name: str for name, levels in factors.items() if isinstance(levels[0], str)}
    # pandas would read a level called `none` or `NA` as NaN
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=["", "nan"])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, with as many digits as read back as the same numbers."""
    write_whole(path, lambda part: table.to_csv(part, index=False, lineterminator="\n"))
