"""Figure of second-order Sobol' indices."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ensnare.report.figures.correlations import excludes_zero
from ensnare.report.figures.estimates import (
    cut_note,
    draw_estimates,
    draw_rows,
    draw_undefined,
    index_limits,
    rows_height,
    rows_note,
)
from ensnare.report.figures.style import (
    MUTED,
    FloatArray,
    empty_figure,
    label_linear,
    new_figure,
    note,
    plain,
    plain_names,
    styled,
)

TIMES = "\N{MULTIPLICATION SIGN}"
MAX_PAIRS = 15
MAX_MAP = 12  # inputs; with more of them a map has too many cells to compare
MAX_BESIDE = 6  # inputs; with more of them the map stands below the pairs


def _split(pairs: pd.Series) -> pd.DataFrame:
    """Return the two inputs of each pair `a:b`, in the columns 0 and 1."""
    halves = pairs.astype(str).str.split(":", n=1, expand=True).reindex(columns=[0, 1])
    return halves.fillna("")


def _pair_names(pairs: pd.Series) -> list[str]:
    """Return each pair as `a × b`, with shortened names."""
    halves = _split(pairs)
    inputs = list(dict.fromkeys(halves.to_numpy().ravel().tolist()))
    short = dict(zip(inputs, plain_names(inputs, 20), strict=True))
    return [f"{short[a]} {TIMES} {short[b]}" for a, b in zip(halves[0], halves[1], strict=True)]


def _draw_pairs(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the index of each pair as a point with its interval."""
    names = _pair_names(table["input"])
    rows = table.assign(input=names)
    draw_rows(axes, names, 60)
    axes.axvline(0, color=MUTED, lw=0.8)
    draw_estimates(axes, rows, excludes_zero(rows))
    draw_undefined(axes, rows, names)
    axes.set_xlim(index_limits(rows))
    label_linear(axes.xaxis, "second-order index [-]", n_ticks=5)


def _matrix(table: pd.DataFrame, inputs: list[str]) -> tuple[FloatArray, FloatArray]:
    """Return the indices as a matrix, and where their intervals exclude 0, both (d, d).

    The indices are NaN on and above the diagonal.
    """
    place = {name: i for i, name in enumerate(inputs)}
    values = np.full((len(inputs), len(inputs)), np.nan)
    significant = np.zeros_like(values)
    halves = _split(table["input"])
    known = table["ci_low"].notna().to_numpy() * excludes_zero(table)
    rows = zip(halves[0], halves[1], table["value"], known, strict=True)
    for a, b, value, is_significant in rows:
        i, j = sorted((place[a], place[b]), reverse=True)
        values[i, j], significant[i, j] = value, is_significant
    return values, significant


def _draw_map(axes: Axes, table: pd.DataFrame, inputs: list[str]) -> None:
    """Draw the indices of all pairs as colours; a dot means that the interval excludes 0."""
    values, significant = _matrix(table, inputs)
    top = max(float(np.nanmax(values, initial=0.0)), 0.01)
    image = axes.imshow(values[1:, :-1], cmap="Blues", norm=Normalize(0, top), aspect="equal")
    at = np.argwhere(significant[1:, :-1] > 0)
    dots = [("white" if values[i + 1, j] > 0.6 * top else "black") for i, j in at]
    axes.scatter(at[:, 1], at[:, 0], s=12, c=dots, lw=0)
    names = plain_names(inputs, 16)
    axes.set_xticks(range(len(inputs) - 1), names[:-1])
    for text in axes.get_xticklabels():
        text.set(rotation=90, va="center", ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(inputs) - 1), names[1:])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize="small")
    figure = axes.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
        label_linear(bar.ax.yaxis, "index [-]", n_ticks=4)


def _grid(n_inputs: int, n_rows: int, *, has_map: bool) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes for the pairs and, beside or below them, for the map."""
    height_in = 1.2 + rows_height(n_rows)
    if not has_map:
        figure, axes = new_figure(6.4, height_in)
        return figure, [axes]
    if n_inputs <= MAX_BESIDE:
        figure = Figure(figsize=(7.4, max(3.4, height_in)), layout="constrained")
        return figure, list(figure.subplots(1, 2))
    map_in = 1.0 + 0.26 * n_inputs
    figure = Figure(figsize=(6.8, height_in + map_in), layout="constrained")
    return figure, list(figure.subplots(2, 1, height_ratios=(height_in - 0.8, map_in)))


@styled
def plot_second_order(
    table: pd.DataFrame, *, output: str, title: str = "", warning: str = ""
) -> Figure:
    """Plot the second-order Sobol' indices of one output in one case.

    `table` has the columns `input` (a pair, `x1:x3`), `index` (only rows with `second` are drawn),
    `value`, `ci_low`, `ci_high` (may be NaN), `n_used` and `n_dropped` (base rows). The figure
    shows the 15 largest pairs with intervals and, for 3 to 12 inputs, a map of all pairs.
    """
    table = table[table["index"] == "second"]
    if table.empty:
        return empty_figure("no second-order index could be estimated")
    halves = _split(table["input"])
    inputs = list(dict.fromkeys(halves.to_numpy().ravel().tolist()))
    largest = table.sort_values("value", ascending=False, kind="stable")[:MAX_PAIRS]
    has_map = 3 <= len(inputs) <= MAX_MAP
    figure, grid = _grid(len(inputs), len(largest), has_map=has_map)
    _draw_pairs(grid[0], largest)
    if has_map:
        _draw_map(grid[1], table, inputs)
    name = plain(f"Second-order Sobol' indices of {output}", 76)
    few = f"{MAX_PAIRS} largest of {len(table)} pairs" if len(table) > MAX_PAIRS else ""
    hollow = "hollow: the interval contains 0" + (
        "; dot in the map: it does not" if has_map else ""
    )
    dropped, beyond = rows_note(table, "base rows"), cut_note(largest, index_limits(largest))
    note(figure, name, plain(title, 76), few, hollow, dropped, beyond, warning=warning)
    return figure
