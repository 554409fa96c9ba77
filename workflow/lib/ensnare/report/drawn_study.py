"""A study as its figures need it: rows of its tables, labels with units, values by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ensnare.analyses.groups import independent_rows
from ensnare.archive.results import StudyResults
from ensnare.report.figures.style import axis_label
from ensnare.report.names import FigureName
from ensnare.study.outputs import Output
from ensnare.study.sweep import Case, case_label


@dataclass(frozen=True)
class DrawnStudy:
    """A study to draw: its archive, its tables by name, and the warning above every figure."""

    results: StudyResults
    tables: Mapping[str, pd.DataFrame]
    warning: str

    @property
    def factors(self) -> list[str]:
        """The names of the factors of the sweep."""
        return list(self.results.study.factors)

    @property
    def units(self) -> dict[str, str]:
        """The units of the random inputs by name."""
        return {i.name: i.unit for i in self.results.study.random_inputs}

    def with_units(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Return a table whose factor columns have units in their names, and these names."""
        shown = {name: self.results.study.shown_factor(name) for name in self.factors}
        return frame.rename(columns=shown), list(shown.values())

    def output(self, name: FigureName) -> Output:
        """Return the output that a figure is about."""
        return next(o for o in self.results.study.model.outputs if o.name == name.output)

    def label(self, name: FigureName) -> str:
        """Return the output of a figure with its unit."""
        return axis_label(name.output, self.output(name).unit)

    def axis_label(self, name: FigureName) -> str:
        """Return the label of the axis of an array output."""
        axis = self.output(name).axis
        return axis_label(axis.name, axis.unit) if axis else "position"

    def rows(self, table: str, name: FigureName) -> pd.DataFrame:
        """Return the rows of a table about the output of a figure."""
        frame = self.tables[table]
        return frame[frame["output"] == name.output]

    def in_case(self, frame: pd.DataFrame, number: int) -> tuple[pd.DataFrame, str]:
        """Return the rows of one case, and the title that names it."""
        case: Case = self.results.by_case()[number][0]
        for factor in self.factors:
            level = case.get(factor)
            frame = frame[frame[factor].isna() if level is None else frame[factor] == level]
        return frame, f"case {case_label(case)}" if case else ""

    def labelled(self, name: FigureName) -> list[object]:
        """Return the output of a figure, as labels if it has any (None where it is NaN)."""
        y, labels = self.results.outputs[name.output].tolist(), self.output(name).labels
        if not labels:
            return list(y)
        return [labels.get(f"{v:.12g}", f"{v:g}") if v == v else None for v in y]

    def independent(self, name: FigureName) -> np.ndarray:
        """Return the output of a figure in the independent samples."""
        values: np.ndarray = self.results.outputs[name.output][independent_rows(self.results)]
        return values

    def by_case(self, name: FigureName) -> dict[str, np.ndarray]:
        """Return the output of a figure in the independent samples of each case."""
        y, keep = self.results.outputs[name.output], independent_rows(self.results)
        return {case_label(case): y[at][keep[at]] for case, at in self.results.by_case()}
