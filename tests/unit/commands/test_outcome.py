"""The last lines of a run: samples by status, the report, the most frequent failure."""

import os

import pytest
from small_studies import evaluate, load, prepare, shell, study_tree

from ensnare.archive.archive import write_archive
from ensnare.commands.status import outcome_lines

# of 16 samples: x < 0.2 ends with exit code 3, x > 0.9 prints nothing
SCRIPT = "case ${x} in 0|0.1*|0.0*) echo 'no root' >&2; exit 3;; 0.9*) exit 0;; esac; echo y = ${x}"


@pytest.fixture
def finished(tmp_path):
    """Return a function that runs a study of a script up to its report."""

    def run(script):
        tree = study_tree(shell(script), size=16)
        _, arrays = evaluate(tree, tmp_path)
        _, paths, batches = prepare(tree, tmp_path)
        write_archive(paths.archive, load(tree, tmp_path), arrays)
        paths.report.write_text("<html>")
        return paths, [batch.key for batch in batches]

    return run


def test_the_last_lines_count_what_ended_how_and_quote_the_most_frequent_failure(finished):
    paths, keys = finished(SCRIPT)
    assert outcome_lines(paths, keys) == [
        f"16 samples: 11 ok, 4 failed, 1 unparsable; {paths.report}",
        "the first with status failed: step 1 ended with exit code 3: no root",
    ]


def test_a_run_without_failures_has_one_line(finished):
    paths, keys = finished("echo y = ${x}")
    assert outcome_lines(paths, keys) == [f"16 samples: 16 ok; {paths.report}"]


def test_a_run_in_which_all_failed_says_that_none_is_ok(finished):
    paths, keys = finished("echo z")
    first, second = outcome_lines(paths, keys)
    assert first.startswith("16 samples: 0 ok, 16 unparsable; ")
    assert "nothing matches" in second


def test_a_long_message_is_cut(finished):
    paths, keys = finished("seq -s ' ' 1000 >&2; exit 1 # ${x}")
    assert outcome_lines(paths, keys)[1].endswith(" ...")
    assert len(outcome_lines(paths, keys)[1]) < 250


def test_an_archive_older_than_a_batch_is_not_what_the_run_made(finished):
    paths, keys = finished("echo y = ${x}")
    later = paths.archive.stat().st_mtime_ns + 10**9
    os.utime(paths.batch(keys[0]), ns=(later, later))
    assert outcome_lines(paths, keys) == []


def test_a_run_without_a_report_has_no_last_lines(finished):
    paths, keys = finished("echo y = ${x}")
    paths.report.unlink()
    assert outcome_lines(paths, keys) == []
