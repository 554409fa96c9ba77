"""SIGKILL inside gather, an analysis, or any other script: the next run makes whole files.

A hook stops a script where that hurts most: when a file is written and has not its name yet.
"""

import random
import time
from collections import Counter
from xml.etree import ElementTree

import h5py
import numpy as np
import pandas as pd
import pytest
from killing import Round, kill, wait_until

from ensnare.store.pickles import read_pickle

SCRIPTS = {
    "make_design": 2,
    "gather": 2,
    "write_samples": 1,
    "write_jobs": 1,
    "compute_tables": 2,
    "write_report": 2,
}
N = 24  # 8 rows of a pick-freeze design of one input
HOOK = """
import os, re, signal, sys

found = re.search(r"/\\.snakemake/scripts/\\w+\\.(\\w+)\\.py", " ".join(sys.orig_argv))
if found:
    rename, count = os.replace, 0

    def replace(source, target):
        global count
        count += 1
        point = os.path.join({points!r}, f"{{found[1]}} {{count}}")
        if count <= {most}.get(found[1], 0) and not os.path.exists(point):
            open(point, "w").close()
            os.kill(os.getpid(), {number})
        rename(source, target)

    os.replace = replace
"""


def hooked_study(tmp_path, number):
    """Return a study whose scripts get a signal, once before each rename of a file."""
    study = Round(tmp_path, "saltelli", 8)
    points, hooks = tmp_path / "points", tmp_path / "hooks"
    points.mkdir()
    hooks.mkdir()
    text = HOOK.format(points=str(points), most=SCRIPTS, number=int(number))
    (hooks / "sitecustomize.py").write_text(text)
    before = study.environment.get("PYTHONPATH", "")
    study.environment["PYTHONPATH"] = f"{hooks}:{before}"
    return study, points


def run_to_the_next_point(study, points, mode):
    """Run until a script is killed; return the exit code, or None if all was killed."""
    known = len(list(points.iterdir()))
    with (study.root / "said").open("w") as output:
        snakemake = study.snakemake(output)
        if mode == "everything":
            wait_until(
                lambda: len(list(points.iterdir())) > known or snakemake.poll() is not None,
                "a script to stop",
            )
            if snakemake.poll() is None:
                study.kill_everything()
                snakemake.wait()
                return None
        return snakemake.wait()


def assert_whole(study, twice=0):
    """Every file can be read and is right, nothing else is there; few samples ran twice."""
    results = study.results
    with h5py.File(results / "archive.h5", "r") as file:
        assert (file["status"][:] == 0).all()
        np.testing.assert_allclose(file["outputs/y"][:], file["inputs/x"][:] ** 2)
        assert len(file["status"]) == N
    read_pickle(results / "archive.pklz")
    assert len(pd.read_csv(results / "samples.csv")) == N
    assert len(pd.read_csv(results / "statistics.csv")) > 3
    assert set(pd.read_csv(results / "sobol_indices.csv")["input"]) == {"x"}
    figures = list(results.glob("figures/*.svg"))
    assert len(figures) >= 2
    for figure in figures:
        ElementTree.parse(figure)
        assert figure.with_suffix(".png").read_bytes().endswith(b"IEND\xaeB`\x82")
    assert (results / "report.html").read_text().rstrip().endswith("</html>")
    assert not list(results.rglob("*.part"))
    starts = Counter(sample for kind, sample, _ in study.lines() if kind == "start")
    assert len(starts) == N
    assert sum(starts.values()) - N <= twice
    assert max(starts.values()) <= 2


def assert_next_run_completes(study, twice=0):
    code, said = study.run()
    assert code == 0, said
    assert study.processes() == {}
    assert_whole(study, twice)
    code, said = study.run()
    assert code == 0
    assert "Nothing to be done" in said


@pytest.mark.parametrize(
    ("mode", "number"),
    [("everything", 19), pytest.param("the script", 9, marks=pytest.mark.full)],
)
def test_a_kill_before_any_rename_leaves_nothing_that_the_next_run_does_not_mend(
    tmp_path, mode, number
):
    study, points = hooked_study(tmp_path, number)
    expected = {f"{name} {k}" for name, most in SCRIPTS.items() for k in range(1, most + 1)}
    for _ in expected:
        code = run_to_the_next_point(study, points, mode)
        assert code != 0, "nothing was killed"
        if (study.results / "archive.h5").exists():
            with h5py.File(study.results / "archive.h5", "r") as file:
                assert len(file["status"]) == N
        if {p.name for p in points.iterdir()} == expected:
            break
    assert {p.name for p in points.iterdir()} == expected
    assert_next_run_completes(study)


@pytest.mark.full
@pytest.mark.parametrize("victim", ["the script", "everything"])
@pytest.mark.parametrize("rule", SCRIPTS)
def test_a_kill_at_any_moment_of_a_script_is_mended_by_the_next_run(tmp_path, rule, victim):
    study, chance = Round(tmp_path, "saltelli", 8), random.Random(f"{rule} {victim}")
    with (tmp_path / "first").open("w") as output:
        first = study.snakemake(output)
        found = wait_until(lambda: study.scripts(rule), f"the script of {rule}")
        time.sleep(chance.uniform(0, 1.5))
        if victim == "everything":
            study.kill_everything()
        else:
            kill(found[0])
        first.wait()
    # samples may be under way by then
    assert_next_run_completes(study, twice=2 if rule == "make_design" else 0)
