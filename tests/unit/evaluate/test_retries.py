"""Samples that fail are tried again by kind of failure, and kinds do not add up."""

import itertools

import numpy as np
import pytest
from small_studies import (
    evaluate,
    labels,
    load,
    logged,
    prepare,
    python,
    shell,
    started,
    study_tree,
)
from waiting import lines_of

from ensnare.plan.batches import plan_batches
from ensnare.store.outcome import FAILURES, Status
from ensnare.study.failures import OnFailure
from ensnare.study.loading import parse_study

# counts its runs in a file of its own, outside the working directory
COUNT = "echo . >> {counts}/${{x}}; n=$(wc -l < {counts}/${{x}});"


@pytest.fixture
def counting(tmp_path):
    """Return a function that makes a model with `n`, the number of the run of its sample."""
    counts = tmp_path / "counts"
    counts.mkdir()

    def model(script, **rest):
        count = COUNT.format(counts=counts)
        return logged(tmp_path / "log", f"{count} {script}", **rest)

    return model


def failing(model, tmp_path, **on_failure):
    tree = study_tree(model, size=3, on_failure=on_failure, timeout="500 ms", keep="all")
    return evaluate(tree, tmp_path)[1]


ENDS = {
    "failed": "exit 3",
    "timeout": "sleep 300",
    "unparsable": "exit 0",
    "unsuccessful": "echo y = 1; exit 0",
    "killed": "kill -9 $$",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDS)
def test_a_kind_of_failure_is_tried_again_as_often_as_the_study_says(tmp_path, counting, kind):
    success = [{"in": "done", "regex": "yes"}] if kind == "unsuccessful" else []
    model = counting(f"[ $n -gt 2 ] && echo yes > done || {{ {ENDS[kind]}; }};", success=success)
    arrays = failing(model, tmp_path, retries={kind: 2})
    assert labels(arrays) == ["ok"] * 3
    assert arrays.attempts.tolist() == [3] * 3
    assert len(started(tmp_path / "log")) == 9


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENDS)
def test_a_sample_that_fails_each_time_ends_as_it_did_last(tmp_path, counting, kind):
    success = [{"in": "done", "regex": "yes"}] if kind == "unsuccessful" else []
    arrays = failing(counting(f"{ENDS[kind]};", success=success), tmp_path, retries={kind: 1})
    assert labels(arrays) == [kind] * 3
    assert arrays.attempts.tolist() == [2] * 3
    assert len(started(tmp_path / "log")) == 6


def test_other_kinds_are_not_tried_again(tmp_path, counting):
    arrays = failing(counting("exit 3;"), tmp_path, retries={"timeout": 5, "killed": 5})
    assert labels(arrays) == ["failed"] * 3
    assert arrays.attempts.tolist() == [1] * 3


@pytest.mark.slow
def test_one_number_stands_for_all_kinds_and_kinds_do_not_add_up(tmp_path, counting):
    turns = "case $n in 1) exit 3;; 2) kill -9 $$;; 3) kill -9 $PPID; sleep 300;; *) exit 4;; esac;"
    arrays = failing(counting(turns), tmp_path, retries=3)
    assert labels(arrays) == ["failed"] * 3
    assert arrays.exit_code.tolist() == [4] * 3
    assert arrays.attempts.tolist() == [4] * 3
    assert len(started(tmp_path / "log")) == 12


def test_the_last_outcome_counts(tmp_path, counting):
    turns = "[ $n -gt 1 ] && exit 0 || exit 3;"
    arrays = failing(counting(turns), tmp_path, retries={"failed": 1})
    assert labels(arrays) == ["unparsable"] * 3
    assert arrays.attempts.tolist() == [2] * 3


@pytest.mark.slow
def test_a_killed_code_is_tried_again_unless_the_study_says_otherwise(tmp_path, counting):
    arrays = failing(counting("kill -9 $$;"), tmp_path, retries={"killed": 0})
    assert labels(arrays) == ["killed"] * 3
    assert arrays.attempts.tolist() == [1] * 3


def test_a_retried_sample_runs_in_a_fresh_directory(tmp_path, counting):
    turns = "ls > ../$n; touch left; [ $n -gt 1 ] || exit 3;"
    tree = study_tree(counting(turns), size=1, on_failure={"retries": 1})
    evaluate(tree, tmp_path)
    _, paths, (batch,) = prepare(tree, tmp_path)
    first, second = ((paths.samples / batch.key / n).read_text() for n in "12")
    assert first == second
    assert "left" not in first


@pytest.mark.slow
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("kind", "bad"),
    {
        "error": "raise ValueError('no')",
        "unparsable": "x = x * float('nan')",
        "killed": "os.kill(os.getpid(), 9)",
        "timeout": "time.sleep(300)",
    }.items(),
)
def test_calls_of_a_function_are_tried_again(tmp_path, kind, bad, vectorized):
    log = tmp_path / "log"
    (tmp_path / "model.py").write_text(
        "import os, time\nimport numpy as np\n"
        f"def f(x):\n    with open({str(log)!r}, 'a') as file:\n        file.write('call\\n')\n"
        "    hit = np.any(np.asarray(x) == 0.5)\n"
        f"    seen = len(open({str(log)!r}).readlines())\n"
        f"    if hit and not os.path.exists({str(tmp_path / 'twice')!r}):\n"
        f"        if np.size(x) == 1 and os.path.exists({str(tmp_path / 'once')!r}):\n"
        f"            open({str(tmp_path / 'twice')!r}, 'w')\n"
        f"        elif np.size(x) == 1:\n            open({str(tmp_path / 'once')!r}, 'w')\n"
        f"        {bad}\n"
        "    return x * x\n"
    )
    model = python("model.py:f", vectorized=vectorized)
    tree = study_tree(model, size=7, timeout="600 ms", on_failure={"retries": 3})
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 7
    np.testing.assert_allclose(arrays.y, arrays.x**2)
    (at,) = np.flatnonzero(arrays.x[:, 0] == 0.5)
    assert arrays.attempts[at] >= 3
    assert len(lines_of(log)) >= 4


def test_what_to_do_about_failures_decides_no_name_of_a_batch(tmp_path):
    tree = study_tree(shell("echo y = 1"), size=40)
    keys = {
        tuple(batch.key for batch in plan_batches(load(tree | {"on_failure": what}, tmp_path)))
        for what in ({}, {"retries": 2}, {"retries": {"failed": 1}, "stop_after": "5 %"})
    }
    assert len(keys) == 1


def test_retries_and_limits_are_read_back_as_they_were_written():
    for retries, stop_after in itertools.product((0, 2, {"timeout": 1}), (None, 20, "5%", "2.5 %")):
        tree = study_tree(shell("echo y = 1"))
        tree["on_failure"] = {"retries": retries, "stop_after": stop_after}
        study = parse_study(tree)
        assert parse_study(study.model_dump(mode="json", by_alias=True)) == study


def test_the_limit_is_a_count_or_a_share_of_all_samples():
    assert OnFailure().limit(1000) is None
    assert OnFailure(stop_after=20).limit(1000) == 20
    assert OnFailure(stop_after=0).limit(1000) == 0
    assert OnFailure(stop_after="5 %").limit(1000) == 50
    assert OnFailure(stop_after="7 %").limit(100) == 7  # 0.07 * 100 is a little more than 7
    assert OnFailure(stop_after="5 %").limit(30) == 1


def test_retries_by_kind():
    some = OnFailure(retries={"timeout": 2})
    assert [some.times(s) for s in (Status.TIMEOUT, Status.FAILED, Status.KILLED)] == [2, 0, 1]
    assert {OnFailure(retries=2).times(s) for s in FAILURES} == {2}
    assert OnFailure(retries=2).times(Status.OK) == 0
