import itertools

import numpy as np
import pandas as pd
import pytest
from figure_checks import (
    LONG,
    WARNING,
    assert_no_texts_overlap,
    assert_nothing_is_clipped,
    flat,
    input_names,
    intervals,
    texts,
)
from matplotlib.collections import PathCollection, PolyCollection

from ensnare.report.figures.curves import plot_curves, plot_curves_by_case, quantile_curves
from ensnare.report.figures.exceedance import exceedance_curve, plot_exceedance
from ensnare.report.figures.index_curves import plot_estimate_curves
from ensnare.report.figures.regimes import plot_regimes
from ensnare.report.figures.style import save

AXIS = np.linspace(0, 2, 50)
LABELS = {"axis_label": "x [m]", "output_label": "stress [Pa]"}
LONG_LABELS = {"axis_label": f"{LONG} [m]", "output_label": f"{LONG} [Pa]"}


def curves(n=40, n_failed=4, seed=0, axis=AXIS):
    rng = np.random.default_rng(seed)
    y = rng.normal(3e5, 6e4, (n, 1)) * np.sin(np.pi * axis / 2)
    y[:n_failed] = np.nan
    return y


def cases(n):
    return {LONG.format(i): curves(seed=i, n_failed=i) for i in range(n)}


def sobol_curves(n_inputs, n_positions=50, undefined=1):
    rows = []
    for i, name in enumerate(input_names(n_inputs)):
        for p, (k, index) in itertools.product(range(n_positions), enumerate(("first", "total"))):
            value = 0.5 * 0.8**i * (1 + 0.5 * np.sin(p / 8 + i)) + 0.05 * k
            value = np.nan if p < undefined else value
            rows.append((name, index, p, value, value - 0.04, value + 0.04, 950, 50))
    columns = ["input", "index", "position", "value", "ci_low", "ci_high", "n_used", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def regimes(n_panels=2):
    levels = itertools.product(
        np.geomspace(100, 1e6, 5), [0.7, 7, 70.0], [LONG.format(i) for i in range(n_panels)]
    )
    re, pr, wall = zip(*levels, strict=True)
    nusselt = 0.3 * np.sqrt(re) * np.cbrt(pr)
    nusselt[3] = np.nan
    return {"Reynolds number [-]": re, "Pr [-]": pr, "wall": wall}, nusselt


def names(values):
    return ["" if np.isnan(v) else LONG.format("lam" if v < 30 else int(v) % 5) for v in values]


def draw_regimes(n_panels, *, categorical=False):
    factors, values = regimes(n_panels)
    shown = names(values) if categorical else values
    return plot_regimes(factors, shown, label=LONG, unit="W/m", warning=WARNING)


def exceedance(threshold, probability, **keywords):
    y = np.random.default_rng(0).lognormal(2.8, 0.25, 1000)
    y[:20] = np.nan
    keywords = {"label": LONG, "unit": "cm"} | keywords
    return plot_exceedance(y, threshold, probability=probability, **keywords)


FIGURES = {
    "curves": lambda: plot_curves(AXIS, curves(), **LONG_LABELS, warning=WARNING),
    "three curves": lambda: plot_curves(AXIS, curves(3, 0), **LABELS),
    "one position": lambda: plot_curves(AXIS[9:10], curves()[:, 9:10], **LABELS),
    "3 cases": lambda: plot_curves_by_case(AXIS, cases(3), **LONG_LABELS, warning=WARNING),
    "6 cases": lambda: plot_curves_by_case(AXIS, cases(6), **LONG_LABELS, warning=WARNING),
    "sobol 3": lambda: plot_estimate_curves(
        sobol_curves(3), AXIS, output=LONG, axis_label="x [m]", warning=WARNING
    ),
    "sobol 40": lambda: plot_estimate_curves(
        sobol_curves(40), AXIS, output=LONG, axis_label=f"{LONG} [m]", title=LONG
    ),
    "regimes": lambda: draw_regimes(2),
    "regimes of names": lambda: draw_regimes(4, categorical=True),
    "one regime": lambda: draw_regimes(1, categorical=True),
    "rare": lambda: exceedance(30, (0.006, 0.002, 0.01)),
    "never": lambda: exceedance(90, (0, 0, 0.004)),
    "often": lambda: exceedance(15, (0.6, 0.55, 0.65), below=True),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped_or_covers_another(name):
    figure = FIGURES[name]()
    assert_nothing_is_clipped(figure)
    assert_no_texts_overlap(figure)


@pytest.mark.parametrize("name", ["curves", "sobol 3", "one regime", "rare"])
def test_two_drawings_are_the_same_svg(name, tmp_path):
    one, _ = save(FIGURES[name](), tmp_path / "one")
    two, _ = save(FIGURES[name](), tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_bands_hold_half_and_nine_tenths_of_the_samples():
    y = np.arange(101.0)[:, None] * [1.0, 2.0]
    bands = quantile_curves(y)
    np.testing.assert_allclose(bands[:, 0], [5, 25, 50, 75, 95])
    np.testing.assert_allclose(bands[:, 1], [10, 50, 100, 150, 190])
    y[:, 1] = np.nan
    assert np.isnan(quantile_curves(y)[:, 1]).all()


def test_curves_have_labels_with_units_and_count_what_was_dropped():
    y = curves(40, 4)
    y[10, 5] = np.nan
    figure = plot_curves(AXIS, y, **LABELS)
    assert figure.axes[0].get_xlabel() == "x [m]"
    assert figure.axes[0].get_ylabel() == "stress [10³ Pa]"
    for part in ("n = 36", "4 of 40 samples dropped", "grey: 30 samples", "samples with gaps: 1"):
        assert part in flat(figure)


def test_curves_are_drawn_along_the_axis_whatever_its_order():
    shuffled = np.random.default_rng(0).permutation(len(AXIS))
    y = curves()
    figure = plot_curves(AXIS[shuffled], y[:, shuffled], **LABELS)
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), AXIS)
    np.testing.assert_allclose(line.get_ydata(), np.nanmedian(y, axis=0))


def test_few_samples_have_no_bands():
    def bands(n):
        axes = plot_curves(AXIS, curves(n, 0), **LABELS).axes[0]
        return sum(isinstance(c, PolyCollection) for c in axes.collections)

    assert bands(4) == 0
    assert bands(5) == 2


def test_constant_and_missing_curves_are_drawn():
    assert_nothing_is_clipped(plot_curves(AXIS, np.ones((9, 50)), **LABELS))
    nothing = plot_curves(AXIS, np.full((3, 50), np.nan), **LABELS)
    assert "no sample has a value" in texts(nothing)
    assert "3 of 3 samples dropped" in texts(nothing)
    hole = curves()
    hole[:, 20:30] = np.nan
    assert_nothing_is_clipped(plot_curves(AXIS, hole, **LABELS))
    empty = plot_curves_by_case(AXIS, {"a": np.full((3, 50), np.nan)}, **LABELS)
    assert "no sample has a value" in texts(empty)


def test_a_geometric_axis_is_logarithmic_and_a_linear_one_from_near_zero_is_not():
    def scale(axis):
        return plot_curves(axis, np.ones((9, len(axis))), **LABELS).axes[0].get_xscale()

    assert scale(np.geomspace(1, 1e4, 30)) == "log"
    assert scale(np.linspace(0.001, 1, 30)) == "linear"


@pytest.mark.parametrize("shape", [(3, 49), (50,)])
def test_curves_of_another_length_than_the_axis_are_an_error(shape):
    with pytest.raises(ValueError, match=r"on an axis of shape \(50,\); expected"):
        plot_curves(AXIS, np.ones(shape), **LABELS)


@pytest.mark.slow
def test_few_cases_share_axes_and_many_have_panels_of_their_own():
    few = plot_curves_by_case(AXIS, cases(4), **LABELS)
    assert len(few.axes) == 1
    assert "(n = 37 of 40)" in texts(few)
    many = plot_curves_by_case(AXIS, cases(5), **LABELS)
    assert len(many.axes) == 5
    assert "n = 36 of 40" in texts(many)
    assert "10 of 200 samples dropped" in flat(many)
    assert "stress [10³ Pa]" in texts(many)
    assert "first 24 of 26 cases" in flat(plot_curves_by_case(AXIS, cases(26), **LABELS))


def test_sobol_curves_draw_the_interval_as_a_band_at_its_place():
    table = sobol_curves(1, undefined=0)
    figure = plot_estimate_curves(table, AXIS[::-1], output="y", axis_label="x [m]")
    first, total = figure.axes
    assert first.get_ylabel() == "first order index [-]"
    assert total.get_xlabel() == "x [m]"
    rows = table[table["index"] == "first"].iloc[::-1]
    line = next(x for x in first.lines if len(x.get_xdata()) == 50)
    np.testing.assert_array_equal(line.get_xdata(), AXIS)
    np.testing.assert_array_equal(line.get_ydata(), rows["value"])
    band = next(c for c in first.collections if isinstance(c, PolyCollection))
    corners = band.get_paths()[0].vertices
    np.testing.assert_allclose(corners[:, 1].max(), rows["ci_high"].max())
    np.testing.assert_allclose(corners[:, 1].min(), rows["ci_low"].min())


def test_sobol_curves_state_what_is_grey_undefined_and_dropped():
    figure = plot_estimate_curves(sobol_curves(40), AXIS, output="y", axis_label="x [m]")
    found = flat(figure)
    assert "34 other inputs" in found
    assert "undefined at 1 of 50 positions" in found
    assert "up to 50 of 1000 base rows dropped" in found


def test_sobol_curves_at_one_position_are_points_with_intervals():
    table = sobol_curves(2, 1, undefined=0)
    figure = plot_estimate_curves(table, np.array([3.0]), output="y", axis_label="x [m]")
    assert len(intervals(figure.axes[0])) == 2


def test_sobol_curves_without_a_value_say_so_and_beyond_the_axis_are_an_error():
    undefined = sobol_curves(2, 1, undefined=1)
    figure = plot_estimate_curves(undefined, AXIS[:1], output="y", axis_label="x [m]")
    assert "no estimate could be made" in texts(figure)
    with pytest.raises(ValueError, match="position 49 on an axis of 20"):
        plot_estimate_curves(sobol_curves(2), AXIS[:20], output="y", axis_label="x [m]")


def points(axes):
    found = [c for c in axes.collections if isinstance(c, PathCollection)]
    return sum(len(c.get_offsets()) for c in found)


def crosses(axes):
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "x")


def test_regimes_draw_numbers_by_colour_and_a_cross_where_a_sample_failed():
    figure = draw_regimes(2)
    panels = figure.axes[:2]
    assert [points(axes) for axes in panels] == [15, 14]
    assert [crosses(axes) for axes in panels] == [0, 1]
    assert "1 of 30 samples failed (1 crosses: no value)" in flat(figure)
    assert {axes.get_xscale() for axes in panels} == {"log"}
    assert "[W/m]" in figure.axes[2].get_ylabel()


def test_regimes_draw_names_with_a_marker_each():
    factors, _ = regimes(1)
    found = ["laminar" if re < 3000 else "turbulent" for re in factors["Reynolds number [-]"]]
    figure = plot_regimes(factors, [*found[:-1], None], label="regime")
    drawn = {line.get_marker(): len(line.get_xdata()) for line in figure.axes[0].lines}
    assert drawn == {"o": 6, "s": 8, "x": 1}
    assert "laminar" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_regimes_merge_samples_with_the_same_levels_and_say_so():
    factors = {"x": [1, 1, 2, 2], "y": [1, 1, 1, 1]}
    figure = plot_regimes(factors, [1.0, 3.0, np.nan, 5.0], label="q")
    scatter = next(c for c in figure.axes[0].collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(scatter.get_array(), [2, 5])
    assert "1 points stand for samples that differ" in flat(figure)
    assert "1 of 4 samples failed" in flat(figure)
    booleans = plot_regimes(factors, [True, True, False, False], label="stable")
    assert [text.get_text() for text in booleans.legends[0].get_texts()] == ["True", "False"]


def test_regimes_of_levels_that_are_names_constant_or_uneven_are_drawn():
    factors = {"x": [1.0, 2, 20] * 2, "mesh": ["coarse"] * 3 + ["fine"] * 3}
    figure = plot_regimes(factors, np.ones(6), label="q")
    assert_nothing_is_clipped(figure)
    assert "coarse" in texts(figure)
    assert figure.axes[0].get_xscale() == "log"
    single = plot_regimes({"x": [1.0], "y": [2.0]}, [np.nan], label="q")
    assert crosses(single.axes[0]) == 1
    assert "no sample" in texts(plot_regimes({"x": [], "y": []}, [], label="q"))
    many = plot_regimes(*regimes(14), label="q")
    assert "first 12 of 14 panels" in flat(many)


@pytest.mark.parametrize("n", [1, 4])
def test_regimes_of_another_number_of_factors_are_an_error(n):
    with pytest.raises(ValueError, match=f"{n} factors; expected 2 or 3"):
        plot_regimes({str(i): [1] for i in range(n)}, [1.0], label="q")


@pytest.mark.parametrize("below", [False, True])
def test_the_exceedance_curve_counts_samples(below):
    y = np.array([1.0, 2, 3, 4])
    values, share = exceedance_curve(y, below=below)
    expected = {1: 0.25, 4: 1} if below else {1: 1, 4: 0.25}
    found = dict(zip(values, share, strict=True))
    assert {k: found[k] for k in expected} == expected


def test_the_exceedance_curve_of_many_samples_keeps_the_tail():
    y = np.random.default_rng(0).random(100_000)
    values, share = exceedance_curve(y, below=False)
    assert values.size <= 4000
    np.testing.assert_array_equal(values[:100], np.sort(y)[::-1][:100])
    assert share[0] == 1e-5
    assert share[-1] == 1


def test_exceedance_states_the_probability_with_its_interval_and_draws_it():
    figure = exceedance(30, (0.012, 0.008, 0.018), label="deviation")
    assert "P(deviation > 30 cm) = 0.012 [0.008, 0.018]" in texts(figure)
    assert "deviation [cm]" in texts(figure)
    assert "20 of 1000 samples dropped" in texts(figure)
    segments = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose(segments[0], [[30, 0.008], [30, 0.018]])
    assert figure.axes[0].get_yscale() == "log"


def test_exceedance_of_what_never_happened_is_an_arrow_below_its_upper_bound():
    axes = exceedance(90, (0, 0, 0.004)).axes[0]
    arrow = next(line for line in axes.lines if line.get_marker() == "v")
    assert arrow.get_ydata()[0] == axes.get_ylim()[0]
    assert axes.get_xlim()[1] > 90


def test_exceedance_of_the_usual_is_linear_and_without_an_interval_or_a_value_drawn():
    figure = exceedance(15, (0.4, np.nan, np.nan), below=True, label="y")
    assert "P(y < 15 cm) = 0.4" in texts(figure)
    assert figure.axes[0].get_yscale() == "linear"
    figure = plot_exceedance(np.full(2, np.nan), 1, probability=(0, 0, 1), label="y")
    assert "no sample has a value" in texts(figure)
    figure = plot_exceedance(np.ones(5), 1, probability=(0, 0, 0.5), label="y")
    assert_nothing_is_clipped(figure)
