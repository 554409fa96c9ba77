"""Samples that need several jobs go on in their directories; their time and starts add up."""

import importlib
import multiprocessing
import os
import signal

import numpy as np
import pytest
from small_studies import evaluate, labels, load, prepare, shell, study_tree
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.errors import ConfigError, HandedBackError
from ensnare.evaluate.forecast import count_samples
from ensnare.evaluate.interrupted import Interrupted, InterruptedSamples
from ensnare.model.checks import check_study
from ensnare.plan.batches import plan_batches
from ensnare.store.signals import Terminated, raise_on_signals
from ensnare.study.loading import parse_study

fork = multiprocessing.get_context("fork")
STEPS = 9
# counts to 9 in its restart file; every third number it waits to be killed, but only once
CODE = """
echo {kind} ${{sample}} >> {log}
n=0; [ -e restart ] && n=$(cat restart)
while [ $n -lt 9 ]; do
  n=$((n + 1)); echo $n > restart.new; mv restart.new restart
  echo step ${{sample}} $n >> {log}
  if [ $((n % 3)) = 0 ] && [ $n -lt 9 ] && mkdir {log}.${{sample}}.$n 2> /dev/null; then
    exec sleep 300  # alone: a shell would go on when it is killed first
  fi
done
echo y = $(echo "${{x}} * $n" | bc -l)
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def long_runs(log, size=2, **rest):
    """Return a study of a code that needs three jobs, and records what it does."""
    command, resume = (CODE.format(kind=kind, log=log) for kind in ("start", "resume"))
    model = shell(command, resume=[["sh", "-c", resume]])
    return study_tree(model, size=size, **rest)


def kill_when(tree, tmp_path, condition, number=signal.SIGKILL):
    """Evaluate in a process that is killed on a condition, with all that it started."""

    def target():
        raise_on_signals()
        try:
            evaluate(tree, tmp_path)
        except Terminated as ended:
            os._exit(ended.exit_code)

    process = fork.Process(target=target)
    process.start()
    wait_until(condition)
    os.kill(process.pid, number)
    process.join()
    wait_until(lambda: not any(map(is_running, marked_processes(str(tmp_path)))))


def waiting_at(log, n, samples=2):
    """Return a condition: that many samples are under way and wait after step n."""
    return lambda: len(list(log.parent.glob(f"log.*.{n}"))) == samples


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_sample_goes_on_in_the_next_job_until_it_ends(tmp_path, log, number):
    tree = long_runs(log)
    for n in (3, 6):
        kill_when(tree, tmp_path, waiting_at(log, n), number)
    study = load(tree, tmp_path)
    said, arrays = evaluate(tree, tmp_path)
    assert "2 samples were under way; they go on in their directories" in said[0]
    assert labels(arrays) == ["ok", "ok"]
    assert arrays.attempts.tolist() == [3, 3]
    np.testing.assert_allclose(arrays.y[:, 0], STEPS * arrays.x[:, 0])
    ran = [tuple(line.split()) for line in lines_of(log)]
    for sample in arrays.sample_id.astype(str):
        own = [what for what in ran if what[1] == sample]
        assert [what[0] for what in own if what[0] != "step"] == ["start", "resume", "resume"]
        assert [int(what[2]) for what in own if what[0] == "step"] == [*range(1, STEPS + 1)]
    paths = tmp_path / "results" / "small"
    assert not (paths / "under_way").exists()
    assert not (paths / "samples").exists()
    assert len(plan_batches(study)) == 1


@pytest.mark.parametrize(
    "point",
    [
        "ensnare.evaluate.interrupted.InterruptedSamples.end",
        "ensnare.model.keep.Keeper.finish_sample",
    ],
)
def test_a_sample_that_has_ended_is_on_record_before_it_is_tidied_up(
    tmp_path, log, monkeypatch, point
):
    where, name = point.rsplit(".", 1)
    module, owner = where.rsplit(".", 1)
    owner = getattr(importlib.import_module(module), owner)
    right, killed = getattr(owner, name), tmp_path / "killed"

    def deadly(*arguments, **rest):
        if lines_of(log) and not killed.exists():  # the first call of a sample that ran
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return right(*arguments, **rest)

    monkeypatch.setattr(owner, name, deadly)
    command = f"echo start ${{sample}} >> {log}; echo y = ${{x}}"
    _, arrays = evaluate(study_tree(shell(command, resume=[["false"]]), size=1), tmp_path)
    assert killed.exists()
    assert labels(arrays) == ["ok"]
    assert len(lines_of(log)) == 1
    assert not (tmp_path / "results/small/under_way").exists()


def test_the_times_in_all_jobs_add_up(tmp_path, log, monkeypatch):
    tree = long_runs(log, size=1)
    kill_when(tree, tmp_path, waiting_at(log, 3, 1))
    (under_way,) = (tmp_path / "results/small/under_way").glob("*/*")
    began = under_way.stat().st_mtime
    os.utime(under_way, (began + 1000, began + 1000))  # as if it had run for so long
    kill_when(tree, tmp_path, waiting_at(log, 6, 1))
    _, arrays = evaluate(tree, tmp_path)
    assert 1000 < arrays.elapsed_s[0] < 2000


def test_the_time_limit_holds_for_all_jobs_together(tmp_path, log):
    tree = long_runs(log, size=1, timeout="900 s")
    kill_when(tree, tmp_path, waiting_at(log, 3, 1))
    (under_way,) = (tmp_path / "results/small/under_way").glob("*/*")
    began = under_way.stat().st_mtime
    os.utime(under_way, (began + 1000, began + 1000))
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["timeout"]
    assert arrays.elapsed_s[0] > 1000


def test_another_command_begins_anew(tmp_path, log):
    tree = long_runs(log, size=1)
    kill_when(tree, tmp_path, waiting_at(log, 3, 1))
    file = next((tmp_path / "results/small/under_way").glob("*/*"))
    InterruptedSamples(file.parent).begin(file.name, Interrupted("another run", 1, 0.0))
    kill_when(tree, tmp_path, waiting_at(log, 6, 1))
    assert [line.split()[0] for line in lines_of(log) if "step" not in line] == ["start", "start"]


def test_without_its_directory_a_sample_begins_anew(tmp_path, log):
    tree = long_runs(log, size=1)
    kill_when(tree, tmp_path, waiting_at(log, 3, 1))
    (directory,) = (tmp_path / "results/small/samples").glob("*/*")
    directory.rename(tmp_path / "gone")
    kill_when(tree, tmp_path, waiting_at(log, 6, 1))
    assert [line.split()[0] for line in lines_of(log) if "step" not in line] == ["start", "start"]


def test_a_failed_sample_is_tried_again_in_an_empty_directory(tmp_path, log):
    script = f"echo run >> {log}; [ -e left ] && exit 4; touch left; exit 3"
    model = shell(script, resume=[["false"]])
    _, arrays = evaluate(study_tree(model, size=1, on_failure={"retries": 2}), tmp_path)
    assert (labels(arrays), arrays.exit_code.tolist()) == (["failed"], [3])
    assert len(lines_of(log)) == 3


def test_a_sample_that_took_its_worker_with_it_goes_on(tmp_path, log):
    command = f"echo start >> {log}; touch restart; kill -9 $PPID; sleep 300"
    resume = f"echo resume >> {log}; [ -e restart ] && echo y = 5"
    model = shell(command, resume=[["sh", "-c", resume]])
    _, arrays = evaluate(study_tree(model, size=1), tmp_path)
    assert (labels(arrays), arrays.attempts.tolist()) == (["ok"], [2])
    assert lines_of(log) == ["start", "resume"]


def test_a_code_that_is_ended_with_its_job_goes_on(tmp_path, log, monkeypatch):
    def told_to_end(_):
        raise Terminated(signal.SIGTERM)

    monkeypatch.setattr("ensnare.evaluate.sample_runs.time.sleep", told_to_end)
    resume = f"echo resume >> {log}; echo y = 5"
    model = shell(f"echo start >> {log}; kill -TERM $$", resume=[["sh", "-c", resume]])
    _, arrays = evaluate(study_tree(model, size=1), tmp_path)
    assert labels(arrays) == ["ok"]
    assert lines_of(log) == ["start", "resume"]


@pytest.mark.slow
def test_a_job_ends_in_time_what_can_go_on_in_another_one(tmp_path, log, monkeypatch):
    tree = long_runs(log)
    monkeypatch.setattr(
        "ensnare.evaluate.walltime.Walltime.is_over", lambda _: waiting_at(log, 3)()
    )
    with pytest.raises(HandedBackError, match="2 samples that are under way go on in the next one"):
        evaluate(tree, tmp_path)
    monkeypatch.setattr(
        "ensnare.evaluate.walltime.Walltime.is_over", lambda _: waiting_at(log, 6)()
    )
    with pytest.raises(HandedBackError):
        evaluate(tree, tmp_path)
    monkeypatch.undo()
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok", "ok"]
    assert arrays.attempts.tolist() == [3, 3]


def test_what_is_under_way_is_announced_as_a_sample_to_run(tmp_path, log):
    tree = long_runs(log)
    kill_when(tree, tmp_path, waiting_at(log, 3))
    study, paths, batches = prepare(tree, tmp_path)
    assert count_samples(study, batches, paths).run == 2


def test_how_a_run_goes_on_decides_no_name_of_a_batch(tmp_path, log):
    tree = long_runs(log)
    with_it = plan_batches(load(tree, tmp_path))
    del tree["model"]["resume"]
    assert plan_batches(load(tree, tmp_path)) == with_it


def test_directories_that_are_to_survive_are_not_on_the_scratch_disk(tmp_path, log):
    (tmp_path / "scratch").mkdir()
    tree = long_runs(log, scratch="scratch")
    kill_when(tree, tmp_path, waiting_at(log, 3))
    assert len(list((tmp_path / "results/small/samples").glob("*/*/restart"))) == 2
    assert not list((tmp_path / "scratch").iterdir())


def test_a_damaged_record_is_no_interrupted_sample(tmp_path):
    interrupted = InterruptedSamples(tmp_path / "under_way")
    interrupted.begin("a", Interrupted("key", 1, 5.0))
    interrupted.begin("b", Interrupted("key", 2, 0.0))
    (tmp_path / "under_way/a").write_text("[1")
    assert {name: found.attempts for name, found in interrupted.all().items()} == {"b": 2}
    interrupted.end("b")
    interrupted.mark_running(["b"])  # not made again
    assert interrupted.all() == {}
    interrupted.clear()
    assert not (tmp_path / "under_way").exists()


BAD = {
    "an unknown placeholder": ([["sh", "${wrong}"]], "model.resume: unknown placeholder 'wrong'"),
    "no such program": ([["no-such-code"]], "model.resume: no program 'no-such-code' on PATH"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_step_is_found_before_any_job(tmp_path, what):
    steps, message = BAD[what]
    tree = study_tree(shell("echo y = ${x}", resume=steps))
    with pytest.raises(ConfigError, match=message):
        check_study(load(tree, tmp_path))


def test_steps_are_lists_and_belong_to_a_command(tmp_path):
    tree = study_tree(shell("echo y = ${x}", resume=[[]]))
    with pytest.raises(ConfigError, match="resume: found an empty step"):
        parse_study(tree)
    tree = study_tree({"python": {"call": "a:f"}, "outputs": [{"name": "y"}], "resume": [["a"]]})
    with pytest.raises(ConfigError, match="belong to a command, not to a Python function"):
        parse_study(tree)
