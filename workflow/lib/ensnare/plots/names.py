"""Names beside points, where there is room for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from ensnare.plots.style import MUTED, FloatArray, plain_names

# Beside and above a point first, as one writes them; then all around.
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, -1), (-1, 0))
NEAR_PT = (5.0, 9.0)
FAR_PT = (16.0, 26.0, 40.0, 60.0, 85.0)  # with a line to the point
GAP_PT = 1.0
MARKER_PT = 3.0


@dataclass(frozen=True)
class _Room:
    """What is taken within the axes [pixel]."""

    inside: Bbox
    taken: list[Bbox]
    pixels_per_pt: float

    def is_free(self, box: Bbox) -> bool:
        """Return whether a box is within the axes and touches nothing."""
        if box.x0 < self.inside.x0 or box.y0 < self.inside.y0:
            return False
        if box.x1 > self.inside.x1 or box.y1 > self.inside.y1:
            return False
        return box.padded(GAP_PT * self.pixels_per_pt).count_overlaps(self.taken) == 0

    def place(self, pixel: FloatArray, size: FloatArray, gaps_pt: Sequence[float]) -> Bbox | None:
        """Return the first free box of that size near a point."""
        for gap_pt in gaps_pt:
            for direction in DIRECTIONS:
                step = np.array(direction)
                reach = gap_pt * self.pixels_per_pt / float(np.hypot(*direction))
                corner = pixel + step * reach + (step - 1) / 2 * size
                box = Bbox([corner.tolist(), (corner + size).tolist()])
                if self.is_free(box):
                    return box
        return None


def _write(axes: Axes, name: str, point: FloatArray, room: _Room, size_pt: float | None) -> bool:
    """Write a name near its point if there is room; one without a size is small and grey."""
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
    line = {"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": MARKER_PT}
    ends: dict[str, Any] = {
        "xy": (point[0], point[1]),
        "xytext": (float(end_pt[0]), float(end_pt[1])),
    }
    axes.annotate("", **ends, textcoords="offset points", arrowprops=line).set_in_layout(False)


def write_names(
    axes: Axes, names: Sequence[str], points: FloatArray, ends: FloatArray, n_important: int
) -> int:
    """Write names beside points, none over another or over an interval.

    Parameters
    ----------
    axes : Axes
        With all else drawn: the layout is made here, since it decides what overlaps.
    names : sequence of str, length n
        The most important first.
    points : ndarray of float, shape (n, 2)
        Where they lie, in data coordinates.
    ends : ndarray of float, shape (n, 2)
        Ends of the horizontal intervals of the points, or the x of the point twice.
    n_important : int
        So many names are large and may stand farther away; the others are small and grey.

    Returns
    -------
    int
        How many names found no room.
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
        _write(axes, text, point, room, size)
        for text, point, size in zip(texts, points, sizes, strict=True)
    ]
    return len(names) - sum(written)
