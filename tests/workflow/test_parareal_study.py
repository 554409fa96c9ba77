"""The shipped parareal study through Snakemake: it stops by itself, and adds what is missing."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from workflow_helpers import ROOT

STUDY = ROOT / "config/studies/parareal.yaml"
TWO = "sweep={omega0: [1], zeta: [0.5, 0.9]}"


def fine_solves(results):
    return {path: path.stat().st_mtime_ns for path in results.rglob("fine/k*.h5")}


def test_the_study_stops_when_it_converged_and_a_smaller_tolerance_adds_to_it(snakemake, tmp_path):
    results = tmp_path / "results/parareal"
    done = snakemake("--config", TWO, study=STUDY)
    assert done.code == 0, done.text
    assert "cases: 2 to solve, 0 solved" in done.text
    assert "fine solves: 38 to begin with, at most 380 in all (an upper bound" in done.text
    table = pd.read_csv(results / "parareal.csv")
    assert table["iterations"].tolist() == [14, 11]
    assert table["fine_solves"].tolist() == [175, 154]
    first = fine_solves(results)
    assert len(first) == 175 + 154
    with h5py.File(results / "archive.h5") as file:
        assert file["cases/0000/trajectory"].shape == (1502, 2)
    assert (results / "report.html").stat().st_size > 10_000
    figures = {f"figures/{path.name}" for path in (results / "figures").iterdir()}
    assert set(json.loads((results / "derived.json").read_text())) == {"parareal.csv", *figures}

    again = snakemake("--config", TWO, study=STUDY)
    assert "Nothing to be done" in again.text
    assert "cases: 0 to solve, 2 solved" in again.text

    tree = STUDY.read_text().replace("tolerance: 1e-4", "tolerance: 1e-6")
    tree = tree.replace("../../workflow", str(ROOT / "workflow"))
    closer = tmp_path / "closer.yaml"
    closer.write_text(tree)
    done = snakemake("--config", TWO, study=closer)
    assert done.code == 0, done.text
    more = fine_solves(results)
    assert {path: more[path] for path in first} == first
    iterations = pd.read_csv(results / "parareal.csv")["iterations"]
    assert iterations.tolist() == [16, 14]  # 5 and 6 + 7 + 8 more solves
    assert len(more) - len(first) == (5 + 4) + (8 + 7 + 6)
    assert "Nothing to be done" in snakemake("--config", TWO, study=closer).text


def test_a_default_that_becomes_another_level_is_refused_here_too(snakemake, tmp_path):
    record = tmp_path / "results/parareal/defaults.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"zeta": 0.5}')
    assert snakemake("-n", "--config", TWO, "defaults={zeta: 0.5}", study=STUDY).code == 0
    done = snakemake("-n", "--config", TWO, "defaults={zeta: 0.9}", study=STUDY)
    assert done.code == 1
    assert "defaults.zeta: got 0.9; samples in results/parareal have no level" in done.text


@pytest.mark.full
def test_the_study_as_shipped_has_the_iterations_of_the_reference(snakemake, tmp_path):
    done = snakemake(study=STUDY)
    assert done.code == 0, done.text
    table = pd.read_csv(tmp_path / "results/parareal/parareal.csv")
    counts = table.pivot(index="omega0", columns="zeta", values="iterations")
    assert counts.loc[1].tolist() == [15, 15, 15, 15, 14, 14, 13, 13, 11]
    assert (counts.loc[2] == 19).all()  # never before it is exact
    assert (np.diff(counts.to_numpy(), axis=0) >= 0).all()  # the more it oscillates
    assert (table.loc[table["omega0"] == 2, "error_serial"] == 0).all()
