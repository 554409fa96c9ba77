"""Figure of correlation and regression coefficients between the inputs and an output."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ensnare.report.figures.estimates import (
    MANY,
    cut_rows,
    draw_estimates,
    draw_rows,
    draw_undefined,
    rows_height,
    rows_note,
)
from ensnare.report.figures.style import MUTED, FloatArray, empty_figure, note, plain, styled

COEFFICIENTS = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "src": "SRC",
    "srrc": "SRRC",
    "pcc": "PCC",
    "prcc": "PRCC",
}


def _coefficients(table: pd.DataFrame) -> list[str]:
    """Return the coefficients of a table: known ones in their usual order, then others."""
    found = [str(c) for c in table["coefficient"].unique()]
    return [c for c in COEFFICIENTS if c in found] + [c for c in found if c not in COEFFICIENTS]


def _ranked(table: pd.DataFrame, coefficients: list[str]) -> list[str]:
    """Return the inputs in descending order of the size of their coefficient.

    Spearman's counts, or the first one in the table if there is none.
    """
    by = "spearman" if "spearman" in coefficients else coefficients[0]
    size = table[table["coefficient"] == by].groupby("input", sort=False)["value"].max().abs()
    every = table["input"].drop_duplicates()
    size = size.reindex(every).sort_values(ascending=False, kind="stable")
    return [str(name) for name in size.index]


def excludes_zero(rows: pd.DataFrame) -> FloatArray:
    """Return 1 where the interval excludes 0 or there is none, 0 elsewhere."""
    low, high = rows["ci_low"].to_numpy(dtype=float), rows["ci_high"].to_numpy(dtype=float)
    return np.where((low <= 0) & (high >= 0), 0.0, 1.0)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return -1 to 1, or wider limits if a standardised regression coefficient is larger."""
    ends = table[["value", "ci_low", "ci_high"]].to_numpy(dtype=float)
    largest = float(np.nanmax(np.abs(ends), initial=1.0))
    reach = 1.06 * min(largest, 3.0)
    return -reach, reach


def _draw_panel(axes: Axes, rows: pd.DataFrame, order: list[str], name: str) -> None:
    """Draw one coefficient of every input."""
    found = rows.set_index("input").reindex(order).reset_index()
    draw_rows(axes, order, 26)
    axes.axvline(0, color=MUTED, lw=1)
    draw_estimates(axes, found, excludes_zero(found), 5 if len(order) <= MANY else 3.5)
    draw_undefined(axes, found, order)
    axes.set_xlabel(f"{plain(name, 12)} [-]")
    axes.set_xticks([-1, 0, 1])
    axes.set_xticks([-0.5, 0.5], minor=True)
    axes.grid(visible=True, axis="x", which="minor")


def _worst_note(table: pd.DataFrame) -> str:
    """Return how many samples were dropped, for the coefficient that lost most, as text."""
    text = rows_note(table, "samples")
    same = table["n_dropped"].nunique() == 1
    return text if same or not text else "up to " + text


def _grid(n_panels: int, n_rows: int) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels: all in one row if there are many inputs, else 3 in a row."""
    n_columns = n_panels if n_rows > MANY else min(n_panels, 3)
    n_lines = -(-n_panels // n_columns)
    width_in = min(7.4, 3.6 + 1.2 * n_columns)
    figure = Figure(
        figsize=(width_in, 0.9 + n_lines * (0.4 + rows_height(n_rows))),
        layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.06),
    )
    grid = figure.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid[:, 1:].flat:
        axes.tick_params(axis="y", length=0)
    panels = grid.ravel().tolist()
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[max(0, n_panels - n_columns) : n_panels]:
        axes.tick_params(axis="x", labelbottom=True)
    return figure, panels[:n_panels]


@styled
def plot_correlations(
    table: pd.DataFrame, *, output: str, title: str = "", warning: str = ""
) -> Figure:
    """Plot correlation and regression coefficients of one output with each input.

    `table` has the columns `input`, `coefficient` (pearson, spearman, src, srrc, pcc, prcc),
    `value`, `ci_low`, `ci_high` (may be NaN), `n_used` and `n_dropped` (samples). There is a panel
    for each coefficient and a row for each input, in descending order of Spearman's coefficient (of
    the first coefficient if there is none).
    """
    if table.empty:
        return empty_figure("no correlation could be estimated")
    table = table.assign(input=table["input"].astype(str))
    coefficients = _coefficients(table)
    order, cut = cut_rows(_ranked(table, coefficients))
    figure, grid = _grid(len(coefficients), len(order))
    for axes, coefficient in zip(grid, coefficients, strict=True):
        rows = table[table["coefficient"] == coefficient]
        _draw_panel(axes, rows, order, COEFFICIENTS.get(coefficient, coefficient))
    grid[0].set_xlim(_limits(table))
    name = plain(f"Correlations of inputs with {output}", 76)
    hollow = "hollow: the interval contains 0"
    note(figure, name, plain(title, 76), hollow, _worst_note(table), cut, warning=warning)
    return figure
