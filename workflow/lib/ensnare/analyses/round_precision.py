"""What a round of a design that grows by itself has come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ensnare.analyses.estimators.sobol import sobol_indices
from ensnare.analyses.tables import pick_freeze_table
from ensnare.archive.gather import StudyArrays
from ensnare.plan.criteria import Measured, Widest
from ensnare.study.loading import LoadedStudy
from ensnare.study.sweep import Case, case_label

Array = NDArray[np.float64]


def measure_round(study: LoadedStudy, arrays: StudyArrays) -> Measured:
    """Return the widest interval of the total indices of each output that is a number.

    Parameters
    ----------
    study : LoadedStudy
        The study, at the size of the round.
    arrays : StudyArrays
        Its samples.
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


def _widest(output: str, study: LoadedStudy, arrays: StudyArrays) -> Widest:
    """Return the widest interval of an output over all cases, and what has none."""
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
    """Return it with why pick-freeze groups, shape (N, m), define no indices in a case.

    What no larger design can mend goes before what one may.
    """
    where = f"{case_label(case)}: " if case else ""
    finite = np.isfinite(table)
    if not finite.any():  # where every sample fails, more will fail too
        why = f"none of {table.size} samples has a value, so there are no indices"
        return replace(found, undefined=where + why, too_few=False)
    n_complete = int(finite.all(axis=1).sum())
    if n_complete >= 4:  # as the intervals need
        return replace(found, undefined=where + _why_none(table[finite], n_complete), too_few=False)
    if found.undefined:
        return found
    why = f"{n_complete} of {len(table)} base rows have all their samples; 4 are needed"
    return replace(found, undefined=where + why, too_few=True)


def _why_none(values: Array, n_complete: int) -> str:
    """Return why there is an index that is not defined, in spite of enough values."""
    if (values == values[0]).all():
        return f"constant ({values[0]:.6g}), so its indices do not exist"
    return f"an index is not defined from {n_complete} base rows: the output hardly varies"
