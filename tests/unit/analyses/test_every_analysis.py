"""Every analysis of a study, from the study file to figures and report."""

import math
import re

import h5py
import numpy as np
import openturns as ot
import pytest
from small_studies import evaluate, prepare, python, study_tree

from ensnare.analyses.failures import failure_warnings
from ensnare.analyses.tables import ANALYSES, write_table
from ensnare.archive.archive import write_archive
from ensnare.archive.results import open_study
from ensnare.archive.samples_csv import write_samples
from ensnare.errors import ConfigError
from ensnare.evaluate.forecast import count_samples
from ensnare.report import draw as figures
from ensnare.report.draw import draw_figures
from ensnare.report.figures.regimes import plot_regimes
from ensnare.report.figures.samples import plot_scatter
from ensnare.report.names import figure_names
from ensnare.report.page import render_report
from ensnare.report.sections import collect_report
from ensnare.store.outcome import Status
from ensnare.study.analyses import wanted_tables
from ensnare.study.loading import parse_study

ISHIGAMI = "ensnare.models.ishigami:ishigami"
PI = {"Uniform": {"a": -math.pi, "b": math.pi}}
# of Ishigami's function with a = 7, b = 0.1
FIRST = {"x1": 0.3139, "x2": 0.4424, "x3": 0.0}
SECOND = {"x1:x2": 0.0, "x1:x3": 0.2437, "x2:x3": 0.0}


def ishigami(method, analyses, **rest):
    tree = study_tree(python(ISHIGAMI, vectorized=True), **rest)
    tree["inputs"] = [{"name": f"x{i}", "distribution": PI} for i in (3, 1, 2)]
    return tree | {"design": method, "analyses": analyses}


MODEL = """
def model(a, b, c, k=1.0):
    if a > 0.8 and LIMITED:
        raise ValueError("no solution")
    y = k * (2 * a + b)
    return {"y": y, "u": [y * j + c for j in range(5)]}

LIMITED = False
"""


def linear(method, analyses, directory, *, fails=False, **rest):
    """Return a study of y = k (2 a + b) and of the curve u_j = y j + c; it may fail for large a."""
    (directory / "model.py").write_text(MODEL.replace("False", str(fails)))
    model = python("model.py:model", "y", "u")
    model["outputs"][0]["unit"] = "N"
    model["outputs"][1] |= {"shape": [5], "axis": {"name": "t", "unit": "s"}}
    tree = study_tree(model, inputs=("a", "c", "b"), **rest)
    return tree | {"design": method, "analyses": analyses}


def results_of(tree, directory):
    """Evaluate a study; return its results."""
    study, paths, _ = prepare(tree, directory)
    _, arrays = evaluate(tree, directory)
    write_archive(paths.archive, study, arrays)
    write_samples(paths.table("samples"), arrays, paths)
    return open_study(paths.archive)


def tables_of(results):
    """Return the tables of a study by name."""
    config = results.study
    wanted = wanted_tables(config)
    return {name: ANALYSES[name](results, **options) for name, options in wanted.items()}


def report_of(results, tables, processes=2):
    """Draw all figures and return the report."""
    files = {name: results.paths.table(name) for name in tables}
    for name, table in tables.items():
        write_table(table, files[name])
    draw_figures(results, files, processes=processes)
    for name in figure_names(results.study):
        assert (results.paths.figures / f"{name}.png").stat().st_size > 500
    return render_report(collect_report(results, files, results.paths.table("samples")))


def covers(row, truth):
    return row["ci_low"] - 1e-9 <= truth <= row["ci_high"] + 1e-9


@pytest.mark.parametrize("estimator", ["martinez", "jansen", "saltelli", "mauntz_kucherenko"])
def test_every_estimator_finds_first_and_second_order(tmp_path, estimator):
    method = {"method": "saltelli", "size": 1024, "second_order": True}
    tree = ishigami(method, [{"sobol": {"estimator": estimator}}])
    results = results_of(tree, tmp_path)
    assert len(results) == 1024 * 8
    table = tables_of(results)["sobol_indices"].set_index(["index", "input"])
    for name, share in FIRST.items():
        assert table.loc["first", name]["value"] == pytest.approx(share, abs=0.035)
    found = table.loc["second"]
    for pair, share in SECOND.items():
        one, other = pair.split(":")
        name = pair if pair in found.index else f"{other}:{one}"
        assert covers(found.loc[name], share)
        assert found.loc[name]["value"] == pytest.approx(share, abs=0.05)


def test_two_inputs_need_no_samples_of_their_own_for_second_order(tmp_path):
    """y = a b on [0, 1]^2: V = 7/144, V_a = V_b = 1/48, V_ab = 1/144."""
    (tmp_path / "model.py").write_text("def model(a, b):\n    return {'y': a * b}\n")
    tree = study_tree(python("model.py:model"), inputs=("a", "b"))
    tree |= {"design": {"method": "saltelli", "size": 1024, "second_order": True}}
    results = results_of(tree, tmp_path)
    assert len(results) == 1024 * 4
    table = tables_of(results)["sobol_indices"].set_index("index")
    assert table.loc["second"]["input"] == "a:b"
    assert table.loc["second"]["value"] == pytest.approx(1 / 7, abs=0.02)


def test_second_order_runs_only_what_it_adds(tmp_path):
    """The samples of first order are those of before, and the saltelli design stays nested."""
    plain = {"method": "saltelli", "size": 64}
    results_of(ishigami(plain, ["sobol"]), tmp_path)
    more = ishigami(plain | {"second_order": True}, ["sobol"])
    study, paths, batches = prepare(more, tmp_path)
    account = count_samples(study, batches, paths)
    assert (account.run, account.reused) == (64 * 3, 64 * 5)


def test_second_order_agrees_with_openturns(tmp_path):
    method = {"method": "saltelli", "size": 256, "second_order": True}
    tree = ishigami(method, [{"sobol": {"estimator": "saltelli"}}])
    results = results_of(tree, tmp_path)
    block, group = results.columns["block"], results.columns["group"]
    order = np.lexsort((group, block))  # A, B, E_i, C_i one below the other
    x, y = results.x[order], results.y[order]
    theirs = ot.SaltelliSensitivityAlgorithm(ot.Sample(x), ot.Sample(y), 256)
    table = tables_of(results)["sobol_indices"].set_index(["index", "input"])["value"]
    names = list(results.inputs)
    np.testing.assert_allclose(
        table.loc["first"][names], np.array(theirs.getFirstOrderIndices()), atol=1e-9
    )
    second = np.array(theirs.getSecondOrderIndices())
    for i in range(3):
        for j in range(i + 1, 3):
            pair = f"{names[i]}:{names[j]}"
            assert table.loc["second", pair] == pytest.approx(second[i, j], abs=1e-9)


def test_morris_effects_are_those_over_the_range_of_each_input(tmp_path):
    tree = linear({"method": "morris", "size": 10}, None, tmp_path)
    table = tables_of(results_of(tree, tmp_path))["morris"]
    table = table[table["output"] == "y"].set_index("input")
    for name, effect in {"a": 2.0, "b": 1.0, "c": 0.0}.items():
        row = table.loc[name]
        assert [row["mu"], row["mu_star"], row["n_used"]] == pytest.approx([effect, effect, 10])
        assert row["sigma"] == pytest.approx(0, abs=1e-9)


def test_any_sample_gives_correlations_ranks_and_exceedance(tmp_path):
    sure = {"confidence": 0.999}
    events = [{"output": "y", "above": 2.5, **sure}, {"output": "y", "below": 0.5, **sure}]
    analyses = [{"correlations": sure}, {"rank_sobol": sure}, {"exceedance": events}]
    tree = linear({"method": "monte_carlo", "size": 1000}, analyses, tmp_path)
    tables = tables_of(results_of(tree, tmp_path))
    found = tables["correlations"]
    found = found[found["output"] == "y"].set_index(["coefficient", "input"])
    for name, value in {"a": 0.8**0.5, "b": 0.2**0.5, "c": 0.0}.items():
        assert covers(found.loc["pearson", name], value)
    assert found.loc["pcc", "a"]["value"] == pytest.approx(1)
    ranks = tables["rank_sobol_indices"]
    ranks = ranks[ranks["output"] == "y"].set_index("input")
    for name, share in {"a": 0.8, "b": 0.2}.items():
        assert covers(ranks.loc[name], share)
    exceedance = tables["exceedance"].set_index("event")
    for event in ("above", "below"):  # 2 a + b > 2.5, and < 0.5: triangles of area 1/16
        assert covers(exceedance.loc[event], 1 / 16)
    assert set(exceedance["output"]) == {"y"}


def test_statistics_of_a_pick_freeze_design_use_blocks_a_and_b(tmp_path):
    analyses = ["correlations", "rank_sobol", {"exceedance": {"output": "y", "above": 2.5}}]
    tree = linear({"method": "saltelli", "size": 64}, analyses, tmp_path)
    tables = tables_of(results_of(tree, tmp_path))
    for name in ("correlations", "rank_sobol_indices", "exceedance", "failures"):
        assert set(tables[name]["n_used"]) == {128}


@pytest.mark.slow
def test_failures_that_depend_on_an_input_are_said_everywhere(tmp_path):
    tree = linear({"method": "monte_carlo", "size": 400}, ["statistics"], tmp_path, fails=True)
    results = results_of(tree, tmp_path)
    tables = tables_of(results)
    found = tables["failures"].set_index("input")
    assert found.loc["a"]["p_value"] < 1e-6 < 0.05 < found.loc["b"]["p_value"]
    assert set(tables["statistics"]["note"]) == {tables["statistics"]["note"].iloc[0]}
    assert "depend on a (p = " in tables["statistics"]["note"].iloc[0]
    page = report_of(results, tables)
    assert "Warning: failures are not random, they depend on a (p = " in page
    causes = page[page.index("Failures by cause") :]
    cells = re.findall(r"<td.*?>(.*?)</td>", causes[: causes.index("</table>")], re.DOTALL)
    assert cells[:2] == ["error", "\N{EN DASH}"]  # a function has no exit code
    assert re.search("sample [0-9a-f]{20}", cells[-1])


@pytest.mark.slow
def test_cases_whose_failures_depend_on_the_same_input_share_one_warning(tmp_path):
    design = {"method": "saltelli", "size": 64}
    sweep = {"k": [1, 2, 3, 4, 5]}
    tree = linear(design, ["sobol"], tmp_path, fails=True, sweep=sweep)
    results = results_of(tree, tmp_path)
    page = report_of(results, tables_of(results))
    (warning,) = set(re.findall("Warning: (.*)</p>", page))
    assert warning.startswith(
        "cases k=1, k=2, k=3 and 2 more: failures are not random, they depend"
    )
    bound = float(re.search(r"on a \(p \u2264 (\S+)\)", warning)[1])
    table = tables_of(results)["failures"]
    largest = table[table["input"] == "a"]["p_value"].max()
    assert largest <= bound <= 10 * largest
    (dropped,) = {line for line in re.findall(r">(.*) dropped</p>", page) if "k = 3" in line}
    assert re.fullmatch(r"y, u, k = 3: \d+ of 64 base rows", dropped)


@pytest.mark.slow
def test_factors_have_units_in_figures_and_report_and_stating_them_runs_nothing(
    tmp_path, monkeypatch
):
    labels = {}
    for name, key in (
        ("plot_exceedance_by_case", "factor_columns"),
        ("plot_estimates_by_case", "factor_columns"),
    ):
        draw = getattr(figures, name)
        monkeypatch.setattr(
            figures,
            name,
            lambda *a, draw=draw, name=name, key=key, **k: (
                labels.update({name: k[key]}) or draw(*a, **k)
            ),
        )
    analyses = ["sobol", {"exceedance": {"output": "y", "above": 2.5}}]
    sweep = {"k": [1, 2, 3]}
    tree = linear({"method": "saltelli", "size": 8}, analyses, tmp_path, sweep=sweep)
    evaluate(tree, tmp_path)
    tree["units"] = {"k": "Ohm"}
    study, paths, batches = prepare(tree, tmp_path)
    assert count_samples(study, batches, paths).run == 0
    results = results_of(tree, tmp_path)
    page = report_of(results, tables_of(results), processes=1)
    assert list(labels.values()) == [["k [Ohm]"]] * 2
    assert '<th scope="row">k [Ohm]</th>' in page
    with h5py.File(results.paths.archive) as file:
        assert file["cases/k"].attrs["units"] == "Ohm"


def test_a_map_over_two_factors_has_their_units(tmp_path, monkeypatch):
    drawn = []
    draw = plot_regimes
    monkeypatch.setattr(
        figures, "plot_regimes", lambda x, *a, **k: drawn.append(x) or draw(x, *a, **k)
    )
    (tmp_path / "model.py").write_text("def model(k, m):\n    return k * m\n")
    tree = {"study": "small", "model": python("model.py:model"), "units": {"k": "mm", "m": "kg"}}
    tree["sweep"] = {"k": [1, 2], "m": [1, 2, 3]}
    results = results_of(tree, tmp_path)
    report_of(results, tables_of(results), processes=1)
    assert [list(axes) for axes in drawn] == [["k [mm]", "m [kg]"]]


def test_samples_that_were_not_run_are_no_failures(tmp_path, monkeypatch):
    tree = linear({"method": "monte_carlo", "size": 400}, ["statistics"], tmp_path)
    results = results_of(tree, tmp_path)
    idle = results.inputs["a"] > 0.5
    results.status[idle] = Status.NOT_RUN
    results.outputs["y"][idle] = np.nan
    assert failure_warnings(results) == []
    assert set(tables_of(results)["failures"]["n_used"]) == {np.sum(~idle)}
    drawn = []
    monkeypatch.setattr(
        figures,
        "plot_scatter",
        lambda x, y, draw=plot_scatter, **k: drawn.append((x, y, k)) or draw(x, y, **k),
    )
    report_of(results, tables_of(results), processes=1)
    ((x, y, k),) = drawn
    np.testing.assert_array_equal(x["a"], results.inputs["a"][~idle])
    np.testing.assert_array_equal(y, results.outputs["y"][~idle])
    assert k["cases"] == {"": slice(0, len(y))}


@pytest.mark.slow
def test_figures_warn_of_failures_that_depend_on_an_input(tmp_path, monkeypatch):
    warnings = {}
    for name in ("plot_distribution", "plot_curves", "plot_sobol", "plot_correlations"):
        draw = getattr(figures, name)
        monkeypatch.setattr(
            figures,
            name,
            lambda *a, draw=draw, name=name, **k: (
                warnings.update({name: k["warning"]}) or draw(*a, **k)
            ),
        )
    tree = linear(
        {"method": "monte_carlo", "size": 400}, ["rank_sobol", "correlations"], tmp_path, fails=True
    )
    results = results_of(tree, tmp_path)
    report_of(results, tables_of(results), processes=1)
    assert len(warnings) == 4
    assert all("they depend on a (p = " in text for text in warnings.values())


def test_random_failures_are_no_warning(tmp_path):
    tree = linear({"method": "monte_carlo", "size": 200}, ["statistics"], tmp_path)
    results = results_of(tree, tmp_path)
    results.status[::20] = 1
    tables = tables_of(results)
    assert set(tables["statistics"]["note"]) == {""}
    assert set(tables["failures"]["n_failed"]) == {10}
    assert "not random" not in report_of(results, tables)


def test_of_a_morris_design_a_trajectory_is_what_fails(tmp_path):
    tree = linear({"method": "morris", "size": 40}, ["morris"], tmp_path)
    results = results_of(tree, tmp_path)
    results.status[[0, 1, 9]] = 1
    table = tables_of(results)["failures"]
    assert set(table["n_failed"]) == {2}
    assert set(table["n_used"]) == {40}


WITH_ALL = ["statistics", "correlations", "rank_sobol", {"exceedance": {"output": "y", "above": 2}}]


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [{}, {"k": [1, 2]}, {"k": {1: {}, 2: {"m": [3, 4]}}}])
@pytest.mark.parametrize(
    ("method", "analyses"),
    [
        ({"method": "saltelli", "size": 32, "second_order": True}, [*WITH_ALL, "sobol"]),
        ({"method": "morris", "size": 8}, ["morris"]),
        ({"method": "composite"}, None),
    ],
)
def test_every_figure_is_drawn_with_and_without_a_sweep(tmp_path, method, analyses, sweep):
    tree = linear(method, analyses, tmp_path, fails=True, sweep=sweep)
    results = results_of(tree, tmp_path)
    page = report_of(results, tables_of(results))
    assert page.count("<figure") == len(figure_names(results.study))
    assert not re.search(r"\bnan\b", page)


def test_what_stops_a_process_that_draws_is_said(tmp_path):
    tree = linear({"method": "monte_carlo", "size": 20}, ["statistics"], tmp_path)
    results = results_of(tree, tmp_path)
    tables = tables_of(results)
    results.paths.figures.mkdir()
    name = str(figure_names(results.study)[1])
    (results.paths.figures / f"{name}.svg").mkdir()  # where a file is to be
    with pytest.raises(OSError, match=name):
        report_of(results, tables)


@pytest.mark.parametrize(
    ("method", "analyses", "words"),
    [
        ("composite", ["statistics"], "statistics needs one of the designs monte_carlo"),
        ("composite", ["rank_sobol"], "rank_sobol needs one of the designs monte_carlo"),
        ("composite", ["sobol"], "sobol needs the design saltelli; found composite"),
        ("composite", ["morris"], "morris needs the design morris; found composite"),
        ("table", [{"exceedance": {"output": "z", "above": 1}}], "exceedance[0]: no output 'z'"),
        ("table", [{"exceedance": {"output": "u", "above": 1}}], "'u' is an array"),
        ("table", [{"exceedance": {"output": "y"}}], "either above or below"),
    ],
)
def test_an_analysis_that_the_samples_do_not_allow_is_refused(tmp_path, method, analyses, words):
    rest = {"file": "t.csv"} if method == "table" else {}
    with pytest.raises(ConfigError, match=words.replace("[", r"\[").replace("]", r"\]")):
        parse_study(linear({"method": method, **rest}, analyses, tmp_path))


def test_second_order_of_one_input_is_refused():
    tree = study_tree(python(ISHIGAMI), inputs=("x1",))
    tree |= {"design": {"method": "saltelli", "size": 8, "second_order": True}}
    with pytest.raises(ConfigError, match="second_order: found one uncertain input"):
        parse_study(tree)


def test_labels_are_names_of_values_and_rerun_nothing(tmp_path):
    """They change no batch; the diagram shows them in their order."""
    (tmp_path / "model.py").write_text("def model(a, b):\n    return {'y': float(a > b)}\n")
    tree = study_tree(python("model.py:model"), sweep={"a": [1, 2, 3], "b": [1, 2]})
    tree = {k: v for k, v in tree.items() if k not in ("inputs", "design")}
    _, _, before = prepare(tree, tmp_path)
    tree["model"]["outputs"] = [{"name": "y", "labels": {0: "below", 1.0: "above"}}]
    results = results_of(tree, tmp_path)
    assert [b.key for b in prepare(tree, tmp_path)[2]] == [b.key for b in before]
    assert results.study.model.outputs[0].labels == {"0": "below", "1": "above"}
    assert [str(name) for name in figure_names(results.study)] == ["regimes_y", "status", "cost"]
    report_of(results, {})
