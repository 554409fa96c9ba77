"""What runs again when a study changes: as a dry run says it, and as the code itself counts it."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, awk_study, environment

LINE = re.compile(r"samples: (\d+) to run, (?:(\d+) to parse again, )?(\d+) reused")


def awk(log, program="3 * ${a} + ${b}", *rest):
    """Return a command that notes each start in a file, and prints y."""
    return ["awk", f'BEGIN {{print "x" >> "{log}"; print {program}}}', *rest]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "starts"


@pytest.fixture
def ran(snakemake, log):
    """Return a function that runs a study: what ran, was parsed again and was reused.

    What a dry run announces is compared with what ran, by the notes of the code itself.
    """

    def run(study, *arguments):
        dry = snakemake("-n", study=study)
        announced = [int(number or 0) for number in LINE.search(dry.text).groups()]
        before = len(log.read_text().splitlines()) if log.exists() else 0
        done = snakemake(*arguments, study=study)
        assert done.code == 0, done.text
        started = len(log.read_text().splitlines()) - before
        assert started == announced[0]
        return tuple(announced)

    return run


def results(tmp_path, study="small"):
    with h5py.File(tmp_path / f"results/{study}/archive.h5") as file:
        return {n: file[n][:] for n in ("inputs/a", "inputs/b", "outputs/y", "status", "origin")}


def assert_right(tmp_path, factor=1.0):
    found = results(tmp_path)
    wanted = factor * (3 * found["inputs/a"] + found["inputs/b"])
    np.testing.assert_allclose(found["outputs/y"], wanted, rtol=1e-5)


def test_a_thousand_samples_grow_by_exactly_five_hundred(ran, tmp_path, log):
    study = awk_study(1000, keep="none")
    study["model"]["command"] = awk(log)
    assert ran(study) == (1000, 0, 0)
    study["design"]["size"] = 1500
    assert ran(study) == (500, 0, 1000)
    assert_right(tmp_path)


@pytest.mark.full
def test_a_pick_freeze_design_grows_by_exactly_the_new_rows(ran, tmp_path, log):
    study = awk_study(keep="none", design={"method": "saltelli", "size": 256})
    study["model"]["command"] = awk(log)
    assert ran(study) == (1024, 0, 0)
    study["design"]["size"] = 512
    assert ran(study) == (1024, 0, 1024)
    assert_right(tmp_path)


@pytest.mark.full
def test_levels_and_factors_that_are_added_run_only_their_cases(ran, log):
    study = awk_study(20, keep="none", sweep={"m": ["c", "f"]})
    study["model"]["command"] = awk(log, "3 * ${a} + ${b}", "${m}")
    assert ran(study) == (40, 0, 0)
    study["sweep"] = {"m": ["c", "f", "x"]}
    assert ran(study) == (20, 0, 40)
    study["sweep"] = {"k": [1, 2], "m": ["c", "f", "x"]}
    study["defaults"] = {"k": 1}
    study["model"]["environment"] = {"set": {"K": "${k}"}}
    assert ran(study) == (60, 0, 60)
    study["sweep"] = {"m": ["x", "f", "c"], "k": [2, 1]}
    assert ran(study) == (0, 0, 120)


@pytest.mark.full
def test_a_default_that_becomes_another_level_is_refused(ran, snakemake, log):
    study = awk_study(5, sweep={"m": ["c", "f"]}, defaults={"m": "c"})
    study["model"]["command"] = awk(log, "3 * ${a} + ${b}", "${m}")
    assert ran(study) == (10, 0, 0)
    study["defaults"] = {"m": "f"}
    for arguments in (["-n"], []):
        done = snakemake(*arguments, study=study)
        assert done.code == 1
        assert "defaults.m: got 'f'; samples in results/small have no level" in done.text
    del study["defaults"]
    assert ran(study) == (5, 0, 5)
    study["defaults"] = {"m": "f"}
    assert snakemake("-n", study=study).code == 1


def test_what_decides_no_result_runs_nothing(ran, tmp_path, log):
    study = awk_study(30)
    study["model"]["command"] = awk(log)
    assert ran(study) == (30, 0, 0)
    text = YAML(typ="safe")
    path = tmp_path / "other.yaml"

    def written(tree):
        with path.open("w") as file:
            text.dump(tree, file)
        path.write_text(f"# a comment\n{path.read_text()}")
        return path

    study["inputs"].reverse()
    study = dict(reversed(study.items())) | {"title": "Another", "description": "text"}
    study["analyses"] = [{"statistics": {"confidence": 0.9}}]
    study["model"]["outputs"][0] |= {"range": [0.5, 10], "unit": "mm"}
    assert ran(written(study)) == (0, 0, 30)
    study |= {"timeout": "1 min", "keep": "none", "resources": {"threads": 2}}
    study["model"]["environment"] = {"set": {"A": "1"}}
    assert ran(written(study)) == (0, 0, 30)


@pytest.mark.full
def test_another_version_of_the_library_runs_nothing(ran, tmp_path, log, monkeypatch):
    study = awk_study(10)
    study["model"]["command"] = awk(log)
    assert ran(study) == (10, 0, 0)
    library = tmp_path / "another"
    shutil.copytree(ROOT / "workflow/lib/ensnare", library / "ensnare")
    provenance = library / "ensnare/store/provenance.py"
    assert "def package_versions(" in provenance.read_text()
    with provenance.open("a") as file:
        file.write('\n\ndef package_versions():\n    return {"ensnare": "99"}\n')
    monkeypatch.setenv("PYTHONPATH", str(library))
    study["title"] = "Another"  # the archive is gathered again
    assert ran(study) == (0, 0, 10)
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        assert json.loads(file.attrs["versions"]) == {"ensnare": "99"}


@pytest.mark.full
def test_templates_and_copies_run_all_if_what_they_give_is_another(ran, tmp_path, log):
    study = awk_study(10, keep="none")
    (tmp_path / "in").write_text("${a}\n{# first #}".replace("${a}", "{{ a }}"))
    (tmp_path / "data").write_text("1\n")
    study["model"]["files"] = [{"template": "in", "engine": "jinja2"}, {"copy": "data"}]
    study["model"]["command"] = awk(log)
    assert ran(study) == (10, 0, 0)
    (tmp_path / "in").write_text("{{ a }}\n{# second #}")
    assert ran(study) == (0, 0, 10)
    (tmp_path / "in").write_text("a = {{ a }}\n")
    assert ran(study) == (10, 0, 0)
    (tmp_path / "data").write_text("2\n")
    assert ran(study) == (10, 0, 0)
    study["model"]["command"] = awk(log, "2 * (3 * ${a} + ${b})")
    assert ran(study) == (10, 0, 0)
    assert_right(tmp_path, 2)


def archive_of(tmp_path):
    root = tmp_path / "results/small"
    return [(root / name).read_bytes() for name in ("archive.h5", "archive.pklz", "samples.csv")]


@pytest.mark.full
def test_old_results_stay_until_the_new_ones_are_whole(snakemake, tmp_path, log):
    study = awk_study(10)
    study["model"]["command"] = awk(log)
    assert snakemake(study=study).code == 0
    before = archive_of(tmp_path)

    gate = tmp_path / "gate"
    wait = ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"]
    study["model"]["command"] = [awk(log, "0 * (${a} + ${b}) + 7"), wait]
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(snakemake, study=study)
        try:
            while not (run.done() or len(log.read_text().splitlines()) > 10):
                time.sleep(0.05)
            assert not run.done(), run.result().text
            assert archive_of(tmp_path) == before
        finally:
            gate.touch()
    assert run.result().code == 0, run.result().text
    assert archive_of(tmp_path) != before
    assert set(results(tmp_path)["outputs/y"]) == {7}


def test_a_gather_that_fails_leaves_the_old_results(snakemake, tmp_path, log):
    study = awk_study(10)
    study["model"]["command"] = awk(log)
    assert snakemake(study=study).code == 0
    before = archive_of(tmp_path)
    study["model"]["command"] = awk(log, "0 * (${a} + ${b}) + 7")
    batches = tmp_path / "results/small/batches"
    old = set(batches.glob("*.h5"))
    assert snakemake("--until", "evaluate", study=study).code == 0
    (new,) = set(batches.glob("*.h5")) - old
    content = new.read_bytes()
    new.write_bytes(content[: len(content) // 2])
    assert snakemake(study=study).code == 1
    assert archive_of(tmp_path) == before
    new.write_bytes(content)
    done = snakemake(study=study)
    assert done.code == 0, done.text
    assert set(results(tmp_path)["outputs/y"]) == {7}


@pytest.mark.parametrize(
    "keep",
    [{"keep": "all"}, pytest.param({"keep": "all", "pack": True}, marks=pytest.mark.full)],
)
def test_changed_parsers_and_added_outputs_parse_kept_directories(ran, tmp_path, log, keep):
    study = awk_study(20, **keep)
    study["model"]["command"] = awk(log, '"y =", 3 * ${a} + ${b}; print "a =", ${a} > "log.a"')
    study["model"]["outputs"][0]["regex"] = "y = (.*)"
    assert ran(study) == (20, 0, 0)
    with (tmp_path / "results/small/samples.csv").open() as file:
        before = list(csv.DictReader(file))
    study["model"]["outputs"][0]["regex"] = r"y = (\S+)"
    assert ran(study) == (0, 20, 0)
    study["model"]["outputs"].append({"name": "a", "in": "log.a", "regex": "a = (.*)"})
    study["model"]["outputs"][1]["name"] = "echo"
    study["design"]["size"] = 25
    assert ran(study) == (5, 20, 0)
    assert_right(tmp_path)
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        np.testing.assert_allclose(file["outputs/echo"][:], file["inputs/a"][:], rtol=1e-5)
    with (tmp_path / "results/small/samples.csv").open() as file:
        after = list(csv.DictReader(file))
    for name in ("id", "status", "exit_code", "elapsed_s", "attempts", "directory"):
        assert [row[name] for row in after[:20]] == [row[name] for row in before]


@pytest.mark.full
def test_samples_of_which_nothing_is_kept_run_for_an_added_output(ran, tmp_path, log):
    study = awk_study(12, keep="all")
    study["model"]["command"] = awk(log)
    assert ran(study) == (12, 0, 0)
    for kept in sorted(tmp_path.glob("results/small/samples/*/*"))[:5]:
        shutil.rmtree(kept)
    study["model"]["outputs"].append({"name": "again", "regex": "(.*)"})
    assert ran(study) == (5, 7, 0)


def make_expensive(tmp_path, hours, study="small"):
    """Let all samples on record have taken so many core-hours together."""
    for path in (tmp_path / f"results/{study}/batches").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            rows = file["rows"][:]
            rows["elapsed_s"] = hours * 3600 / len(rows)
            file["rows"][...] = rows


def ensnare(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "ensnare", *map(str, arguments)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def expensive(snakemake, tmp_path, log):
    """Return a study of 120 core-hours whose command was changed since."""
    study = awk_study(10)
    study["model"]["command"] = awk(log)
    assert snakemake(study=study).code == 0
    make_expensive(tmp_path, 120)
    study["model"]["command"] = awk(log, "2 * (3 * ${a} + ${b})")
    return study


def test_an_expensive_rerun_stops_before_any_job_unless_accepted(
    snakemake, tmp_path, log, expensive
):
    dry = snakemake("-n", study=expensive)
    assert dry.code == 0, dry.text
    assert "samples: 10 to run, 0 reused; about 120 core-hours" in dry.text
    assert "accept_rerun=true" in dry.text
    before = archive_of(tmp_path)
    done = snakemake(study=expensive)
    assert done.code == 1
    last = done.text.strip().splitlines()[-1]
    assert last.startswith("study small: 10 finished samples, 120 core-hours, would be run again")
    assert last.endswith("ensnare adopt study.yaml")
    assert "Traceback" not in done.text
    assert len(log.read_text().splitlines()) == 10
    assert archive_of(tmp_path) == before
    assert "accept_rerun" not in (tmp_path / "results/small/study.json").read_text()

    done = snakemake("--config", "accept_rerun=true", study=expensive)
    assert done.code == 0, done.text
    assert len(log.read_text().splitlines()) == 20
    assert_right(tmp_path, 2)
    assert "Nothing to be done" in snakemake(study=expensive).text
    assert "Nothing to be done" in snakemake("--config", "accept_rerun=false", study=expensive).text


def test_adopted_results_are_not_run_again(snakemake, ran, tmp_path, log, expensive):
    snakemake("-n", study=expensive)  # writes the study file
    adopted = ensnare(tmp_path, "adopt", "study.yaml")
    assert adopted.returncode == 0, adopted.stderr
    assert adopted.stdout.startswith("results/small: 10 samples")
    assert ran(expensive) == (0, 0, 10)
    assert_right(tmp_path)  # as the old command computed them
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        (note,) = json.loads(file.attrs["adopted"])
        assert set(file["origin"][:].astype(str)) == set(note["batches"])
    assert note["samples"] == 10
    expensive["design"]["size"] = 15
    assert ran(expensive) == (5, 0, 10)
    again = ensnare(tmp_path, "adopt", "study.yaml")
    assert (again.returncode, again.stdout) == (1, "")
    assert "nothing to adopt" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1
    expensive["model"]["command"] = awk(log, "4 * ${a} + ${b}")
    make_expensive(tmp_path, 120)
    assert snakemake(study=expensive).code == 1


MODULE = """
configfile: "mine.yaml"

module one:
    snakefile: "{root}/workflow/Snakefile"
    config: config["one"]

use rule * from one as one_*

rule everything:
    input: rules.one_all.input
    default_target: True
"""


@pytest.mark.full
def test_an_expensive_rerun_of_a_module_stops_unless_accepted(snakemake, tmp_path, log, expensive):
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe").dump({"one": expensive}, file)
    (tmp_path / "Snakefile").write_text(MODULE.format(root=ROOT))
    dry = snakemake("-n", snakefile=tmp_path / "Snakefile")
    assert dry.code == 0, dry.text
    assert "about 120 core-hours" in dry.text
    done = snakemake(snakefile=tmp_path / "Snakefile")
    assert done.code == 1
    assert "10 finished samples, 120 core-hours, would be run again" in done.text
    assert len(log.read_text().splitlines()) == 10
    done = snakemake("--config", "accept_rerun=true", snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    assert len(log.read_text().splitlines()) == 20


def test_a_latin_hypercube_of_another_size_says_so_before_running(snakemake):
    study = awk_study(design={"method": "lhs", "size": 8})
    assert snakemake(study=study).code == 0
    study["design"]["size"] = 9
    dry = snakemake("-n", study=study)
    assert "cannot grow: its 9 samples differ from the 8" in dry.text
    assert LINE.search(dry.text).groups() == ("9", None, "0")
