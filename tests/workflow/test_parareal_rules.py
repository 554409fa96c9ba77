"""Parareal by jobs of Snakemake: a checkpoint for each iteration; fine solves count themselves."""

import json
import subprocess
import sys
from collections import Counter

import h5py
import pytest
from killing import kill, wait_until
from ruamel.yaml import YAML
from workflow_helpers import ROOT, environment

ARCHIVE = ("--cores", 2, "results/osc/archive.h5")  # without tables, figures and report
MODEL = """
import math, os
import numpy as np

def steps(n, t0, t1, q, p, omega0, zeta):
    y, h = np.array([q, p]), (t1 - t0) / n
    for _ in range(n):
        q, p = y
        y = y + h * np.array([p, -2 * zeta * omega0 * p - omega0**2 * q])
    return {{"q": y[0], "p": y[1]}}

def coarse(t0, t1, q, p, omega0, zeta):
    return steps(1, t0, t1, q, p, omega0, zeta)

def fine(t0, t1, q, p, omega0, zeta):
    with open({log!r}, "a") as file:
        file.write(f"{{t0!r}} {{q!r}} {{p!r}} {{zeta}}\\n")
    while os.path.exists({gate!r}) and t0 > 0:
        pass
    if os.path.exists({broken!r}) and t0 > 5:
        raise ArithmeticError("diverged")
    return steps(math.ceil((t1 - t0) / 0.01), t0, t1, q, p, omega0, zeta)
"""


class Study:
    """A damped oscillator in a directory of its own, whose fine solves note that they run."""

    def __init__(self, root, points=20, **changes):
        self.root, self.log = root, root / "log"
        self.gate, self.broken = root / "gate", root / "broken"
        names = {"log": self.log, "gate": self.gate, "broken": self.broken}
        (root / "m.py").write_text(MODEL.format(**{k: str(v) for k, v in names.items()}))
        outputs = [{"name": "q"}, {"name": "p"}]
        self.tree = {
            "study": "osc",
            "sweep": {"zeta": [0.5]},
            "inputs": [{"name": "omega0", "value": 1}],
            "parareal": {
                "interval": [0, 15],
                "points": points,
                "state": {"q": 1, "p": 0},
                "coarse": {"model": {"python": {"call": "m.py:coarse"}, "outputs": outputs}},
                "fine": {"model": {"python": {"call": "m.py:fine"}, "outputs": outputs}},
                "tolerance": 1e-4,
                "driver": "rules",
                **changes,
            },
        }

    def solves(self):
        """Return the fine solves that were begun: where, from which state, in which case."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def files(self, study="osc"):
        """Return the datasets of every file of solves and states, byte by byte."""
        found = {}
        for path in (self.root / "results" / study / "parareal").glob("*/*/*.h5"):
            with h5py.File(path) as file:
                name = path.relative_to(self.root / "results" / study)
                found[str(name)] = {key: file[key][:].tobytes() for key in file}
        return found

    def iterations(self):
        """Return the last iteration of each case, as the newest end of a run says it."""
        ends = (self.root / "results/osc/parareal").glob("solved-*.json")
        newest = max(ends, key=lambda path: path.stat().st_mtime_ns)
        return list(json.loads(newest.read_text()).values())


def maxdif(study, iteration):
    (path,) = (study.root / "results/osc/parareal").glob(f"*/states/k{iteration:03d}.h5")
    with h5py.File(path) as file:
        return file.attrs["maxdif"]


def test_the_iteration_stops_by_itself_and_a_smaller_tolerance_adds_what_is_missing(
    snakemake, tmp_path
):
    study = Study(tmp_path, slices_per_job=19)
    dry = snakemake("-n", study=study.tree)
    assert dry.code == 0, dry.text
    assert dry.job_counts()["update_states"] == 1  # what comes after it depends on it
    assert "solve_slices" not in dry.job_counts()
    done = snakemake(*ARCHIVE, study=study.tree)
    assert done.code == 0, done.text
    assert study.iterations() == [14]
    assert len(study.solves()) == 175
    assert len(set(study.solves())) == 175
    assert maxdif(study, 13) == pytest.approx(0.000384, abs=5e-7)
    assert maxdif(study, 14) == pytest.approx(0.000066, abs=5e-7)
    assert "Nothing to be done" in snakemake(*ARCHIVE, study=study.tree).text

    study.tree["parareal"]["tolerance"] = 5e-5  # the next one changes by less
    dry = snakemake("-n", study=study.tree)
    assert (dry.job_counts()["solve_slices"], dry.job_counts()["update_states"]) == (1, 1)
    assert snakemake(*ARCHIVE, study=study.tree).code == 0
    assert study.iterations() == [15]
    assert len(study.solves()) == len(set(study.solves())) == 180

    study.tree["parareal"]["tolerance"] = 1e-4
    dry = snakemake("-n", study=study.tree)
    assert not {"solve_slices", "update_states"} & set(dry.job_counts())

    # and the other driver has the same numbers
    study.tree |= {"study": "other", "parareal": study.tree["parareal"] | {"driver": "pool"}}
    study.tree["parareal"]["tolerance"] = 5e-5
    other = ("--cores", 2, "results/other/archive.h5")
    assert snakemake(*other, study=study.tree).code == 0
    assert len(study.solves()) == 360
    assert study.files() == study.files("other")
    assert len(study.files()) == 180 + 16


@pytest.mark.full
def test_jobs_of_one_slice_and_of_all_have_the_same_numbers(snakemake, tmp_path):
    study = Study(tmp_path)
    assert snakemake(*ARCHIVE, study=study.tree).code == 0
    assert (study.iterations(), len(study.solves())) == ([14], 175)
    one = study.files()
    study.tree["parareal"]["slices_per_job"] = 19
    assert snakemake(*ARCHIVE, study=study.tree).code == 0  # states only
    assert len(study.solves()) == 175
    assert study.files() == one


@pytest.mark.full
def test_cases_end_each_for_itself(snakemake, tmp_path):
    study = Study(tmp_path, points=6, slices_per_job=5, tolerance=0.5, serial=True)
    study.tree["sweep"]["zeta"] = [0.5, 0.9]
    done = snakemake(*ARCHIVE, study=study.tree)
    assert done.code == 0, done.text
    ends = study.iterations()
    assert len(ends) == 2
    # 5 + 4 + ... solves of each, and what the serial solutions lack
    needed = sum(sum(range(5, 5 - k, -1)) + 5 - k for k in ends)
    assert len(study.solves()) == needed
    assert "Nothing to be done" in snakemake(*ARCHIVE, study=study.tree).text


@pytest.mark.full
def test_a_fine_solve_that_fails_ends_the_study_with_one_line(snakemake, tmp_path):
    study = Study(tmp_path, points=6, tolerance=1e-9)
    study.tree["on_failure"] = {"retries": {"error": 1}}
    study.broken.touch()
    done = snakemake(*ARCHIVE, "--retries", 2, study=study.tree)
    assert done.code == 1
    lines = {line for line in done.text.splitlines() if "diverged" in line}
    (line,) = {line for line in lines if "slice 3 " in line}
    assert "the fine solve of slice 3 (t = 6 to 9) of iteration 1" in line
    assert "ArithmeticError: diverged" in line
    assert "Traceback" not in done.text
    # tried again by the study, not by the profile besides, whose retries are for jobs that die
    assert sorted(Counter(study.solves()).values()) == [1, 1, 2, 2, 2]
    study.broken.unlink()
    done = snakemake(*ARCHIVE, study=study.tree)
    assert done.code == 0, done.text
    assert len(set(study.solves())) == 15
    assert len(study.solves()) == 15 + 6  # what had succeeded does not run again


def test_after_a_kill_no_fine_solve_that_is_on_record_runs_again(snakemake, tmp_path):
    study = Study(tmp_path, points=6, slices_per_job=5, tolerance=1e-9)
    snakemake("-n", study=study.tree)  # writes the study file
    study.gate.touch()
    command = [sys.executable, "-m", "snakemake", ARCHIVE[-1], "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles/local", "--configfile", tmp_path / "study.yaml"]
    with (tmp_path / "said").open("w") as said:
        first = subprocess.Popen(
            [*map(str, command)], cwd=tmp_path, env=environment(tmp_path), stdout=said, stderr=said
        )
        wait_until(lambda: len(study.solves()) >= 2 or first.poll() is not None, "solves")
        kill(first.pid)
        first.wait()
    study.gate.unlink()
    done = snakemake(*ARCHIVE, study=study.tree)
    assert done.code == 0, done.text
    assert len(study.solves()) == len(set(study.solves())) == 15
    assert study.iterations() == [5]


@pytest.mark.full
def test_files_that_were_removed_are_made_again(snakemake, tmp_path):
    study = Study(tmp_path, points=6, slices_per_job=3, tolerance=1e-9)
    assert snakemake(*ARCHIVE, study=study.tree).code == 0
    before = study.files()
    for pattern in ("*/states/k005.h5", "*/fine/k005-i0004.h5", "*/end-*.json"):
        (path,) = (tmp_path / "results/osc/parareal").glob(pattern)
        path.unlink()
    for path in (tmp_path / "results/osc/parareal").glob("solved-*.json"):
        path.unlink()
    (tmp_path / "results/osc/archive.h5").unlink()
    done = snakemake(*ARCHIVE, study=study.tree)
    assert done.code == 0, done.text
    assert len(study.solves()) == 15 + 1
    assert study.files() == before


MODULE = """
configfile: "mine.yaml"

module one:
    snakefile: "{root}/workflow/Snakefile"
    config: config["one"]

use rule * from one as one_*

rule everything:
    input: "results/osc/archive.h5"
    default_target: True
"""


@pytest.mark.full
def test_a_parareal_study_is_imported_as_a_module(snakemake, tmp_path):
    study = Study(tmp_path, points=4, slices_per_job=3, tolerance=1e-9)
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe").dump({"one": study.tree}, file)
    (tmp_path / "Snakefile").write_text(MODULE.format(root=ROOT))
    done = snakemake(snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    assert (study.iterations(), len(study.solves())) == ([3], 6)
    assert "Nothing to be done" in snakemake(snakefile=tmp_path / "Snakefile").text
