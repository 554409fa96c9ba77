"""Figure of the elementary effects of Morris, with the names of inputs beside their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from ensnare.report.figures.estimates import (
    MAX_ROWS,
    cut_rows,
    draw_estimates,
    draw_rows,
    draw_undefined,
    rows_height,
    rows_note,
)
from ensnare.report.figures.style import (
    MUTED,
    PALETTE,
    FloatArray,
    axis_label,
    empty_figure,
    label_axis,
    note,
    plain,
    plain_names,
    styled,
)

# At most this many names are large: those of inputs with at least a tenth of the largest mu*.
MAX_IMPORTANT = 10
SIGMA, MU_STAR = "\N{GREEK SMALL LETTER SIGMA}", "\N{GREEK SMALL LETTER MU}*"
SLOPES = (0.1, 0.5, 1.0)
LINES = ((0, (1, 1.5)), (0, (4, 2)), "-")
LINE_NAMES = (
    f"{SIGMA} = 0.1 {MU_STAR} (linear below)",
    f"{SIGMA} = 0.5 {MU_STAR} (monotone below)",
    f"{SIGMA} = {MU_STAR} (non-linear above)",
)
REGIONS = ("linear", "monotone", "almost\nmonotone", "non-linear or\ninteracting")
# Where a name may stand: first to the right of a point, then in all other directions.
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, -1), (-1, 0))
NEAR_PT = (5.0, 9.0)  # distances to the point
FAR_PT = (16.0, 26.0, 40.0, 60.0, 85.0)  # with a line to the point
GAP_PT = 1.0  # between names
MARKER_PT = 3.0  # radius


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the largest mu* and sigma to draw.

    Both leave room for the lines that separate the regions.
    """
    ends = table[["mu_star", "mu_star_high"]].to_numpy(dtype=float)
    largest = float(np.nanmax(ends, initial=0.0))
    spread = float(np.nanmax(table["sigma"].to_numpy(dtype=float), initial=0.0))
    x_max = 1.06 * max(largest, 0.5 * spread)
    return x_max or 1.0, max(1.1 * spread, 0.2 * x_max) or 0.2


def _on_edge(slope: float, x_max: float, y_max: float) -> float:
    """Return where a line from the origin leaves the axes.

    0 to 1 runs up the right edge, 1 to 2 along the top edge to the left.
    """
    rise = slope * x_max / y_max
    return rise if rise <= 1 else 2 - 1 / rise


def _draw_regions(axes: Axes, x_max: float, y_max: float) -> None:
    """Draw the lines sigma = k mu*, and name the regions between them at the edge."""
    for slope, line, label in zip(SLOPES, LINES, LINE_NAMES, strict=True):
        axes.axline((0, 0), slope=slope, color=MUTED, lw=0.9, ls=line, label=label, zorder=1)
    ends = [0.0, *(_on_edge(k, x_max, y_max) for k in SLOPES), 2.0]
    height_pt, width_pt = 230.0, 230.0
    where = 0.0  # lower limit of the next name, which stands above the one before
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
    """Draw sigma against mu*, with the intervals of mu*."""
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
    """Draw mu* of each input with its interval, and return a note on inputs left out."""
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
    _write_names(axes, known["input"].tolist(), points, ends, n_important)


@styled
def plot_morris(
    table: pd.DataFrame, *, output: str, unit: str = "", title: str = "", warning: str = ""
) -> Figure:
    """Plot the elementary effects of Morris on one output: sigma against mu*, and a ranking.

    `table` has the columns `input`, `mu`, `mu_star`, `sigma`, `mu_star_low`, `mu_star_high` (in the
    unit of the output; intervals may be NaN), `n_used` and `n_dropped` (elementary effects). The
    plane has the lines sigma = 0.1, 0.5 and 1 mu*; the ranking is in descending order of mu*.

    References: Morris (1991), Technometrics 33, 161-174, doi:10.1080/00401706.1991.10484804.
    Campolongo, Cariboni, Saltelli (2007), Environ. Model. Softw. 22, 1509-1518,
    doi:10.1016/j.envsoft.2006.10.004. For the lines: Garcia Sanchez, Lacarrière, Musy, Bourges
    (2014), Energy Build. 68, 741-750, doi:10.1016/j.enbuild.2012.08.048.
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
    dropped = rows_note(table, "elementary effects", "up to ")
    small = "grey: small effects, named where there is room" if n_important < len(table) else ""
    note(figure, name, plain(title, 76), dropped, cut, small, warning=warning)
    _name_points(plane, table, n_important)
    return figure


@dataclass(frozen=True)
class _Room:
    """Which parts of the axes are occupied already; coordinates are in pixels."""

    inside: Bbox  # the axes
    taken: list[Bbox]
    pixels_per_pt: float

    def is_free(self, box: Bbox) -> bool:
        """Return whether a box lies within the axes and keeps its distance from all others."""
        if box.x0 < self.inside.x0 or box.y0 < self.inside.y0:
            return False
        if box.x1 > self.inside.x1 or box.y1 > self.inside.y1:
            return False
        return box.padded(GAP_PT * self.pixels_per_pt).count_overlaps(self.taken) == 0

    def place(self, pixel: FloatArray, size: FloatArray, gaps_pt: Sequence[float]) -> Bbox | None:
        """Return the first free box of that size near a point, or None."""
        for gap_pt in gaps_pt:
            for direction in DIRECTIONS:
                step = np.array(direction)
                reach = gap_pt * self.pixels_per_pt / float(np.hypot(*direction))
                corner = pixel + step * reach + (step - 1) / 2 * size
                box = Bbox([corner.tolist(), (corner + size).tolist()])
                if self.is_free(box):
                    return box
        return None


def _write_name(
    axes: Axes, name: str, point: FloatArray, room: _Room, size_pt: float | None
) -> bool:
    """Write a name near its point, and return whether there was room for it.

    A name without a size is small and grey, and never far from its point.
    """
    pixel = axes.transData.transform(point)
    text = axes.annotate(name, (point[0], point[1]), (0, 0), textcoords="offset points", zorder=5)
    text.set(va="bottom", in_layout=False, fontsize=size_pt or 5.5)
    text.set_color("black" if size_pt else MUTED)
    text.set_path_effects([withStroke(linewidth=1.8, foreground="white")])
    extent = text.get_window_extent()
    size = np.array([extent.width, extent.height])
    box = room.place(pixel, size, NEAR_PT + FAR_PT if size_pt else NEAR_PT)
    if box is None:
        text.remove()
        return False
    x, y = (np.array(box.min) - pixel) / room.pixels_per_pt
    text.set_position((float(x), float(y)))
    room.taken.append(box)
    nearest = np.clip(pixel, box.min, box.max)
    if np.hypot(*(nearest - pixel)) > (NEAR_PT[-1] + 2) * room.pixels_per_pt:
        _draw_leader(axes, point, (nearest - pixel) / room.pixels_per_pt)
    return True


def _draw_leader(axes: Axes, point: FloatArray, end_pt: FloatArray) -> None:
    """Draw a thin line from a point to its name, which stands farther away."""
    line = {"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": MARKER_PT}
    ends: dict[str, Any] = {
        "xy": (point[0], point[1]),
        "xytext": (float(end_pt[0]), float(end_pt[1])),
    }
    axes.annotate("", **ends, textcoords="offset points", arrowprops=line).set_in_layout(False)


def _write_names(
    axes: Axes, names: Sequence[str], points: FloatArray, ends: FloatArray, n_important: int
) -> int:
    """Write names beside points so that none overlaps another name or an interval.

    `names` are in descending importance; the first `n_important` are large and may stand farther
    away, the others are small and grey. `points`, shape (n, 2), are in data coordinates; `ends`,
    shape (n, 2), are the ends of their horizontal intervals, or the x of the point twice. Call it
    when everything else is drawn, since the layout decides what overlaps. Returns how many names
    found no room.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        return len(names)
    figure.draw_without_rendering()
    per_pt = figure.dpi / 72
    low = axes.transData.transform(np.column_stack([ends[:, 0], points[:, 1]]))
    high = axes.transData.transform(np.column_stack([ends[:, 1], points[:, 1]]))
    taken = [
        Bbox([a.tolist(), b.tolist()]).padded(MARKER_PT * per_pt, 1.0 * per_pt)
        for a, b in zip(low, high, strict=True)
    ]
    taken += [
        Bbox([p.tolist(), p.tolist()]).padded(MARKER_PT * per_pt)
        for p in axes.transData.transform(points)
    ]
    room = _Room(axes.get_window_extent().frozen(), taken, per_pt)
    texts = plain_names(list(names), 26)
    sizes = [8.0 if i < n_important else None for i in range(len(names))]
    written = [
        _write_name(axes, text, point, room, size)
        for text, point, size in zip(texts, points, sizes, strict=True)
    ]
    return len(names) - sum(written)
