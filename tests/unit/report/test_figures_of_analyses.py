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
    output,
    sobol_by_mesh,
    sobol_table,
    texts,
)
from matplotlib.collections import LineCollection

from ensnare.report.figures.correlations import COEFFICIENTS, plot_correlations
from ensnare.report.figures.distributions import plot_distribution, plot_distributions_by_case
from ensnare.report.figures.exceedance import plot_exceedance, plot_exceedance_by_case
from ensnare.report.figures.failures import plot_failures
from ensnare.report.figures.index_curves import plot_estimate_curves
from ensnare.report.figures.indices import plot_estimates_by_case, plot_sobol
from ensnare.report.figures.morris import plot_morris
from ensnare.report.figures.pairs_of_inputs import plot_second_order
from ensnare.report.figures.style import save


def morris_table(n, scale=1e6, n_dropped=2):
    rng = np.random.default_rng(3)
    mu_star = np.sort(rng.gamma(0.4, 1, n))[::-1] * scale
    half = 0.15 * mu_star + 0.02 * scale
    return pd.DataFrame(
        {
            "input": input_names(n),
            "mu": mu_star,
            "mu_star": mu_star,
            "sigma": mu_star * rng.uniform(0, 1.4, n),
            "mu_star_low": mu_star - half,
            "mu_star_high": mu_star + half,
            "n_used": 20,
            "n_dropped": n_dropped,
        }
    )


def correlation_table(n, coefficients=tuple(COEFFICIENTS), n_dropped=50):
    rng = np.random.default_rng(3)
    rows = []
    for name, coefficient in itertools.product(input_names(n), coefficients):
        value = rng.uniform(-0.9, 0.9)
        row = (name, coefficient, value, value - 0.08, value + 0.08, 1000 - n_dropped, n_dropped)
        rows.append(row)
    columns = ["input", "coefficient", "value", "ci_low", "ci_high", "n_used", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def second_table(n, n_dropped=50):
    rng = np.random.default_rng(3)
    rows = []
    for a, b in itertools.combinations(input_names(n), 2):
        value = rng.normal(0, 0.02) + (rng.random() < 0.1) * 0.3
        rows.append((f"{a}:{b}", "second", value, value - 0.05, value + 0.05, 950, n_dropped))
    columns = ["input", "index", "value", "ci_low", "ci_high", "n_used", "n_dropped"]
    return pd.DataFrame(rows, columns=columns)


def failure_table(n):
    p = np.random.default_rng(3).uniform(0.1, 1, n)
    p[0] = 1e-20
    return pd.DataFrame({"input": input_names(n), "p_value": p, "statistic": 1 - p})


HEAD = {"output": LONG, "title": "mesh=fine", "warning": WARNING}


DRAWN = {
    **{f"morris {n}": (plot_morris, morris_table(n), {**HEAD, "unit": "Pa"}) for n in (3, 40)},
    **{f"correlations {n}": (plot_correlations, correlation_table(n), HEAD) for n in (3, 40)},
    **{f"second {n}": (plot_second_order, second_table(n), HEAD) for n in (2, 3, 12, 40)},
    **{f"failures {n}": (plot_failures, failure_table(n), {"title": LONG}) for n in (3, 40)},
}


def draw(name):
    plot, table, keywords = DRAWN[name]
    return plot(table, **keywords)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_no_text_is_clipped_or_covers_another(name):
    figure = draw(name)
    assert_nothing_is_clipped(figure)
    assert_no_texts_overlap(figure)


@pytest.mark.parametrize("name", ["morris 3", "second 3", "failures 3"])
def test_two_drawings_are_the_same_svg(name, tmp_path):
    one, _ = save(draw(name), tmp_path / "one")
    two, _ = save(draw(name), tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_morris_has_the_unit_on_each_axis_of_effects():
    figure = plot_morris(morris_table(3), output="y", unit="Pa")
    plane, ranking = figure.axes
    assert "[10³ Pa]" in plane.get_xlabel()
    assert "[10³ Pa]" in plane.get_ylabel()
    assert "[10³ Pa]" in ranking.get_xlabel()


def test_morris_draws_the_intervals_of_mu_star_in_both_panels():
    table = morris_table(5)
    expected = sorted(table[["mu_star_low", "mu_star_high"]].to_numpy().tolist())
    for axes in plot_morris(table, output="y").axes:
        np.testing.assert_allclose(sorted(intervals(axes)), expected)


def test_morris_draws_and_names_the_lines_between_regions():
    figure = plot_morris(morris_table(3), output="y")
    slopes = [line.get_slope() for line in figure.axes[0].lines if hasattr(line, "get_slope")]
    assert slopes == [0.1, 0.5, 1]
    found = texts(figure)
    for region in ("linear", "monotone", "almost\nmonotone", "non-linear or\ninteracting"):
        assert region in found


def test_morris_ranks_by_mu_star_and_names_every_input_that_matters():
    table = morris_table(40).iloc[::-1]
    figure = plot_morris(table, output="y")
    plane, ranking = figure.axes
    assert ranking.get_yticklabels()[1].get_text() == "x1"
    named = {text.get_text() for text in plane.texts}
    important = table[table["mu_star"] >= 0.1 * table["mu_star"].max()]
    largest = important.sort_values("mu_star", ascending=False)["input"][:10]
    short = {name for name in largest if len(name) < 5}
    assert len(short) > 3
    assert short <= named


@pytest.mark.parametrize("factor", [0.0, 50.0])
def test_morris_draws_linear_models_and_wild_ones(factor):
    table = morris_table(6)
    table["sigma"] *= factor
    figure = plot_morris(table, output="y")
    assert_nothing_is_clipped(figure)
    x, y = figure.axes[0].get_xlim()[1], figure.axes[0].get_ylim()[1]
    assert y >= table["sigma"].max()
    assert y >= 0.1 * x
    assert x >= 0.4 * y


def test_morris_draws_a_constant_output_and_effects_that_do_not_exist():
    table = morris_table(4).assign(mu=0.0, mu_star=0.0, sigma=0.0)
    table[["mu_star_low", "mu_star_high"]] = 0.0
    assert_nothing_is_clipped(plot_morris(table, output="y"))
    table.loc[1, ["mu", "mu_star", "sigma", "mu_star_low", "mu_star_high"]] = np.nan
    assert "undefined" in texts(plot_morris(table, output="y"))
    gone = table.assign(mu_star=np.nan, sigma=np.nan, mu_star_low=np.nan, mu_star_high=np.nan)
    assert texts(plot_morris(gone, output="y")).count("undefined") == 4


def test_effects_and_samples_that_were_dropped_are_stated():
    figure = plot_morris(morris_table(3), output="y")
    assert "up to 2 of 22 elementary effects dropped" in flat(figure)
    assert "dropped" not in texts(plot_morris(morris_table(3, n_dropped=0), output="y"))
    figure = plot_correlations(correlation_table(3), output="y")
    assert "50 of 1000 samples dropped" in flat(figure)
    assert "50 of 1000 base rows dropped" in flat(plot_second_order(second_table(3), output="y"))


def test_correlations_have_a_panel_a_coefficient_with_every_interval():
    table = correlation_table(3, ("prcc", "spearman"))
    figure = plot_correlations(table, output="y")
    assert [axes.get_xlabel() for axes in figure.axes] == ["Spearman [-]", "PRCC [-]"]
    for axes, coefficient in zip(figure.axes, ("spearman", "prcc"), strict=True):
        rows = table[table["coefficient"] == coefficient]
        expected = rows[["ci_low", "ci_high"]].to_numpy().tolist()
        np.testing.assert_allclose(sorted(intervals(axes)), sorted(expected))


@pytest.mark.parametrize("coefficients", [("pearson", "spearman"), ("src",)])
def test_correlations_are_sorted_by_the_size_of_spearman_or_of_the_first(coefficients):
    table = correlation_table(12, coefficients)
    axes = plot_correlations(table, output="y").axes[0]
    rows = table[table["coefficient"] == coefficients[-1]].set_index("input")["value"].abs()
    expected = rows.sort_values(ascending=False).index
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert [s for s in shown if len(s) < 5] == [e for e in expected if len(e) < 5]


def test_correlations_without_an_interval_or_value_and_beyond_one_are_drawn():
    table = correlation_table(3, ("src",))
    table.loc[0, ["value", "ci_low", "ci_high"]] = np.nan
    table.loc[1, ["ci_low", "ci_high"]] = np.nan
    table.loc[2, ["value", "ci_low", "ci_high"]] = 1.4, 1.3, 1.5
    figure = plot_correlations(table, output="y")
    assert "undefined" in texts(figure)
    assert figure.axes[0].get_xlim()[1] > 1.5


def test_an_interval_that_holds_zero_has_a_hollow_point():
    table = correlation_table(2, ("pearson",))
    table[["value", "ci_low", "ci_high"]] = [[0.5, 0.4, 0.6], [0.1, -0.1, 0.3]]
    axes = plot_correlations(table, output="y").axes[0]
    points = next(c for c in axes.collections if not isinstance(c, LineCollection))
    faces = points.get_facecolors()[:, :3].tolist()
    assert faces[1] == [1, 1, 1]
    assert faces[0] != [1, 1, 1]


def test_second_order_shows_the_largest_pairs_and_says_of_how_many():
    table = second_table(40)
    figure = plot_second_order(table, output="y")
    assert "15 largest of 780 pairs" in texts(figure)
    largest = table.sort_values("value", ascending=False)[:15]
    expected = sorted(largest[["ci_low", "ci_high"]].to_numpy().tolist())
    np.testing.assert_allclose(sorted(intervals(figure.axes[0])), expected)


@pytest.mark.parametrize(("n", "has_map"), [(2, False), (3, True), (12, True), (13, False)])
def test_second_order_has_a_map_of_3_to_12_inputs(n, has_map):
    figure = plot_second_order(second_table(n), output="y")
    assert any(axes.images for axes in figure.axes) == has_map
    assert ("index [-]" in [axes.get_ylabel() for axes in figure.axes]) == has_map


def test_the_map_holds_each_pair_once_below_the_diagonal():
    table = second_table(4)
    table["input"] = ["a:b", "a:c", "a:d", "b:c", "b:d", "d:c"]
    table["value"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    axes = next(a for a in plot_second_order(table, output="y").axes if a.images)
    drawn = np.ma.filled(axes.images[0].get_array(), np.nan)
    nan = np.nan
    expected = [[0.1, nan, nan], [0.2, 0.4, nan], [0.3, 0.5, 0.6]]
    np.testing.assert_array_equal(drawn, expected)


def test_second_order_ignores_other_indices_and_draws_undefined_ones():
    both = pd.concat([sobol_table(["a", "b"]), second_table(2)])
    assert "undefined" not in texts(plot_second_order(both, output="y"))
    nothing = second_table(3).assign(value=np.nan, ci_low=np.nan, ci_high=np.nan)
    assert texts(plot_second_order(nothing, output="y")).count("undefined") == 3
    ticks = plot_sobol(both, output="y").axes[0].get_yticklabels()
    assert [t.get_text() for t in ticks] == ["a", "b"]
    cases = both.assign(mesh="fine")
    figure = plot_estimates_by_case(cases, output="y", factor_columns=["mesh"])
    assert len(figure.axes) == 2


def test_failures_that_depend_on_inputs_are_beyond_a_line_and_counted():
    figure = plot_failures(failure_table(10))
    assert "failures depend on 1 of 10 inputs" in flat(figure)
    assert "p = 0.05" in texts(figure)
    assert "p < 10⁻¹⁶ is drawn as 10⁻¹⁶" in flat(figure)
    left, right = figure.axes[0].get_xlim()
    assert left > 1 > right  # the evidence grows to the right
    assert "failures depend" not in texts(plot_failures(failure_table(10), limit=1e-30))


def test_failures_without_a_test_are_undefined():
    table = failure_table(3).assign(p_value=np.nan, statistic=np.nan)
    assert "no test: no sample failed" in texts(plot_failures(table))
    table.loc[table.index[0], ["p_value", "statistic"]] = 0.5, 0.1
    figure = plot_failures(table)
    assert texts(figure).count("undefined") == 2
    assert_nothing_is_clipped(figure)


def exceedance_by_case(event="above", factor=1.0):
    rows = [("coarse", 0.2, 0.1, 0.3), ("fine", 0.05, 0.02, 0.1)]
    table = pd.DataFrame(rows, columns=["mesh", "value", "ci_low", "ci_high"])
    table[["value", "ci_low", "ci_high"]] *= factor
    return table.assign(event=event, threshold=1.5, n_used=90, n_dropped=10)


def test_exceedance_by_case_has_a_log_axis_for_rare_events_and_says_what_was_dropped():
    labels = {"label": "y", "unit": "m", "factor_columns": ["mesh"]}
    figure = plot_exceedance_by_case(exceedance_by_case(), **labels)
    assert "P(y > 1.5 m) [-]" in texts(figure)
    assert "up to 10 of 100 samples dropped" in flat(figure)
    assert figure.axes[0].get_yscale() == "linear"
    rare = plot_exceedance_by_case(exceedance_by_case("below", 0.01), **labels)
    assert "P(y < 1.5 m) [-]" in texts(rare)
    assert rare.axes[0].get_yscale() == "log"
    none = exceedance_by_case(factor=np.nan)
    assert "no sample has a value" in texts(plot_exceedance_by_case(none, **labels))
    assert_nothing_is_clipped(figure)


WARNED = {
    "distribution": lambda **k: plot_distribution(output(), label="y", unit="m", **k),
    "no value": lambda **k: plot_distribution(np.full(3, np.nan), label="y", **k),
    "cases": lambda **k: plot_distributions_by_case({"a": output()}, "y", **k),
    "sobol": lambda **k: plot_sobol(sobol_table(["a", "b"]), output="y", **k),
    "by case": lambda **k: plot_estimates_by_case(
        sobol_by_mesh(["a", "b"]), output="y", factor_columns=["mesh"], **k
    ),
    "morris": lambda **k: plot_morris(morris_table(3), output="y", **k),
    "correlations": lambda **k: plot_correlations(correlation_table(3), output="y", **k),
    "along the axis": lambda **k: plot_estimate_curves(
        sobol_table(["a", "b"]).assign(position=0),
        np.zeros(1),
        output="y",
        axis_label="x",
        **k,
    ),
    "exceedance": lambda **k: plot_exceedance(
        output(), 1.0, probability=(0.1, 0.05, 0.2), label="y", **k
    ),
    "exceedance by case": lambda **k: plot_exceedance_by_case(
        exceedance_by_case(), label="y", unit="m", factor_columns=["mesh"], **k
    ),
    "second": lambda **k: plot_second_order(second_table(3), output="y", **k),
    "failures": lambda **k: plot_failures(failure_table(3), **k),
}


@pytest.mark.parametrize("name", WARNED)
def test_a_warning_is_on_top_and_neither_clipped_nor_over_other_text(name):
    figure = WARNED[name](warning=f"{WARNING}; {LONG} and $x$ too")
    found = flat(figure)
    assert "\N{WARNING SIGN} failures depend on x1" in found
    assert_nothing_is_clipped(figure)
    if name != "failures":
        assert_no_texts_overlap(figure)
    assert "\N{WARNING SIGN}" not in texts(WARNED[name]())


def test_nothing_to_draw_is_said():
    empties = [
        plot_morris(morris_table(0), output="y"),
        plot_correlations(correlation_table(0), output="y"),
        plot_second_order(second_table(0), output="y"),
        plot_failures(failure_table(1)[:0]),
    ]
    assert all(texts(figure).startswith("no ") for figure in empties)


def test_a_single_input_is_drawn():
    figures = [
        plot_morris(morris_table(1), output="y"),
        plot_correlations(correlation_table(1), output="y"),
        plot_failures(failure_table(1)),
    ]
    for figure in figures:
        assert_nothing_is_clipped(figure)


def test_more_than_sixty_inputs_are_cut_and_counted():
    assert "first 60 of 70 inputs" in flat(plot_morris(morris_table(70), output="y"))
    figure = plot_correlations(correlation_table(70, ("src",)), output="y")
    assert "first 60 of 70 inputs" in flat(figure)
