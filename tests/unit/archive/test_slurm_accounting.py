"""What sacct prints, as SLURM of several versions does, and what it does when it cannot answer."""

import math
import os

import pytest

from ensnare.archive.slurm_accounting import (
    Accounts,
    ask_accounting,
    parse_accounts,
    parse_duration_s,
    parse_size,
    parse_time,
)

# SLURM 22.05: a job that lost its node, was requeued, and ended well
REQUEUED = """\
9|NODE_FAIL|n2|4|1|1795266998|1795266998|1795267028|30|00:00:00|||2000M
9.batch|CANCELLED|n2|4|1|1795266998|1795266998|1795267028|30|00:00:00|||
9.0|CANCELLED|n2|4|1|1795266999|1795266999|1795267028|29|00:00:00|||
9|COMPLETED|n1|4|1|1795267028|1795267039|1795267042|3|00:02.670|||2000M
9.batch|COMPLETED|n1|4|1|1795267039|1795267039|1795267042|3|00:01.078|145492K|energy=0,mem=145492K|
9.0|COMPLETED|n1|4|1|1795267039|1795267039|1795267041|2|00:01.591|194828K|energy=0,mem=194828K,pages=0|
"""
RUNNING = """\
10|RUNNING|n1|4|1|1795267061|1795267062|Unknown|17|00:00:00|||500M
10.batch|RUNNING|n1|4|1|1795267062|1795267062|Unknown|17|00:00:00|||
"""
# before 21.08 memory was per core or per node, and a time in ISO 8601
_WHEN = "2021-03-01T10:30:00|2021-03-02T12:30:05|93605"
OLDER = f"""\
77|CANCELLED by 1000|node[01-02]|64|2|2021-03-01T08:00:00|{_WHEN}|20-01:02:03|||2Gc
77.batch|CANCELLED|node01|32|1|2021-03-01T10:30:00|{_WHEN}|00:10.000|200M||2Gc
77.extern|COMPLETED|node[01-02]|64|2|2021-03-01T10:30:00|{_WHEN}|00:00.001|1M||2Gc
"""
# steps of 8 cores in a job of 32, of which four run at a time
STEPS = """\
sacct: a site says something here
5|TIMEOUT|c1|32|1|1700000000|1700000600|1700004200|3600|1-03:00:00|||64G
5.batch|CANCELLED|c1|32|1|1700000600|1700000600|1700004200|3600|00:01.000|100M|mem=100M|
""" + "".join(
    f"5.{i}|COMPLETED|c1|8|1|1700000600|1700000700|1700000800|100|10:00|500M|mem=4000M|\n"
    for i in range(6)
)


def test_a_requeued_job_has_two_runs():
    lost, good = parse_accounts(REQUEUED)["9"]
    assert (lost.state, lost.nodes, lost.elapsed_s) == ("NODE_FAIL", "n2", 30)
    assert math.isnan(lost.cpu_s)
    assert math.isnan(lost.max_rss)
    assert (good.state, good.cores, good.elapsed_s, good.cpu_s) == ("COMPLETED", 4, 3, 2.67)
    assert good.wait_s == 11
    assert good.has_ended
    assert good.max_rss == 194828 * 1024
    assert good.memory == (194828 + 145492) * 1024
    assert good.asked == 2000 * 2**20


def test_a_job_that_runs_has_not_ended():
    (job,) = parse_accounts(RUNNING)["10"]
    assert not job.has_ended
    assert math.isnan(job.end)


def test_accounts_of_an_older_slurm_are_read():
    (job,) = parse_accounts(OLDER)["77"]
    assert job.state == "CANCELLED"
    assert job.nodes == "node[01-02]"
    assert job.cpu_s == 20 * 86400 + 3723
    assert job.wait_s == 2.5 * 3600
    assert job.end - job.start == job.elapsed_s
    assert job.asked == 64 * 2 * 2**30
    assert job.memory == 201 * 2**20


def test_memory_of_steps_counts_as_many_as_run_side_by_side():
    (job,) = parse_accounts(STEPS)["5"]
    assert job.max_rss == 500 * 2**20
    assert job.memory == (100 + 4 * 4000) * 2**20


def test_jobs_are_kept_apart():
    assert {*parse_accounts(STEPS + REQUEUED + RUNNING)} == {"5", "9", "10"}
    assert parse_accounts("") == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:02.791", 2.791), ("02:00:00", 7200), ("1-00:00:01", 86401), ("00:00:00", 0)],
)
def test_durations_are_read(text, seconds):
    assert parse_duration_s(text) == seconds


def test_what_is_not_known_is_nan():
    assert math.isnan(parse_duration_s(""))
    assert math.isnan(parse_time("Unknown"))
    assert parse_size("") == 0


@pytest.mark.parametrize(
    ("text", "size"), [("432192K", 432192 * 1024), ("4Gn", 2**32), ("7.50G", 7.5 * 2**30), ("0", 0)]
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


def sacct(folder, monkeypatch, script):
    """Put an sacct on PATH that is a script."""
    program = folder / "sacct"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_all_jobs_are_asked_for_in_one_call_and_by_number(tmp_path, monkeypatch):
    text = "9|COMPLETED|n1|4|1|1000|1010|1020|10|00:02.000|||2000M"
    script = f'echo "$SLURM_TIME_FORMAT $@" >> {tmp_path}/calls; echo "{text}"'
    sacct(tmp_path, monkeypatch, script)
    found = ask_accounting(["10", "9", "9", "", "local"])
    assert [*found.jobs] == ["9"]
    assert not found.trouble
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("%s ")
    assert "--jobs=9,10 " in call


def test_no_job_is_no_call(tmp_path, monkeypatch):
    sacct(tmp_path, monkeypatch, f"touch {tmp_path}/called")
    assert ask_accounting([]) == Accounts()
    assert not (tmp_path / "called").exists()


def test_accounting_that_is_disabled_is_said(tmp_path, monkeypatch):
    sacct(tmp_path, monkeypatch, "echo 'sacct: error: accounting storage is disabled' >&2; exit 1")
    assert ask_accounting(["1"]).trouble == "sacct: accounting storage is disabled"


@pytest.mark.parametrize("script", ["exec sleep 300", "sleep 300; echo"])
def test_accounting_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch, script):
    monkeypatch.setattr("ensnare.archive.slurm_accounting._TIMEOUT_S", 0.2)
    sacct(tmp_path, monkeypatch, script)
    assert "did not answer" in ask_accounting(["1"]).trouble


def test_a_machine_without_sacct_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_accounting(["1"]).trouble == "there is no sacct here"
