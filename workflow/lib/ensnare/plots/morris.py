"""Figure of the elementary effects of Morris."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.plots.names import write_names
from ensnare.plots.rows import (
    MAX_ROWS,
    cut_rows,
    draw_estimates,
    draw_rows,
    draw_undefined,
    rows_height,
    rows_note,
)
from ensnare.plots.style import (
    MUTED,
    PALETTE,
    FloatArray,
    axis_label,
    empty_figure,
    label_axis,
    note,
    plain,
    styled,
)

MAX_IMPORTANT = 10  # so many names are large, of inputs with at least a tenth of the largest mu*
SIGMA, MU_STAR = "\N{GREEK SMALL LETTER SIGMA}", "\N{GREEK SMALL LETTER MU}*"
SLOPES = (0.1, 0.5, 1.0)
LINES = ((0, (1, 1.5)), (0, (4, 2)), "-")
LINE_NAMES = (
    f"{SIGMA} = 0.1 {MU_STAR} (linear below)",
    f"{SIGMA} = 0.5 {MU_STAR} (monotone below)",
    f"{SIGMA} = {MU_STAR} (non-linear above)",
)
REGIONS = ("linear", "monotone", "almost\nmonotone", "non-linear or\ninteracting")


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the largest mu* and sigma to draw, so that the lines between regions are seen."""
    ends = table[["mu_star", "mu_star_high"]].to_numpy(dtype=float)
    largest = float(np.nanmax(ends, initial=0.0))
    spread = float(np.nanmax(table["sigma"].to_numpy(dtype=float), initial=0.0))
    x_max = 1.06 * max(largest, 0.5 * spread)
    return x_max or 1.0, max(1.1 * spread, 0.2 * x_max) or 0.2


def _on_edge(slope: float, x_max: float, y_max: float) -> float:
    """Return where a line from the origin leaves: 0 to 1 up the right side, to 2 along the top."""
    rise = slope * x_max / y_max
    return rise if rise <= 1 else 2 - 1 / rise


def _draw_regions(axes: Axes, x_max: float, y_max: float) -> None:
    """Draw the lines sigma = k mu* and name the regions between them at the edge."""
    for slope, line, label in zip(SLOPES, LINES, LINE_NAMES, strict=True):
        axes.axline((0, 0), slope=slope, color=MUTED, lw=0.9, ls=line, label=label, zorder=1)
    ends = [0.0, *(_on_edge(k, x_max, y_max) for k in SLOPES), 2.0]
    height_pt, width_pt = 230.0, 230.0
    where = 0.0  # a name begins above the end of the one before
    for name, low, high in zip(REGIONS, ends[:-1], ends[1:], strict=True):
        right = min(high, 1) - min(low, 1)
        top = max(high, 1) - max(low, 1)
        n_lines = name.count("\n") + 1
        style: dict[str, Any] = {
            "transform": axes.transAxes,
            "fontsize": 7,
            "color": MUTED,
            "style": "italic",
        }
        middle = (min(high, 1) + min(low, 1)) / 2
        if right * height_pt >= 9 * n_lines and middle >= where:
            axes.text(1.015, middle, name, va="center", **style)
            where = middle + 9 * n_lines / height_pt
        elif top * width_pt >= 50:
            along = 2 - (max(high, 1) + max(low, 1)) / 2
            axes.text(along, 1.015, name, ha="center", va="bottom", **style)


def _draw_plane(axes: Axes, table: pd.DataFrame, unit: str, n_important: int) -> None:
    """Draw sigma against mu* with the intervals of mu*."""
    x_max, y_max = _limits(table)
    axes.set(xlim=(0, x_max), ylim=(-0.02 * y_max, y_max))
    _draw_regions(axes, x_max, y_max)
    axes.set(xlim=(-0.02 * x_max, x_max))
    drawn = ((table.iloc[:n_important], PALETTE[0]), (table.iloc[n_important:], "#8A8A8A"))
    for rows, color in drawn:
        axes.hlines(rows["sigma"], rows["mu_star_low"], rows["mu_star_high"], color=color, lw=1)
        axes.plot(rows["mu_star"], rows["sigma"], ls="none", marker="o", ms=4.5, color=color)
    label_axis(axes, "x", axis_label(f"{MU_STAR}: mean |effect|", unit), n_ticks=5)
    label_axis(axes, "y", axis_label(f"{SIGMA}: std. deviation of effects", unit), n_ticks=6)


def _draw_ranking(axes: Axes, table: pd.DataFrame, unit: str) -> str:
    """Draw mu* of each input with its interval, and return a note on what is left out."""
    order, cut = cut_rows(table["input"].tolist())
    rows = table.iloc[: len(order)]
    draw_rows(axes, order, 24)
    axes.yaxis.set_tick_params(labelsize="small")
    names = {"mu_star": "value", "mu_star_low": "ci_low", "mu_star_high": "ci_high"}
    found = rows.rename(columns=names)
    draw_estimates(axes, found, np.ones(len(rows)))
    draw_undefined(axes, found, order)
    axes.set_xlim(-0.03 * _limits(table)[0], _limits(table)[0])
    axes.axvline(0, color=MUTED, lw=0.8)
    label_axis(axes, "x", axis_label(MU_STAR, unit), n_ticks=4)
    return cut


def _name_points(axes: Axes, table: pd.DataFrame, n_important: int) -> None:
    """Write the names of the inputs beside their points."""
    known = table[table["mu_star"].notna() & table["sigma"].notna()]
    points: FloatArray = known[["mu_star", "sigma"]].to_numpy(dtype=float)
    ends: FloatArray = known[["mu_star_low", "mu_star_high"]].to_numpy(dtype=float)
    ends = np.where(np.isfinite(ends), ends, points[:, :1])
    write_names(axes, known["input"].tolist(), points, ends, n_important)


@styled
def plot_morris(
    table: pd.DataFrame, *, output: str, unit: str = "", title: str = "", warning: str = ""
) -> Figure:
    """Plot the elementary effects of Morris on one output: sigma against mu*, and the ranking.

    Parameters
    ----------
    table : DataFrame
        Columns `input`, `mu`, `mu_star`, `sigma`, `mu_star_low`, `mu_star_high` (in the unit of
        the output), `n_used` and `n_dropped` (elementary effects). Intervals may be NaN.
    output, unit : str
        Name and unit of the output.
    title : str
        What else to say on top, such as the case.
    warning : str
        What to say in red on top, such as that failures are not random.

    Returns
    -------
    Figure
        The plane with the lines sigma = 0.1, 0.5 and 1 mu*, and the inputs by falling mu*.

    References
    ----------
    Morris (1991), Technometrics 33, 161-174, doi:10.1080/00401706.1991.10484804. Campolongo,
    Cariboni, Saltelli (2007), Environ. Model. Softw. 22, 1509-1518,
    doi:10.1016/j.envsoft.2006.10.004. Garcia Sanchez, Lacarrière, Musy, Bourges (2014), Energy
    Build. 68, 741-750, doi:10.1016/j.enbuild.2012.08.048 (the lines)
    """
    if table.empty:
        return empty_figure("no elementary effect could be estimated")
    table = table.assign(input=table["input"].astype(str))
    table = table.sort_values("mu_star", ascending=False, kind="stable")
    mu_star = table["mu_star"].to_numpy(dtype=float)
    n_important = min(MAX_IMPORTANT, int(np.sum(mu_star >= 0.1 * np.nanmax(mu_star, initial=0.0))))
    height_in = max(4.0, 1.4 + rows_height(min(len(table), MAX_ROWS)))
    figure = Figure(figsize=(7.4, height_in), layout="constrained")
    plane, ranking = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_plane(plane, table, unit, n_important)
    cut = _draw_ranking(ranking, table, unit)
    handles, labels = plane.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    name = plain(f"Elementary effects on {output}", 76)
    lost = rows_note(table, "elementary effects", "up to ")
    small = "grey: small effects, named where there is room" if n_important < len(table) else ""
    note(figure, name, plain(title, 76), lost, cut, small, warning=warning)
    _name_points(plane, table, n_important)
    return figure
