"""What users and other programs rely on: dry runs, growth, modules, failures, reports."""

import csv
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, announced, awk_study, environment


def test_a_dry_run_lists_the_batches_before_any_design_exists(snakemake, tmp_path):
    done = snakemake("-n", study=awk_study(9000))
    assert done.code == 0
    assert done.job_counts()["evaluate"] == 2
    assert announced(done.text) == (9000, 0)
    assert not (tmp_path / "results").exists()


def test_the_readme_study_runs_as_printed(snakemake, tmp_path):
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert readme[: block.end()].count("\n") < 40
    assert block[1].count("\n") <= 12
    path = tmp_path / "study.yaml"
    path.write_text(block[1])
    done = snakemake(study=path)
    assert done.code == 0, done.text
    y = h5py.File(tmp_path / "results/cantilever/archive.h5")["outputs/y"][:]
    assert np.isfinite(y).all()
    assert 0.15 < y.mean() < 0.2


def test_results_of_another_directory(snakemake, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = snakemake("--directory", elsewhere, study=awk_study(10))
    assert done.code == 0, done.text
    assert (elsewhere / "results/small/archive.h5").exists()
    assert not (tmp_path / "results").exists()


def test_values_from_the_command_line_replace_those_of_the_file(snakemake):
    done = snakemake("-n", "--config", "design={size: 7}", "seed=3", study=awk_study(10))
    assert announced(done.text) == (7, 0)


def test_growing_runs_the_new_samples_and_reordering_none(snakemake, tmp_path):
    log = tmp_path / "starts"
    study = awk_study(300, keep="none")
    study["model"]["command"] = [
        ["awk", f'BEGIN {{print "x" >> "{log}"; print 3 * ${{a}} + ${{b}}}}']
    ]
    assert snakemake(study=study).code == 0
    assert len(log.read_text().splitlines()) == 300

    study["design"]["size"] = 450
    assert announced(snakemake("-n", study=study).text) == (150, 300)
    assert snakemake(study=study).code == 0
    assert len(log.read_text().splitlines()) == 450

    study["inputs"].reverse()
    study["title"] = "Another title"
    study["timeout"] = "1 min"
    study["model"]["outputs"][0]["range"] = [0.5, 10]
    dry = snakemake("-n", study=study)
    assert announced(dry.text) == (0, 450)
    assert "evaluate" not in dry.job_counts()
    assert snakemake(study=study).code == 0
    assert len(log.read_text().splitlines()) == 450
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        assert json.loads(file.attrs["study"])["inputs"][0]["name"] == "b"
        a, b, y = (file[n][:] for n in ("inputs/a", "inputs/b", "outputs/y"))
        low = 3 * a + b < 0.5
        np.testing.assert_array_equal(file["status"][:] == 4, low)
    assert low.any()
    np.testing.assert_allclose(y[~low], (3 * a + b)[~low], rtol=1e-5)

    study["sweep"] = {"k": [1, 2]}
    study["defaults"] = {"k": 1}
    step = study["model"]["command"][0]
    step[1] = step[1].replace("3 *", "${k} * 3 *")
    assert announced(snakemake("-n", study=study).text) == (900, 0)  # the command is another
    step[1] = step[1].replace("${k} * 3 *", "3 *")
    study["model"]["environment"] = {"set": {"K": "${k}"}}
    assert announced(snakemake("-n", study=study).text) == (450, 450)
    assert snakemake(study=study).code == 0
    assert len(log.read_text().splitlines()) == 900
    assert "Nothing to be done" in snakemake(study=study).text


def test_what_a_changed_study_leaves_is_told_and_removed_on_request(snakemake, tmp_path):
    study = awk_study(10)
    outputs = study["model"]["outputs"]
    study["model"]["outputs"] = [*outputs, {"name": "z", "regex": "(.).*"}]
    done = snakemake(study=study)
    assert done.code == 0, done.text
    assert "are left" not in done.text
    study["model"]["outputs"] = outputs
    done = snakemake(study=study)
    assert done.code == 0, done.text
    told = "4 files of figures and tables are left of earlier versions of the study; ensnare clean"
    assert told in done.text
    command = [sys.executable, "-m", "ensnare", "clean", "results/small"]
    gone = subprocess.check_output(command, cwd=tmp_path, env=environment(tmp_path), text=True)
    figures = {
        f"{kind}_z.{suffix}" for kind in ("distribution", "scatter") for suffix in ("svg", "png")
    }
    assert set(gone.split()) == {f"results/small/figures/{name}" for name in figures}
    assert "Nothing to be done" in snakemake(study=study).text
    assert not list((tmp_path / "results/small/figures").glob("*_z.*"))


MODULES = """
configfile: "mine.yaml"

module one:
    snakefile: "{root}/workflow/Snakefile"
    config: config["one"]

module two:
    snakefile: "{root}/workflow/Snakefile"
    config: config["two"]

use rule * from one as one_*
use rule * from two as two_*

rule everything:
    input: rules.one_all.input, rules.two_all.input
    default_target: True
"""


def test_two_studies_as_modules_of_another_workflow(snakemake, tmp_path):
    one = awk_study(5, study="first")
    two = awk_study(6, study="second")
    two["inputs"][0]["distribution"] = {"Uniform": {"a": "65e9", "b": "75e9"}}
    text = {"one": one, "two": two}
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe").dump(text, file)
    # unquoted: a text for Snakemake's reader, a number for YAML 1.2
    content = (
        (tmp_path / "mine.yaml").read_text().replace("'65e9'", "65e9").replace("'75e9'", "75e9")
    )
    (tmp_path / "mine.yaml").write_text(content)
    (tmp_path / "Snakefile").write_text(MODULES.format(root=ROOT))
    done = snakemake(snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    with h5py.File(tmp_path / "results/first/archive.h5") as file:
        assert len(file["status"]) == 5
    with h5py.File(tmp_path / "results/second/archive.h5") as file:
        assert file["inputs/a"][:].min() > 65e9
    again = snakemake(snakefile=tmp_path / "Snakefile")
    assert "Nothing to be done" in again.text


def failing_study():
    study = awk_study(64, study="failing", design={"method": "saltelli", "size": 32})
    program = 'BEGIN {a = ${a}; if (a < 0.1) {print "no convergence" > "/dev/stderr"; exit 3} '
    program += 'if (a > 0.9) print "diverged"; else print 3 * a + ${b}}'
    study["model"]["command"] = ["awk", program]
    return study


def test_failed_samples_are_results_that_every_table_tells(snakemake, tmp_path):
    done = snakemake(study=failing_study())
    assert done.code == 0, done.text
    results = tmp_path / "results/failing"
    with h5py.File(results / "archive.h5") as file:
        a, status, code = file["inputs/a"][:], file["status"][:], file["exit_code"][:]
        y, group = file["outputs/y"][:], file["group"][:]
    np.testing.assert_array_equal(status == 1, a < 0.1)
    np.testing.assert_array_equal(status == 3, a > 0.9)
    assert (code[status == 1] == 3).all()
    np.testing.assert_array_equal(np.isnan(y), status != 0)
    dropped = len(np.unique(group[status != 0]))
    indices = pd.read_csv(results / "sobol_indices.csv")
    assert set(indices["n_dropped"]) == {dropped}
    assert set(indices["n_used"]) == {32 - dropped}
    with (results / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    bad = [row for row in rows if row["status"] == "failed"]
    assert bad
    for row in bad:  # directories of failures stay, and say what happened
        assert (tmp_path / row["directory"] / "stderr.txt").read_text() == "no convergence\n"
    assert not any(row["directory"] for row in rows if row["status"] == "ok")
    report = (results / "report.html").read_text()
    assert "no convergence" in report or "exit code 3" in report
    assert f"{dropped} of 32" in report


def test_snakemakes_own_report_has_captions_and_categories(snakemake, tmp_path):
    study = awk_study(10)
    assert snakemake(study=study).code == 0
    done = snakemake("--report", "page.html", study=study)
    assert done.code == 0, done.text
    page = (tmp_path / "page.html").read_text()
    assert "Distribution of an output" in page
    assert "Figures" in page


def test_the_slurm_profile_plans_a_study_without_slurm(clone):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--profile", "slurm", "--directory", clone / "x"],
        cwd=clone,
        env=environment(clone.parent),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "keep",
    [
        "failed",
        pytest.param("all", marks=pytest.mark.full),
        pytest.param("none", marks=pytest.mark.full),
    ],
)
def test_directories_are_kept_by_policy(snakemake, tmp_path, keep):
    study = awk_study(8, keep=keep)
    study["model"]["command"] = ["awk", "BEGIN {if (${a} > 0.5) exit 1; print ${b}}"]
    assert snakemake(study=study).code == 0
    table = pd.read_csv(tmp_path / "results/small/samples.csv")
    has = table["directory"].notna()
    expected = {"all": True, "failed": table["status"] == "failed", "none": False}[keep]
    assert (has == expected).all()
    kept = {str(p.relative_to(tmp_path)) for p in tmp_path.glob("results/small/samples/*/*")}
    assert kept == set(table["directory"].dropna())


def test_a_pure_sweep_has_a_figure_and_no_statistics(snakemake, tmp_path):
    study = awk_study(sweep={"a": [1, 2, 3], "b": [0, 10]})
    del study["inputs"], study["design"]
    done = snakemake(study=study)
    assert done.code == 0, done.text
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        np.testing.assert_allclose(file["outputs/y"][:], [3, 13, 6, 16, 9, 19])
    assert (tmp_path / "results/small/figures/sweep_y.svg").exists()
    assert not (tmp_path / "results/small/statistics.csv").exists()


def test_two_runs_that_start_together_evaluate_every_sample_once(snakemake, tmp_path):
    log = tmp_path / "starts"
    study = awk_study(30)
    study["model"]["command"] = ["awk", f'BEGIN {{print "x" >> "{log}"; print ${{a}} + ${{b}}}}']
    snakemake("-n", study=study)  # writes the study file
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: snakemake(study=tmp_path / "study.yaml"), range(2)))
    assert [run.code for run in runs] == [0, 0], runs[0].text + runs[1].text
    assert len(log.read_text().splitlines()) == 30
    assert "Nothing to be done" in snakemake(study=study).text
