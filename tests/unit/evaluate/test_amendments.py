"""Samples that are run again, or skipped, by hand."""

import csv
import multiprocessing
import os

import numpy as np
import pytest
from small_studies import evaluate, labels, load, logged, prepare, started, study_tree
from waiting import wait_until

from ensnare.archive.archive import write_archive
from ensnare.archive.gather import gather
from ensnare.archive.results import open_study
from ensnare.archive.samples_csv import write_samples
from ensnare.commands.select import Selection, select
from ensnare.errors import ArchiveError, BatchError, ConfigError
from ensnare.evaluate.amendments import read_amendments, redo, skip
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.claim import Claim
from ensnare.evaluate.forecast import count_samples
from ensnare.plan.batches import plan_batches
from ensnare.report.page import coverage
from ensnare.report.sections import collect_report
from ensnare.store.journal import read_journal
from ensnare.store.locks import wait_for_run_lock
from ensnare.store.outcome import Status

fork = multiprocessing.get_context("fork")


class Study:
    """A study of x in [0, 1]: what is above 0.7 fails until it is mended; y is the square of x."""

    def __init__(self, directory, **rest):
        self.directory, self.log = directory, directory / "log"
        script = f"case ${{x}} in 0.[789]*) [ -e {directory}/mended ] || exit 3;; esac;"
        self.tree = study_tree(logged(self.log, script), **{"size": 16, **rest})

    def mend(self):
        (self.directory / "mended").touch()

    def grown(self, size, **rest):
        self.tree = self.tree | {"design": self.tree["design"] | {"size": size}, **rest}

    def run(self):
        """Evaluate; return the arrays and which samples ran, checked with what was announced."""
        config, paths, batches = prepare(self.tree, self.directory)
        announced = count_samples(config, batches, paths).run
        before = len(started(self.log))
        _, arrays = evaluate(self.tree, self.directory)
        ran = started(self.log)[before:]
        assert len(ran) == len(set(ran)) == announced
        return arrays, set(ran)

    def amend(self, change, *more, **selection):
        """Redo or skip what is selected; return the ids."""
        config, paths, batches = prepare(self.tree, self.directory)
        arrays = gather(config, batches, paths, partial=True)
        ids = arrays.sample_id[select(config, arrays, Selection(**selection))]
        change(config, paths, ids, *more)
        return {name.decode() for name in ids.tolist()}


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def bad(arrays):
    return {name.decode() for name in arrays.sample_id[arrays.status != 0].tolist()}


def test_what_failed_runs_again_and_nothing_else(tmp_path):
    study = Study(tmp_path, batch={"size": 6})
    first, ran = study.run()
    assert len(ran) == 16
    assert len(bad(first)) == 4
    study.mend()
    _, ran = study.run()
    assert not ran
    assert study.amend(redo, failed=True) == bad(first)
    second, ran = study.run()
    assert ran == bad(first)
    assert not bad(second)
    np.testing.assert_array_equal(second.attempts, np.where(first.status == 0, 1, 2))
    np.testing.assert_array_equal(second.redone, first.status != 0)
    _, ran = study.run()
    assert not ran


def test_a_condition_says_which_samples_run_again(study):
    arrays, _ = study.run()
    chosen = study.amend(redo, where="status == 'failed' and x > 0.8 or 0 < y < 0.05")
    x = arrays.x[:, 0]
    expected = (x > 0.8) | (x**2 < 0.05)
    assert chosen == {n.decode() for n in arrays.sample_id[expected].tolist()}
    _, ran = study.run()
    assert ran == chosen


def test_retries_begin_anew_and_attempts_go_on_after_a_redo(tmp_path):
    study = Study(tmp_path, size=4, on_failure={"retries": 1})
    evaluate(study.tree, tmp_path)
    study.amend(redo, failed=True)
    _, arrays = evaluate(study.tree, tmp_path)
    assert labels(arrays) == ["ok", "failed", "ok", "ok"]
    assert arrays.attempts.tolist() == [1, 4, 1, 1]
    assert len(started(study.log)) == 3 + 4


def test_older_batches_do_not_bring_back_what_is_to_run_again(study):
    first, _ = study.run()
    study.grown(24)
    second, ran = study.run()
    assert len(ran) == 8
    study.mend()
    assert study.amend(redo, failed=True) == bad(second) > bad(first)
    study.grown(24, batch={"size": 5})
    third, ran = study.run()
    assert ran == bad(second)
    assert not bad(third)
    study.grown(16, batch={"size": "auto"})
    fourth, ran = study.run()
    assert not ran
    assert not bad(fourth)


def test_another_model_keeps_its_results_of_samples_that_run_again(study):
    study.run()
    mine = study.tree["model"]
    other = logged(study.log, "exit 5;")
    study.grown(16, model=other)
    study.run()
    study.amend(redo, where="x < 0.7")
    study.grown(16, model=mine)
    _, ran = study.run()
    assert not ran


def test_a_redo_that_was_cut_short_can_be_given_again(study):
    arrays, _ = study.run()
    _, paths, (batch,) = prepare(study.tree, study.directory)
    content = paths.batch(batch.key).read_bytes()
    chosen = study.amend(redo, failed=True)
    paths.batch(batch.key).write_bytes(content)  # the journal was amended, the file not removed
    assert study.amend(redo, failed=True) == chosen == bad(arrays)
    assert study.run()[1] == chosen


def test_a_batch_without_a_journal_loses_nothing_by_a_redo(study):
    study.run()
    _, paths, (batch,) = prepare(study.tree, study.directory)
    paths.journal(batch.key).unlink()
    chosen = study.amend(redo, failed=True)
    assert len(read_journal(paths.journal(batch.key), 1).rows) == 16 - len(chosen)
    assert study.run()[1] == chosen


@pytest.mark.slow
def test_skipped_samples_stay_skipped_over_reruns_growth_and_rebatching(study):
    study.run()
    chosen = study.amend(skip, "singular there", where="x > 0.9")
    for change in ({}, {"batch": {"size": 5}}, {"model": logged(study.log, "sleep 0;")}):
        study.tree |= change
        study.grown(24 if change else 16)
        arrays, ran = study.run()
        skipped = arrays.status == Status.SKIPPED
        assert {n.decode() for n in arrays.sample_id[skipped].tolist()} == chosen
        assert {arrays.messages[i] for i in np.flatnonzero(skipped)} == {"singular there"}
        assert np.isnan(arrays.y[skipped]).all()
        assert not ran & chosen


def test_a_sample_that_was_not_run_yet_can_be_skipped(study):
    config, paths, batches = prepare(study.tree, study.directory)
    ids = [gather(config, batches, paths).sample_id[3].decode()]
    assert study.amend(skip, "not that one", ids=ids) == set(ids)
    partial = gather(config, batches, paths, partial=True)
    assert labels(partial).count("skipped") == 1
    arrays, ran = study.run()
    assert len(ran) == 15
    assert labels(arrays)[3] == "skipped"
    assert arrays.attempts[3] == 0


def test_redo_takes_a_skip_back(study):
    study.run()
    chosen = study.amend(skip, "no", where="x > 0.6")
    arrays, ran = study.run()
    assert not ran
    back = study.amend(redo, where="status == 'skipped' and x < 0.8")
    assert back < chosen
    arrays, ran = study.run()
    assert ran == back
    _, paths, _ = prepare(study.tree, study.directory)
    assert set(read_amendments(paths).skipped) == chosen - back
    assert labels(arrays).count("skipped") == len(chosen - back)
    assert not read_amendments(paths).redone  # they were never run by a redo before


def test_skipped_samples_do_not_count_as_failures(tmp_path):
    study = Study(tmp_path, on_failure={"stop_after": 3})
    with pytest.raises(BatchError, match="the study ends here"):
        evaluate(study.tree, tmp_path)
    study.amend(skip, "cannot converge", where="status == 'failed' and x > 0.8")
    _, arrays = evaluate(study.tree, tmp_path)
    assert 0 < labels(arrays).count("failed") <= 3


def test_after_the_failed_are_mended_and_run_again_a_stopped_study_goes_on(tmp_path):
    study = Study(tmp_path, on_failure={"stop_after": 1})
    with pytest.raises(BatchError, match="the study ends here"):
        evaluate(study.tree, tmp_path)
    study.mend()
    study.amend(redo, failed=True)
    _, arrays = evaluate(study.tree, tmp_path)
    assert set(labels(arrays)) == {"ok"}


def test_nothing_is_changed_while_a_job_or_a_run_is_under_way(study):
    study.run()
    _, paths, (batch,) = prepare(study.tree, study.directory)
    gate = study.directory / "gate"

    def target():
        with Claim(paths.owner(batch.key)):
            wait_until(gate.exists)
        wait_for_run_lock(paths.lock, lambda _: None)
        wait_until(lambda: not gate.exists())
        os._exit(0)

    process = fork.Process(target=target)
    process.start()
    wait_until(paths.owner(batch.key).exists)
    with pytest.raises(BatchError, match="a job evaluates it now"):
        study.amend(redo, failed=True)
    gate.touch()
    wait_until(lambda: not paths.owner(batch.key).exists() and paths.lock.exists())
    with pytest.raises(BatchError, match="a run of this study is under way"):
        wait_until(lambda: study.amend(redo, where="x > 2") and False)  # until it has the lock
    with pytest.raises(BatchError, match="a run of this study is under way"):
        study.amend(skip, "no", where="x > 0")
    gate.unlink()
    process.join()
    assert paths.batch(batch.key).exists()
    assert study.amend(redo, failed=True)


def test_an_abandoned_claim_delays_nothing(study):
    study.run()
    _, paths, (batch,) = prepare(study.tree, study.directory)

    def target():
        Claim(paths.owner(batch.key)).__enter__()
        os._exit(0)

    process = fork.Process(target=target)
    process.start()
    process.join()
    assert paths.owner(batch.key).exists()
    assert study.amend(redo, failed=True)


def test_what_was_done_by_hand_shows_in_archive_table_and_report(study):
    study.run()
    study.mend()
    again = study.amend(redo, where="x > 0.7 and x < 0.9")
    skipped = study.amend(skip, "a reason, told", where="x >= 0.9")
    arrays, _ = study.run()
    config, paths, _ = prepare(study.tree, study.directory)
    write_samples(paths.table("samples"), arrays, paths)
    write_archive(paths.archive, config, arrays)
    with paths.table("samples").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert {n for n, row in rows.items() if row["redone"] == "1"} == again
    assert {n for n, row in rows.items() if row["attempts"] == "2"} == again
    assert {n for n, row in rows.items() if row["status"] == "skipped"} == skipped
    assert {rows[n]["message"] for n in skipped} == {"a reason, told"}
    results = open_study(paths.root)
    assert results.columns["redone"].sum() == len(again)
    data = collect_report_without_figures(results, paths)
    assert data.failures.iloc[0]["message"] == "a reason, told"
    assert data.failures.iloc[0]["count"] == len(skipped)
    assert ("run again by ensnare redo", f"{len(again)}, of which {len(again)} are ok now") in (
        coverage(data)
    )


def collect_report_without_figures(results, paths):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ensnare.report.sections._figures", lambda _: [])
        return collect_report(results, {}, paths.table("samples"))


def test_selections_are_checked(study):
    arrays, _ = study.run()
    config = load(study.tree, study.directory)
    for where, said in {
        "status == 'timout'": "--where: 'timout' is no status; did you mean 'timeout'?",
        "z > 1": "--where: 'z' is nothing that a sample has; expected one of",
        "x == 'a'": "--where: 'x' is a number; write a without quotes",
        "x": "--where: 'x' at column 1 is no condition",
    }.items():
        with pytest.raises(ConfigError) as caught:
            select(config, arrays, Selection(where=where))
        assert said in str(caught.value)
    with pytest.raises(ConfigError, match="'x' is no sample of the study"):
        select(config, arrays, Selection(ids=["x"]))


def test_conditions_know_factors_derived_values_constants_and_columns(tmp_path):
    tree = study_tree(
        logged(tmp_path / "log"),
        sweep={"mesh": ["fine", "coarse"], "n": [1, 2]},
        derived={"r": "c / (x - 0.45)"},
    )
    tree["inputs"] = [*tree["inputs"], {"name": "c", "value": 2}]
    config = load(tree, tmp_path)
    _, paths, _ = prepare(tree, tmp_path)
    arrays = gather(config, plan_batches(config), paths)
    where = "mesh == 'fine' and n == 2 and r > 0 and c == 2 and status == 'not_run'"
    at = select(config, arrays, Selection(where=where))
    mine = (arrays.levels("mesh") == "fine") & (arrays.levels("n") == 2) & (arrays.x[:, 0] > 0.45)
    np.testing.assert_array_equal(at, np.flatnonzero(mine))
    assert len(at)
    assert select(config, arrays, Selection(where="design_row < 3 and exit_code == -1")).size == 12


def test_a_damaged_list_of_what_was_done_is_one_line(study):
    _, paths, _ = prepare(study.tree, study.directory)
    paths.amendments.write_text('{"skipped": []}')
    with pytest.raises(ArchiveError, match="not a list of skipped and redone samples"):
        read_amendments(paths)
    with pytest.raises(ArchiveError, match="mend or remove it"):
        evaluate_batch(
            *(lambda s, p, b: (s, b[0], p))(*prepare(study.tree, study.directory)), 1, print
        )
