"""Failure is data: studies that stop early, are amended by hand, and deliver all the same."""

import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from workflow_helpers import BEAM, ROOT, announced, awk_study, environment, indices


@pytest.fixture
def ensnare(tmp_path):
    """Return a function that runs the command line; it returns exit code and output."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "ensnare", *map(str, words)],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


def failing_study(tmp_path, size=48, **rest):
    """Return a study of batches of 16 of which a > 0.75 fails, until it is mended."""
    program = (
        f'BEGIN {{print "${{sample}}" >> "{tmp_path}/starts"; '
        f'mended = (getline line < "{tmp_path}/mended") >= 0; '
        'if (${a} > 0.75 && !mended) {print "no convergence" > "/dev/stderr"; exit 3} '
        "print 3 * ${a} + ${b}}"
    )
    study = awk_study(size, design={"method": "sobol", "size": size}, batch={"size": 16}, **rest)
    study["model"]["command"] = ["awk", program]
    return study


def started(tmp_path):
    path = tmp_path / "starts"
    return path.read_text().split() if path.exists() else []


def archive(tmp_path):
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        names = ("sample_id", "status", "inputs/a", "inputs/b", "outputs/y", "attempts")
        return {name.rpartition("/")[2]: file[name][:] for name in names}


def assert_right(found, bad_status):
    bad = found["status"] != 0
    assert set(found["status"][bad]) <= bad_status
    assert np.isnan(found["y"][bad]).all()
    np.testing.assert_allclose(found["y"][~bad], (3 * found["a"] + found["b"])[~bad], rtol=1e-5)


def test_a_study_that_stops_delivers_and_goes_on(snakemake, ensnare, tmp_path):
    study = failing_study(tmp_path, on_failure={"stop_after": "10 %"})
    done = snakemake(study=study)
    assert done.code == 1
    assert "on_failure.stop_after is 10 %: the study ends here" in done.text
    assert "failed: step 1 ended with exit code 3: no convergence (results/small/samples/" in (
        done.text
    )
    assert "ensnare redo results/small --failed" in done.text
    assert "Traceback" not in done.text
    assert (tmp_path / "results/small/STOP").exists()
    assert not (tmp_path / "results/small/archive.h5").exists()
    first = started(tmp_path)
    assert len(first) < 48

    again = snakemake(study=study)
    assert again.code == 1
    assert "the study ends here" in again.text
    assert started(tmp_path) == first
    code, text = ensnare("status", "results/small")
    assert code == 0
    assert "stopped: too many samples failed; see results/small/STOP" in text

    code, text = ensnare("gather", "--partial", "results/small")
    assert code == 0, text
    partial = archive(tmp_path)
    assert_right(partial, {1, 9})
    assert {1, 9} <= set(partial["status"])
    assert "not_run" in (tmp_path / "results/small/report.html").read_text()

    study["on_failure"] = {"stop_after": "50 %"}
    to_run, reused = announced(snakemake("-n", study=study).text)
    assert reused == (partial["status"] != 9).sum()
    done = snakemake(study=study)
    assert done.code == 0, done.text
    assert len(started(tmp_path)) - len(first) == to_run
    whole = archive(tmp_path)
    assert_right(whole, {1})
    np.testing.assert_array_equal(whole["status"] == 1, whole["a"] > 0.75)
    failed = (whole["status"] == 1).sum()
    assert f"{48 - failed} ok, {failed} failed; results/small/report.html" in done.text
    assert "the first with status failed: step 1 ended with exit code 3: no conv" in done.text
    assert not (tmp_path / "results/small/STOP").exists()
    assert "Nothing to be done" in snakemake(study=study).text


def test_what_failed_runs_again_alone_or_is_skipped_for_good(snakemake, ensnare, tmp_path):
    study = failing_study(tmp_path)
    assert snakemake(study=study).code == 0
    first = archive(tmp_path)
    failed = first["sample_id"][first["status"] == 1].astype(str)
    code, text = ensnare("skip", "study.yaml", "--where", "a > 0.9", "--reason", "singular there")
    skipped = first["sample_id"][first["a"] > 0.9].astype(str)
    assert (code, text) == (0, f"{len(skipped)} samples are skipped; run snakemake\n")
    (tmp_path / "mended").touch()
    code, text = ensnare("redo", "results/small", "--where", "status == 'failed' and a < 0.85")
    assert code == 0, text
    again = first["sample_id"][(first["a"] > 0.75) & (first["a"] < 0.85)].astype(str)
    assert text.startswith(f"{len(again)} samples in ")

    assert announced(snakemake("-n", study=study).text) == (len(again), 48 - len(again))
    before = len(started(tmp_path))
    # --nolock ends the list of configuration files; the archive alone is asked for
    assert snakemake("--nolock", "results/small/archive.h5", study=study).code == 0
    assert sorted(started(tmp_path)[before:]) == sorted(again)
    found = archive(tmp_path)
    assert set(found["sample_id"][found["status"] == 8].astype(str)) == set(skipped)
    assert_right(found, {1, 8})
    assert (found["status"] == 1).sum() == len(failed) - len(again) - len(skipped)
    assert snakemake(study=study).code == 0
    table = pd.read_csv(tmp_path / "results/small/samples.csv").set_index("id")
    assert set(table.loc[skipped, "message"]) == {"singular there"}
    assert set(table.index[table["redone"] == 1]) == set(again)
    report = (tmp_path / "results/small/report.html").read_text()
    assert "singular there" in report
    assert f"{len(again)}, of which {len(again)} are ok now" in report
    assert "Nothing to be done" in snakemake(study=study).text

    study["design"]["size"] = 64
    assert announced(snakemake("-n", study=study).text) == (16, 48)
    assert snakemake(study=study).code == 0
    grown = archive(tmp_path)
    assert set(skipped) == set(grown["sample_id"][grown["status"] == 8].astype(str))


@pytest.mark.full
def test_a_partial_archive_is_replaced_by_the_next_run(snakemake, ensnare, tmp_path):
    study = failing_study(tmp_path)
    assert snakemake(study=study).code == 0
    whole = archive(tmp_path)
    (tmp_path / "mended").touch()
    assert ensnare("redo", "results/small", "--failed")[0] == 0
    code, text = ensnare("gather", "--partial", "results/small")
    assert code == 0, text
    assert set(archive(tmp_path)["status"]) == {0, 9}
    assert snakemake(study=study).code == 0
    mended = archive(tmp_path)
    assert set(mended["status"]) == {0}
    np.testing.assert_array_equal(mended["attempts"], 1 + (whole["status"] == 1))
    assert "Nothing to be done" in snakemake(study=study).text
    assert ensnare("gather", "results/small")[0] == 0
    assert "evaluate" not in snakemake("-n", study=study).job_counts()


@pytest.mark.full
def test_what_to_do_about_failures_runs_nothing_when_it_changes(snakemake, tmp_path):
    study = failing_study(tmp_path)
    assert snakemake(study=study).code == 0
    before = started(tmp_path)
    study["on_failure"] = {"retries": {"failed": 3}, "stop_after": 0}
    dry = snakemake("-n", study=study)
    assert announced(dry.text) == (0, 48)
    assert "evaluate" not in dry.job_counts()
    assert snakemake(study=study).code == 0
    assert started(tmp_path) == before


def test_indices_hold_when_a_twentieth_of_the_samples_fails_at_random(snakemake, tmp_path):
    study = YAML(typ="safe").load((ROOT / "config/config.yaml").read_text())
    # the last two digits of an id are as good as dice: 13 of 256 fail
    program = (
        'BEGIN {if ("${sample}" ~ /0[0-9a-c]$/) exit 3; '
        'printf "%.15g\\n", ${F} * ${L} ^ 3 / (3 * ${E} * ${I})}'
    )
    study["model"] = {
        "command": ["awk", program],
        "outputs": [{"name": "deviation", "unit": "m", "regex": "(.*)", "range": [0, 1]}],
    }
    study["keep"] = "none"
    done = snakemake(study=study)
    assert done.code == 0, done.text
    results = tmp_path / "results/beam"
    with h5py.File(results / "archive.h5") as file:
        failed, group = file["status"][:] == 1, file["group"][:]
    assert 0.04 < failed.mean() < 0.06
    dropped = len(np.unique(group[failed]))
    assert 100 < dropped < 180
    table = indices(results)
    for name, truths in BEAM.items():
        for kind, truth in zip(("first", "total"), truths, strict=True):
            row = table.loc[name, kind]
            assert row["ci_low"] <= truth <= row["ci_high"]
            assert (row["n_dropped"], row["n_used"]) == (dropped, 512 - dropped)
    note = f"{dropped} of 512 base rows dropped"
    assert note in (results / "figures/sobol_deviation.svg").read_text()
    assert note in (results / "report.html").read_text()
