"""The rounds of a design that grows by itself, as a table."""

from __future__ import annotations

import pandas as pd

from ensnare.archive.results import StudyResults
from ensnare.plan.criteria import Measured, ending

_HEAD = ("round", "size", "samples", "n_failed", "output", "width", "input")


def rounds_table(results: StudyResults) -> pd.DataFrame:
    """Return what the rounds of a design that grows by itself have come to.

    Returns
    -------
    DataFrame
        round (from 1), size, samples, n_failed; then for each output that counts: output, width
        of its widest interval, input, and the levels of the case that have it; and note: why
        an interval is not defined.
    """
    study = results.study
    design = study.design
    until = getattr(design, "until", None)
    done = [Measured.from_json(tree) for tree in results.attributes["rounds"]]
    rows = []
    for number, measured in enumerate(done, start=1):
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
    return pd.DataFrame(rows, columns=[*_HEAD, *study.factors, "note"])


def rounds_ending(results: StudyResults) -> str:
    """Return why the rounds of a study ended; empty if its design does not grow by itself."""
    if getattr(results.study.design, "until", None) is None:
        return ""
    return ending(results.study, [Measured.from_json(t) for t in results.attributes["rounds"]])
