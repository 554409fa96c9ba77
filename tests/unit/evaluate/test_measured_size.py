"""The size of batches follows from what samples took, until a batch is there."""

import numpy as np
import pytest
from small_studies import load, prepare, python, shell, study_tree

from ensnare.evaluate.batchfile import parsers_of, write_rows
from ensnare.evaluate.measured_size import length_note, mean_elapsed_s, with_measured_size
from ensnare.plan.batches import plan_batches
from ensnare.store.journal import Finished, rows_of
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import resolved_tree, with_settled_size, write_resolved


def tree_of(size, **rest):
    return study_tree(shell("echo y = ${x}"), size, **rest)


def ran(tree, tmp_path, elapsed_s):
    """Leave what a run of a study leaves whose samples took so long; return its files."""
    study = load(tree, tmp_path)
    paths = StudyPaths(tmp_path / "results/small")
    study = with_measured_size(study, paths)
    write_resolved(resolved_tree(study), paths.study)
    for batch in plan_batches(study):
        ids = np.array([f"{batch.key}{i}" for i in range(len(batch))], "S20")
        rows = rows_of(ids, "", batch.key, np.zeros((len(batch), 1)))
        rows["elapsed_s"] = elapsed_s
        write_rows(paths.batch(batch.key), Finished(rows), parsers_of(study))
    return paths


def sizes(tree, tmp_path, paths):
    study = with_measured_size(load(tree, tmp_path), paths)
    return [len(batch) for batch in plan_batches(study)]


def test_where_nothing_has_run_batches_double(tmp_path):
    assert sizes(tree_of(20_000), tmp_path, StudyPaths(tmp_path)) == [8192, 8192, 3616]


def test_a_first_small_run_tells_how_large_the_batches_of_the_next_one_are(tmp_path):
    paths = ran(tree_of(20), tmp_path, 60.0)
    assert mean_elapsed_s(paths) == pytest.approx(60)
    assert sizes(tree_of(200), tmp_path, paths) == [64, 64, 64, 8]
    assert sizes(tree_of(20), tmp_path, paths) == [20]  # it is there


def test_a_size_holds_while_a_batch_that_was_cut_by_it_is_there(tmp_path):
    ran(tree_of(20), tmp_path, 60.0)
    paths = ran(tree_of(200), tmp_path, 600.0)  # the others took longer than was known
    assert sizes(tree_of(300), tmp_path, paths) == [64, 64, 64, 64, 44]
    for file in paths.batches.glob("*.h5"):
        file.with_suffix(".journal").touch()
        file.unlink()
    assert sizes(tree_of(300), tmp_path, paths) == [64, 64, 64, 64, 44]


def test_batches_that_are_there_stay_though_they_are_long(tmp_path):
    paths = ran(tree_of(9000), tmp_path, 60.0)
    assert sizes(tree_of(20_000), tmp_path, paths) == [8192, 8192, 3616]


def test_another_model_is_cut_by_what_the_first_one_took(tmp_path):
    paths = ran(tree_of(600), tmp_path, 600.0)
    other = tree_of(20) | {"model": shell("echo y = 2; : ${x}")}
    assert sizes(other, tmp_path, paths) == [8, 8, 4]


def test_short_samples_leave_it_at_batches_that_double(tmp_path):
    paths = ran(tree_of(20), tmp_path, 0.5)
    assert sizes(tree_of(20_000), tmp_path, paths) == [8192, 8192, 3616]


@pytest.mark.parametrize("rest", [{"batch": {"size": 100}}, {"resources": {"runtime": "6 min"}}])
def test_what_the_study_states_comes_first(tmp_path, rest):
    paths = ran(tree_of(20), tmp_path, 3600.0)
    expected = [100, 100] if "batch" in rest else [8] * 25
    assert sizes(tree_of(200, **rest), tmp_path, paths) == expected


def test_jobs_cut_as_the_run_that_they_belong_to(tmp_path):
    ran(tree_of(20), tmp_path, 60.0)
    paths = ran(tree_of(200), tmp_path, 60.0)
    for file in paths.batches.iterdir():
        file.unlink()
    study = with_settled_size(load(tree_of(200), tmp_path), paths)
    assert [len(batch) for batch in plan_batches(study)] == [64, 64, 64, 8]


def test_without_results_there_is_nothing_to_settle(tmp_path):
    study, paths, _ = prepare(tree_of(4), tmp_path)
    paths.study.write_text("{")
    assert with_settled_size(study, paths) == study
    assert with_measured_size(study, paths) == study
    assert np.isnan(mean_elapsed_s(paths))


def test_a_run_on_a_cluster_says_that_a_job_may_be_long(tmp_path):
    study = load(tree_of(2000), tmp_path)
    note = length_note(study, plan_batches(study), StudyPaths(tmp_path))
    assert "up to 2000 go to one job" in note
    assert "resources.runtime" in note


@pytest.mark.parametrize(
    "rest",
    [
        {"batch": {"size": 100}},
        {"resources": {"runtime": "6 min"}},
        {"design": {"method": "sobol", "size": 64}},
        {"model": python("ensnare.models.ishigami:ishigami", vectorized=True)},
    ],
    ids=["a stated size", "a stated time", "few samples", "a vectorised function"],
)
def test_a_run_of_which_enough_is_known_says_nothing_of_its_jobs(tmp_path, rest):
    study = load(tree_of(2000) | rest, tmp_path)
    assert length_note(study, plan_batches(study), StudyPaths(tmp_path)) == ""


def test_samples_that_ran_say_how_long_jobs_are(tmp_path):
    paths = ran(tree_of(20), tmp_path, 1.0)
    study = load(tree_of(2000), tmp_path)
    assert length_note(study, plan_batches(study), paths) == ""
