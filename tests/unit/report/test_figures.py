import re

import numpy as np
import pytest
from figure_checks import (
    LONG,
    assert_nothing_is_clipped,
    input_names,
    intervals,
    output,
    sobol_by_mesh,
    sobol_table,
    texts,
)
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ensnare.report.figures.axes import levels_of
from ensnare.report.figures.distributions import (
    bin_edges,
    plot_distribution,
    plot_distributions_by_case,
)
from ensnare.report.figures.indices import plot_estimates_by_case, plot_sobol
from ensnare.report.figures.samples import MAX_POINTS, plot_cost, plot_scatter, plot_status, thin
from ensnare.report.figures.style import (
    PALETTE,
    axis_label,
    number,
    plain,
    plain_names,
    save,
)
from ensnare.report.figures.sweeps import plot_sweep


def scatter(n_inputs, n=200):
    rng = np.random.default_rng(1)
    names = input_names(n_inputs)
    units = dict.fromkeys(names, "W/(m K)")
    x = {name: rng.normal(7e10, 1e9, n) for name in names}
    return plot_scatter(x, output(n), units=units, output_label="deviation [m]")


def sweep():
    return plot_sweep(
        [1, 2, 4, 8] * 2,
        np.array([8, 4, np.nan, 1, 9, 5, 3, 2.0]),
        level_label="cores",
        output_label="time [s]",
        series=["coarse"] * 4 + [LONG] * 4,
        series_label="mesh",
    )


FIGURES = {
    "distribution": lambda: plot_distribution(output(), label=LONG, unit="W/(m K)"),
    "two cases": lambda: plot_distributions_by_case(
        {"mesh=coarse": output(), "mesh=fine": output()}, "deviation", "m"
    ),
    "thirty cases": lambda: plot_distributions_by_case(
        {LONG.format(i): output(n_failed=i) for i in range(30)}, LONG, "m"
    ),
    "sobol 3": lambda: plot_sobol(sobol_table(input_names(3), 4), output=LONG, title=LONG),
    "sobol 40": lambda: plot_sobol(sobol_table(input_names(40)), output="deviation"),
    "sobol by case 3": lambda: plot_estimates_by_case(
        sobol_by_mesh(input_names(3)), output=LONG, factor_columns=["mesh"]
    ),
    "sobol by case 40": lambda: plot_estimates_by_case(
        sobol_by_mesh(input_names(40), [LONG.format(i) for i in range(20)]),
        output="deviation",
        factor_columns=["mesh"],
    ),
    "scatter 3": lambda: scatter(3),
    "scatter 40": lambda: scatter(40),
    "scatter 1": lambda: plot_scatter({LONG: output()}, output() * 1e9, output_label=f"{LONG} [m]"),
    "sweep": sweep,
    "sweep of names": lambda: plot_sweep(
        [LONG.format(i) for i in range(5)],
        np.arange(5.0),
        level_label="precond",
        output_label=f"{LONG} [s]",
    ),
    "status": lambda: plot_status({"ok": 9876, "failed": 3, LONG: 1}),
    "cost": lambda: plot_cost(np.geomspace(1, 1000, 50)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(name):
    assert_nothing_is_clipped(FIGURES[name]())


@pytest.mark.parametrize("name", ["distribution", "two cases", "sobol 3", "scatter 3", "sweep"])
def test_two_saves_write_the_same_svg(name, tmp_path):
    figure = FIGURES[name]()
    svg, png = save(figure, tmp_path / "mesh=1.5")
    again, _ = save(figure, tmp_path / "again")
    anew, _ = save(FIGURES[name](), tmp_path / "anew")
    assert svg.read_bytes() == again.read_bytes() == anew.read_bytes()
    assert (svg.name, png.name) == ("mesh=1.5.svg", "mesh=1.5.png")
    assert b"<dc:date>" not in svg.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.part"))


def test_labels_contain_units():
    assert "deviation [m]" in texts(plot_distribution(output(), label="deviation", unit="m"))
    figure = plot_distributions_by_case({"a": output(), "b": output()}, "deviation", "m")
    assert "deviation [m]" in texts(figure)
    assert "[10⁹ W/(m K)]" in texts(scatter(3))
    assert "deviation [m]" in texts(scatter(3))
    assert "time [s]" in texts(sweep())
    assert "time per sample [s]" in texts(plot_cost(np.ones(3)))
    assert axis_label("n") == "n"


def test_distribution_states_what_was_dropped_and_marks_the_given_statistics():
    given = {"mean": 1.25, "q05": 0.5, "q95": 2.75, "std": 9.0}
    figure = plot_distribution(output(200, 10), given, label="y")
    assert "n = 190" in texts(figure)
    assert "10 of 200 samples dropped" in texts(figure)
    at = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert at == [0.5, 1.25, 2.75]


def test_distribution_without_a_value_says_so():
    figure = plot_distribution(np.full(3, np.nan), label="y", unit="m")
    assert "no sample has a value" in texts(figure)
    assert "3 of 3 samples dropped" in texts(figure)


@pytest.mark.parametrize("y", [np.zeros(5), np.array([2.0]), np.array([1.0, np.inf, 2.0])])
def test_distribution_draws_degenerate_outputs(y):
    assert isinstance(plot_distribution(y, label="y"), Figure)
    assert isinstance(plot_distributions_by_case({"a": y, "b": y[:0]}, "y"), Figure)


def test_a_far_value_does_not_flatten_the_histogram_and_is_counted():
    y = np.append(np.linspace(-1, 1, 999), 1e6)
    figure = plot_distribution(y, {"mean": 0.0}, label="y")
    assert "1 beyond the axis" in texts(figure)
    assert figure.axes[0].get_xlim()[1] < 10


@pytest.mark.parametrize("log", [False, True])
def test_bins_hold_every_value(log):
    y = np.random.default_rng(2).lognormal(0, 1, 1000)
    edges = bin_edges(y, float(y.min()), float(y.max()), log=log)
    assert np.histogram(y, edges)[0].sum() == 1000
    assert np.all(np.diff(edges) > 0)


def test_whole_numbers_have_one_bin_each():
    y = np.array([0.0, 1, 1, 2, 4])
    np.testing.assert_array_equal(bin_edges(y, 0, 4, log=False), np.arange(6) - 0.5)


def test_a_narrow_distribution_has_the_digits_that_tell_its_numbers_apart():
    y = 1e6 + np.linspace(-0.01, 0.01, 101)
    found = texts(plot_distribution(y, label="p", unit="Pa"))
    assert len(set(re.findall(r"(?:quantile|mean) (\S+) Pa", found))) == 3
    wide = plot_distribution(output(), {"mean": 1.23456}, label="p", unit="Pa")
    assert "mean 1.235 Pa" in texts(wide)


def test_cases_state_how_many_samples_each_has():
    figure = plot_distributions_by_case({"a": output(50, 3), "b": output(50, 0)}, "y")
    assert "n = 47 of 50" in texts(figure)
    assert "n = 50" in texts(figure)
    assert "3 of 100 samples dropped" in texts(figure)


def test_sobol_draws_each_interval_as_given():
    table = sobol_table(["E", "F", "I"])
    found = sorted(intervals(plot_sobol(table, output="y").axes[0]))
    np.testing.assert_allclose(found, sorted(table[["ci_low", "ci_high"]].to_numpy().tolist()))


def test_sobol_keeps_the_input_order_when_few_and_sorts_by_total_when_many():
    few = sobol_table(["c", "a", "b"]).iloc[::-1]
    ticks = [t.get_text() for t in plot_sobol(few, output="y").axes[0].get_yticklabels()]
    assert ticks == ["b", "a", "c"]
    many = sobol_table([f"x{i}" for i in range(12)]).iloc[::-1]
    ticks = [t.get_text() for t in plot_sobol(many, output="y").axes[0].get_yticklabels()]
    assert ticks == [f"x{i}" for i in range(12)]


def test_sobol_states_dropped_base_rows_only_when_there_are_any():
    table = sobol_table(["E", "F"], n_dropped=64)
    assert "64 of 1024 base rows dropped" in texts(plot_sobol(table, output="y"))
    assert "dropped" not in texts(plot_sobol(sobol_table(["E", "F"]), output="y"))
    figure = plot_estimates_by_case(sobol_by_mesh(["E", "F"]), output="y", factor_columns=["mesh"])
    assert "up to 1 of 1024 base rows dropped" in texts(figure)


def test_sobol_draws_undefined_indices_absent_intervals_and_absurd_ones():
    table = sobol_table(["E", "F", "I"])
    table.loc[table["input"] == "I", ["value", "ci_low", "ci_high"]] = np.nan
    table.loc[table["input"] == "F", ["ci_low", "ci_high"]] = np.nan
    table.loc[0, ["ci_low", "ci_high"]] = -40.0, 40.0
    figure = plot_sobol(table, output="y")
    assert "undefined" in texts(figure)
    assert "1 intervals reach beyond the axis" in texts(figure)
    assert figure.axes[0].get_xlim()[1] < 2


def test_sobol_draws_first_order_alone():
    table = sobol_table([f"x{i}" for i in range(10)])
    figure = plot_sobol(table[table["index"] == "first"], output="y")
    assert "total" not in texts(figure)


def test_sobol_by_case_has_a_panel_an_index_and_a_scale_by_the_levels():
    figure = plot_estimates_by_case(
        sobol_by_mesh(["E", "F"], [1, 10, 1000]), output="y", factor_columns=["mesh"]
    )
    first, total = figure.axes
    assert first.get_ylabel() == "first order index [-]"
    assert total.get_ylabel() == "total index [-]"
    assert total.get_xscale() == "log"
    two = sobol_by_mesh(["E", "F"]).assign(cores=4)
    joined = plot_estimates_by_case(two, output="y", factor_columns=["mesh", "cores"])
    assert "coarse, 4" in texts(joined)


def test_many_inputs_by_case_are_grey_but_counted():
    figure = plot_estimates_by_case(
        sobol_by_mesh([f"x{i}" for i in range(40)]), output="y", factor_columns=["mesh"]
    )
    assert "34 other inputs" in texts(figure)


def test_an_input_of_a_decade_and_more_is_drawn_where_it_lies_evenly():
    share = (np.arange(200) + 0.5) / 200
    laws = {
        "uniform": share,
        "uniform of a decade": 0.05 + share,
        "log-uniform": 100 ** (0.9 * share),
        "log-uniform of half a decade": 3**share,
        "with negative ones": share - 0.1,
    }
    figure = plot_scatter(laws, share, output_label="y")
    scales = [axes.get_xscale() for axes in figure.axes]
    assert scales == ["linear", "linear", "log", "linear", "linear"]


def test_points_of_few_cases_have_their_colours_and_none_lies_on_top():
    x = np.tile(np.linspace(0, 1, 50), 3)
    cases = {f"mesh={k}": slice(50 * k, 50 * k + 50) for k in range(3)}
    y = np.repeat([1.0, 2.0, 3.0], 50)
    y[0] = np.nan
    figure = plot_scatter({"x": x}, y, output_label="y", cases=cases)
    (points,) = figure.axes[0].collections
    at, colors = points.get_offsets()[:, 1], points.get_facecolor()[:, :3]
    for level, color in zip((1, 2, 3), PALETTE, strict=False):
        np.testing.assert_allclose(colors[at == level], [to_rgb(color)] * (49 + (level > 1)))
    assert np.any(np.diff(at) < 0)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(cases)
    many = {f"mesh={k}": slice(10 * k, 10 * k + 10) for k in range(15)}
    assert not plot_scatter({"x": x}, y, output_label="y", cases=many).legends


def test_scatter_thins_the_same_way_each_time_and_says_so():
    rows = np.arange(20_000)
    np.testing.assert_array_equal(thin(rows, MAX_POINTS), thin(rows, MAX_POINTS))
    assert thin(rows, MAX_POINTS).size == MAX_POINTS
    assert np.all(np.diff(thin(rows, MAX_POINTS)) > 0)
    x = np.linspace(0, 1, 6000)
    figure = plot_scatter({"x": x}, x, output_label="y")
    assert "5000 of 6000 points drawn" in texts(figure)
    assert len(figure.axes[0].collections[0].get_offsets()) == MAX_POINTS


def test_scatter_shows_failed_samples_at_their_inputs():
    x = np.array([0.1, 0.2, 0.3, 0.4])
    figure = plot_scatter({"x": x}, np.array([1, np.nan, 2, np.inf]), output_label="y")
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [0.2, 0.4])
    assert "2 of 4 samples failed (red ticks)" in texts(figure)


def test_scatter_has_one_panel_an_input():
    assert len(scatter(3).axes) == 3
    assert len(scatter(40).axes) == 40


def test_sweep_is_logarithmic_beyond_two_decades_and_categorical_for_names():
    y = np.array([1.0, 2.0, 3.0])
    labels = {"level_label": "cores", "output_label": "time [s]"}
    assert plot_sweep([1, 50, 100], y, **labels).axes[0].get_xscale() == "linear"
    assert plot_sweep([1, 10, 101], y, **labels).axes[0].get_xscale() == "log"
    names = plot_sweep(["a", True, 1], y, **labels).axes[0]
    assert [t.get_text() for t in names.get_xticklabels()] == ["a", "True", "1"]
    assert all(line.get_linestyle() == "None" for line in names.lines)


def test_sweep_joins_the_levels_in_order_and_states_failures():
    figure = plot_sweep(
        [4, 1, 2], np.array([1.0, 4.0, 2.0]), level_label="cores", output_label="time [s]"
    )
    line = next(x for x in figure.axes[0].lines if x.get_linestyle() == "-")
    assert list(line.get_xdata()) == [1, 2, 4]
    assert list(line.get_ydata()) == [4, 2, 1]
    assert "1 of 8 samples failed (red ticks)" in texts(sweep())


def test_status_counts_and_shares_are_written_and_empty_ones_left_out():
    found = texts(plot_status({"ok": 3, "failed": 1, "killed": 0}))
    assert "3 (75 %)" in found
    assert "1 (25 %)" in found
    assert "killed" not in found


def test_cost_is_logarithmic_beyond_a_decade():
    assert plot_cost(np.array([1.0, 2.0, 9.0])).axes[0].get_xscale() == "linear"
    assert plot_cost(np.array([1.0, 2.0, 11.0])).axes[0].get_xscale() == "log"
    assert "no time is known" in texts(plot_cost(np.array([np.nan])))
    assert "1 without a time" in texts(plot_cost(np.array([np.nan, 1.0])))


def test_names_that_differ_in_the_middle_stay_apart():
    names = [LONG.format(i) for i in range(40)]
    assert len(set(plain_names(names, 20))) == 40
    assert all(len(name) <= 20 for name in plain_names(names, 20))


def test_names_are_not_read_as_mathematics():
    figure = plot_distribution(output(), label="cost $a_b$ \\frac", unit="$")
    assert_nothing_is_clipped(figure)
    assert plain("a$b") == r"a\$b"


@pytest.mark.parametrize(
    ("value", "text"),
    [(10000, "10000"), (0.0123456, "0.01235"), (6.5e10, "6.5·10¹⁰"), (0, "0"), (1e-9, "1·10⁻⁹")],
)
def test_numbers_in_figures_have_four_digits(value, text):
    assert number(value) == text


def test_nothing_to_draw_is_said_and_no_error():
    table = sobol_table([])
    by_case = table.assign(mesh=[])
    labels = {"level_label": "mesh", "output_label": "y"}
    figures = [
        plot_sobol(table, output="y"),
        plot_estimates_by_case(by_case, output="y", factor_columns=["mesh"]),
        plot_sweep([], np.empty(0), **labels),
        plot_status({}),
        plot_cost(np.empty(0)),
    ]
    assert all(re.search("^no ", texts(figure), re.M) for figure in figures)
    assert plot_scatter({}, np.empty(0), output_label="y").axes
    assert plot_sweep(["a"], np.array([np.nan]), **labels).axes


@pytest.mark.parametrize(
    ("levels", "log"),
    [
        ([3000, 6000, 12000, 24000], True),
        ([1, 3, 10, 32], True),
        ([1, 1000], True),
        ([1, 2], False),
        ([1, 2, 3, 4], False),
        ([100, 110, 121], False),
        ([0, 1, 2, 4], False),
        ([1, 2, 4, 20], False),
    ],
)
def test_levels_in_a_geometric_progression_lie_on_a_logarithmic_axis(levels, log):
    assert levels_of(levels, "RE").log is log
