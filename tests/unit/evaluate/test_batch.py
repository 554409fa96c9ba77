import errno
import multiprocessing
import os
import signal

import numpy as np
import psutil
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
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.errors import BatchError
from ensnare.evaluate import sample_runs as runs
from ensnare.evaluate.batch import evaluate_batch, find_batch
from ensnare.evaluate.forecast import count_samples
from ensnare.model.keep import kept_directories, pack_directories, unpack_directory
from ensnare.plan.batches import plan_batches
from ensnare.store.journal import read_journal
from ensnare.store.paths import StudyPaths
from ensnare.store.signals import Terminated, raise_on_signals

fork = multiprocessing.get_context("fork")


@pytest.fixture
def log(tmp_path):
    """A file outside all working directories, to which codes append at every start and finish."""
    return tmp_path / "log"


def logged_python(tmp_path, log, body="", **rest):
    """Return a Python model that records its calls; y is the square of x."""
    (tmp_path / "model.py").write_text(
        "import ctypes, faulthandler, os, signal, sys, time\nimport numpy as np\n"
        "faulthandler.disable()\n"  # pytest's would print the segmentation fault that is meant
        f"def note(*words):\n    with open({str(log)!r}, 'a') as file:\n"
        "        file.write(' '.join(map(str, words)) + '\\n')\n"
        "def f(x):\n    note('start', np.size(x), *np.atleast_1d(x)[:1])\n"
        f"    {body or 'pass'}\n    return x * x\n"
    )
    return python("model.py:f", **rest)


def assert_squares(arrays):
    good = arrays.status == 0
    np.testing.assert_allclose(arrays.y[good, 0], arrays.x[good, 0] ** 2)
    assert np.isnan(arrays.y[~good]).all()


def test_a_batch_is_evaluated_and_gathered(tmp_path, log):
    said, arrays = evaluate(study_tree(logged(log), size=20), tmp_path)
    assert labels(arrays) == ["ok"] * 20
    assert_squares(arrays)
    assert len(started(log)) == 20
    assert "20/20 done" in said[-1]
    assert set(arrays.attempts) == {1}
    assert (arrays.elapsed_s > 0).all()


def test_outputs_are_right_whatever_their_order_in_the_file(tmp_path, log):
    outputs = [{"name": "b", "regex": r"b = (\S+)"}, {"name": "a", "regex": r"a = (\S+)"}]
    model = shell(f"echo run >> {log}; echo a = 1; echo b = 2", *outputs)
    _, first = evaluate(study_tree(model, size=4), tmp_path)
    assert first.output_names == ("b", "a")
    np.testing.assert_array_equal(first.y, [[2, 1]] * 4)
    model["outputs"].reverse()
    _, second = evaluate(study_tree(model, size=6), tmp_path)
    np.testing.assert_array_equal(second.y, [[1, 2]] * 6)
    assert len(lines_of(log)) == 6


@pytest.mark.parametrize("vectorized", [False, True])
def test_outputs_of_functions_are_right_whatever_their_order(tmp_path, vectorized):
    (tmp_path / "model.py").write_text("f = lambda x: {'a': x, 'b': x + 1, 'c': x + 2}\n")
    for names in (("c", "a", "b"), ("b", "c", "a")):
        model = python("model.py:f", *names, vectorized=vectorized)
        _, arrays = evaluate(study_tree(model, size=5), tmp_path)
        shift = ["abc".index(name) for name in names]
        np.testing.assert_allclose(arrays.y, arrays.x + np.array(shift))


def interrupt(tree, tmp_path, log, lines):
    """Evaluate in a process that is killed once the log has so many lines."""

    def target():
        evaluate(tree, tmp_path)

    process = fork.Process(target=target)
    process.start()
    wait_until(lambda: len(lines_of(log)) >= lines)
    process.kill()
    process.join()
    wait_until(lambda: not marked_processes(str(log)))


def test_an_interrupted_batch_evaluates_only_the_rest(tmp_path, log):
    gate = tmp_path / "gate"
    stop = f"if [ $(wc -l < {log}) -gt 20 ] && [ ! -e {gate} ]; then sleep 300; fi;"
    tree = study_tree(logged(log, stop), size=30)
    interrupt(tree, tmp_path, log, 21)
    wait_until(lambda: not any(is_running(p) for p in marked_processes(str(log))))
    gate.touch()
    finished = {line.split()[1] for line in lines_of(log) if line.startswith("finish")}
    study, paths, batches = prepare(tree, tmp_path)
    announced = count_samples(study, batches, paths)
    before = len(started(log))
    said, arrays = evaluate(tree, tmp_path)
    assert_squares(arrays)
    assert labels(arrays) == ["ok"] * 30
    rerun = started(log)[before:]
    assert len(rerun) == len(set(rerun))
    known = read_journal(paths.journal(batches[0].key), 1)
    assert known.damaged == 0
    # one may have finished that was not on record yet when the job was killed
    assert len(finished & set(rerun)) <= 2
    assert len(rerun) == announced.run
    assert f"{30 - len(rerun)} of 30 samples are in its journal" in " ".join(said)


def test_a_whole_journal_needs_no_run(tmp_path, log):
    tree = study_tree(logged(log), size=10)
    evaluate(tree, tmp_path)
    _, paths, (batch,) = prepare(tree, tmp_path)
    paths.batch(batch.key).unlink()
    said, arrays = evaluate(tree, tmp_path)
    assert_squares(arrays)
    assert len(started(log)) == 10
    assert said == [f"batch {batch.key}: 10 of 10 samples are in its journal"]


def test_a_damaged_journal_costs_what_it_lost_and_says_so(tmp_path, log):
    tree = study_tree(logged(log), size=10)
    evaluate(tree, tmp_path)
    _, paths, (batch,) = prepare(tree, tmp_path)
    paths.batch(batch.key).unlink()
    journal = paths.journal(batch.key)
    data = bytearray(journal.read_bytes())
    data[-20] ^= 1
    journal.write_bytes(data)
    said, arrays = evaluate(tree, tmp_path)
    assert_squares(arrays)
    assert labels(arrays) == ["ok"] * 10
    assert len(started(log)) == 11
    assert "bytes of the journal are damaged; the samples they recorded run again" in said[0]


def test_a_batch_that_another_job_evaluated_is_adopted(tmp_path, log):
    tree = study_tree(logged(log), size=5)
    evaluate(tree, tmp_path)
    study, paths, (batch,) = prepare(tree, tmp_path)
    said = []
    evaluate_batch(study, batch, paths, 2, said.append)
    assert said == [f"batch {batch.key}: taken over from the job that evaluated it"]
    assert len(started(log)) == 5


def test_the_statuses_of_a_command(tmp_path):
    cases = {
        "ok": "echo y = 1",
        "failed": "echo why >&2; exit 3",
        "timeout": "sleep 300",
        "unparsable": "true",
        "unsuccessful": "echo y = 1; rm done",
        "out_of_range": "echo y = 7",
    }
    branches = "".join(f"{name}) {script};;" for name, script in cases.items())
    tree = study_tree(
        shell(
            f"echo fine > done; case ${{case}} in {branches} esac",
            {"name": "y", "regex": r"y = (\S+)", "range": [0, 2]},
            success=[{"in": "done", "regex": "^fine"}],
        ),
        size=1,
        sweep={"case": list(cases)},
        timeout="500 ms",
    )
    _, arrays = evaluate(tree, tmp_path)
    found = dict(zip(arrays.levels("case").tolist(), labels(arrays), strict=True))
    assert found == {name: name for name in cases}
    codes = dict(zip(cases, arrays.exit_code.tolist(), strict=True))
    assert codes["failed"] == 3
    assert codes["timeout"] == -signal.SIGTERM
    assert codes["ok"] == codes["unparsable"] == 0
    assert np.isfinite(arrays.y[:, 0]).tolist() == [name == "ok" for name in cases]
    assert "why" in arrays.messages[list(cases).index("failed")]
    assert "its range is [0, 2]" in arrays.messages[list(cases).index("out_of_range")]


def test_a_message_with_bytes_that_no_text_has_does_not_break_the_batch(tmp_path):
    model = shell(r"printf 'a\0b\377\033[0m' >&2; exit 1")
    _, arrays = evaluate(study_tree(model, size=3), tmp_path)
    assert labels(arrays) == ["failed"] * 3
    assert "a\ufffdb\ufffd" in arrays.messages[0]


def test_a_value_that_does_not_fit_is_an_error_of_its_sample(tmp_path):
    (tmp_path / "in").write_text("${x}")
    files = [{"template": "in", "width": 6}]
    _, arrays = evaluate(study_tree(shell("echo y = 1", files=files), size=16), tmp_path)
    assert set(labels(arrays)) == {"ok", "error"}
    assert "takes" in next(iter(arrays.messages.values()))


def test_a_sample_that_kills_its_worker_twice_is_killed_and_the_rest_is_not(tmp_path, log):
    model = logged(log, "case ${x} in 0.5) kill -9 $PPID; sleep 300;; esac;")
    _, arrays = evaluate(study_tree(model, size=7), tmp_path)
    assert labels(arrays).count("killed") == 1
    assert labels(arrays).count("ok") == 6
    (at,) = np.flatnonzero(arrays.status == 7)
    assert arrays.x[at, 0] == 0.5
    assert (arrays.exit_code[at], arrays.attempts[at]) == (-9, 2)
    assert arrays.messages[at] == "the worker process died while it ran this sample; attempts: 2"
    assert started(log).count(arrays.sample_id[at].decode()) == 2
    assert len(started(log)) == 8


@pytest.mark.slow
def test_a_code_that_is_killed_is_tried_again(tmp_path, log):
    flag = tmp_path / "flag"
    model = logged(log, f"[ -e {flag}${{x}} ] || {{ touch {flag}${{x}}; kill -9 $$; }};")
    _, arrays = evaluate(study_tree(model, size=4), tmp_path)
    assert labels(arrays) == ["ok"] * 4
    assert arrays.attempts.tolist() == [2] * 4
    assert len(started(log)) == 8


@pytest.mark.slow
def test_a_code_that_is_killed_twice_is_killed(tmp_path, log):
    _, arrays = evaluate(study_tree(logged(log, "kill -9 $$;"), size=2), tmp_path)
    assert labels(arrays) == ["killed"] * 2
    assert arrays.exit_code.tolist() == [-9, -9]
    assert arrays.attempts.tolist() == [2, 2]
    assert len(started(log)) == 4


BAD_CALLS = {
    "raise ValueError('no')": "error",
    "sys.exit(2)": "error",
    "return float('nan')": "unparsable",
    "return [1, 2]": "error",
    "os._exit(0)": "killed",
    "os.kill(os.getpid(), 9)": "killed",
    "ctypes.string_at(0)": "killed",
    "time.sleep(300)": "timeout",
    "signal.signal(15, signal.SIG_IGN); time.sleep(300)": "timeout",
    "raise KeyboardInterrupt": "killed",
}


@pytest.mark.parametrize(("bad", "status"), BAD_CALLS.items(), ids=BAD_CALLS)
def test_what_one_call_of_a_function_does_is_its_own_affair(tmp_path, log, bad, status):
    body = f"if x == 0.5:\n        {bad}"
    model = logged_python(tmp_path, log, body)
    _, arrays = evaluate(study_tree(model, size=7, timeout="600 ms"), tmp_path)
    assert labels(arrays).count("ok") == 6
    assert_squares(arrays)
    (at,) = np.flatnonzero(arrays.status)
    assert arrays.x[at, 0] == 0.5
    assert labels(arrays)[at] == status
    assert at in arrays.messages
    assert len(started(log)) == (8 if status == "killed" else 7)
    assert not any(is_running(pid) for pid in marked_processes(str(log)))


@pytest.mark.parametrize(("bad", "status"), BAD_CALLS.items(), ids=BAD_CALLS)
def test_one_bad_row_of_a_vectorised_function_does_not_spoil_the_others(tmp_path, log, bad, status):
    if "nan" in bad:
        body = "if (x == 0.5).any():\n        return np.where(x == 0.5, np.nan, x * x)"
    else:
        body = f"if (x == 0.5).any():\n        {bad}"
    model = logged_python(tmp_path, log, body, vectorized=True)
    _, arrays = evaluate(study_tree(model, size=31, timeout="600 ms"), tmp_path)
    assert_squares(arrays)
    assert labels(arrays).count("ok") == 30
    (at,) = np.flatnonzero(arrays.status)
    assert arrays.x[at, 0] == 0.5
    assert labels(arrays)[at] == status
    calls = len(started(log))
    assert calls == 1 if status == "unparsable" else calls <= 33


def test_a_vectorised_function_is_called_once_for_many_rows_of_one_case(tmp_path, log):
    (tmp_path / "model.py").write_text(
        f"def f(x, n, seed):\n    open({str(log)!r}, 'a').write(f'{{len(x)}} {{n}}\\n')\n"
        "    return n * x + 0 * seed\n"
    )
    model = python("model.py:f", vectorized=True)
    _, arrays = evaluate(study_tree(model, size=100, sweep={"n": [1, 2]}), tmp_path)
    assert sorted(lines_of(log)) == ["100 1", "100 2"]
    np.testing.assert_array_equal(arrays.y[:, 0], arrays.x[:, 0] * np.repeat([1, 2], 100))


def directories(tmp_path):
    samples = tmp_path / "results" / "small" / "samples"
    return sorted(p.name for p in samples.glob("*/*")) if samples.exists() else None


@pytest.mark.parametrize(("keep", "expected"), [("all", 6), ("failed", 2), ("none", None)])
def test_working_directories_stay_by_policy(tmp_path, keep, expected):
    script = "mkdir -p a/b; touch a/b/c; case ${n} in 3|5) exit 1;; esac; echo y = ${n}"
    tree = study_tree(shell(script), size=1, sweep={"n": [1, 2, 3, 4, 5, 6]}, keep=keep)
    _, arrays = evaluate(tree, tmp_path)
    found = directories(tmp_path)
    assert (found and len(found)) == expected
    ids = arrays.sample_id.astype(str)
    if keep == "failed":
        assert found == sorted(ids[arrays.status == 1])
    if keep == "all":
        assert found == sorted(ids)


def test_a_directory_in_which_a_code_took_permissions_is_removed(tmp_path):
    script = "mkdir -p a/b; touch a/b/c; chmod 0 a/b a; echo y = 1"
    evaluate(study_tree(shell(script), size=2, keep="none"), tmp_path)
    assert directories(tmp_path) is None


def test_the_directory_of_a_killed_sample_does_not_stay_against_the_policy(tmp_path):
    model = shell("kill -9 $PPID; sleep 300")
    _, arrays = evaluate(study_tree(model, size=1, keep="none"), tmp_path)
    assert labels(arrays) == ["killed"]
    assert directories(tmp_path) is None


def test_a_code_that_tidies_up_when_its_job_is_ended_did_not_fail(tmp_path, log, monkeypatch):
    monkeypatch.setattr(runs, "_PAUSE_S", 60.0)  # the signal to the job may come late
    monkeypatch.setattr(runs, "_PAUSE_SHARE", 1e9)
    tidy = f"trap 'echo tidy >> {log}; exit 3' TERM; while [ ! -e {log}.go ]; do sleep 0.01; done;"
    tree = study_tree(logged(log, tidy), size=2)

    def target():
        raise_on_signals()
        try:
            evaluate(tree, tmp_path)
        except Terminated as ended:
            os._exit(ended.exit_code)

    process = fork.Process(target=target)
    process.start()
    wait_until(lambda: len(started(log)) == 2)
    codes = [child for child in psutil.Process(process.pid).children(True) if child.name() == "sh"]
    for code in codes:  # a scheduler tells all processes, these ones first
        code.terminate()
    wait_until(lambda: lines_of(log).count("tidy") == 2)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    log.with_name("log.go").touch()
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok", "ok"]
    assert len(started(log)) == 4


def test_a_batch_that_is_told_to_end_leaves_no_process_and_no_claim(tmp_path, log):
    tree = study_tree(logged(log, "setsid sleep 300 & sleep 300;"), size=9)

    def target():
        raise_on_signals()
        try:
            evaluate(tree, tmp_path)
        except Terminated as ended:
            os._exit(ended.exit_code)

    process = fork.Process(target=target)
    process.start()
    wait_until(lambda: len(started(log)) == 2)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    assert marked_processes(str(log)) == []
    assert not list(tmp_path.rglob("*.owner*"))
    assert not list(tmp_path.rglob("*.h5.part"))


def test_a_batch_that_was_lost_to_another_job_stops(tmp_path, log, monkeypatch):
    monkeypatch.setattr("ensnare.evaluate.claim._RENEW_S", 0.0)
    tree = study_tree(logged(log, "sleep 300;"), size=3)
    renewals = iter([True])
    monkeypatch.setattr("ensnare.evaluate.claim.Claim.renew", lambda self: next(renewals, False))
    with pytest.raises(BatchError, match="another job took it over; this one stops"):
        evaluate(tree, tmp_path)
    assert marked_processes(str(log)) == []


@pytest.mark.parametrize("full", ["files cannot be made", "the code fails", "no processes"])
def test_a_full_machine_stops_the_batch_and_is_no_outcome(tmp_path, log, monkeypatch, full):
    tree = study_tree(logged(log, f"[ -e {tmp_path}/space ] || exit 1;"), size=6)
    with monkeypatch.context() as patch:
        if full == "files cannot be made":
            patch.setattr(
                "ensnare.evaluate.sample_runs.enter_empty", lambda _: os.open("/dev/full/x", 0)
            )
            patch.setattr("ensnare.evaluate.sample_runs.MACHINE_TROUBLE", {errno.ENOTDIR})
        elif full == "the code fails":
            patch.setattr("ensnare.model.directories._LEAST_SPACE", 2**70)
        else:
            patch.setattr("os.posix_spawn", lambda *_, **__: os.open("/dev/full/x", 0))
            patch.setattr("ensnare.model.command.MACHINE_TROUBLE", {errno.ENOTDIR})
            patch.setattr("ensnare.evaluate.sample_runs.MACHINE_TROUBLE", {errno.ENOTDIR})
        with pytest.raises(BatchError, match="a sample cannot be run or recorded"):
            evaluate(tree, tmp_path)
    (tmp_path / "space").touch()
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 6


def test_a_batch_that_the_study_does_not_have_is_one_line(tmp_path, log):
    study, _, _ = prepare(study_tree(logged(log)), tmp_path)
    with pytest.raises(BatchError, match="run snakemake again"):
        find_batch(study, "0" * 16)


# --- growing and changing -----------------------------------------------------------------


def runs_of(tree, tmp_path, log):
    """Evaluate; return how many samples ran, checked against what was announced."""
    study = load(tree, tmp_path)
    paths = StudyPaths(tmp_path / "results" / "small")
    announced = count_samples(study, plan_batches(study), paths)
    before = len(started(log))
    _, arrays = evaluate(tree, tmp_path)
    ran = len(started(log)) - before
    assert_squares(arrays)
    assert labels(arrays) == ["ok"] * len(arrays)
    assert (announced.run, announced.reused) == (ran, len(arrays) - ran)
    return ran


def test_growing_shrinking_and_reverting_run_only_what_is_new(tmp_path, log):
    tree = study_tree(logged(log), batch={"size": 8})
    sizes = [20, 30, 10, 20, 40, 40]
    ran = [runs_of(tree | {"design": tree["design"] | {"size": n}}, tmp_path, log) for n in sizes]
    assert ran == [20, 10, 0, 0, 10, 0]


def test_a_new_level_runs_only_its_cases(tmp_path, log):
    model = logged(log, ": ${n};")
    assert runs_of(study_tree(model, size=6, sweep={"n": [1, 2]}), tmp_path, log) == 12
    assert runs_of(study_tree(model, size=6, sweep={"n": [3, 2, 1]}), tmp_path, log) == 6


def test_a_batch_of_other_size_takes_over_what_is_known(tmp_path, log):
    tree = study_tree(logged(log), size=20)
    assert runs_of(tree | {"batch": {"size": 6}}, tmp_path, log) == 20
    assert runs_of(tree | {"batch": {"size": 7}}, tmp_path, log) == 0


def test_changed_resources_environment_timeout_and_ranges_run_nothing(tmp_path, log):
    tree = study_tree(logged(log), size=5)
    assert runs_of(tree, tmp_path, log) == 5
    model = tree["model"] | {"environment": {"set": {"A": "b"}}}
    model["outputs"] = [model["outputs"][0] | {"range": [-1, 2], "unit": "m"}]
    changed = tree | {"model": model, "timeout": "1 h", "keep": "all", "title": "new"}
    assert runs_of(changed | {"resources": {"threads": 2}}, tmp_path, log) == 0


def test_a_changed_template_runs_all_unless_it_renders_the_same(tmp_path, log):
    (tmp_path / "in").write_text("x = ${x}\n")
    tree = study_tree(logged(log, files=[{"template": "in"}]), size=5)
    assert runs_of(tree, tmp_path, log) == 5
    (tmp_path / "in").write_text("x  = ${x}\n")
    assert runs_of(tree, tmp_path, log) == 5
    (tmp_path / "in").write_text("x  = ${x:.14g}\n")
    assert runs_of(tree, tmp_path, log) == 0
    (tmp_path / "in").write_text("x = ${x}\n")
    assert runs_of(tree, tmp_path, log) == 0


def test_a_changed_parser_or_success_runs_all_where_nothing_was_kept(tmp_path, log):
    tree = study_tree(logged(log), size=5)
    assert runs_of(tree, tmp_path, log) == 5
    tree["model"]["outputs"] = [{"name": "y", "regex": r"y = (.*)"}]
    assert runs_of(tree, tmp_path, log) == 5
    tree["model"]["success"] = [{"regex": "^y"}]
    assert runs_of(tree, tmp_path, log) == 5


def test_a_removed_output_runs_nothing_and_an_added_one_all(tmp_path, log):
    both = study_tree(logged(log), size=5)
    both["model"]["outputs"] = [*both["model"]["outputs"], {"name": "a", "regex": r"(y) ="}]
    both["model"]["outputs"][1]["regex"] = r"= (\S+)"
    one = both | {"model": both["model"] | {"outputs": both["model"]["outputs"][:1]}}
    assert runs_of(both, tmp_path, log) == 5
    assert runs_of(one, tmp_path, log) == 0
    assert runs_of(both, tmp_path, log) == 0


def test_a_changed_function_runs_all_and_its_comments_none(tmp_path, log):
    tree = study_tree(logged_python(tmp_path, log), size=5)
    assert runs_of(tree, tmp_path, log) == 5
    tree = study_tree(logged_python(tmp_path, log, "pass  # a comment"), size=5)
    assert runs_of(tree, tmp_path, log) == 0
    tree = study_tree(logged_python(tmp_path, log, "x = x + 0"), size=5)
    assert runs_of(tree, tmp_path, log) == 5


def test_samples_in_the_journal_of_an_interrupted_batch_count_for_others(tmp_path, log):
    gate = tmp_path / "gate"
    stop = f"if [ $(wc -l < {log}) -gt 10 ] && [ ! -e {gate} ]; then sleep 300; fi;"
    tree = study_tree(logged(log, stop), size=20)
    interrupt(tree, tmp_path, log, 11)
    gate.touch()
    _, paths, (batch,) = prepare(tree, tmp_path)
    known = len(read_journal(paths.journal(batch.key), 1).rows)
    assert known >= 4
    assert runs_of(tree | {"batch": {"size": 9}}, tmp_path, log) == 20 - known


def test_killed_samples_are_tried_again_by_a_new_batch(tmp_path, log):
    flag = tmp_path / "flag"
    model = logged(log, f"[ -e {flag} ] || {{ kill -9 $PPID; sleep 300; }};")
    _, arrays = evaluate(study_tree(model, size=2), tmp_path)
    assert labels(arrays) == ["killed"] * 2
    flag.touch()
    assert runs_of(study_tree(model, size=3), tmp_path, log) == 3


def test_a_damaged_batch_file_is_replaced_by_its_journal(tmp_path, log):
    tree = study_tree(logged(log), size=6)
    assert runs_of(tree, tmp_path, log) == 6
    _, paths, (batch,) = prepare(tree, tmp_path)
    paths.batch(batch.key).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert runs_of(tree | {"batch": {"size": 4}}, tmp_path, log) == 0


def files_of(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


MESSY = (
    "mkdir -p post/0 tmp; echo a > post/0/U; echo b > tmp/big; echo c > log.run; "
    "ln -s log.run last; "
    "echo d > tmp/log.sub; mkfifo pipe; echo y = ${x}; "
)
PATTERNS = {"failed": "all", "ok": ["log.*", "post/**"]}


@pytest.mark.parametrize("scratch", [False, True])
def test_patterns_say_what_stays_by_outcome(tmp_path, scratch):
    (tmp_path / "node").mkdir()
    rest = {"scratch": str(tmp_path / "node")} if scratch else {}
    script = MESSY + "case ${x} in 0.5) exit 3;; esac"
    tree = study_tree(shell(script), size=4, keep=PATTERNS, **rest)
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays).count("failed") == 1
    (batch,) = (tmp_path / "results/small/samples").iterdir()
    for i, status in enumerate(labels(arrays)):
        found = files_of(batch / arrays.sample_id[i].decode())
        good = ["log.run", "post/0/U", "tmp/log.sub"]
        rest_of = ["last", "stderr.txt", "stdout.txt", "tmp/big"]
        wanted = good if status == "ok" else sorted([*good, *rest_of])
        assert [name for name in found if name != "pipe"] == wanted
    assert list((tmp_path / "node").iterdir()) == []


def test_samples_run_on_scratch_and_nothing_stays_there(tmp_path, monkeypatch):
    (tmp_path / "node").mkdir()
    monkeypatch.setenv("NODE_DIR", str(tmp_path / "node"))
    tree = study_tree(shell("pwd; echo y = ${x}"), size=3, keep="all", scratch="$NODE_DIR")
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 3
    texts = [p.read_text() for p in (tmp_path / "results/small/samples").rglob("stdout.txt")]
    assert len(texts) == 3
    assert all(text.startswith(f"{tmp_path}/node/ensnare-") for text in texts)
    assert list((tmp_path / "node").iterdir()) == []
    monkeypatch.delenv("NODE_DIR")
    with pytest.raises(BatchError, match=r"scratch: the variable in .* is not set"):
        evaluate(study_tree(shell("echo y = 2"), scratch="$NODE_DIR"), tmp_path)
    with pytest.raises(BatchError, match=r"scratch: no directory"):
        evaluate(study_tree(shell("echo y = 2"), scratch="none"), tmp_path)
    with pytest.raises(BatchError, match=r"scratch: cannot make /proc/ensnare-\S+ on \S+: "):
        evaluate(study_tree(shell("echo y = 2"), scratch="/proc"), tmp_path)


def test_a_sample_that_kills_its_worker_on_scratch_is_copied_back(tmp_path):
    (tmp_path / "node").mkdir()
    script = "echo here > log.run; kill -9 $PPID; sleep 60"
    tree = study_tree(shell(script), size=1, scratch=str(tmp_path / "node"))
    _, arrays = evaluate(tree, tmp_path, workers=1)
    assert labels(arrays) == ["killed"]
    assert len(list((tmp_path / "results/small/samples").rglob("log.run"))) == 1
    assert list((tmp_path / "node").iterdir()) == []


def test_kept_directories_are_packed_into_one_file_per_batch(tmp_path):
    script = "mkdir a; echo ${x} > a/log.x; ln -s /etc/hostname link; echo y = ${x}"
    tree = study_tree(shell(script), size=6, keep="all", pack=True, batch={"size": 3})
    _, arrays = evaluate(tree, tmp_path)
    paths = StudyPaths(tmp_path / "results/small")
    assert len(list(paths.samples.glob("*.tar"))) == 2
    assert len(list(paths.samples.iterdir())) == 2
    kept = kept_directories(paths)
    assert {name for _, name in kept} == set(arrays.sample_id.astype(str))
    for i in range(6):
        key, name = arrays.origin[i].decode(), arrays.sample_id[i].decode()
        assert kept[key, name] == paths.pack(key) / name
        unpack_directory(paths.pack(key), name, tmp_path / "out")
        text = (tmp_path / "out" / name / "a/log.x").read_text()
        assert float(text) == pytest.approx(arrays.x[i, 0])
        assert (tmp_path / "out" / name / "link").is_symlink()


def test_a_pack_takes_more_and_replaces_what_it_has(tmp_path):
    for n, text in ((1, "a"), (2, "b"), (1, "c")):
        (tmp_path / f"batch/{n}").mkdir(parents=True)
        (tmp_path / f"batch/{n}/log").write_text(text)
        pack_directories(str(tmp_path / "batch"), tmp_path / "batch.tar")
        assert list((tmp_path / "batch").iterdir()) == []
    for n, text in ((1, "c"), (2, "b")):
        unpack_directory(tmp_path / "batch.tar", str(n), tmp_path / "out")
        assert (tmp_path / f"out/{n}/log").read_text() == text


def profile(m, axis):
    """Return a model that writes a table of m rows: place, and x times place."""
    rows = f'for i in $(seq {m}); do echo $i $(echo "${{x}} * $i" | bc -l); done > u.txt'
    output = {"name": "u", "unit": "m", "table": "u.txt", "column": 1, "shape": [5]}
    mean = {"name": "a", "table": "u.txt", "column": 1, "reduce": "mean"}
    return shell(rows, mean, output | ({"axis": axis} if axis else {}))


@pytest.mark.parametrize("axis", [None, {"values": [5, 6, 7, 8, 9]}, {"name": "s", "column": 0}])
def test_arrays_go_through_journal_batch_and_gather(tmp_path, axis):
    model = profile(5, axis)
    _, arrays = evaluate(study_tree(model, size=5), tmp_path)
    assert labels(arrays) == ["ok"] * 5
    assert arrays.output_names == ("a", *(f"u[{i}]" for i in range(5)))
    places = np.arange(1, 6)
    np.testing.assert_allclose(arrays.y[:, 1:], arrays.x * places, rtol=1e-6)
    np.testing.assert_allclose(arrays.y[:, 0], 3 * arrays.x[:, 0], rtol=1e-6)
    wanted = {"None": np.arange(5), "values": np.arange(5, 10), "name": places}
    np.testing.assert_array_equal(
        arrays.axes["u"], wanted["None" if not axis else next(iter(axis))]
    )
    # another order in the file: what older batches hold is put in its place
    model["outputs"].reverse()
    model["outputs"].insert(0, {"name": "k", "table": "u.txt", "column": 0})
    _, again = evaluate(study_tree(model, size=7), tmp_path)
    np.testing.assert_allclose(again.y[:, 1:6], again.x * places, rtol=1e-6)
    del model["outputs"][0]
    _, third = evaluate(study_tree(model, size=9), tmp_path)
    np.testing.assert_allclose(third.y[:, :5], third.x * places, rtol=1e-6)
    np.testing.assert_allclose(third.y[:, 5], 3 * third.x[:, 0], rtol=1e-6)


def test_an_array_of_another_size_is_a_status(tmp_path):
    _, arrays = evaluate(study_tree(profile(6, None), size=3), tmp_path)
    assert labels(arrays) == ["unparsable"] * 3
    assert arrays.messages[0] == "output 'u' has 6 values; expected 5"
    assert np.isnan(arrays.y).all()


def test_an_axis_that_moves_is_a_status(tmp_path):
    script = "for i in 1 2; do echo ${x}$i $i; done > u.txt"
    output = {"name": "u", "table": "u.txt", "column": 1, "shape": [2], "axis": {"column": 0}}
    _, arrays = evaluate(study_tree(shell(script, output), size=4), tmp_path)
    assert labels(arrays) == ["ok"] + ["unparsable"] * 3
    assert "its axis is not that of the first sample" in arrays.messages[1]


@pytest.mark.parametrize("vectorized", [False, True])
def test_functions_return_arrays(tmp_path, vectorized):
    (tmp_path / "model.py").write_text(
        "import numpy as np\n"
        "def f(x):\n    u = np.multiply.outer(x, np.arange(3.0))\n"
        "    return {'u': u, 'a': x, 'b': u[..., ::-1]}\n"
        "def g(x):\n    return {'u': np.zeros(np.shape(x) + (4,)), 'a': x, 'b': np.zeros(3)}\n"
    )
    model = python("model.py:f", "u", "b", "a", vectorized=vectorized)
    for output in model["outputs"][:2]:
        output["shape"] = [3]
    model["outputs"][0]["range"] = [0, 1.9]
    _, arrays = evaluate(study_tree(model, size=16), tmp_path)
    x, good = arrays.x[:, 0], arrays.status == 0
    assert set(labels(arrays)) == {"ok"} or x.max() > 0.95
    wanted = np.stack([0 * x, x, 2 * x, 2 * x, x, 0 * x, x], axis=1)
    np.testing.assert_allclose(arrays.y[good], wanted[good])
    model["python"]["call"] = "model.py:g"
    _, arrays = evaluate(study_tree(model, size=4), tmp_path)
    assert labels(arrays) == ["unparsable"] * 4
    assert arrays.messages[0].startswith("output 'u' has shape (")


def test_a_comment_in_a_jinja_template_reruns_nothing(tmp_path, log):
    template = tmp_path / "in.txt"
    logic = "{% if mesh == 'fine' %}\ny = {{ x }}\n{% else %}\ny = 7\n{% endif %}"
    template.write_text("{# first #}" + logic)
    files = [{"template": "in.txt", "engine": "jinja2"}]
    model = shell(f"echo run >> {log}; cat in.txt", files=files)
    tree = study_tree(model, size=3, sweep={"mesh": ["fine", "coarse"]})
    _, arrays = evaluate(tree, tmp_path)
    np.testing.assert_allclose(arrays.y[:3, 0], arrays.x[:3, 0])
    assert arrays.y[3:].ravel().tolist() == [7, 7, 7]
    template.write_text(template.read_text().replace("first", "second"))
    _, again = evaluate(tree, tmp_path)
    np.testing.assert_array_equal(again.y, arrays.y)
    assert len(lines_of(log)) == 6
    template.write_text(template.read_text().replace("7", "8"))
    assert evaluate(tree, tmp_path)[1].y[3:].ravel().tolist() == [8, 8, 8]
    assert len(lines_of(log)) == 9


def test_a_value_that_a_jinja_template_lacks_is_the_affair_of_its_sample(tmp_path):
    (tmp_path / "in.txt").write_text("{% if x > 0.5 %}{{ 1 / 0 }}{% endif %}y = 1\n")
    files = [{"template": "in.txt", "engine": "jinja2"}]
    _, arrays = evaluate(study_tree(shell("cat in.txt", files=files), size=4), tmp_path)
    wanted = ["error" if x > 0.5 else "ok" for x in arrays.x[:, 0]]
    assert labels(arrays) == wanted
    assert any("ZeroDivisionError" in text for text in arrays.messages.values())


def test_a_parser_of_ones_own_is_part_of_the_model(tmp_path):
    parse = tmp_path / "parse.py"
    parse.write_text("def f(directory):\n    return float((directory / 'out').read_text())\n")
    model = shell("echo ${x} > out", {"name": "y", "python": "parse.py:f"})
    _, arrays = evaluate(study_tree(model, size=3), tmp_path)
    np.testing.assert_allclose(arrays.y[:, 0], arrays.x[:, 0])
    parse.write_text(parse.read_text().replace("return", "return 2 *"))
    _, arrays = evaluate(study_tree(model, size=3), tmp_path)
    np.testing.assert_allclose(arrays.y[:, 0], 2 * arrays.x[:, 0])


@pytest.mark.parametrize("name", ["stdout.txt", "stderr.txt", "out"])
def test_pipes_and_directories_that_a_code_leaves_do_not_block(tmp_path, name):
    for script in (f"rm -f {name}; mkfifo {name}", f"rm -f {name}; mkdir {name}"):
        for end in ("exit 0", "exit 3"):
            output = {"name": "y", "regex": "y = (.*)", "in": name}
            model = shell(f"{script}; {end} # ${{x}}", output)
            _, arrays = evaluate(study_tree(model, size=1, timeout=20), tmp_path)
            assert labels(arrays) == ["failed" if "3" in end else "unparsable"]


@pytest.mark.parametrize("special", ["mkfifo", "mkdir"])
def test_a_step_whose_stream_became_a_pipe_fails(tmp_path, special):
    steps = [["sh", "-c", f"rm stdout.txt; {special} stdout.txt # ${{x}}"], ["echo", "y = 1"]]
    model = {"command": steps, "outputs": [{"name": "y", "regex": "y = (.*)"}]}
    _, arrays = evaluate(study_tree(model, size=1, timeout=20), tmp_path)
    assert labels(arrays) == ["failed"]


def test_a_vectorised_function_that_works_in_place_does_not_change_the_design(tmp_path):
    code = "def f(x):\n    x *= 0.5\n    assert not (x > 0.49).any()\n    return x\n"
    (tmp_path / "model.py").write_text(code)
    _, arrays = evaluate(study_tree(python("model.py:f", vectorized=True), size=64), tmp_path)
    good = arrays.status == 0
    np.testing.assert_allclose(arrays.y[good, 0], arrays.x[good, 0] / 2)
    np.testing.assert_array_equal(good, arrays.x[:, 0] <= 0.98)
