"""Samples that are killed are left to a job with more memory, where one follows."""

import pytest
from small_studies import evaluate, labels, logged, prepare, python, started, study_tree

from ensnare.errors import HandedBackError
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.jobs import RETRIES, read_records, resource_factor

SHORT = 'case ${x} in 0.5) [ -e "%s.more" ] || kill -9 $$ ;; esac;'  # one of the samples


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def tree(log):
    """Return a study of which one sample is killed, until there is more memory."""
    return study_tree(logged(log, SHORT % log), size=4, resources={"memory": "1 GB"})


def job(tree, tmp_path, attempt):
    """Evaluate the batch of a study in one job; return its record and its files."""
    study, paths, (batch,) = prepare(tree, tmp_path)
    evaluate_batch(study, batch, paths, 2, lambda _: None, attempt)
    return read_records(paths.jobs(batch.key))


def test_a_killed_sample_is_left_to_a_job_with_more_memory(tmp_path, log, tree, monkeypatch):
    monkeypatch.setenv(RETRIES, "2")
    with pytest.raises(
        HandedBackError, match="1 of 4 samples were killed, probably for lack of me"
    ):
        job(tree, tmp_path, 1)
    assert len(started(log)) == 4
    (record,) = tmp_path.rglob("*.jobs")
    assert resource_factor(record, 2) == 2
    log.with_name("log.more").touch()
    ends = [record.ended for record in job(tree, tmp_path, 2)]
    assert ends == ["short of memory", "done"]
    assert len(started(log)) == 5
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 4


@pytest.mark.slow
def test_a_sample_that_is_killed_with_more_memory_too_is_recorded(tmp_path, log, tree, monkeypatch):
    monkeypatch.setenv(RETRIES, "5")
    with pytest.raises(HandedBackError):
        job(tree, tmp_path, 1)
    job(tree, tmp_path, 2)
    _, arrays = evaluate(tree, tmp_path)
    assert sorted(labels(arrays)) == ["killed", "ok", "ok", "ok"]
    assert any("probably for lack of memory" in text for text in arrays.messages.values())
    assert len(started(log)) == 4 + 2  # in the last job it is tried once more


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retries", "attempt", "changes"),
    [
        (None, 1, {}),  # a local run: no other job has more
        ("2", 3, {}),  # the last one
        ("2", 1, {"resources": {}}),  # memory is the profile's and does not grow
        ("2", 1, {"on_failure": {"retries": {"killed": 0}}}),
    ],
)
def test_where_no_job_with_more_memory_follows_it_is_recorded(
    tmp_path, tree, monkeypatch, retries, attempt, changes
):
    monkeypatch.delenv(RETRIES, raising=False)
    if retries:
        monkeypatch.setenv(RETRIES, retries)
    job(tree | changes, tmp_path, attempt)
    _, arrays = evaluate(tree | changes, tmp_path)
    assert sorted(labels(arrays)) == ["killed", "ok", "ok", "ok"]


def deadly_function(tmp_path, number):
    """Write a function that ends its worker with a signal for one sample."""
    text = "import os\n\ndef f(x):\n    if x == 0.5 and not os.path.exists('more'):\n"
    text += f"        os.kill(os.getpid(), {number})\n    return x\n"
    (tmp_path / "model.py").write_text(text)


def test_a_function_that_crashes_is_not_short_of_memory(tmp_path, monkeypatch):
    monkeypatch.setenv(RETRIES, "2")
    deadly_function(tmp_path, 10)
    tree = study_tree(python("model.py:f"), size=4, resources={"memory": "1 GB"})
    monkeypatch.chdir(tmp_path)
    job(tree, tmp_path, 1)
    _, arrays = evaluate(tree, tmp_path)
    assert sorted(labels(arrays)) == ["killed", "ok", "ok", "ok"]


def test_a_function_that_takes_its_worker_with_it_is_left_to_it_as_well(tmp_path, monkeypatch):
    monkeypatch.setenv(RETRIES, "2")
    deadly_function(tmp_path, 9)
    tree = study_tree(python("model.py:f"), size=4, resources={"memory": "1 GB"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HandedBackError, match="1 of 4 samples were killed"):
        job(tree, tmp_path, 1)
    (tmp_path / "more").touch()
    job(tree, tmp_path, 2)
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 4
