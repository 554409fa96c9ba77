"""What all figures share: colours, number formats, axis labels with units, notes, and saving.

The same data makes the same bytes, whatever the user's matplotlibrc says.
"""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

P = ParamSpec("P")
FloatArray = NDArray[np.float64]
# Okabe and Ito's colours without the yellow, which is hardly visible on white paper.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
FAILED = "#B2182B"
MUTED = "#666666"
LIGHT = "#D9D9D9"
# More markers than this are drawn as an image, since the SVG file would have tens of megabytes.
MAX_VECTOR_POINTS = 300
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.08,
    # The layout is computed at the resolution of the PNG and without hinting; otherwise text in the
    # PNG would be wider than the layout assumes.
    "figure.dpi": 150,
    "font.size": 9,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.borderaxespad": 0.1,
    "legend.frameon": False,
    "lines.markersize": 5,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "ensnare",
    "text.hinting": "no_hinting",
    "xtick.color": MUTED,
    "xtick.labelcolor": "black",
    "ytick.color": MUTED,
    "ytick.labelcolor": "black",
}
MINUS = "\N{MINUS SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a plot function use the settings of `STYLE` instead of the user's matplotlibrc."""

    @wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return draw_styled


def new_figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """Return a figure with constrained layout and its single set of axes."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def axis_label(label: str, unit: str = "") -> str:
    """Return `label [unit]`, or the label alone if there is no unit."""
    return f"{label} [{unit}]" if unit else label


def plain(text: object, width: int = 36) -> str:
    """Return text that matplotlib draws literally, without mathtext, on one line.

    Text longer than `width` characters loses its middle, because the names of similar inputs differ
    at their ends.
    """
    line = " ".join(str(text).split())
    if len(line) > width:
        head = width // 2
        line = f"{line[:head]}…{line[len(line) - (width - head - 1) :]}"
    return line.replace("$", r"\$")


def plain_names(names: Sequence[object], width: int = 36) -> list[str]:
    """Return each name as `plain` does, and keep names apart that differ in their middle.

    Names that `plain` would shorten to the same text show the part in which they differ.
    """
    texts = [plain(name, width) for name in names]
    for text in {t for t in texts if texts.count(t) > 1}:
        same = [i for i, t in enumerate(texts) if t == text]
        lines = [" ".join(str(names[i]).split()) for i in same]
        columns = enumerate(zip(*lines, strict=False))
        differ = next((k for k, c in columns if len(set(c)) > 1), min(map(len, lines)))
        start = max(0, differ - width // 3)
        for i, line in zip(same, lines, strict=True):
            shown = line[start : start + width - 2]
            end = "…" if len(line) > start + width - 2 else ""
            texts[i] = plain(("…" if start else "") + shown + end, width)
    return texts


def number(value: float, digits: int = 4) -> str:
    """Return a number as text for a figure, with the given number of significant digits."""
    if 1e4 <= abs(value) < 1e5:
        return f"{value:.0f}".replace("-", MINUS)
    lead, _, power = f"{value:.{digits}g}".partition("e")
    times = f"·10{str(int(power)).translate(SUPERSCRIPTS)}" if power else ""
    return lead.replace("-", MINUS) + times


def finite(values: object) -> FloatArray:
    """Return the finite values as a flat array."""
    flat: FloatArray = np.asarray(values, dtype=float).ravel()
    found: FloatArray = flat[np.isfinite(flat)]
    return found


def spans_decades(values: object, decades: float) -> bool:
    """Return whether all values are positive and span more than that many decades."""
    found = finite(values)
    if found.size == 0 or found.min() <= 0:
        return False
    return bool(np.log10(found.max()) - np.log10(found.min()) > decades)


def note(figure: Figure, *parts: str, warning: str = "") -> None:
    """Write the non-empty parts above a figure in small grey type, wrapped to its width.

    A warning stands above them in red.
    """
    width = int(figure.get_figwidth() * 13.5)
    text = textwrap.fill("; ".join(part for part in parts if part), width)
    if warning:
        # The layout reserves space for the title only, so blank lines in it stand for the warning.
        in_red = textwrap.fill(f"\N{WARNING SIGN} {plain(warning, 4 * width)}", width)
        text = "\n" * (in_red.count("\n") + 1) + (text or " ")
        top = 1 - STYLE["figure.constrained_layout.h_pad"] / figure.get_figheight()
        figure.text(0.012, top, in_red, va="top", fontsize="small", color=FAILED)
    if text:
        figure.suptitle(text, x=0.012, ha="left", fontsize="small", color=MUTED)


def legend_columns(figure: Figure, texts: Sequence[str], most: int) -> int:
    """Return how many legend columns, at most `most`, fit into the width of a figure."""
    column_in = 0.5 + 0.075 * max(map(len, texts), default=1)
    return max(1, min(most, len(texts), int(figure.get_figwidth() / column_in)))


def dropped_note(n_dropped: int, n: int, what: str = "samples") -> str:
    """Return `k of n <what> dropped`, or an empty text if none was."""
    return f"{n_dropped} of {n} {what} dropped" if n_dropped else ""


def _exponent(largest: float) -> int:
    """Return the power of ten, a multiple of 3, that moves from the tick labels to the unit."""
    if largest == 0 or not math.isfinite(largest):
        return 0
    power = math.floor(math.log10(largest))
    return 0 if -3 <= power < 5 else 3 * math.floor(power / 3)


def _with_exponent(label: str, exponent: int) -> str:
    """Return `label [10⁹ unit]`."""
    factor = "10" + str(exponent).translate(SUPERSCRIPTS)
    found = re.fullmatch(r"(.*) \[(.*)\]", label)
    return f"{found[1]} [{factor} {found[2]}]" if found else f"{label} [{factor}]"


def tick_digits(low: float, high: float) -> int:
    """Return how many digits distinguish numbers in a range: 4, more if it is narrow."""
    largest = max(abs(low), abs(high))
    if not low < high:
        return 4
    return min(14, 4 + max(0, math.floor(math.log10(largest / (high - low)))))


def _label_width(axis: Axis) -> int:
    """Return how many characters fit along an axis."""
    figure = axis.axes.get_figure(root=True)
    if isinstance(axis, XAxis) or figure is None:
        return 64
    return max(12, int(13 * (figure.get_figheight() - 0.8)))


def label_linear(axis: Axis, label: str, n_ticks: int = 7, *, integer: bool = False) -> None:
    """Set ticks and label of a linear axis.

    Large powers of ten go into the unit, where no other label can hide them.
    """
    low, high = axis.get_view_interval()
    largest = max(abs(low), abs(high))
    exponent = 0 if integer else _exponent(largest)
    digits = tick_digits(low, high)
    scale = 10.0**exponent
    axis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 5, 10], integer=integer))
    axis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v / scale, 12), digits)))
    text = label if exponent == 0 else _with_exponent(label, exponent)
    axis.set_label_text(plain(text, _label_width(axis)))


def _log_tick(value: float) -> str:
    """Return the label of a tick on a log axis: a plain number, or `2·10⁻⁵`."""
    if 1e-3 <= value < 1e4:
        return f"{value:g}"
    power = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10.0**power)
    lead = "" if factor == 1 else f"{factor}·"
    return f"{lead}10{str(power).translate(SUPERSCRIPTS)}"


def label_log(axis: Axis, label: str, n_ticks: int = 10) -> None:
    """Set ticks and label of a logarithmic axis, with ticks at 1, 2 and 5 if it is short."""
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if 3 * math.log10(high / low) < n_ticks else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=n_ticks))
    axis.set_major_formatter(FuncFormatter(lambda v, _: _log_tick(v)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(plain(label, _label_width(axis)))


def label_axis(
    axes: Axes, which: Literal["x", "y"], label: str, n_ticks: int | None = None
) -> None:
    """Set ticks and label of the x or y axis according to its scale.

    Call it after the data is drawn, since ticks depend on the limits.
    """
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    if axis.get_scale() == "log":
        label_log(axis, label, n_ticks or 10)
    else:
        label_linear(axis, label, n_ticks or 7)


def failed_ticks(axes: Axes, at: FloatArray, size_pt: float) -> None:
    """Draw failed samples as red ticks along the lower edge of the axes."""
    axes.plot(
        at,
        np.full(np.size(at), 0.025),
        transform=axes.get_xaxis_transform(),
        marker="|",
        ls="none",
        color=FAILED,
        ms=size_pt,
        mew=size_pt / 7,
        rasterized=np.size(at) > MAX_VECTOR_POINTS,
    )


def empty(axes: Axes, text: str) -> None:
    """Write in the middle of the axes why nothing is drawn."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED)


def empty_figure(text: str) -> Figure:
    """Return a figure that states why nothing is drawn."""
    figure, axes = new_figure(7.2, 1.6)
    empty(axes, text)
    return figure


def save(figure: Figure, stem: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a figure as `<stem>.svg` and `<stem>.png` (150 dpi), and return both paths.

    The same figure gives the same bytes each time. The layout is computed once and then fixed, so
    that both files agree. Each file is written to `<name>.part` and renamed; a dot in the stem is
    kept.
    """
    base = Path(stem)
    svg, png = (base.with_name(f"{base.name}.{suffix}") for suffix in ("svg", "png"))
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.style.context(["default", STYLE]):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for path, metadata in ((svg, nothing), (png, {"Software": None})):
            part = path.with_name(f"{path.name}.part")
            figure.savefig(part, format=path.suffix[1:], metadata=metadata)
            part.replace(path)
    return svg, png
