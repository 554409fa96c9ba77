"""Large studies: every sample arrives, no process grows large, and files stay few."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, Finished, environment

UNIFORM = {"Uniform": {"a": 0, "b": 1}}
# the largest resident set of any process below, of those that were waited for [kB]
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "print('largest', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)
MODEL = """
import numpy as np

def model(**x):
    v = np.stack([x[f"x{i}"] for i in range(10)])
    return {"a": 4 * v[0] + v[1], "b": np.sin(v[2]) * v[3], "c": v.sum(axis=0)}
"""
NOTHING = "int main(void) { return 0; }\n"


def large_study(n):
    """Return a study of n pick-freeze samples of 10 inputs and 3 outputs."""
    return {
        "study": "large",
        "inputs": [{"name": f"x{i}", "distribution": UNIFORM} for i in range(10)],
        "design": {"method": "saltelli", "size": n // 12},
        "model": {
            "python": {"call": "model.py:model", "vectorized": True},
            "outputs": [{"name": name} for name in "abc"],
        },
    }


def run(study, directory, *words):
    """Run a study; return the largest resident set of a process [MB], and what was printed."""
    path = directory / "study.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(study, file)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *words]
    command += ["--profile", str(ROOT / "profiles/local"), "--configfile", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        cwd=directory,
        env=environment(directory),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.rpartition("largest")[2]) / 1000, done.stdout + done.stderr


def files_of(results):
    """Return how many files a study has beside its batches, and at most in one batch."""
    files = [path.relative_to(results) for path in results.rglob("*") if path.is_file()]
    of_batches = [path for path in files if {"batches", "evaluate"} & set(path.parts)]
    keys = [path.name.partition(".")[0] for path in of_batches]
    return len(files) - len(of_batches), max(map(keys.count, keys))


@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_a_large_study_of_a_vectorised_function(tmp_path, n):
    (tmp_path / "model.py").write_text(MODEL)
    largest_mb, _ = run(large_study(n), tmp_path)
    assert largest_mb < 1000
    results = tmp_path / "results/large"
    with h5py.File(results / "archive.h5") as file:
        x0, x1, a = file["inputs/x0"][:], file["inputs/x1"][:], file["outputs/a"][:]
        assert len(a) == n // 12 * 12
        np.testing.assert_allclose(a, 4 * x0 + x1)
        assert len(np.unique(file["sample_id"][:])) == len(a)
    table = pd.read_csv(results / "sobol_indices.csv").set_index(["output", "index", "input"])
    assert table.loc[("a", "first", "x0"), "value"] == pytest.approx(16 / 17, abs=0.01)
    beside, per_batch = files_of(results)
    assert beside <= 60
    assert per_batch <= 4


def test_planning_a_million_samples_makes_few_jobs_and_no_design(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    largest_mb, text = run(large_study(1_000_000), tmp_path, "-n")
    assert "999996 to run" in text
    assert Finished(0, text).job_counts()["evaluate"] <= 20
    assert largest_mb < 300
    assert not (tmp_path / "results").exists()


@pytest.mark.full
def test_a_hundred_thousand_runs_of_an_external_code(tmp_path):
    """A program that does nothing: what is left is what Ensnare does."""
    (tmp_path / "nothing.c").write_text(NOTHING)
    subprocess.run(["cc", "-O2", "-o", "nothing", "nothing.c"], cwd=tmp_path, check=True)
    study = large_study(100_000)
    study["design"] = {"method": "sobol", "size": 100_000}
    study["keep"] = "none"
    study["model"] = {
        "files": [{"template": "in.txt"}],
        "command": ["${study_dir}/nothing", "in.txt"],
        "outputs": [{"name": "a", "table": "in.txt", "column": "x0"}],
    }
    names = [f"x{i}" for i in range(10)]
    values = " ".join(f"${{{name}}}" for name in names)
    (tmp_path / "in.txt").write_text(f"{' '.join(names)}\n{values}\n")
    largest_mb, _ = run(study, tmp_path)
    assert largest_mb < 1000
    results = tmp_path / "results/large"
    with h5py.File(results / "archive.h5") as file:
        np.testing.assert_allclose(file["outputs/a"][:], file["inputs/x0"][:], rtol=1e-13)
    beside, per_batch = files_of(results)
    assert beside <= 60
    assert per_batch <= 4
    assert not list(Path(results / "samples").glob("*/*"))
