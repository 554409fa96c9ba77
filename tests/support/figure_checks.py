"""What the tests of figures share: names, intervals, and what texts a figure shows."""

import itertools

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from ensnare.report.figures.style import (
    STYLE,
)

LONG = "thermal_conductivity_of_layer_{}_of_the_reactor_containment"


def input_names(n):
    return [LONG.format(i) if i % 4 == 0 else f"x{i}" for i in range(n)]


def sobol_table(names, n_dropped=0):
    rows = []
    for i, name in enumerate(names):
        for index, value in (("first", 0.5 * 0.9**i), ("total", 0.6 * 0.9**i)):
            rows.append(
                (name, index, value, value - 0.05, value + 0.04, 1024 - n_dropped, n_dropped)
            )
    columns = ["input", "index", "value", "ci_low", "ci_high", "n_used", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def sobol_by_mesh(names, levels=("coarse", "fine")):
    return pd.concat([sobol_table(names, k).assign(mesh=level) for k, level in enumerate(levels)])


def output(n=200, n_failed=10):
    y = np.random.default_rng(0).lognormal(0, 0.4, n)
    y[:n_failed] = np.nan
    return y


def texts(figure):
    found = [t.get_text() for t in figure.findobj(Text) if t.get_visible()]
    return "\n".join(found).replace("\n[", " [")


def drawn_texts(figure):
    """Return what is drawn, which leaves out the ticks beyond the limits."""
    drawn = []
    draw = Text.draw

    def record(text, renderer):
        if text.get_visible() and text.get_text():
            drawn.append(text)
        draw(text, renderer)

    with matplotlib.style.context(["default", STYLE]), pytest.MonkeyPatch.context() as patch:
        figure.draw_without_rendering()
        patch.setattr(Text, "draw", record)
        figure.draw_without_rendering()
        return [(text.get_text(), text.get_window_extent().extents) for text in drawn]


def assert_nothing_is_clipped(figure):
    found = drawn_texts(figure)
    assert found
    right, top = figure.bbox.width + 0.5, figure.bbox.height + 0.5
    outside = [(t, b) for t, b in found if min(b) < -0.5 or b[2] > right or b[3] > top]
    assert not outside, (outside, right, top)


def intervals(axes):
    lines = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [np.asarray(s)[:, 0].tolist() for c in lines for s in c.get_segments()]


WARNING = "failures depend on x1 (p = 0.0003) and on x7: dropping them biases every result here"


def flat(figure):
    return " ".join(texts(figure).split())


def inked(text, box):
    """Return the box without the blank lines that keep room for a warning."""
    n_blank = len(text) - len(text.lstrip("\n"))
    height = (box[3] - box[1]) * n_blank / (text.count("\n") + 1)
    return box[0], box[1], box[2], box[3] - height


def assert_no_texts_overlap(figure):
    """Boxes may touch by 1.5 pixel: they are larger than the ink in them."""
    found = [(t.strip(), inked(t, b)) for t, b in drawn_texts(figure) if t.strip()]
    for (one, a), (other, b) in itertools.combinations(found, 2):
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        assert wide < 1.5 or high < 1.5, (one, other, wide, high)
