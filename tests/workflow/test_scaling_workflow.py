"""Scaling studies through the real Snakemake, and those that come with Ensnare."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from mpi_programs import VARIABLES
from workflow_helpers import ROOT, announced

from ensnare.plan.batches import plan_batches
from ensnare.plan.needs import measuring_order
from ensnare.study.loading import load_study
from ensnare.study.yaml12 import read_yaml

CORES = len(os.sched_getaffinity(0))
TOO_MANY = 4096


def lines_of(table):
    return pd.read_csv(table, keep_default_na=False, na_values=["", "nan"])


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_points_run_alone_by_chance_on_their_cores_and_a_larger_run_adds_what_it_can(
    snakemake, tmp_path
):
    log = tmp_path / "log"
    step = f"echo begin ${{threads}} $(nproc) >> {log}; sleep 0.2; echo end >> {log}; "
    study = {
        "study": "points",
        "scaling": {"threads": [1, 2, TOO_MANY], "repeats": 2},
        "sweep": {"k": ["good", "bad"]},
        "model": {
            "command": ["sh", "-c", step + "test ${k} = good || exit 4; echo 1"],
            "outputs": [{"name": "y", "regex": "(.*)"}],
        },
    }
    dry = snakemake("-n", "--cores", 1, study=study)
    assert announced(dry.text) == (4, 0)
    assert "not attempted: 2 threads: needs 2 cores; this run has 1 (4 runs)" in dry.text
    assert dry.job_counts()["measure"] == 4
    assert snakemake("--cores", 1, study=study).code == 0
    results = tmp_path / "results/points"
    before = lines_of(results / "scaling_points.csv")
    assert before["n_not_run"].tolist() == [0, 2, 2, 0, 2, 2]

    done = snakemake("--cores", 2, study=study)
    assert done.code == 0, done.text
    assert announced(done.text) == (4, 4)
    words = log.read_text().split()
    assert words.count("begin") == 8
    # nothing runs beside another point, and each has as many cores as it counts
    runs = re.findall(r"begin (\d+) (\d+) end ?", " ".join(words))
    assert len(runs) == 8
    assert all(counted == had for counted, had in runs)

    batches = plan_batches(load_study(tmp_path / "study.yaml"))
    places = measuring_order(batches, 0)
    ran = re.findall(r"rule measure:\n.*\n\s+output: \S*/(\w+)\.h5", done.text)
    assert len(ran) == 4
    assert ran == sorted(ran, key=lambda key: -places[key])

    points = lines_of(results / "scaling_points.csv").set_index(["k", "threads"])
    assert points["n_ok"].tolist() == [2, 2, 0, 0, 0, 0]
    assert points.loc[("bad", 2), "reason"] == "failed: step 1 ended with exit code 4"
    assert "not attempted: needs 4096 cores" in points.loc[("bad", TOO_MANY), "reason"]
    assert points.loc[("good", 2), "reference"] == 1
    table = lines_of(results / "scaling.csv")
    assert table["status"].value_counts().to_dict() == {"ok": 4, "failed": 4, "not_run": 4}
    page = (results / "report.html").read_text()
    assert "needs 4096 cores" in page
    assert "Karp" in page
    assert "Nothing to be done" in snakemake("--cores", 2, study=study).text

    gathered = subprocess.run(
        [sys.executable, "-m", "ensnare", "gather", "--partial", results],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert gathered.returncode == 0, gathered.stderr
    assert lines_of(results / "scaling_points.csv")["n_ok"].tolist() == [2, 2, 0, 0, 0, 0]


@pytest.mark.full
def test_the_published_times_go_through_the_same_rules(snakemake, tmp_path):
    done = snakemake(study=ROOT / "config/studies/published-scaling.yaml")
    assert done.code == 0, done.text
    results = tmp_path / "results/published-scaling"
    points = lines_of(results / "scaling_points.csv").set_index("ranks")
    found = points["speedup"].dropna()
    np.testing.assert_allclose(found, [1, 1.98, 3.64, 7.21, 13.8], rtol=0.003)
    assert (points.loc[36, "n_ok"], points.loc[36, "n_failed"]) == (0, 1)
    assert points.loc[36, "reason"].endswith("failed to start")
    for kind in ("time", "speedup", "efficiency"):
        assert (results / f"figures/{kind}.svg").stat().st_size > 1000


@pytest.mark.full
def test_python_versions_that_are_not_there_are_holes_and_those_that_are_have_times(
    snakemake, tmp_path
):
    study = read_yaml(ROOT / "config/studies/python-versions.yaml")
    study["model"]["files"][0]["template"] = str(ROOT / "config/templates/python-versions.py")
    study["sweep"] = {"version": [f"{sys.version_info[0]}.{sys.version_info[1]}", "9.10"]}
    study["scaling"] = {"threads": [1, 2], "repeats": 1, "oversubscribe": True}
    study["inputs"] = [{"name": "size", "value": 2000}]
    done = snakemake(study=study)
    assert done.code == 0, done.text
    path = tmp_path / "results/python-versions/scaling_points.csv"
    points = pd.read_csv(path, dtype={"version": str}).set_index(["version", "threads"])
    assert points["n_ok"].tolist() == [1, 1, 0, 0]
    assert "no such program" in points.loc[("9.10", 1), "reason"]
    assert "<td>9.10</td>" in (tmp_path / "results/python-versions/report.html").read_text()


def test_the_sampler_gives_the_same_points_on_any_ranks_and_times_itself(
    snakemake, tmp_path, monkeypatch
):
    if shutil.which("mpiexec") is None or find_spec("mpi4py") is None:
        pytest.skip("needs MPI and MPI for Python (Debian: openmpi-bin; pip install mpi4py)")
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    done = snakemake(
        "--config", "scaling={ranks: [1, 2], repeats: 1, oversubscribe: true}",
        "inputs=[{name: points, value: 200}]",
        study=ROOT / "config/studies/sampler-scaling.yaml",
    )  # fmt: skip
    assert done.code == 0, done.text
    results = tmp_path / "results/sampler-scaling"
    samples = lines_of(results / "samples.csv")
    assert samples["status"].tolist() == ["ok", "ok"]
    assert samples["log_volume"].nunique() == 1
    points = lines_of(results / "scaling_points.csv")
    assert points["ranks"].tolist() == [1, 2]
    np.testing.assert_array_equal(points["time_s"], samples["sampling_s"])
    np.testing.assert_allclose(points["efficiency"][1], points["speedup"][1] / 2)
