from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensnare.analyses.failures import failure_table
from ensnare.analyses.groups import pick_freeze_table
from ensnare.analyses.tables import sobol_table, statistics_table
from ensnare.archive.results import StudyResults
from ensnare.report.draw import draw_figures
from ensnare.report.names import figure_names
from ensnare.report.page import render_report
from ensnare.report.section_tables import distribution_text, failures_by_cause
from ensnare.report.sections import collect_report
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import parse_study

N, D = 400, 3
UNIFORM = {"Uniform": {"a": 0, "b": 1}}


def study(**changes):
    tree = {
        "study": "made",
        "inputs": [{"name": n, "unit": "m", "distribution": UNIFORM} for n in ("a", "b", "c")],
        "design": {"method": "saltelli", "size": N},
        "model": {"command": ["x"], "outputs": [{"name": "y", "unit": "N", "regex": "(.*)"}]},
    }
    return parse_study(tree | changes)


def made(config, paths, failed=()):
    """Return results of y = k (2 a + b), all samples of a pick-freeze design in every case."""
    rng = np.random.default_rng(0)
    base = rng.random((N, 2 * D))
    x = np.repeat(base[:, None, :D], D + 2, axis=1)
    x[:, 1] = base[:, D:]
    for i in range(D):
        x[:, 2 + i, i] = base[:, D + i]
    x = x.reshape(-1, D)
    levels = config.sweep.get("k", [1])
    rows = len(x) * len(levels)
    x = np.tile(x, (len(levels), 1))
    k = np.repeat(np.array(levels, float), rows // len(levels))
    y = k * (2 * x[:, 0] + x[:, 1])
    status = np.zeros(rows, np.uint8)
    status[list(failed)] = 1
    y[status > 0] = np.nan
    per_case = np.arange(rows) % (N * (D + 2))
    columns = {
        "sample_id": np.char.zfill(np.arange(rows).astype("S"), 20),
        "design_row": per_case,
        "exit_code": np.where(status, 3, 0).astype(np.int32),
        "elapsed_s": rng.lognormal(size=rows),
        "attempts": np.ones(rows, np.uint16),
        "block": (per_case % (D + 2)).astype(np.int32),
        "group": (per_case // (D + 2)).astype(np.int32),
    }
    attributes = {
        "seed": 0,
        "git": "",
        "versions": {"python": "3"},
        "host": {"host": "h", "platform": "p"},
    }
    return StudyResults(
        paths=paths,
        study=config,
        inputs=dict(zip("abc", x.T, strict=True)),
        outputs={"y": y},
        cases={"k": k} if "k" in config.sweep else {},
        status=status,
        columns=columns,
        attributes=attributes,
    )


@pytest.fixture
def paths(tmp_path):
    return StudyPaths(tmp_path / "results/made")


def test_sobol_table_has_the_shares_of_a_sum(paths):
    table = sobol_table(made(study(), paths), estimator="martinez", confidence=0.95).set_index(
        ["input", "index"]
    )
    for name, share in {"a": 0.8, "b": 0.2, "c": 0.0}.items():
        for kind in ("first", "total"):
            row = table.loc[name, kind]
            assert row["ci_low"] - 1e-9 <= share <= row["ci_high"] + 1e-9
    assert list(table.reset_index().columns[:4]) == ["input", "index", "output", "position"]
    assert set(table["n_used"]) == {N}


def test_a_failed_sample_drops_its_whole_base_row_in_its_case_only(paths):
    config = study(sweep={"k": [1, 2]})
    table = sobol_table(
        made(config, paths, failed=[0, 1, 7]), estimator="martinez", confidence=0.95
    )
    assert set(table.loc[table["k"] == 1, "n_dropped"]) == {2}
    assert set(table.loc[table["k"] == 2, "n_dropped"]) == {0}


def test_statistics_count_only_the_independent_blocks(paths):
    table = statistics_table(made(study(), paths), confidence=0.95).set_index("statistic")
    assert set(table["n_used"]) == {2 * N}
    row = table.loc["mean"]
    assert row["ci_low"] <= 1.5 <= row["ci_high"]
    assert list(table.reset_index().columns) == [
        "statistic", "output", "position", "value", "ci_low", "ci_high", "n_used", "n_dropped",
        "note",
    ]  # fmt: skip


def test_pick_freeze_table_puts_each_sample_in_its_place():
    block, group = np.array([1, 0, 0, 1]), np.array([0, 1, 0, 1])
    table = pick_freeze_table(np.array([10.0, 1, 0, 11]), block, group)
    np.testing.assert_array_equal(table, [[0, 10], [1, 11]])


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [{}, {"k": [1, 2, 4]}])
def test_every_figure_is_drawn_and_the_report_shows_it(paths, sweep):
    config = study(sweep=sweep)
    results = made(config, paths, failed=range(20))
    paths.root.mkdir(parents=True)
    paths.archive.touch()
    tables = {
        "statistics": paths.table("statistics"),
        "sobol_indices": paths.table("sobol_indices"),
    }
    tables["failures"] = paths.table("failures")
    failure_table(results).to_csv(tables["failures"], index=False)
    statistics_table(results, confidence=0.95).to_csv(tables["statistics"], index=False)
    sobol_table(results, estimator="martinez", confidence=0.95).to_csv(
        tables["sobol_indices"], index=False
    )
    samples = write_samples(paths, results)
    draw_figures(results, tables)
    for name in figure_names(config):
        assert (paths.figures / f"{name}.svg").stat().st_size > 500
        assert (paths.figures / f"{name}.png").stat().st_size > 500
    page = render_report(collect_report(results, tables, samples))
    assert page.count("<figure") == len(figure_names(config))
    assert "base rows dropped" in page
    assert "Uniform(a=0, b=1)" in page


def write_samples(paths, results):
    frame = pd.DataFrame({"status": np.where(results.status, "failed", "ok")})
    frame["id"] = [f"{i:020x}" for i in range(len(frame))]
    frame["exit_code"] = results.columns["exit_code"]
    frame["message"] = [f"no root below {i}.5" if s else "" for i, s in enumerate(results.status)]
    frame["directory"] = ""
    frame.to_csv(paths.table("samples"), index=False)
    return paths.table("samples")


def test_failures_that_differ_only_in_numbers_are_one_cause(paths):
    paths.root.mkdir(parents=True)
    results = made(study(), paths, failed=[3, 5, 9])
    table = failures_by_cause(results, write_samples(paths, results))
    assert table[["status", "exit_code", "count"]].to_numpy().tolist() == [["failed", 3, 3]]
    assert table["message"].tolist() == ["no root below 3.5"]
    assert table["directory"].tolist() == ["sample 00000000000000000003"]  # nothing was kept


def test_a_study_without_failures_has_no_table_of_causes(paths):
    assert failures_by_cause(made(study(), paths), Path("not read")) is None


def test_distributions_read_as_text():
    gumbel = {"Gumbel": {"beta": 558, "gamma": 1013}}
    histogram = {"Histogram": {"first": 0, "width": [1, 2], "height": [1, 1]}}
    config = study(
        inputs=[
            {"name": "a", "distribution": gumbel, "truncate": [500, None]},
            {"name": "b", "distribution": histogram},
            {"name": "c", "value": 3.5},
        ],
    )
    assert [distribution_text(i) for i in config.inputs] == [
        "Gumbel(beta=558, gamma=1013) on [500, inf]",
        "Histogram(first=0, width=[1, 2], height=[1, 1])",
        "constant 3.5",
    ]
