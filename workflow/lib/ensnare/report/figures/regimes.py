"""Regime diagram: an output over two factors of a sweep, with a third factor as panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import matplotlib.colors as mcolors
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ensnare.report.figures.axes import (
    Levels,
    distinct,
    label_panels,
    levels_of,
    name_panels,
    panel_grid,
)
from ensnare.report.figures.style import (
    FAILED,
    MARKERS,
    PALETTE,
    FloatArray,
    axis_label,
    empty,
    finite,
    label_linear,
    label_log,
    legend_columns,
    new_figure,
    note,
    plain,
    plain_names,
    spans_decades,
    styled,
)

MAX_PANELS = 12
COLORS = "cividis"  # also readable for colour-blind readers and in black and white


@dataclass(frozen=True)
class _Cells:
    """One value for each combination of levels of x, y and panel that occurs."""

    levels: Sequence[Levels]  # of x, y and panel
    place: NDArray[np.intp]  # the levels of each combination, shape (k, 3)
    values: list[object]  # k numbers or names; None where no sample has a value
    several: int  # combinations with samples that differ

    def in_panel(self, number: int, use: NDArray[np.bool_]) -> list[FloatArray]:
        """Return x and y of the combinations in a panel for which `use`, shape (k,), is true."""
        rows = self.place[use & (self.place[:, 2] == number)]
        return [levels.positions[rows[:, i]] for i, levels in enumerate(self.levels[:2])]


def _is_missing(value: object) -> bool:
    """Return whether a value is that of a failed sample."""
    return value is None or value == "" or (isinstance(value, float) and not np.isfinite(value))


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a number, which NaN is and a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _merge(values: Sequence[object]) -> tuple[object, bool]:
    """Return the median of numbers or the most frequent name, and whether values differ.

    Missing values do not count; the result is None if all are missing.
    """
    found, index = distinct([v for v in values if not _is_missing(v)])
    if not found:
        return None, False
    if all(map(_is_number, found)):
        numbers = [v for v in values if _is_number(v) and not _is_missing(v)]
        return float(np.median(numbers)), len(found) > 1
    return found[int(np.bincount(index).argmax())], len(found) > 1


def _cells(levels: Sequence[Levels], values: Sequence[object]) -> _Cells:
    """Return what to draw at each combination of levels that occurs."""
    rows = np.stack([level.index for level in levels], axis=1)
    place, cell = np.unique(rows, axis=0, return_inverse=True)
    members: list[list[object]] = [[] for _ in place]
    for k, value in zip(cell.ravel(), values, strict=True):
        members[k].append(value.item() if isinstance(value, np.generic) else value)
    merged, differ = zip(*map(_merge, members), strict=True)
    return _Cells(levels, place, list(merged), sum(differ))


def _norm(values: FloatArray) -> mcolors.Normalize:
    """Return the colour scale, logarithmic beyond 2 decades."""
    found = finite(values)
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    if low == high:
        low, high = low - (0.5 * abs(low) or 0.5), high + (0.5 * abs(high) or 0.5)
    log = spans_decades(found, 2)
    return mcolors.LogNorm(low, high) if log else mcolors.Normalize(low, high)


def _gap(at: FloatArray) -> float:
    """Return the smallest distance between neighbours over the distance of the outermost two."""
    return float(np.diff(np.sort(at)).min() / np.ptp(at))


def _is_log(levels: Levels) -> bool:
    """Return whether levels suit a logarithmic axis.

    They do if `Levels` says so, or if they span at least one decade and lie more evenly on it.
    """
    at = levels.positions
    if levels.log or not levels.numeric or at.size < 3 or at.min() <= 0:
        return levels.log
    return bool(at.max() >= 10 * at.min()) and _gap(np.log(at)) > _gap(at)


def _scaled(levels: Levels) -> FloatArray:
    """Return the positions of levels as they lie on the axis: their logarithm on a log axis."""
    return np.log10(levels.positions) if _is_log(levels) else levels.positions


def _marker_pt(levels: Sequence[Levels], panel_in: tuple[float, float]) -> float:
    """Return a marker size that leaves a gap between neighbours [pt]."""
    rooms = [16 / 0.62]
    for size_in, at in zip(panel_in, map(_scaled, levels), strict=False):
        if at.size > 1:
            rooms.append(72 * size_in * _gap(at) / (1 + 1.2 / (at.size - 1)))
    return max(6.0, 0.62 * min(rooms))


def _draw_numbers(panels: Sequence[Axes], cells: _Cells, size_pt: float) -> ScalarMappable:
    """Draw numbers by colour, and return the colour scale."""
    values = np.array([np.nan if v is None else v for v in cells.values], dtype=float)
    norm = _norm(values)
    for k, axes in enumerate(panels):
        use = (cells.place[:, 2] == k) & np.isfinite(values)
        x, y = cells.in_panel(k, use)
        axes.scatter(
            x, y, c=values[use], norm=norm, cmap=COLORS, marker="s", s=size_pt**2,
            edgecolors="#555555", linewidths=0.5,
        )  # fmt: skip
    return ScalarMappable(norm, COLORS)


def _draw_names(
    panels: Sequence[Axes], cells: _Cells, size_pt: float, order: Sequence[str]
) -> list[Line2D]:
    """Draw categories by colour and marker, and return the legend."""
    shown = [str(v) for v in cells.values if v is not None]
    found = sorted(dict.fromkeys(shown), key=lambda n: order.index(n) if n in order else len(order))
    names = np.array([None if v is None else str(v) for v in cells.values], dtype=object)
    handles = []
    labels = plain_names(found, 30)
    for i, (name, label) in enumerate(zip(found, labels, strict=True)):
        style: dict[str, Any] = {
            "color": PALETTE[i % len(PALETTE)],
            "marker": MARKERS[(i + i // len(PALETTE)) % len(MARKERS)],
            "ls": "none",
            "mec": "white",
            "mew": 0.4,
        }
        for k, axes in enumerate(panels):
            axes.plot(*cells.in_panel(k, names == name), ms=0.8 * size_pt, **style)
        handles.append(Line2D([], [], label=label, ms=7, **style))
    return handles


def _draw_missing(panels: Sequence[Axes], cells: _Cells, size_pt: float) -> int:
    """Draw a cross where no sample has a value, and return how many there are."""
    missing = np.array([v is None for v in cells.values], dtype=bool)
    for k, axes in enumerate(panels):
        at = cells.in_panel(k, missing)
        axes.plot(*at, ls="none", marker="x", color=FAILED, ms=0.6 * size_pt, mew=1.4)
    return int(missing.sum())


def _set_levels(axes: Axes, which: str, levels: Levels) -> None:
    """Set scale and limits of one axis from its levels."""
    at = _scaled(levels)
    low, high = float(at.min()), float(at.max())
    margin = 0.6 * (high - low) / max(at.size - 1, 1) or 0.5
    ends = (low - margin, high + margin)
    if _is_log(levels):
        axes.set(**{f"{which}scale": "log", f"{which}lim": (10 ** ends[0], 10 ** ends[1])})
    else:
        axes.set(**{f"{which}lim": ends})


def _name_levels(panels: Sequence[Axes], x: Levels, y: Levels) -> None:
    """Write the names of levels that are not numbers."""
    if not y.numeric:
        panels[0].set_yticks(y.positions, plain_names(y.names, 20))
    if not x.numeric:
        turn: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        for axes in panels:
            axes.set_xticks(x.positions, plain_names(x.names, 20), **turn)


def _place_factors(factors: Mapping[str, Sequence[object]]) -> list[Levels]:
    """Return the levels of x, y and panels; two factors have one panel.

    Raises ValueError if there are not 2 or 3 factors.
    """
    if len(factors) not in (2, 3):
        raise ValueError(f"{len(factors)} factors; expected 2 or 3: x, y and panels")
    found = [levels_of(list(levels), label) for label, levels in factors.items()]
    return found if len(found) == 3 else [*found, levels_of([""] * len(found[0].index), "")]


def _panels(levels: Levels) -> tuple[Figure, list[Axes], tuple[float, float]]:
    """Return a figure with a panel for each level, and the size of a panel [in]."""
    n = min(len(levels.names), MAX_PANELS)
    size = {1: (4.6, 3.3), 2: (2.9, 2.6), 4: (2.9, 2.2)}.get(n, (2.1, 2.0))
    figure, panels = panel_grid(n, 2 if n == 4 else 3, size)
    if levels.label:
        name_panels(panels, [f"{levels.label} = {name}" for name in levels.names[:n]])
    return figure, panels, size


@styled
def plot_regimes(
    factors: Mapping[str, Sequence[object]],
    values: Sequence[object],
    *,
    label: str,
    unit: str = "",
    title: str = "",
    warning: str = "",
    order: Sequence[str] = (),
) -> Figure:
    """Plot a regime diagram: an output by colour over two factors, with a third as panels.

    `factors` maps the labels (with units) of 2 or 3 factors, for x, y and panels, to their level in
    each sample; join further factors into one text for the panels. `values` are numbers or names,
    or NaN, None or "" where a sample failed. `order` lists names in the order of the legend; others
    follow as they occur.

    Numbers are drawn by colour (logarithmic beyond 2 decades), names by colour and marker, red
    crosses where no sample has a value. Samples with the same levels make one point: the median or
    the most frequent name. Raises ValueError if there are not 2 or 3 factors.
    """
    levels = _place_factors(factors)
    if not len(values):
        figure, axes = new_figure(6.4, 2.0)
        empty(axes, "no sample")
        return figure
    cells = _cells(levels, values)
    figure, panels, size = _panels(levels[2])
    marker_pt = _marker_pt(levels[:2], size)
    for which, level in zip(("x", "y"), levels[:2], strict=True):
        _set_levels(panels[0], which, level)
    _draw_values(figure, panels, cells, marker_pt, axis_label(label, unit), order)
    n_missing = _draw_missing(panels, cells, marker_pt)
    label_panels(figure, panels, levels[0].label, levels[1].label)
    _name_levels(panels, levels[0], levels[1])
    note(figure, plain(title, 76), *_notes(values, cells, n_missing), warning=warning)
    return figure


def _draw_values(
    figure: Figure,
    panels: Sequence[Axes],
    cells: _Cells,
    marker_pt: float,
    label: str,
    order: Sequence[str],
) -> None:
    """Draw numbers with a colour bar, or names with a legend."""
    known = [v for v in cells.values if v is not None]
    if not all(map(_is_number, known)):
        handles = _draw_names(panels, cells, marker_pt, order)
        columns = legend_columns(figure, [str(h.get_label()) for h in handles], 4)
        figure.legend(
            handles=handles, title=plain(label, 60), loc="outside lower center", ncols=columns
        )
        return
    scale = _draw_numbers(panels, cells, marker_pt)
    bar = figure.colorbar(scale, ax=list(panels), pad=0.02, aspect=30)
    bar.ax.minorticks_off()
    (label_log if isinstance(scale.norm, mcolors.LogNorm) else label_linear)(bar.ax.yaxis, label)


def _notes(values: Sequence[object], cells: _Cells, n_missing: int) -> list[str]:
    """Return what the figure cannot show by itself: failed samples, merged and omitted values."""
    n_failed = sum(map(_is_missing, values))
    n_panels = len(cells.levels[2].names)
    crosses = f" ({n_missing} crosses: no value)" if n_missing else ""
    several = f"{cells.several} points stand for samples that differ: median or most frequent"
    return [
        f"{n_failed} of {len(values)} samples failed{crosses}" if n_failed else "",
        several if cells.several else "",
        f"first {MAX_PANELS} of {n_panels} panels" if n_panels > MAX_PANELS else "",
    ]
