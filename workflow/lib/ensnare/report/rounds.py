"""What the report says of a design that grows by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ensnare.analysis import rounds_ending
from ensnare.report.page import ReportTable
from ensnare.results import StudyResults


def round_tables(results: StudyResults, frames: Mapping[str, pd.DataFrame]) -> list[ReportTable]:
    """Return the table of the rounds, if there is one."""
    if "rounds" not in frames:
        return []
    frame = frames["rounds"].fillna({"note": ""})
    if not frame["note"].any():
        frame = frame.drop(columns="note")
    note = f"The design doubles until its results are good enough; {rounds_ending(results)}."
    return [ReportTable("coverage", frame, note, "rounds.csv")]


def not_reached(results: StudyResults) -> list[str]:
    """Return why a design ended before its results were good enough, if it did."""
    said = rounds_ending(results)
    return [f"rounds: {said}"] if said and not said.startswith("reached") else []


def until_text(until: Mapping[str, Any]) -> str:
    """Return a criterion as a reader sees it: `width 0.1, budget 20000, outputs y`."""
    shown = {k: ", ".join(v) if isinstance(v, list) else v for k, v in until.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
