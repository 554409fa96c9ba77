"""Figures of scaling studies: what is drawn, and that a hole is no value."""

import math

import numpy as np
import pytest

from ensnare.report.figures.scaling import ScalingCurve, plot_scaling
from ensnare.report.figures.style import FAILED

COUNTS = np.array([1.0, 2.0, 4.0, 8.0])
IDEAL = (COUNTS, 8 / COUNTS)
NOTHING = np.full(4, math.nan)


def curve(label="", value=(8.0, 4.2, 2.4, math.nan), **rest):
    value = np.array(value)
    holes = {int(c): "killed" for c in COUNTS[np.isnan(value)]}
    rest = {"laws": {"universal": (COUNTS, 8 / COUNTS)}, "holes": holes} | rest
    return ScalingCurve(label, COUNTS, value, value * 0.9, value * 1.1, **rest)


def draw(*curves, quantity="time_s", **rest):
    figure = plot_scaling(curves, quantity, [IDEAL], count_label="ranks", **rest)
    figure.draw_without_rendering()
    return figure, figure.axes[0]


def crosses(axes):
    return [line for line in axes.lines if line.get_marker() == "x"]


def texts(figure):
    legend = figure.legends[0].get_texts() if figure.legends else []
    return [t.get_text() for t in (*figure.texts, *legend)] + [figure.get_suptitle()]


def test_a_hole_is_a_cross_on_top_and_says_why():
    figure, axes = draw(curve())
    (cross,) = crosses(axes)
    assert cross.get_xdata() == [8]
    assert cross.get_ydata() == [1.0]  # of the axes: not a value
    assert cross.get_transform() != axes.transData
    assert cross.get_color() == FAILED
    assert "no time at ranks 8: killed" in figure.get_suptitle()
    assert axes.get_xlim()[1] > 8  # it is within the figure


def test_times_are_log_log_and_counts_are_named():
    _, axes = draw(curve())
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "4", "8"]


@pytest.mark.parametrize(("largest", "scale"), [(8.0, "linear"), (512.0, "log")])
def test_speed_ups_are_linear_unless_counts_span_decades(largest, scale):
    counts = np.array([1.0, 2.0, 4.0, largest])
    value = counts * 0.9
    wide = ScalingCurve("", counts, value, value, value)
    figure = plot_scaling([wide], "speedup", [(counts, counts)], count_label="ranks")
    assert figure.axes[0].get_xscale() == scale


def test_an_efficiency_starts_at_zero_and_shows_what_is_superlinear():
    _, axes = draw(curve(value=(1.0, 1.3, 0.9, 0.8)), quantity="efficiency")
    low, high = axes.get_ylim()
    assert low == 0
    assert high > 1.3


def test_one_curve_shows_both_laws_and_several_one_each():
    laws = {"amdahl": IDEAL, "universal": IDEAL}
    figure, _ = draw(curve(laws=laws))
    assert "Amdahl's law, fitted" in texts(figure)
    figure, _ = draw(curve("a=1", laws=laws), curve("a=2", laws=laws))
    said = texts(figure)
    assert "Amdahl's law, fitted" not in said
    assert "universal scalability law, fitted" in said
    assert {"a=1", "a=2"} <= set(said)


def test_what_slurm_accounted_is_drawn_beside():
    figure, axes = draw(curve(accounted=(COUNTS[:3], np.array([8.5, 4.6, 2.9]))))
    assert "elapsed time by SLURM" in texts(figure)
    assert any(line.get_markerfacecolor() == "none" for line in axes.lines)


def test_without_any_time_there_is_a_figure_that_says_so():
    figure, axes = draw(curve(value=NOTHING))
    assert [t.get_text() for t in axes.texts] == ["no run has a time"]
    assert "killed" in figure.get_suptitle()


def test_a_long_reason_with_dollars_does_not_break_a_figure():
    draw(curve(holes={8: "no such program on PATH: $x_{1}$ " * 30}))
