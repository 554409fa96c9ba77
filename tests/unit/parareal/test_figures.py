"""Figures and report of parareal studies of all shapes, from their archives."""

import numpy as np
import pytest
from parareal_studies import EXACT, RK4, load, parareal_tree, results_paths, solve

from ensnare.analyses.tables import write_table
from ensnare.parareal.archive import open_parareal, write_parareal_archive
from ensnare.parareal.archive import parareal_tree as pickled
from ensnare.parareal.draw import draw_parareal_figures
from ensnare.parareal.figures import plot_iterations, plot_maxdif
from ensnare.parareal.problem import components
from ensnare.parareal.report import parareal_report
from ensnare.parareal.results import collect_cases
from ensnare.report.names import drawn_cases, figure_names
from ensnare.report.page import render_report
from ensnare.store.pickles import read_pickle, write_pickle

SWEEPS = {
    "no factor": None,
    "one factor": {"zeta": [0.2, 0.9]},
    "one factor of texts": {"kind": ["slow", "fast"]},
    "two factors": {"zeta": [0.9, 0.2, 0.5], "kind": ["slow", "fast"]},
    "three factors": {"zeta": [0.2, 0.9], "omega0": [1, 4], "kind": ["slow", "fast"]},
}
SLOPE = """
import numpy as np
def slope(t, y, zeta=0.5, omega0=1, kind="slow"):
    w = omega0 * (3 if kind == "fast" else 1)
    return np.array([y[1], -2 * zeta * w * y[1] - w**2 * y[0]])
"""


def gathered(tree, directory):
    """Solve a study and write its archive; return it as it is read back."""
    solve(tree, directory)
    paths, study = results_paths(directory), load(tree, directory)
    cases = collect_cases(study, paths)
    write_parareal_archive(paths.archive, study, components(study.config.parareal), cases)
    write_pickle(paths.pickle, pickled(components(study.config.parareal), cases))
    return open_parareal(paths.archive), cases


SHORT = ("no factor", "two factors")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [k if k in SHORT else pytest.param(k, marks=pytest.mark.full) for k in SWEEPS]
)
def test_a_study_of_any_sweep_has_all_figures_and_a_report(tmp_path, kind):
    (tmp_path / "own.py").write_text(SLOPE)
    tree = parareal_tree(points=5, rhs={"call": "own.py:slope"}, fine={**RK4, "steps": 20})
    tree["sweep"] = SWEEPS[kind]
    tree = {key: value for key, value in tree.items() if value}
    results, _ = gathered(tree, tmp_path)
    draw_parareal_figures(results)
    names = figure_names(results.study)
    assert (names[0].kind == "iterations") == (kind != "no factor")
    for name in names:
        assert (results.paths.figures / f"{name}.svg").stat().st_size > 1000
        assert (results.paths.figures / f"{name}.png").stat().st_size > 1000
    table = results.paths.table("parareal")
    write_table(results.table(), table)
    page = render_report(parareal_report(results, table))
    assert page.count("<figure>") == len(names)
    assert ">nan<" not in page
    for text in ("in 4 slices", "q = 1, p = 0", "euler, 1 step in a slice", "Speed-up"):
        assert text in page


@pytest.mark.slow
def test_one_slice_is_a_study_too(tmp_path):
    results, _ = gathered(parareal_tree(points=2, serial=True), tmp_path)
    (case,) = results.cases
    assert (case.iterations, case.fine_solves, case.converged) == (1, 1, False)
    np.testing.assert_array_equal(case.trajectory, case.serial)
    draw_parareal_figures(results)
    assert results.table()["jump"].tolist() == [0]


@pytest.mark.slow
def test_the_archive_holds_what_came_of_every_case(tmp_path):
    tree = parareal_tree((0.2, 0.9), points=6, serial=True, exact=EXACT)
    results, cases = gathered(tree, tmp_path)
    assert results.components == ("q", "p")
    assert results.study.parareal.tolerance == 1e-4
    pickled_cases = read_pickle(results.paths.pickle)["cases"]
    for found, case, other in zip(results.cases, cases, pickled_cases, strict=True):
        assert (found.case, found.key, found.iterations) == (case.case, case.key, case.iterations)
        for name in (
            "t",
            "y",
            "maxdif",
            "fine_s",
            "jumps",
            "time",
            "trajectory",
            "serial",
            "exact",
        ):
            np.testing.assert_array_equal(getattr(found, name), getattr(case, name))
            np.testing.assert_array_equal(other[name], getattr(case, name))
        needed = np.isfinite(found.fine_s)
        assert needed.sum() == found.fine_solves
        for k in range(found.iterations):
            np.testing.assert_array_equal(needed[k], np.arange(5) >= k)


@pytest.mark.slow
def test_the_table_says_iterations_errors_and_speedups_of_every_case(tmp_path):
    results, cases = gathered(parareal_tree((0.2, 0.9), points=6, serial=True), tmp_path)
    table = results.table()
    assert table["zeta"].tolist() == [0.2, 0.9]
    assert table["iterations"].tolist() == [case.iterations for case in cases]
    assert table["fine_solves"].tolist() == [case.fine_solves for case in cases]
    np.testing.assert_allclose(table["speedup_bound"], [5 / case.iterations for case in cases])
    assert table["error_exact"].isna().all()
    for row, case in zip(table.itertuples(), cases, strict=True):
        at_points = case.serial[case.rows]
        assert row.error_serial == np.abs(case.y[-1] - at_points).max()
        slowest = sum(np.nanmax(times) for times in case.fine_s)
        serial = [case.fine_s[: i + 1, i][-1] for i in range(5)]
        expected = sum(serial) / (slowest + case.coarse_s.sum())
        assert row.speedup_measured == pytest.approx(expected)


@pytest.mark.slow
def test_wall_clock_speedup_is_known_for_a_case_that_ran_alone_without_interruption(tmp_path):
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    both.mkdir()
    assert gathered(parareal_tree(points=4), alone)[0].table()["speedup_wall"].notna().all()
    results, _ = gathered(parareal_tree((0.2, 0.9), points=4), both)
    assert results.table()["speedup_wall"].isna().any()


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_heat_map_writes_iterations_and_brackets_what_ended_only_when_exact():
    figure = plot_iterations(
        ["a", "b", "a"], [2, 1, 1], [3, 7, 5], [False, True, False], x_label="x", y_label="y"
    )
    assert sorted(texts_of(figure)) == ["(7)", "3", "5"]
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1", "2"]  # in rising order
    at = {text.get_text(): text.get_position() for text in axes.texts}
    assert at["3"] == (0.5, 1.5)
    assert at["(7)"] == (1.5, 0.5)


def test_the_convergence_figure_has_a_line_for_each_case_and_one_for_the_tolerance():
    curves = [np.array([1.0, 1e-2, 1e-5]), np.array([3.0]), np.array([2.0, 0.0])]
    figure = plot_maxdif(curves, [True, False, True], [1, 2, 1], tolerance=1e-4)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [line.get_ydata()[0] for line in lines] == [1, 3, 2, 1e-4]
    assert "1 of 3 cases" in figure.get_suptitle()


def test_cases_that_get_a_figure_are_spread_over_the_sweep():
    assert drawn_cases(1) == [0]
    assert drawn_cases(3) == [0, 1, 2]
    assert drawn_cases(36) == [0, 12, 23, 35]
