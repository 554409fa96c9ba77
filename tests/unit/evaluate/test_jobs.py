"""Jobs that hand back are no failures; jobs that die without a sample on record are."""

import contextlib
import time

import pytest

from ensnare.errors import BatchError, HandedBackError
from ensnare.evaluate.jobs import (
    MOST_FRUITLESS,
    JobStart,
    job_on_record,
    read_ends,
    read_records,
    record_waiting,
    resource_factor,
)
from ensnare.store.signals import Terminated


@pytest.fixture
def path(tmp_path):
    return tmp_path / "abc.jobs"


class Killed(BaseException):
    """The end of a job that has no time to say so."""


def job(path, attempt, recorded=0, *, goes_on=False, ends=Killed):
    """Run a job of a batch that ends with an exception; None: well."""
    try:
        with job_on_record(path, JobStart(attempt, recorded, goes_on, start=time.time())):
            begun = path.read_bytes()
            if ends is not None:
                raise ends(15)
    except (Killed, HandedBackError, OSError, Terminated):
        if ends is Killed:
            path.write_bytes(begun)


def test_jobs_that_die_without_a_sample_are_given_up(path):
    for attempt in range(1, MOST_FRUITLESS + 1):
        job(path, attempt)
    with pytest.raises(BatchError, match="batch abc: 3 jobs in a row ended without another sample"):
        job(path, MOST_FRUITLESS + 1)


def test_errors_without_a_sample_count_as_well(path):
    for attempt in range(1, MOST_FRUITLESS + 1):
        job(path, attempt, ends=OSError)
    with pytest.raises(BatchError, match="jobs in a row"):
        job(path, MOST_FRUITLESS + 1)


def test_handing_back_eats_nothing(path):
    for attempt in range(1, 50):
        job(path, attempt, ends=HandedBackError)
    assert read_ends(path).fruitless == 0
    assert resource_factor(path, 50) == 1


def test_jobs_that_die_after_some_samples_go_on(path):
    for attempt in range(1, 20):
        job(path, attempt, recorded=attempt)
    assert read_ends(path).fruitless == 0
    job(path, 20, recorded=19)
    assert read_ends(path).fruitless == 1


def test_samples_that_go_on_are_progress(path):
    for attempt in range(1, 20):
        job(path, attempt, goes_on=attempt > 1)
    assert read_ends(path).fruitless == 0


def test_a_new_call_counts_anew(path):
    for _ in range(20):
        job(path, 1)
    assert read_ends(path).deaths == 0


def test_memory_and_time_grow_with_deaths_only(path):
    assert resource_factor(path, 1) == 1
    assert resource_factor(path, 3) == 3  # no job came so far as to say anything
    job(path, 1)
    assert resource_factor(path, 1) == 1  # of an earlier call
    assert resource_factor(path, 2) == 2
    job(path, 2, ends=HandedBackError)
    assert resource_factor(path, 3) == 2
    job(path, 3, recorded=1, ends=OSError)
    assert resource_factor(path, 4) == 2
    job(path, 4, recorded=2)
    assert resource_factor(path, 5) == 3


def test_a_damaged_file_says_nothing(path):
    path.write_text("{")
    assert resource_factor(path, 4) == 4
    job(path, 2)
    assert read_ends(path).last == "runs"
    assert [record.ended for record in read_records(path)] == ["no word"]


@pytest.mark.parametrize("ends", [Terminated, RuntimeError])
def test_a_job_that_is_ended_and_can_say_so_died_as_well(path, ends):
    for attempt in range(1, MOST_FRUITLESS + 1):
        with contextlib.suppress(RuntimeError):
            job(path, attempt, ends=ends)
    assert resource_factor(path, 4) == 4
    with pytest.raises(BatchError, match="jobs in a row"):
        job(path, 4)


def test_jobs_that_are_refused_stay_refused(path):
    for attempt in range(1, MOST_FRUITLESS + 1):
        job(path, attempt)
    for attempt in (4, 5, 6):
        with pytest.raises(BatchError, match="jobs in a row"):
            job(path, attempt)
    assert [record.ended for record in read_records(path)] == ["no word"] * 3 + ["refused"] * 3


def test_a_batch_that_was_done_says_nothing_of_the_next_call(path):
    job(path, 1)
    job(path, 2, ends=None)
    assert resource_factor(path, 2) == 2  # of a job that died before it could say that it began


def test_the_record_of_a_job_says_where_it_was_and_how_it_ended(path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURMD_NODENAME", "n3")
    with job_on_record(path, JobStart(1, 0, cores=4, start=1000.0)):
        pass
    job(path, 1, ends=HandedBackError)
    record_waiting(path, 2, 2000.0)
    done, handed_back, waited = read_records(path)
    assert (done.batch, done.job_id, done.node, done.cores) == ("abc", "12", "n3", 4)
    assert (done.start, done.ended) == (1000, "done")
    assert done.end > done.start
    assert done.cpu_s > 0
    assert done.max_rss > 1e6
    assert (handed_back.ended, waited.ended, waited.start) == ("handed back", "waited", 2000)


def test_a_torn_line_costs_no_other_one(path):
    job(path, 1, ends=None)
    with path.open("ab") as file:
        file.write(b'\n{"begin": 3, "jo')
    job(path, 1, ends=None)
    assert [record.ended for record in read_records(path)] == ["done", "done"]
