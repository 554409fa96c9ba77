"""jobs.csv: our record of each job, and what accounting knows of it."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from ensnare.archive import jobs_csv
from ensnare.archive.jobs_csv import COLUMNS, job_line, match_accounts, write_jobs
from ensnare.archive.slurm_accounting import Accounts, JobAccount
from ensnare.evaluate.jobs import JobRecord
from ensnare.report.section_tables import jobs_table
from ensnare.store.paths import StudyPaths

RUN = JobAccount(
    "7", "COMPLETED", "n1", 4, 1000, 1010, 1110, 100, 300.0, 2e8, 4e8, 2e9
)  # 4 cores for 100 s, of which 3 were busy
RECORD = JobRecord("abc", "7", "n1", 4, 1015.0, 1108.0, 290.0, 1e8, "done")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return the files of a study, and what accounting answers: a list, one after the other."""
    paths = StudyPaths(tmp_path / "results/small")
    paths.batches.mkdir(parents=True)
    answers, asked = [], []

    def ask(job_ids):
        asked.append(sorted({job for job in job_ids if job}))
        return answers.pop(0) if answers else Accounts()

    monkeypatch.setattr(jobs_csv, "ask_accounting", ask)
    monkeypatch.setattr(jobs_csv, "_LAG_S", 0.0)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return paths, answers, asked


def put(paths, key, *jobs):
    """Write the record of a batch: job, start, end and how it ended."""
    with paths.jobs(key).open("w") as file:
        for job, start, end, how in jobs:
            begin = {"begin": start, "job": job, "node": "here", "cores": 2}
            file.write(json.dumps(begin) + "\n")
            if end:
                line = {"begin": start, "end": end, "how": how, "cpu_s": 30.0, "max_rss": 5e7}
                file.write(json.dumps(line) + "\n")


def table(paths):
    path = paths.table("jobs")
    write_jobs(path, paths)
    return pd.read_csv(path, dtype={"job": str}, keep_default_na=False, na_values=[""])


def test_a_local_run_has_its_own_records(study):
    paths, _, asked = study
    put(paths, "abc", ("", 1000, 1060, "done"))
    (job,) = table(paths).to_dict("records")
    assert tuple(job) == COLUMNS
    assert job["core_hours"] == pytest.approx(2 / 60, abs=1e-6)
    assert job["cpu_efficiency"] == 0.25
    assert (job["max_rss_mb"], job["ended"], job["node"]) == (50, "done", "here")
    assert math.isnan(job["wait_s"])
    assert asked == [[]]


def test_accounting_says_what_a_job_cost_and_waited_for():
    line = job_line(("abc", 1), RECORD, RUN, "")
    assert line["wait_s"] == "10.000"
    assert line["elapsed_s"] == "100.000"
    assert line["cpu_efficiency"] == "0.750"
    assert line["core_hours"] == "0.111111"
    assert line["memory_share"] == "0.200"
    assert (line["state"], line["ended"], line["accounting"]) == ("COMPLETED", "done", "sacct")


def test_what_accounting_did_not_measure_is_ours():
    line = job_line(("abc", 1), RECORD, replace(RUN, cpu_s=math.nan, max_rss=math.nan), "")
    assert line["cpu_efficiency"] == "0.725"
    assert line["max_rss_mb"] == "100.000"


def test_of_a_job_that_seems_to_run_our_record_counts():
    line = job_line(("abc", 1), RECORD, replace(RUN, state="RUNNING", end=math.nan), "")
    assert line["elapsed_s"] == "93.000"
    assert line["wait_s"] == "10.000"
    assert line["accounting"] == "not on record"


def test_why_accounting_is_silent_is_in_the_table(study):
    paths, answers, _ = study
    put(paths, "abc", ("7", 1000, 1060, "done"))
    answers.append(Accounts(trouble="sacct: accounting storage is disabled"))
    (job,) = table(paths).to_dict("records")
    assert job["accounting"] == "sacct: accounting storage is disabled"
    assert job["elapsed_s"] == 60
    (shown,) = jobs_table(paths.table("jobs"))
    assert "no data on 1 job (sacct: accounting storage is disabled)" in shown.note


def test_a_requeued_job_is_matched_by_its_start():
    again = replace(RUN, submit=1120, start=1300, end=1400)
    lost = replace(RECORD, end=math.nan, ended="no word")
    records = {("abc", 1): lost, ("abc", 2): replace(RECORD, start=1303.0, end=1390.0)}
    first, second = match_accounts(records, {"7": [RUN, again]}).values()
    assert (first.start, second.start) == (1010, 1300)


def test_a_number_that_was_used_again_years_later_is_another_job():
    assert match_accounts({("abc", 1): RECORD}, {"7": [replace(RUN, start=9e8, end=9.1e8)]}) == {}


def test_an_allocation_of_several_batches_says_nothing_of_one():
    records = {("abc", 1): RECORD, ("def", 1): replace(RECORD, batch="def", start=1050.0)}
    assert match_accounts(records, {"7": [RUN]}) == {}


def test_accounting_that_lags_is_asked_once_more(study, monkeypatch):
    paths, answers, asked = study
    monkeypatch.setattr(jobs_csv.time, "time", lambda: 1110.0)
    put(paths, "abc", ("7", 1015, 1108, "done"), ("6", 500, 600, "error"))
    answers += [Accounts(), Accounts({"7": (RUN,)})]
    jobs = table(paths)
    assert asked == [["6", "7"], ["7"]]
    assert jobs["accounting"].tolist() == ["not on record", "sacct"]


def test_what_accounting_said_is_kept_when_it_forgets(study):
    paths, answers, asked = study
    put(paths, "abc", ("7", 1015, 1108, "done"))
    answers.append(Accounts({"7": (RUN,)}))
    before = table(paths)
    put(paths, "def", ("", 2000, 2060, "done"))
    after = table(paths)
    assert asked == [["7"], []]
    pd.testing.assert_frame_equal(after[:1], before, check_dtype=False)
    assert len(after) == 2


def test_a_table_of_another_make_is_made_anew(study):
    paths, _, _ = study
    put(paths, "abc", ("", 1000, 1060, "done"))
    paths.table("jobs").write_text("batch,accounting\nabc,sacct\n")
    assert len(table(paths)) == 1


# --- report -------------------------------------------------------------------------------


def section(tmp_path, *lines):
    """Return the table and the note of the report on jobs."""
    path = tmp_path / "jobs.csv"
    pd.DataFrame(lines).to_csv(path, index=False)
    (shown,) = jobs_table(path)
    return dict(shown.frame.itertuples(index=False)), shown.note


def line(**changes):
    return job_line(("abc", 1), RECORD, replace(RUN, **changes), "")


def test_no_job_is_no_section(tmp_path):
    assert jobs_table(tmp_path / "jobs.csv") == []
    pd.DataFrame(columns=COLUMNS).to_csv(tmp_path / "jobs.csv", index=False)
    assert jobs_table(tmp_path / "jobs.csv") == []


def test_the_report_sums_up_jobs(tmp_path):
    # 300 + 100 CPU seconds of 4 x 100 + 4 x 300
    other = line(elapsed_s=300.0, cpu_s=100.0, submit=900, state="TIMEOUT")
    shown, _ = section(tmp_path, line(), other)
    assert shown["jobs"] == "2: 2 done"
    assert shown["ended by SLURM"] == "1 TIMEOUT"
    assert shown["core-hours"] == "0.444"
    assert shown["CPU time over core time"] == "25%"
    assert shown["wait in the queue"] == "60 s (median), 110 s at most"
    assert shown["memory of the largest task"] == "200 MB"
    assert shown["memory used of what was asked for"] == "at most 20%"


def test_memory_that_was_never_used_is_advised_against(tmp_path):
    _, note = section(tmp_path, line(), line(asked=8e9))
    assert note.startswith("Jobs used at most 400 of 2000 MB that they had asked for: with less")


def test_memory_that_was_nearly_used_up_is_said(tmp_path):
    _, note = section(tmp_path, line(memory=1.95e9))
    assert "1950 of 2000 MB" in note
    assert "larger samples would not fit" in note


def test_many_short_jobs_are_advised_against(tmp_path):
    lines = [line(elapsed_s=30.0, asked=5e8)] * 5
    assert "larger batches" in section(tmp_path, *lines)[1]


def test_idle_cores_are_said(tmp_path):
    lines = [line(elapsed_s=1000.0, cpu_s=400.0, asked=5e8)]
    assert "the cores were busy for 10% of the time" in section(tmp_path, *lines)[1]


def test_a_job_whose_end_is_not_on_record_is_not_counted(tmp_path):
    lost = replace(RECORD, job_id="", end=math.nan, cpu_s=math.nan, ended="no word")
    lines = [job_line(("abc", 1), lost, None, ""), job_line(("abc", 2), lost, None, "")]
    shown, note = section(tmp_path, *lines)
    assert note == "Not counted: 2 jobs whose end is not on record."
    assert shown["core-hours"] == "0"
