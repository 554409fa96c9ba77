"""Results of an earlier version: the present one goes on with them and runs nothing again.

What `tests/data/golden` holds, and how one is added, is in its README.md. All files of a copy are
older than the code, as they are for a user who takes a new version: scripts that make the design,
archive and tables run again then, and samples must not.
"""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from workflow_helpers import ROOT, announced

from ensnare.parareal.cases import plan_cases, solved_digest
from ensnare.plan.batches import plan_batches
from ensnare.plan.rounds import Growth, grows
from ensnare.store.journal import read_journal
from ensnare.store.pickles import read_pickle
from ensnare.study.loading import load_study

GOLDEN = ROOT / "tests/data/golden"
STUDIES = (
    "command",
    "function",
    "vectorised",
    "sweep",
    "scaling",
    "until",
    "amended",
    "packed",
    "words",
)
PARAREAL = ("parareal", "parareal_rules")
RUN_SAMPLES = {"evaluate", "measure", "solve_slices", "update_states", "end_case"}
LONG_AGO = 1e9  # in 2001: older than any script
# would be made again if their scripts were newer, which is another matter and runs no sample
BY_SCRIPT = ("rounds/*", "parareal/solved-*")
TIMES = ("elapsed_s",)  # of samples that ran again
# attributes that say when and with what a file was made, and what HDF5 says for itself
MADE = {"study", "versions", "git", "host", "ran_with"}
MADE |= {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}


class Copy:
    """A copy of golden results in a directory of its own."""

    def __init__(self, name, root, run):
        shutil.copytree(GOLDEN / name, root, dirs_exist_ok=True)
        for path in root.rglob("*"):
            times = None if any(map(path.match, BY_SCRIPT)) else (LONG_AGO, LONG_AGO)
            os.utime(path, times)
        self.name, self.root, self._run = name, root, run
        self.results = root / "results" / name
        kept, apart = GOLDEN / name / "results" / name, GOLDEN / name / "expected"
        self.expected = apart if apart.exists() else kept
        self.tables = sorted(path.name for path in self.expected.glob("*.csv"))

    def snakemake(self, *words):
        """Run Snakemake with the study file as its user has it, beside `results`."""
        return self._run(*words, study=Path("study.yaml"))

    def make_anew(self, whole=False):
        """Remove the archive and all tables, and have them made again."""
        wanted = ["archive.h5", "archive.pklz", *self.tables]
        for name in wanted:
            (self.results / name).unlink(missing_ok=True)
        targets = [] if whole else ["--nolock", *(f"results/{self.name}/{n}" for n in wanted)]
        done = self.snakemake(*targets)
        assert done.code == 0, done.text
        return done

    def edit(self, change):
        """Change the study file."""
        yaml = YAML(typ="safe")
        study = yaml.load(self.root / "study.yaml")
        change(study)
        with (self.root / "study.yaml").open("w") as file:
            yaml.dump(study, file)

    def ran(self):
        """Return what the code logged, once for each run of a sample."""
        log = self.root / "log"
        lines = log.read_text().split("\n")[:-1] if log.exists() else []
        # the check of a parareal study calls its functions, at the first time
        return [line for line in lines if self.name != "parareal" or float(line) > 0]

    def ids(self, **where):
        """Return the ids of samples as the golden table has them."""
        table = text_table(self.expected / "samples.csv")
        for column, value in where.items():
            table = table[table[column] == value]
        return table["id"].tolist()


@pytest.fixture
def golden(snakemake, tmp_path, monkeypatch):
    """Return a function that copies golden results; codes log their runs."""
    monkeypatch.setenv("GOLDEN_LOG", str(tmp_path / "log"))
    return lambda name: Copy(name, tmp_path, snakemake)


def text_table(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def planned_names(study):
    """Return the names that a study gives to what it runs."""
    study = load_study(study)
    if study.config.parareal is not None:
        keys = [case.key for case in plan_cases(study)]
        return {"cases": keys, "solved": solved_digest(study)}
    if not grows(study):
        return {"batches": [batch.key for batch in plan_batches(study)]}
    growth = Growth(study)
    first = [[batch.key for batch in item.batches] for item in growth.rounds[:4]]
    return {
        "rounds": [item.key for item in growth.rounds],
        "end": growth.end_key,
        "batches_of_rounds": first,
    }


def names_of_shipped_studies(root):
    """Return the names in all studies that come with a version of Ensnare."""
    files = [root / "config/config.yaml", *sorted((root / "config/studies").glob("*.yaml"))]
    return {str(file.relative_to(root)): planned_names(file) for file in files}


def datasets(file):
    """Return the names of the datasets of an HDF5 file."""
    found = set()
    file.visititems(lambda name, item: isinstance(item, h5py.Dataset) and found.add(name))
    return found


def assert_same_attributes(found, expected):
    assert set(found.attrs) == set(expected.attrs)
    for name in set(expected.attrs) - MADE:
        np.testing.assert_array_equal(found.attrs[name], expected.attrs[name], err_msg=name)


def assert_same_hdf5(path, golden_path, but=()):
    """Every number and text is the same: values, ids, status, messages, axes, units."""
    with h5py.File(path) as found, h5py.File(golden_path) as expected:
        names = datasets(expected)
        assert datasets(found) == names
        assert_same_attributes(found, expected)
        expected.visititems(lambda name, item: assert_same_attributes(found[name], item))
        for name in names - set(but):
            assert found[name].dtype == expected[name].dtype, name
            np.testing.assert_array_equal(found[name][()], expected[name][()], err_msg=name)


def assert_same_tree(found, expected, where="archive.pklz", but=()):
    """Two pickles hold the same."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key in expected.keys() - set(but):
            assert_same_tree(found[key], expected[key], f"{where}: {key}")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for i, pair in enumerate(zip(found, expected, strict=True)):
            assert_same_tree(*pair, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(found, expected, err_msg=where)


def assert_same_table(path, golden_path, but=()):
    """Columns, rows and texts are the same, numbers up to rounding."""
    found, expected = text_table(path), text_table(golden_path)
    assert found.columns.tolist() == expected.columns.tolist(), path
    assert len(found) == len(expected), path
    for column in expected.columns.difference(but):
        texts = found[column].tolist(), expected[column].tolist()
        try:
            numbers = [[float(t or "nan") for t in part] for part in texts]
        except ValueError:
            assert texts[0] == texts[1], (path, column)
        else:
            assert [t == "" for t in texts[0]] == [t == "" for t in texts[1]], (path, column)
            np.testing.assert_allclose(*numbers, rtol=1e-9, err_msg=f"{path}: {column}")


def assert_same_results(copy, but=(), without=()):
    """The archive and the tables are what they were."""
    assert_same_hdf5(copy.results / "archive.h5", copy.expected / "archive.h5", but)
    trees = [read_pickle(path / "archive.pklz") for path in (copy.results, copy.expected)]
    assert_same_tree(*trees, but=but)
    for name in set(copy.tables) - set(without):
        assert_same_table(copy.results / name, copy.expected / name, but)
    design = GOLDEN / copy.name / "results" / copy.name / "design.h5"
    if design.exists():  # made again, since its script is newer
        assert_same_hdf5(copy.results / "design.h5", design)


def assert_names_are_kept(copy):
    """What the present code would run has the names that the files have."""
    names, files = planned_names(copy.root / "study.yaml"), copy.results
    if "cases" in names:
        assert {p.parent.name for p in files.glob("parareal/*/fine")} == set(names["cases"])
        assert [p.name for p in files.glob("parareal/solved-*")] == [
            f"solved-{names['solved']}.json"
        ]
        return
    stems = {path.stem for path in files.glob("batches/*.h5")}
    if "rounds" not in names:
        assert stems == set(names["batches"])
        return
    assert stems == {key for keys in names["batches_of_rounds"] for key in keys}
    assert {path.stem for path in files.glob("rounds/*.json")} == set(names["rounds"][:4])
    assert [path.stem for path in files.glob("rounds/*.end")] == [names["end"]]


def assert_nothing_else_is_to_run(dry):
    """Only a report is missing, if anything.

    Snakemake does not look whether a rule has changed while what its `ancient` inputs come from is
    to run. So a dry run says more when the design has been made.
    """
    assert dry.code == 0, dry.text
    assert set(dry.job_counts()) <= {"write_report", "report_parareal", "default", "total"}, (
        dry.text
    )


@pytest.mark.parametrize("name", STUDIES)
def test_no_sample_runs_again_and_archive_and_tables_come_out_the_same(golden, name):
    copy = golden(name)
    assert_names_are_kept(copy)
    done = copy.make_anew(whole=name == "command")  # figures and report, too
    assert announced(done.text) == (0, len(copy.ids())), done.text
    assert not RUN_SAMPLES & set(done.job_counts()), done.text
    assert copy.ran() == []
    assert_same_results(copy)
    dry = copy.snakemake("-n")
    assert announced(dry.text) == (0, len(copy.ids()))
    assert_nothing_else_is_to_run(dry)
    if name == "command":
        assert (copy.results / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", PARAREAL)
def test_nothing_is_solved_again_and_archive_and_table_come_out_the_same(golden, name):
    copy = golden(name)
    assert_names_are_kept(copy)
    cases = len(text_table(copy.expected / "parareal.csv"))
    done = copy.make_anew()
    assert f"cases: 0 to solve, {cases} solved" in done.text
    assert not {"solve_parareal", *RUN_SAMPLES} & set(done.job_counts()), done.text
    assert copy.ran() == []
    assert_same_results(copy)
    assert_nothing_else_is_to_run(copy.snakemake("-n"))


def test_what_was_amended_by_hand_still_holds():
    results = GOLDEN / "amended/results/amended"
    amended = json.loads((results / "amendments.json").read_text())
    table = text_table(results / "samples.csv").set_index("id")
    assert len(amended["skipped"]) > 1
    assert (table["status"] == "skipped").sum() == len(amended["skipped"])
    assert table["message"][list(amended["skipped"])].to_dict() == amended["skipped"]
    again = table.index[table["redone"] == "1"]
    assert set(again) == set(amended["redone"])
    assert set(table["status"][again]) == {"ok", "failed"}


def test_a_killed_study_goes_on_where_its_journals_end(golden):
    copy = golden("killed")
    journals = sorted(copy.results.glob("batches/*.journal"))
    rows = np.concatenate([read_journal(path, 1).rows for path in journals])
    known = {r["sample_id"].decode(): float(r["outputs"][0]) for r in rows}
    missing = sorted(set(copy.ids()) - set(known))
    assert (len(known), len(missing)) == (12, 12)
    names = planned_names(copy.root / "study.yaml")["batches"]
    assert set(text_table(copy.expected / "jobs.csv")["batch"]) == set(names)

    done = copy.make_anew()
    assert announced(done.text) == (12, 12)
    assert done.job_counts()["evaluate"] == 2
    assert sorted(copy.ran()) == missing
    assert {path.stem for path in copy.results.glob("batches/*.h5")} == set(names)
    assert_same_results(copy, but=TIMES, without=["jobs.csv"])
    with h5py.File(copy.results / "archive.h5") as file:
        ids = [i.decode() for i in file["sample_id"][:]]
        found = dict(zip(ids, file["outputs/y"][:].tolist(), strict=True))
    np.testing.assert_array_equal([found[i] for i in known], list(known.values()))


def test_a_sample_whose_record_is_damaged_runs_again_alone(golden):
    copy = golden("command")
    journal = min(copy.results.glob("batches/*.journal"))
    data = bytearray(journal.read_bytes())
    damaged = next(i for i in copy.ids(status="ok") if data.count(i.encode()) == 1)
    data[data.index(damaged.encode()) + len(damaged)] ^= 1
    journal.write_bytes(data)
    journal.with_suffix(".h5").unlink()
    done = copy.make_anew()
    assert announced(done.text) == (1, len(copy.ids()) - 1)
    assert done.job_counts()["evaluate"] == 1
    assert copy.ran() == [damaged]
    assert_same_results(copy, but=TIMES, without=["jobs.csv"])
    pair = [text_table(p / "samples.csv").set_index("id") for p in (copy.results, copy.expected)]
    found, expected = (table["elapsed_s"].drop(damaged) for table in pair)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["command", "function", "vectorised", "sweep", "words", "amended"])
def test_batches_that_are_cut_otherwise_take_over_every_finished_sample(golden, name):
    copy = golden(name)
    killed = len(copy.ids(status="killed"))  # which says little about a sample
    copy.edit(lambda study: study.update(batch={"size": 3}))
    dry = copy.snakemake("-n")
    assert announced(dry.text) == (killed, len(copy.ids()) - killed), dry.text
    assert dry.job_counts()["evaluate"] > 1
    assert copy.ran() == []


def test_packed_directories_are_read_again_for_an_output_that_is_new(golden):
    copy = golden("packed")
    output = {"name": "again", "json": "out.json", "key": "values.0"}
    copy.edit(lambda study: study["model"]["outputs"].append(output))
    dry = copy.snakemake("-n")
    assert "samples: 0 to run, 10 to parse again, 0 reused" in dry.text, dry.text


def test_the_batches_of_the_shipped_studies_keep_their_names():
    expected = json.loads((GOLDEN / "batch_names.json").read_text())
    assert names_of_shipped_studies(ROOT) == expected
