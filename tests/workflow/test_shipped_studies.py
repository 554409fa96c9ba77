"""The studies that come with Ensnare, against their exact answers."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from workflow_helpers import BEAM, ROOT, environment, indices

ISHIGAMI = {"x1": (0.313905, 0.557589), "x2": (0.442411, 0.442411), "x3": (0.0, 0.243684)}
P_DEVIATION_ABOVE_30_CM = 0.0055  # of a million points of the model as Python function
FLOOD_FIRST = {
    "Q": 0.344848,
    "Ks": 0.133774,
    "Zv": 0.189578,
    "Zm": 0.003458,
    "Zb": 0.035477,
    "dHd": 0.283816,
}


def test_the_literal_command_runs_the_default_study_in_a_clone(clone):
    command = [sys.executable, "-m", "snakemake", "--profile", "local"]
    done = subprocess.run(
        command, cwd=clone, env=environment(clone.parent), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "samples: 3072 to run, 0 reused" in done.stderr
    assert "study beam: 3072 samples: 3072 ok; results/beam/report.html" in done.stderr
    table = indices(clone / "results/beam")
    for name, truths in BEAM.items():
        for kind, truth in zip(("first", "total"), truths, strict=True):
            row = table.loc[name, kind]
            assert abs(row["value"] - truth) < 0.02
            assert row["ci_low"] <= truth <= row["ci_high"]
    statistics = pd.read_csv(clone / "results/beam/statistics.csv").set_index("statistic")
    assert abs(statistics.loc["mean", "value"] - 0.170690775) < 0.001
    assert abs(statistics.loc["std", "value"] - 0.020324140) < 0.001
    again = subprocess.run(
        command, cwd=clone, env=environment(clone.parent), capture_output=True, text=True
    )
    assert "Nothing to be done" in again.stderr
    report = (clone / "results/beam/report.html").read_text()
    assert "Deflection of a cantilever beam" in report
    for kind in ("svg", "png"):
        assert (clone / f"results/beam/figures/sobol_deviation.{kind}").stat().st_size > 1000


def test_ishigami_has_its_known_indices(snakemake, tmp_path):
    done = snakemake(study=ROOT / "config/studies/ishigami.yaml")
    assert done.code == 0, done.text
    table = indices(tmp_path / "results/ishigami")
    for name, truths in ISHIGAMI.items():
        for kind, truth in zip(("first", "total"), truths, strict=True):
            row = table.loc[name, kind]
            assert abs(row["value"] - truth) < 0.02
            assert row["ci_low"] <= truth <= row["ci_high"]
    assert list((tmp_path / "results").iterdir()) == [tmp_path / "results/ishigami"]


def test_flood_has_its_known_indices_and_shifts_with_the_dyke(snakemake, tmp_path):
    done = snakemake("--config", "design={size: 64}", study=ROOT / "config/studies/flood.yaml")
    assert done.code == 0, done.text
    table = indices(tmp_path / "results/flood", output="S", dyke=8)
    for name, truth in FLOOD_FIRST.items():
        row = table.loc[name, "first"]
        assert row["ci_low"] <= truth <= row["ci_high"]
    with h5py.File(tmp_path / "results/flood/archive.h5") as file:
        overflow = file["outputs/S"][:].reshape(3, -1)
        dyke = file["cases/dyke"][:].reshape(3, -1)
    np.testing.assert_array_equal(dyke[:, 0], [6, 8, 10])
    np.testing.assert_allclose(overflow[0] - overflow[1], 2, atol=1e-9)
    np.testing.assert_allclose(overflow[1] - overflow[2], 2, atol=1e-9)


@pytest.mark.full
def test_flood_as_shipped_is_near_the_truth(snakemake, tmp_path):
    assert snakemake(study=ROOT / "config/studies/flood.yaml").code == 0
    table = indices(tmp_path / "results/flood", output="S", dyke=8)
    for name, truth in FLOOD_FIRST.items():
        row = table.loc[name, "first"]
        assert row["ci_low"] <= truth <= row["ci_high"]


@pytest.mark.parametrize(
    "name", ["simulator", "regimes", "openfoam-like", "calculix", "beam-slides"]
)
def test_the_studies_of_the_recipes_run_to_their_report(snakemake, tmp_path, name):
    if name == "calculix" and shutil.which("ccx") is None:
        pytest.skip("CalculiX is not installed (Debian: apt-get install calculix-ccx)")
    done = snakemake(study=ROOT / f"config/studies/{name}.yaml")
    assert done.code == 0, done.text
    results = tmp_path / "results" / name
    with h5py.File(results / "archive.h5") as file:
        assert (file["status"][:] == 0).all()
        assert all(np.isfinite(file["outputs"][output][:]).all() for output in file["outputs"])
    assert (results / "report.html").stat().st_size > 10_000
    if name == "openfoam-like":
        table = pd.read_csv(results / "sobol_indices.csv")
        assert set(table.loc[table["output"] == "u", "position"]) == set(range(200))
    if name == "beam-slides":
        (row,) = pd.read_csv(results / "exceedance.csv").to_dict("records")
        assert row["ci_low"] <= P_DEVIATION_ABOVE_30_CM <= row["ci_high"]
        ranks = pd.read_csv(results / "rank_sobol_indices.csv").set_index("input")["value"]
        assert ranks.idxmax() == "F"
        table = pd.read_csv(results / "correlations.csv").set_index(["coefficient", "input"])
        assert table.loc[("spearman", "F"), "value"] > 0.8 > 0 > table.loc[("pcc", "I"), "value"]
    if name == "regimes":
        assert (results / "figures/regimes_regime.svg").stat().st_size > 1000


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="no ngspice; apt install ngspice")
def test_the_oscillator_starts_less_often_with_less_current(snakemake, tmp_path):
    small = ["--config", "design={size: 8}"]
    done = snakemake(*small, study=ROOT / "config/studies/ngspice.yaml")
    assert done.code == 0, done.text
    results = tmp_path / "results/ngspice"
    with h5py.File(results / "archive.h5") as file:
        assert file["outputs/spectrum"].shape == (4 * 8 * 7, 205)
        assert (file["status"][:] == 0).all()
        frequency, swing, bias = (
            file[n][:] for n in ("outputs/frequency", "outputs/swing", "cases/RE")
        )
    np.testing.assert_array_equal(frequency > 0, swing > 0.1)
    assert abs(np.median(frequency[bias == 3000]) / 1.7525e6 - 1) < 0.02
    chance = pd.read_csv(results / "exceedance.csv").set_index("RE")["value"]
    assert chance[3000] == 1 > chance[12000] > chance[24000]
    figure = (results / "figures/exceedance_swing.png").stat()
    assert figure.st_size > 1000


@pytest.mark.full
def test_the_study_that_doubles_ends_when_both_outputs_are_known(snakemake, tmp_path):
    done = snakemake(
        "--config", "design={until: {width: 0.35}}", study=ROOT / "config/studies/doubling.yaml"
    )
    assert done.code == 0, done.text
    results = tmp_path / "results/doubling"
    table = pd.read_csv(results / "rounds.csv").pivot(
        index="samples", columns="output", values="width"
    )
    assert table.index.tolist() == [512, 1024]
    assert (table < 0.35).to_numpy().tolist() == [[False, True], [True, True]]  # H, S
    assert (results / "figures/rounds.svg").stat().st_size > 1000
    assert "reached: widest interval" in (results / "report.html").read_text()
    for output, inputs in (("S", {"Q", "Hd", "Zv", "Ks"}), ("H", {"Q", "Ks"})):
        total = indices(results, output=output, index="total")["value"]
        assert set(total[total > 0.05].index.get_level_values("input")) == inputs


def test_the_alloy_satisfies_its_constraints_and_grows(snakemake, tmp_path):
    study = ROOT / "config/studies/constrained.yaml"
    done = snakemake("--config", "design={size: 300}", study=study)
    assert done.code == 0, done.text
    table = pd.read_csv(tmp_path / "results/constrained/samples.csv")
    assert len(table) == 300
    total = 1 - table["Al"]
    ratio = table["Mg"] / (table["Zn"] + table["Cu"])
    assert total.between(0.0162, 0.1732).all()
    assert ratio.between(0.1, 0.4).all()
    report = (tmp_path / "results/constrained/report.html").read_text()
    assert "Points of the design" in report
    assert (tmp_path / "results/constrained/figures/design.png").stat().st_size > 1000
    more = snakemake("-n", "--config", "design={size: 500}", study=study)
    assert "samples: 200 to run, 300 reused" in more.text
    none = "design={constraints: [added >= 0.5]}"
    empty = snakemake("-n", "--config", none, study=study)
    assert empty.code != 0
    assert "design.constraints: no feasible point: " in empty.text
