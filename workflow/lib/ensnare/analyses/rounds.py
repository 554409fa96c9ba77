"""The rounds of a design that grows by itself: how precise each one is, and their table.

A round is one size of a Saltelli design with `until`. A study doubles its design from round to
round, until the confidence intervals of the total Sobol' indices are narrow enough.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensnare.analyses.estimators.sobol import sobol_indices
from ensnare.analyses.groups import pick_freeze_table
from ensnare.archive.gather import StudyArrays
from ensnare.archive.results import StudyResults
from ensnare.plan.criteria import Measured, Widest, ending
from ensnare.study.loading import LoadedStudy
from ensnare.study.sweep import Case, case_label

Array = NDArray[np.float64]
_FIRST_COLUMNS = ("round", "size", "samples", "n_failed", "output", "width", "input")
_FEWEST_ROWS = 4  # base rows without a failure that an interval needs; see `jackknife_interval`


def measure_round(study: LoadedStudy, arrays: StudyArrays) -> Measured:
    """Return the widest interval of the total indices of each output that is a number.

    The study has the design of the size of the round, and the arrays have its samples.
    """
    design = study.config.design
    assert design is not None
    names = [output.name for output in study.config.model.outputs if output.shape is None]
    return Measured(
        size=int(design.size),  # type: ignore[union-attr, arg-type]
        samples=len(arrays),
        failed=int((arrays.status != 0).sum()),
        outputs={name: _widest(name, study, arrays) for name in names},
    )


def rounds_table(results: StudyResults) -> pd.DataFrame:
    """Return a row for each output that counts in each round; no rows if the design does not grow.

    Columns: round (from 1), size (base rows), samples, n_failed, output, width of its widest
    interval [-], input and levels of the case that have this interval, and note (why an interval
    is not defined; empty if all are).
    """
    study = results.study
    until = getattr(study.design, "until", None)
    rows = []
    for number, measured in enumerate(_rounds_of(results), start=1):
        for name in until.outputs or measured.outputs if until else ():
            widest = measured.outputs[name]
            rows.append(
                {
                    "round": number,
                    "size": measured.size,
                    "samples": measured.samples,
                    "n_failed": measured.failed,
                    "output": name,
                    "width": widest.width,
                    "input": widest.input,
                    **{factor: widest.case.get(factor) for factor in study.factors},
                    "note": widest.undefined,
                }
            )
    return pd.DataFrame(rows, columns=[*_FIRST_COLUMNS, *study.factors, "note"])


def rounds_ending(results: StudyResults) -> str:
    """Return in a line why the rounds ended; empty if the design does not grow by itself."""
    if getattr(results.study.design, "until", None) is None:
        return ""
    return ending(results.study, _rounds_of(results))


def _rounds_of(results: StudyResults) -> list[Measured]:
    return [Measured.from_json(tree) for tree in results.attributes["rounds"]]


def _widest(output: str, study: LoadedStudy, arrays: StudyArrays) -> Widest:
    """Return the widest interval of an output over all cases, and why another is not defined."""
    sobol = study.config.analyses.sobol
    assert sobol is not None
    assert arrays.block is not None
    assert arrays.group is not None
    y = arrays.y[:, arrays.output_names.index(output)]
    found = Widest(output, None, "", {}, "")
    for number, case in enumerate(arrays.cases):
        at = arrays.case == number
        table = pick_freeze_table(y[at], arrays.block[at], arrays.group[at])
        table = table[:, : len(arrays.input_names) + 2]  # total indices need no second order
        indices = sobol_indices(
            table, estimator=sobol.estimator, confidence=sobol.confidence, second_order=False
        )
        width = indices.total_high - indices.total_low
        defined = np.isfinite(width)
        if not defined.all() and (not found.undefined or found.too_few):
            found = _with_undefined(found, table, case)
        if defined.any() and (found.width is None or np.nanmax(width) > found.width):
            i = int(np.nanargmax(width))
            found = replace(found, width=float(width[i]), input=arrays.input_names[i], case=case)
    return found


def _with_undefined(found: Widest, table: Array, case: Case) -> Widest:
    """Return it with the reason why a pick-freeze table, shape (N, m), defines no indices.

    Over the cases, a reason that a larger design cannot remove replaces one that it may remove.
    """
    where = f"{case_label(case)}: " if case else ""
    finite = np.isfinite(table)
    if not finite.any():  # where every sample fails, those of a larger design will fail too
        why = f"none of {table.size} samples has a value, so there are no indices"
        return replace(found, undefined=where + why, too_few=False)
    n_complete = int(finite.all(axis=1).sum())
    if n_complete >= _FEWEST_ROWS:
        return replace(found, undefined=where + _why_none(table[finite], n_complete), too_few=False)
    if found.undefined:
        return found
    why = (
        f"{n_complete} of {len(table)} base rows have all their samples; {_FEWEST_ROWS} are needed"
    )
    return replace(found, undefined=where + why, too_few=True)


def _why_none(values: Array, n_complete: int) -> str:
    """Return why an index is not defined although there are enough values."""
    if (values == values[0]).all():
        return f"constant ({values[0]:.6g}), so its indices do not exist"
    return f"an index is not defined from {n_complete} base rows: the output hardly varies"
