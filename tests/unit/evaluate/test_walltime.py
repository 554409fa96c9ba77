"""A job that knows when it ends hands back the samples that it could not finish."""

import math
import re
import time
from collections import Counter

import numpy as np
import pytest
from small_studies import evaluate, labels, logged, prepare, python, started, study_tree
from waiting import lines_of

from ensnare.errors import ConfigError, HandedBackError
from ensnare.evaluate import walltime
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.jobs import read_records
from ensnare.evaluate.walltime import MARGIN_S, Walltime, job_end, time_left_s
from ensnare.store.journal import read_journal
from ensnare.study.loading import parse_study

NOTHING = np.empty(0)


@pytest.fixture
def nowhere(monkeypatch):
    """No scheduler."""
    for name in (walltime.UNTIL, "SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1-02:03:04\n", 93784),
        ("02:03:04", 7384),
        ("5:00", 300),
        ("0:07", 7),
        ("UNLIMITED", None),
        ("NOT_SET", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_the_time_left_is_read_as_squeue_prints_it(text, seconds):
    assert time_left_s(text) == seconds


def test_a_job_knows_its_end_from_the_environment(nowhere):
    assert job_end() is None
    nowhere.setenv("SLURM_JOB_END_TIME", "1700000000")
    assert job_end() == 1.7e9
    nowhere.setenv(walltime.UNTIL, "1600000000.5")
    assert job_end() == 1600000000.5
    nowhere.setenv(walltime.UNTIL, "2026-01-31T18:00:00+00:00")
    assert job_end() == 1769882400


def test_a_slurm_that_does_not_answer_sets_no_end(nowhere, tmp_path):
    nowhere.setenv("SLURM_JOB_ID", "1")
    nowhere.setenv("PATH", str(tmp_path))  # where there is no squeue
    assert job_end() is None
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 1:00:00\n")
    squeue.chmod(0o755)
    found = job_end()
    assert found is not None
    assert found > time.time()
    squeue.write_text("#!/bin/sh\nexit 1\n")
    assert job_end() is None


@pytest.mark.parametrize("text", ["soon", "nan", "18:00"])
def test_an_end_that_is_no_time_is_one_line(nowhere, text):
    nowhere.setenv(walltime.UNTIL, text)
    with pytest.raises(ConfigError, match=f"ENSNARE_UNTIL: got '{text}'; expected seconds"):
        job_end()


def test_without_an_end_everything_fits():
    time_ = Walltime(None, 3, np.array([1e9]))
    assert all(time_.fits() for _ in range(3))
    assert not time_.is_over()


def job_with(left_s, *took, known=()):
    found = Walltime(time.time() + left_s, 100, np.array(known, float))
    for i, elapsed_s in enumerate(took):
        found.note(i, elapsed_s)
    assert found.fits()  # the first one
    return found


def test_what_samples_took_decides_whether_another_one_fits():
    assert not job_with(1000, 950).fits()
    assert job_with(1000, 800).fits()
    assert not job_with(1000, known=[950, math.nan]).fits()
    assert not job_with(1000, 50).fits(20)  # of a call of many
    assert job_with(1000, 20).fits(20)


def test_one_sample_that_took_long_among_many_does_not_decide():
    assert job_with(1000, *[10] * 39, 990).fits()
    assert not job_with(1000, *[10] * 9, *[990] * 9).fits()


def test_where_nothing_is_known_samples_begin():
    assert job_with(5).fits()


# --- batches ------------------------------------------------------------------------------


def jobs_of(tree, tmp_path, left_s, most=20):
    """Evaluate the batch of a study in jobs of so much time; return what they handed back."""
    study, paths, (batch,) = prepare(tree, tmp_path)
    said = []
    with pytest.MonkeyPatch.context() as patch:
        for attempt in range(1, most):
            patch.setenv(walltime.UNTIL, str(time.time() + left_s))
            try:
                evaluate_batch(study, batch, paths, 2, lambda _: None, attempt)
            except HandedBackError as error:
                said.append(str(error))
                continue
            return said
    raise AssertionError(f"not done after {most} jobs")


def test_what_does_not_fit_is_handed_back_and_no_sample_is_killed(tmp_path, nowhere):
    log = tmp_path / "log"
    tree = study_tree(logged(log), size=7)
    said = jobs_of(tree, tmp_path, MARGIN_S - 5)
    # each of two workers takes a sample, unless the other one is so quick that it sees all first
    assert 3 <= len(said) <= 6
    assert re.search(r"batch \w+: [56] of 7 samples are handed back: the job ends in", said[0])
    assert "\n" not in said[0]
    assert "which the retries of the profile start" in said[0]
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 7
    counts = Counter(line.split()[0] for line in lines_of(log))
    assert counts == {"start": 7, "finish": 7}
    (record,) = tmp_path.rglob("*.jobs")
    assert [job.ended for job in read_records(record)] == ["handed back"] * len(said) + ["done"]
    assert not list(tmp_path.rglob("*.owner"))


def test_what_is_handed_back_is_on_record_before(tmp_path, nowhere):
    tree = study_tree(logged(tmp_path / "log"), size=5)
    study, paths, (batch,) = prepare(tree, tmp_path)
    nowhere.setenv(walltime.UNTIL, str(time.time() + MARGIN_S - 5))
    with pytest.raises(HandedBackError):
        evaluate_batch(study, batch, paths, 2, lambda _: None)
    assert len(read_journal(paths.journal(batch.key), 1).rows) in (1, 2)
    assert not paths.batch(batch.key).exists()


def test_a_job_with_enough_time_does_all(tmp_path, nowhere):
    assert jobs_of(study_tree(logged(tmp_path / "log"), size=7), tmp_path, 3600) == []
    assert len(started(tmp_path / "log")) == 7


@pytest.mark.parametrize("vectorized", [False, True])
def test_calls_of_a_function_are_handed_back_too(tmp_path, nowhere, vectorized, monkeypatch):
    monkeypatch.setattr("ensnare.evaluate.tasks._CHUNK", 2)
    log = tmp_path / "log"
    (tmp_path / "model.py").write_text(
        f"def f(x):\n    print('start', file=open({str(log)!r}, 'a'))\n    return x * x\n"
    )
    model = python("model.py:f", vectorized=vectorized)
    assert jobs_of(study_tree(model, size=8), tmp_path, MARGIN_S - 5)
    assert len(lines_of(log)) == (4 if vectorized else 8)


def test_nothing_about_the_end_of_jobs_is_in_a_study(tmp_path):
    assert "until" not in parse_study(study_tree(logged(tmp_path))).model_dump()


def test_a_job_with_time_for_the_longest_sample_sorts_none(monkeypatch):
    monkeypatch.setattr(Walltime, "needed_s", lambda self: pytest.fail("sorted"))
    walltime = Walltime(time.time() + 1000, 4, np.array([20.0]))
    assert walltime.fits()
    assert walltime.fits(2)
    walltime.note(1, 100.0)
    assert walltime.fits(5)
    monkeypatch.undo()
    assert not walltime.fits(10)
