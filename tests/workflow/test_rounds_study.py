"""Whole studies whose design doubles until its indices are known well enough.

The model itself counts how often it runs; the end of the rounds is found again from the samples.
"""

import re
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from killing import kill, wait_until
from ruamel.yaml import YAML
from workflow_helpers import ROOT, environment

from ensnare.analyses.estimators.sobol import sobol_indices

ARCHIVE, ROUNDS = "results/ishigami/archive.h5", "results/ishigami/rounds.csv"
TABLE = ("--cores", 2, ARCHIVE, ROUNDS)  # without figures and report
MODEL = """
import math, os

def y(x1, x2, x3):
    with open({log!r}, "a") as file:
        file.write("x\\n")
    while not os.path.exists({gate!r}):
        pass
    return math.sin(x1) + 7 * math.sin(x2) ** 2 + 0.1 * x3**4 * math.sin(x1)
"""


class Study:
    """A study in a directory of its own, and what its model counts."""

    def __init__(self, root, **until):
        self.root, self.log, self.gate = root, root / "log", root / "gate"
        self.gate.touch()
        (root / "m.py").write_text(MODEL.format(log=str(self.log), gate=str(self.gate)))
        uniform = {"Uniform": {"a": -np.pi, "b": np.pi}}
        self.tree = {
            "study": "ishigami",
            "inputs": [{"name": f"x{i}", "distribution": uniform} for i in (1, 2, 3)],
            "design": {"method": "saltelli", "size": 32, "until": until},
            "model": {"python": {"call": "m.py:y"}, "outputs": [{"name": "y"}]},
            "analyses": ["sobol"],
        }

    def runs(self):
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def widths(self):
        """Return the widest interval of each size, from the samples of the archive."""
        with h5py.File(self.root / ARCHIVE) as file:
            y = file["outputs/y"][:].reshape(-1, 5)
        found, size = {}, 32
        while size < 2 * len(y):
            size = min(size, len(y))
            indices = sobol_indices(y[:size])
            found[size] = float((indices.total_high - indices.total_low).max())
            size *= 2
        return found

    def rounds(self):
        table = pd.read_csv(self.root / ROUNDS)
        return dict(zip(table["size"], table["width"], strict=True))


def announced(text):
    return tuple(map(int, re.search(r"samples: (\d+) to run, (\d+) reused", text).groups()))


def test_a_design_doubles_until_its_indices_are_known_and_no_further(snakemake, tmp_path):
    study = Study(tmp_path, width=0.35, budget=20000)
    dry = snakemake("-n", study=study.tree)
    assert announced(dry.text) == (160, 0)  # what comes after it depends on its results
    assert "round 1 of at most 8, of 32 base rows" in dry.text
    done = snakemake(study=study.tree)
    assert done.code == 0, done.text
    widths = study.widths()
    *before, last = widths.values()
    assert re.search(r"round 1: 32 base rows, 160 samples; widest interval: y \d", done.text)
    assert "rounds: not reached yet: widest interval" in done.text
    assert f"rounds: reached: widest interval {last:.3g} (output y, " in done.text
    logs = (tmp_path / "results/ishigami/logs/measure_round").glob("*.log")
    assert sum("rounds: reached" in log.read_text() for log in logs) == 1
    assert len(before) >= 2
    assert min(before) >= 0.35 > last
    assert study.runs() == 5 * max(widths)
    np.testing.assert_allclose(list(study.rounds().values()), list(widths.values()), rtol=1e-12)
    assert list(study.rounds()) == list(widths)
    report = (tmp_path / "results/ishigami/report.html").read_text()
    assert "reached: widest interval" in report
    assert "Widest confidence interval of a total Sobol" in report
    assert "Nothing to be done" in snakemake(study=study.tree).text

    study.tree["design"]["until"]["width"] = 0.9 * last
    dry = snakemake("-n", study=study.tree)
    assert announced(dry.text) == (5 * max(widths), 5 * max(widths))
    assert dry.job_counts()["measure_round"] == 1
    done = snakemake(*TABLE, study=study.tree)
    assert done.code == 0, done.text
    more = study.widths()
    assert more | widths == more
    assert study.runs() == 5 * max(more)

    study.tree["design"]["until"]["width"] = 0.35  # and back: the archive is gathered again
    dry = snakemake("-n", study=study.tree)
    assert announced(dry.text) == (0, 5 * max(widths))
    assert not {"evaluate", "measure_round"} & set(dry.job_counts())
    assert snakemake(*TABLE, study=study.tree).code == 0
    assert study.widths() == widths


@pytest.mark.full
def test_the_budget_is_spent_and_not_exceeded(snakemake, tmp_path):
    study = Study(tmp_path, width=0.01, budget=1003)
    done = snakemake(*TABLE, study=study.tree)
    assert done.code == 0, done.text
    assert study.runs() == 1000
    assert list(study.rounds()) == [32, 64, 128, 200]
    assert "budget of 1003 samples spent" in snakemake("-n", study=study.tree).text
    study.tree["design"]["until"]["budget"] = 1280
    assert announced(snakemake("-n", study=study.tree).text) == (280, 1000)
    assert snakemake(*TABLE, study=study.tree).code == 0
    assert study.runs() == 1280
    assert list(study.rounds()) == [32, 64, 128, 256]


@pytest.mark.full
@pytest.mark.parametrize("source", ["return 3.0", "raise ValueError('no')"])
def test_what_cannot_be_reached_ends_after_the_first_round(snakemake, tmp_path, source):
    study = Study(tmp_path, width=0.01, budget=10**6)
    text = (tmp_path / "m.py").read_text()
    (tmp_path / "m.py").write_text(re.sub("return .*", source, text))
    done = snakemake(study=study.tree)
    assert done.code == 0, done.text
    assert study.runs() == 160
    report = (tmp_path / "results/ishigami/report.html").read_text()
    assert "rounds: cannot be reached: output y: " in report
    why = "constant (3), so its" if "3.0" in source else "none of 160 samples has a value"
    assert f"rounds: cannot be reached: output y: {why}" in done.text
    assert why in report
    assert f"cannot be reached: output y: {why}" in snakemake("-n", study=study.tree).text
    assert "Nothing to be done" in snakemake(study=study.tree).text
    command = [sys.executable, "-m", "ensnare", "status", "results/ishigami"]
    shown = subprocess.check_output(command, cwd=tmp_path, env=environment(tmp_path), text=True)
    assert f"rounds: cannot be reached: output y: {why}" in shown


def test_another_first_size_afterwards_takes_all_rounds_in_one_run(snakemake, tmp_path):
    study = Study(tmp_path, width=0.7, budget=2000)
    assert snakemake(*TABLE, study=study.tree).code == 0
    before = list(study.rounds())
    study.tree["design"]["size"] = 8  # these rounds are missing, and the archive is there
    study.tree["design"]["until"]["width"] = 0.6
    done = snakemake(study=study.tree)
    assert done.code == 0, done.text
    widths = list(study.rounds().values())
    assert len(widths) > 2
    assert min(widths[:-1]) >= 0.6 > widths[-1]
    assert study.runs() == 5 * max(*before, *study.rounds())
    assert "Nothing to be done" in snakemake(study=study.tree).text


@pytest.mark.full
def test_what_failed_first_and_runs_again_leads_to_further_rounds(snakemake, tmp_path):
    study = Study(tmp_path, width=0.35, budget=20000)
    text = (tmp_path / "m.py").read_text()
    licence = str(tmp_path / "licence")
    fails = f"    if not os.path.exists({licence!r}):\n        raise OSError\n    return"
    (tmp_path / "m.py").write_text(text.replace("    return", fails))
    assert snakemake(*TABLE, study=study.tree).code == 0
    assert list(study.rounds()) == [32]
    (tmp_path / "licence").touch()
    command = [sys.executable, "-m", "ensnare", "redo", "results/ishigami", "--failed"]
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), check=True)
    done = snakemake(study=study.tree)
    assert done.code == 0, done.text
    *before, last = study.rounds().values()
    assert min(before) >= 0.35 > last
    assert study.runs() == 160 + 5 * max(study.rounds())


@pytest.mark.full
def test_samples_that_are_run_again_are_measured_again(snakemake, tmp_path):
    study = Study(tmp_path, width=0.35, budget=160)
    assert snakemake(*TABLE, study=study.tree).code == 0
    command = [sys.executable, "-m", "ensnare", "redo", "results/ishigami", "--where", "x1 > 2"]
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), check=True)
    before, again = study.runs(), announced(snakemake("-n", study=study.tree).text)[0]
    assert again > 0
    study.tree["design"]["until"]["budget"] = 320
    done = snakemake(*TABLE, study=study.tree)
    assert done.code == 0, done.text
    assert study.runs() == before + again + 160
    assert list(study.rounds()) == [32, 64]


def test_after_a_kill_in_the_middle_of_a_round_no_sample_runs_twice(snakemake, tmp_path):
    study = Study(tmp_path, width=0.35, budget=640)
    snakemake("-n", study=study.tree)  # writes the study file
    command = [sys.executable, "-m", "snakemake", ARCHIVE, "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles/local", "--configfile", tmp_path / "study.yaml"]
    with (tmp_path / "said").open("w") as said:
        first = subprocess.Popen(
            [*map(str, command)], cwd=tmp_path, env=environment(tmp_path), stdout=said, stderr=said
        )
        wait_until(lambda: study.runs() >= 160 or first.poll() is not None, "the first round")
        study.gate.unlink(missing_ok=True)  # the second round waits in its first samples
        wait_until(lambda: study.runs() > 160 or first.poll() is not None, "the second round")
        kill(first.pid)
        first.wait()
    study.gate.touch()
    done = snakemake(*TABLE, study=study.tree)
    assert done.code == 0, done.text
    assert study.runs() == 5 * max(study.rounds())
    assert study.rounds() == pytest.approx(study.widths())


@pytest.mark.full
def test_a_run_that_ended_before_a_round_was_measured_goes_on(snakemake, tmp_path):
    study = Study(tmp_path, width=0.9, budget=20000)
    assert snakemake(*TABLE, study=study.tree).code == 0
    before = study.rounds()
    study.tree["design"]["until"]["width"] = 0.9 * min(before.values())
    parts = snakemake("-n", study=study.tree).text
    batches = set(re.findall(r"output: (results/ishigami/batches/\S+\.h5)", parts))
    assert batches
    stopped = snakemake("--cores", 2, "results/ishigami/study.json", *batches, study=study.tree)
    assert stopped.code == 0, stopped.text
    done = snakemake(study=study.tree)
    assert done.code == 0, done.text
    assert len(study.rounds()) > len(before)
    assert study.runs() == 5 * max(study.rounds())


MODULE = """
configfile: "mine.yaml"

module one:
    snakefile: "{root}/workflow/Snakefile"
    config: config["one"]

use rule * from one as one_*

rule everything:
    input: "results/ishigami/rounds.csv"
    default_target: True
"""


@pytest.mark.full
def test_a_study_that_doubles_is_imported_as_a_module(snakemake, tmp_path):
    study = Study(tmp_path, width=0.01, budget=400)
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe").dump({"one": study.tree}, file)
    (tmp_path / "Snakefile").write_text(MODULE.format(root=ROOT))
    done = snakemake(snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    assert study.runs() == 400
    assert list(study.rounds()) == [32, 64, 80]
    assert "Nothing to be done" in snakemake(snakefile=tmp_path / "Snakefile").text
