"""Jobs that hand back are no failures; jobs that die without a sample on record are."""

import pytest

from ensnare.errors import BatchError
from ensnare.jobends import MOST_FRUITLESS, begin_job, end_job, growth, read_ends


@pytest.fixture
def path(tmp_path):
    return tmp_path / "abc.jobs"


def begin(path, attempt, recorded=0, goes_on=False):
    begin_job(path, attempt, recorded, goes_on=goes_on)


def test_jobs_that_die_without_a_sample_are_given_up(path):
    for attempt in range(1, MOST_FRUITLESS + 1):
        begin(path, attempt)
    with pytest.raises(BatchError, match="batch abc: 3 jobs in a row ended without another sample"):
        begin(path, MOST_FRUITLESS + 1)


def test_errors_without_a_sample_count_as_well(path):
    for attempt in range(1, MOST_FRUITLESS + 1):
        begin(path, attempt)
        end_job(path, handed_back=False)
    with pytest.raises(BatchError, match="jobs in a row"):
        begin(path, MOST_FRUITLESS + 1)


def test_handing_back_eats_nothing(path):
    for attempt in range(1, 50):
        begin(path, attempt)
        end_job(path, handed_back=True)
    assert read_ends(path).fruitless == 0
    assert growth(path, 50) == 1


def test_jobs_that_die_after_some_samples_go_on(path):
    for attempt in range(1, 20):
        begin(path, attempt, recorded=attempt)
    assert read_ends(path).fruitless == 0
    begin(path, 20, recorded=19)
    assert read_ends(path).fruitless == 1


def test_samples_that_go_on_are_progress(path):
    for attempt in range(1, 20):
        begin(path, attempt, goes_on=attempt > 1)
    assert read_ends(path).fruitless == 0


def test_a_new_call_counts_anew(path):
    for _ in range(20):
        begin(path, 1)
    assert read_ends(path).deaths == 0


def test_memory_and_time_grow_with_deaths_only(path):
    assert growth(path, 1) == 1
    assert growth(path, 3) == 3  # no job came so far as to say anything
    begin(path, 1)
    assert growth(path, 1) == 1  # of an earlier call
    assert growth(path, 2) == 2
    begin(path, 2)
    end_job(path, handed_back=True)
    assert growth(path, 3) == 2
    begin(path, 3, recorded=1)
    end_job(path, handed_back=False)
    assert growth(path, 4) == 2
    begin(path, 4, recorded=2)
    assert growth(path, 5) == 3


def test_a_damaged_file_says_nothing(path):
    path.write_text("{")
    assert growth(path, 4) == 4
    begin(path, 2)
    assert read_ends(path).last == "runs"
