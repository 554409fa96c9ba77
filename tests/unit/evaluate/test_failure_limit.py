"""A study ends early when too many of its samples fail, over all batches, and goes on after."""

import json
import multiprocessing
import os
import re

import pytest
from small_studies import evaluate, labels, logged, prepare, started, study_tree
from waiting import lines_of, marked_processes, wait_until

from ensnare.errors import BatchError
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.progress import AllCounts, Counts, publish
from ensnare.store.outcome import Status

fork = multiprocessing.get_context("fork")
WORKERS = 2
FAIL = "case ${x} in 0.1*|0.2*|0.3*) echo no convergence >&2; exit 3;; 0.4*) exit 4;; esac;"


def study(tmp_path, script=FAIL, stop_after=2, **rest):
    model = logged(tmp_path / "log", script)
    return study_tree(model, on_failure={"stop_after": stop_after}, **rest)


def stopped(tree, tmp_path):
    """Evaluate a study that stops; return what it says."""
    with pytest.raises(BatchError, match="the study ends here") as caught:
        evaluate(tree, tmp_path)
    return str(caught.value)


def results(tree, tmp_path):
    return prepare(tree, tmp_path)[1]


def test_a_study_ends_when_more_samples_fail_than_may(tmp_path):
    tree = study(tmp_path, size=32, batch={"size": 8})
    said = stopped(tree, tmp_path).splitlines()
    paths = results(tree, tmp_path)
    ran = len(started(tmp_path / "log"))
    assert ran < 32
    failed, of = map(int, re.search(r"(\d+) of (\d+) samples", said[0]).groups())
    assert failed > 2
    assert 0 <= ran - of <= WORKERS  # what was under way is ended, and runs again
    assert "stop_after is 2" in said[0]
    assert "failed)" in said[0]
    assert len(said) == 5  # a line, three samples, what to do
    for line in said[1:4]:
        place = re.fullmatch(r"  [0-9a-f]{20}: failed: .*exit code [34].* \((.*)\)", line)[1]
        assert os.path.isdir(place)
    assert any("no convergence" in line for line in said[1:4])
    assert f"ensnare redo {paths.root} --failed" in said[4]
    assert f"ensnare gather --partial {paths.root}" in said[4]
    assert "stop_after" in said[4]
    assert json.loads(paths.stop.read_text())["text"] == "\n".join(said)


def test_a_share_is_one_of_all_samples_of_the_study(tmp_path):
    tree = study(tmp_path, size=32, batch={"size": 8}, stop_after="40 %")
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays).count("failed") == 12  # 12.8 may
    assert "is 35 %" in stopped(
        study(tmp_path / "other", size=32, stop_after="35 %"), tmp_path / "other"
    )


def test_the_next_run_fails_at_once_and_a_higher_limit_lets_it_go_on(tmp_path):
    tree = study(tmp_path, size=32, batch={"size": 8})
    stopped(tree, tmp_path)
    ran = len(started(tmp_path / "log"))
    stopped(tree, tmp_path)
    assert len(started(tmp_path / "log")) == ran
    _, arrays = evaluate(tree | {"on_failure": {"stop_after": 12}}, tmp_path)
    names = started(tmp_path / "log")
    assert len(arrays) == len(set(names)) == 32
    assert len(names) <= 32 + WORKERS
    assert not results(tree, tmp_path).stop.exists()


def test_a_stale_stop_blocks_nothing(tmp_path):
    for limit in (2, None):
        tree = study(tmp_path, "", size=4 if limit else 5, stop_after=limit)
        paths = results(tree, tmp_path)
        paths.stop.write_text('{"failed": 100, "text": "an earlier run"}')
        _, arrays = evaluate(tree, tmp_path)
        assert set(labels(arrays)) == {"ok"}
        assert not paths.stop.exists()


def test_failures_of_batches_that_are_finished_running_or_interrupted_count(tmp_path):
    tree = study(tmp_path, "exit 1;", size=12, batch={"size": 3}, stop_after=8)
    tree |= {"on_failure": {"stop_after": None}}
    config, paths, batches = prepare(tree, tmp_path)
    for batch in batches[:2]:
        evaluate_batch(config, batch, paths, 1, lambda _: None)
    paths.batch(batches[1].key).unlink()  # interrupted: only its journal is left
    publish(paths.counts(batches[2].key), Counts(3, (0, 2, 1, *[0] * 7), 1.0))  # runs elsewhere
    config, paths, batches = prepare(tree | {"on_failure": {"stop_after": 8}}, tmp_path)
    with pytest.raises(
        BatchError, match=r"9 of 9 samples that ran failed.*\(8 failed, 1 timeout\)"
    ):
        evaluate_batch(config, batches[3], paths, 1, lambda _: None)
    assert len(started(tmp_path / "log")) == 6


def test_a_batch_that_runs_ends_when_another_crosses_the_limit(tmp_path):
    log, gate = tmp_path / "log", tmp_path / "gate"
    script = f"[ -e {gate} ] && exit 1; echo waits >> {log}; sleep 300;"
    tree = study(tmp_path, script, size=6, batch={"size": 3}, stop_after=0)
    config, paths, batches = prepare(tree, tmp_path)

    def target(batch):
        try:
            evaluate_batch(config, batch, paths, 1, lambda _: None)
        except BatchError as error:
            os._exit(7 if "the study ends here" in str(error) else 1)

    one, other = (fork.Process(target=target, args=(batch,)) for batch in batches)
    one.start()
    wait_until(lambda: "waits" in lines_of(log))
    gate.touch()
    other.start()
    for process in (one, other):
        process.join()
        assert process.exitcode == 7
    assert not marked_processes(str(log))


def test_counts_of_batches_come_from_files_counts_and_journals_alike(tmp_path):
    tree = study(tmp_path, size=16, batch={"size": 8}, stop_after=None)
    evaluate(tree, tmp_path)
    _, paths, batches = prepare(tree, tmp_path)
    from_files = AllCounts(paths).read(batches)
    total = sum(from_files.values(), Counts(0))
    assert (total.samples, total.done, total.ran) == (16, 16, 16)
    assert total.by_status[Status.FAILED] == total.failed == 6
    assert not list(paths.batches.glob("*.counts"))  # a finished batch needs none
    all_counts = AllCounts(paths)
    assert all_counts.read(batches) == from_files
    for batch in batches:
        paths.batch(batch.key).unlink()
    assert all_counts.read(batches) == AllCounts(paths).read(batches) == from_files
    for batch in batches:
        paths.journal(batch.key).unlink()
    assert sum(AllCounts(paths).read(batches).values(), Counts(0)) == Counts(16)
