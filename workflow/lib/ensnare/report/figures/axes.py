"""The levels of a factor along an axis, and grids of small panels that share their axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ensnare.report.figures.style import (
    FloatArray,
    label_axis,
    number,
    plain,
    plain_names,
    spans_decades,
)

PANEL_IN = (2.3, 1.9)  # width and height of a panel
MARGIN_IN = (0.7, 0.9)  # width and height of the labels around all panels
NAME_WIDTH, LABEL_WIDTH = 30, 26  # characters


@dataclass(frozen=True)
class Levels:
    """The levels of one factor, or the cases of several factors, along an axis."""

    label: str  # of the axis: the factor or factors, with units
    names: list[str]  # of the distinct levels, in order of appearance
    positions: FloatArray  # of the levels on the axis; 0, 1, ... for categories
    index: NDArray[np.intp]  # the level of each row
    numeric: bool  # whether positions are values
    log: bool  # whether these suit a logarithmic axis

    @property
    def room_pt(self) -> float:
        """Width available for the markers of one level [pt]."""
        return 14.0 if self.numeric else 0.7 * 430 / max(len(self.names), 1)


def distinct(values: Sequence[object]) -> tuple[list[object], NDArray[np.intp]]:
    """Return the distinct values in order of appearance, and the index of each row's value."""
    # repr distinguishes 1 from True, which is equal to it, and from "1", which looks alike.
    plain_values = [v.item() if isinstance(v, np.generic) else v for v in values]
    first = {repr(v): v for v in reversed(plain_values)}
    order = list(dict.fromkeys(repr(v) for v in plain_values))
    number_of = {key: i for i, key in enumerate(order)}
    index = np.array([number_of[repr(v)] for v in plain_values], dtype=np.intp)
    return [first[key] for key in order], index


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether a level is a finite number; a bool is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(np.isfinite(value))


def levels_of(values: Sequence[object], label: str) -> Levels:
    """Return the levels of one factor, given for each row.

    They lie at their values if all of them are finite numbers, else at 0, 1, ...; a bool is a
    category.
    """
    found, index = distinct(values)
    numeric = all(_is_number(v) for v in found)
    names = [number(v) if _is_number(v) else str(v) for v in found]
    positions = np.array(found if numeric else range(len(found)), dtype=float)
    return Levels(label, names, positions, index, numeric, numeric and _on_log_axis(positions))


def _on_log_axis(positions: FloatArray) -> bool:
    """Return whether levels suit a logarithmic axis.

    They do if they span more than 2 decades, or grow by a constant factor rather than by a constant
    step.
    """
    if spans_decades(positions, 2):
        return True
    if len(positions) < 3 or positions.min() <= 0:
        return False
    steps = np.diff(np.sort(positions))
    factors = np.diff(np.log(np.sort(positions)))
    return bool(factors.min() > 0.9 * factors.max() and steps.min() < 0.7 * steps.max())


def place_levels(table: pd.DataFrame, factor_columns: Sequence[str]) -> Levels:
    """Return the levels of the factor columns of a table.

    Several factors are joined into one label for each case.
    """
    columns = list(factor_columns)
    if len(columns) == 1:
        return levels_of(table[columns[0]].tolist(), columns[0])
    return levels_of(joined([table[c].tolist() for c in columns]), ", ".join(columns))


def joined(columns: Sequence[Sequence[object]]) -> list[str]:
    """Return the levels of several factors as one text for each row.

    Factors that do not apply to a row (None, NaN or an empty text) are left out.
    """
    rows = zip(*columns, strict=True)
    known = [[v for v in row if v is not None and v != "" and v == v] for row in rows]
    return [", ".join(number(v) if _is_number(v) else str(v) for v in row) for row in known]


def _label_categories(axes: Axes, levels: Levels) -> None:
    """Set ticks and limits for categories: a few names are wrapped, many are rotated."""
    n = len(levels.names)
    names = plain_names(levels.names, 40 if n <= 6 else 24)
    turn: dict[str, Any] = {}
    if n <= 6:
        names = [textwrap.fill(name, 66 // n) for name in names]
    elif n * (max(map(len, names)) + 2) > 70:
        angle = {"rotation": 90, "va": "center"} if n > 14 else {"rotation": 40}
        turn = {**angle, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(n), names, **turn)
    axes.set_xlim(-0.6, n - 0.4)
    axes.set_xlabel(plain(levels.label, 64))


def label_levels(axes: Axes, levels: Levels) -> None:
    """Set scale, limits, ticks and label of the x axis from the levels."""
    if not levels.numeric:
        _label_categories(axes, levels)
        return
    if levels.log:
        axes.set_xscale("log")
    low, high = float(levels.positions.min()), float(levels.positions.max())
    span = np.log10(high / low) if levels.log else high - low
    margin = 0.05 * span or 0.5
    ends = (low * 10**-margin, high * 10**margin) if levels.log else (low - margin, high + margin)
    axes.set_xlim(*ends)
    label_axis(axes, "x", levels.label)
    where = np.sort(np.log10(levels.positions) if levels.log else levels.positions)
    gap = 0.02 + 0.012 * max(map(len, levels.names))
    if len(where) <= 12 and (len(where) == 1 or np.diff(where).min() > gap * span):
        axes.set_xticks(levels.positions, levels.names)
        axes.set_xlabel(plain(levels.label, 64))


def panel_grid(
    n_panels: int, max_columns: int, panel_in: tuple[float, float] = PANEL_IN
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, row by row.

    The panels share both axes; the lowest panel of each column has tick labels.
    """
    n_columns = min(n_panels, max_columns)
    n_rows = -(-n_panels // n_columns)
    width_in = MARGIN_IN[0] + panel_in[0] * n_columns
    height_in = MARGIN_IN[1] + panel_in[1] * n_rows
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    panels = grid.ravel().tolist()
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[max(0, n_panels - n_columns) : n_panels]:
        axes.tick_params(axis="x", labelbottom=True, which="both")
    return figure, panels[:n_panels]


def name_panels(panels: Sequence[Axes], names: Sequence[str], below: Sequence[str] = ()) -> None:
    """Write a name above each panel, with an optional second line below the name."""
    shown = plain_names(list(names), NAME_WIDTH)
    second = [f"\n{text}" if text else "" for text in below] or [""] * len(shown)
    for axes, name, text in zip(panels, shown, second, strict=True):
        axes.set_title(name + text, fontsize="small", loc="left")


def _in_two_lines(label: str) -> str:
    """Return a label that fits below a panel; a long one has its unit on a second line."""
    if len(label) <= LABEL_WIDTH:
        return plain(label)
    head, bracket, unit = label.rpartition(" [")
    if not bracket:
        return plain(label, LABEL_WIDTH)
    return f"{plain(head, LABEL_WIDTH)}\n[{plain(unit, LABEL_WIDTH)}"


def label_panels(figure: Figure, panels: Sequence[Axes], x_label: str, y_label: str) -> None:
    """Label the shared y axis once, and the x axis below each column of panels."""
    first = panels[0]
    label_axis(first, "x", x_label, n_ticks=4)
    label_axis(first, "y", y_label, n_ticks=5)
    # `plain` has escaped dollar signs already; `_in_two_lines` does so again.
    y_text, x_text = first.get_ylabel(), first.get_xlabel().replace(r"\$", "$")
    first.set(xlabel="", ylabel="")
    figure.supylabel(y_text, fontsize="medium")
    for axes in panels:
        if axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(_in_two_lines(x_text))
