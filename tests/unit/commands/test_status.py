"""`ensnare status` and `ensnare gather` see a study that runs, that died, and that is done."""

import json
import multiprocessing
import os
import socket

import h5py
import numpy as np
import pytest
from small_studies import evaluate, labels, logged, prepare, python, study_tree
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.analyses.rounds import measure_round
from ensnare.archive.gather import gather
from ensnare.archive.results import open_study
from ensnare.commands import status as status_module
from ensnare.commands.gather import deliver
from ensnare.commands.status import batch_states, show_status, status_lines
from ensnare.errors import ArchiveError
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.batchfile import count_statuses
from ensnare.evaluate.claim import read_claim
from ensnare.evaluate.progress import AllCounts, Counts, Progress, publish
from ensnare.plan.rounds import Growth, write_round
from ensnare.store.outcome import Status

fork = multiprocessing.get_context("fork")
STOPS = "case ${{x}} in 0.[89]*) exit 3;; esac; [ $(wc -l < {log}) -lt 30 ] || sleep 300;"


@pytest.fixture
def study(tmp_path):
    """A study of three batches, the second of which does not end."""
    log = tmp_path / "log"
    return study_tree(logged(log, STOPS.format(log=log)), size=32, batch={"size": 12})


def begin(tree, tmp_path):
    """Begin a study in a process of its own, up to where it does not go on."""

    def target():
        os.setsid()
        evaluate(tree, tmp_path)

    process = fork.Process(target=target)
    process.start()
    wait_until(lambda: len(lines_of(tmp_path / "log")) >= 31)
    return process


def end(process, tmp_path):
    process.kill()
    process.join()
    wait_until(lambda: not any(map(is_running, marked_processes(str(tmp_path / "log")))))


def look(tree, tmp_path):
    config, paths, batches = prepare(tree, tmp_path)
    found = batch_states(batches, paths, AllCounts(paths).read(batches))
    return found, status_lines(config, paths, found)


def test_a_study_that_runs_shows_how_far_it_is_and_one_that_died_says_so(study, tmp_path):
    assert "study small: [....................] 0/32 done" in look(study, tmp_path)[1]
    process = begin(study, tmp_path)
    # the counts follow what ended within a second or so
    wait_until(lambda: look(study, tmp_path)[0][1].counts.done >= 1)
    found, lines = look(study, tmp_path)
    assert [s.state.partition(" ")[0] for s in found] == ["done", "runs", "not"]
    assert found[0].counts.samples == found[0].counts.done == 12
    assert found[0].counts.by_status[1] == found[0].counts.failed > 0
    assert f"runs on {socket.gethostname()}, process {process.pid}" in lines[1]
    total = sum((s.counts for s in found), Counts(0))
    assert f"] {total.done}/32 done, {total.failed} failed, " in lines[3]
    assert "/s, ETA " in lines[3]
    _, paths, (_, running, _) = prepare(study, tmp_path)
    assert len(list(paths.batches.glob(f"{running.key}*"))) == 4  # and a log: at most five
    end(process, tmp_path)
    found, lines = look(study, tmp_path)
    assert "its job died" in found[1].state
    assert "run snakemake to go on" in lines[1]
    assert "ETA" not in lines[3]


def test_an_owner_elsewhere_is_judged_by_its_heartbeat(study, tmp_path):
    _, paths, (batch, *_) = prepare(study, tmp_path)
    paths.batches.mkdir()
    mark = {"host": "elsewhere", "boot": "", "space": "", "pid": 17, "started": "", "token": ""}
    paths.owner(batch.key).write_text(json.dumps(mark))
    publish(paths.counts(batch.key), Counts(12, (5, 1, *[0] * 8), 2.0))
    found, lines = look(study, tmp_path)
    assert found[0].state == "runs on elsewhere, process 17"
    assert "] 6/12 done, 1 failed, 2/s, ETA 3 s; runs" in lines[0]
    os.utime(paths.owner(batch.key), (0, 0))
    found, lines = look(study, tmp_path)
    assert found[0].state.startswith("no sign of life from elsewhere for ")
    assert "ETA" not in lines[0]
    paths.owner(batch.key).write_text("damaged")
    assert read_claim(paths.owner(batch.key)).host == "an unknown host"
    paths.owner(batch.key).unlink()
    assert look(study, tmp_path)[0][0].state == "interrupted; the next run goes on"


def test_watching_ends_with_the_study(tmp_path, capsys):
    tree = study_tree(logged(tmp_path / "log"), size=4)
    evaluate(tree, tmp_path)
    config, paths, (batch,) = prepare(tree, tmp_path)
    capsys.readouterr()
    show_status(config, paths, watch=True)
    done = "[####################] 4/4 done"
    assert capsys.readouterr().out == f"batch {batch.key}: {done}; done\nstudy small: {done}\n"


def doubling(tmp_path, size, width):
    """Return a study that doubles from 16 base rows, as it stands with a base size evaluated."""
    (tmp_path / "m.py").write_text("def y(x1, x2):\n    return {'y': x1 + x2 * x2, 'z': 3.0}\n")
    tree = study_tree(python("m.py:y", "y", "z"), inputs=("x1", "x2"), analyses=["sobol"])
    plain = {"method": "saltelli", "size": size}
    until = {"width": width, "budget": 1000}
    found = prepare(tree | {"design": plain | {"size": 16, "until": until}}, tmp_path)
    evaluate(tree | {"design": plain}, tmp_path)
    return found[:2]


def measure(study, paths, number):
    item = Growth(study).rounds[number]
    measured = measure_round(item.study, gather(item.study, item.batches, paths))
    write_round(paths.round(item.key), measured)
    return f"{measured.outputs['y'].width:.3g} ({measured.outputs['y'].input})"


def test_the_status_of_a_design_that_doubles_has_its_rounds_and_what_is_left(tmp_path, capsys):
    study, paths = doubling(tmp_path, 16, width=0.01)
    show_status(study, paths, watch=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        "study small: [####################] 64/64 done",
        "round 1 of at most 5: 16 base rows, evaluated, not measured yet; 64 of 64 samples",
        "budget: 64 of 1000 samples spent, 936 left",
        "rounds: until total indices have intervals narrower than 0.01",
    ]
    first = measure(study, paths, 0)
    show_status(study, paths, watch=False)
    lines = capsys.readouterr().out.splitlines()
    goal = "expected less than 0.01"
    why = f"{goal}; output z: constant (3), so its indices do not exist"
    widest = first.replace("(", "(output y, ")
    assert lines[-4:] == [
        f"round 1: 16 base rows, 64 samples; widest interval: y {first}, z none; {goal}",
        "round 2 of at most 5: 32 base rows, 64 of 128 samples",
        "budget: 64 of 1000 samples spent, 936 left",
        f"rounds: not reached yet: widest interval {widest}, {why}",
    ]


def test_watching_goes_on_until_no_round_is_left(tmp_path, capsys, monkeypatch):
    study, paths = doubling(tmp_path, 16, width=0.01)
    measure(study, paths, 0)
    doubling(tmp_path, 32, width=0.01)

    def pause(_):  # what a run would do meanwhile
        for number, size in enumerate((32, 64, 128, 250), start=1):
            doubling(tmp_path, size, width=0.01)
            measure(study, paths, number)

    monkeypatch.setattr(status_module.time, "sleep", pause)
    show_status(study, paths, watch=True)
    lines = capsys.readouterr().out.splitlines()
    second = "round 2 of at most 5: 32 base rows, evaluated, not measured yet; 128 of 128 samples"
    assert second in lines
    assert lines[-2] == "budget: 1000 of 1000 samples spent, 0 left"
    assert lines[-1].startswith("rounds: budget of 1000 samples spent: widest interval 0.")
    sizes = [line.split()[2] for line in lines[-7:-2]]
    assert sizes == ["16", "32", "64", "128", "250"]


def test_a_status_reads_no_results(tmp_path, monkeypatch):
    tree = study_tree(logged(tmp_path / "log"), size=4)
    evaluate(tree, tmp_path)
    _, paths, batches = prepare(tree, tmp_path)
    paths.journal(batches[0].key).unlink()
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)
    assert AllCounts(paths).read(batches)[batches[0].key].by_status[0] == 4


@pytest.mark.slow
def test_what_there_is_of_a_study_is_gathered_while_it_runs_and_after(study, tmp_path):
    process = begin(study, tmp_path)
    config, paths, batches = prepare(study, tmp_path)
    with pytest.raises(ArchiveError, match="2 of 3 batches are not complete; run snakemake, or"):
        deliver(config, paths, partial=False)
    wait_until(lambda: AllCounts(paths).read(batches)[batches[1].key].done)
    counts = deliver(config, paths, partial=True)
    results = open_study(paths.root)
    ended = results.status != 9
    assert counts["not_run"] == 32 - ended.sum()
    assert 12 < ended.sum() < 24
    good = results.status == 0
    assert (results.status[ended & ~good] == 1).all()
    y = results.outputs["y"]
    np.testing.assert_allclose(y[good], results.inputs["x"][good] ** 2)
    assert np.isnan(y[~good]).all()
    assert (results.status[24:] == 9).all()
    report = paths.report.read_text()
    assert "not_run" in report
    assert "exit code 3" in report
    assert paths.table("statistics").exists()
    assert paths.pickle.exists()
    assert "not_run" in paths.table("samples").read_text()
    end(process, tmp_path)
    assert deliver(config, paths, partial=True)["not_run"] == counts["not_run"]


@pytest.mark.slow
def test_a_partial_archive_is_older_than_what_the_next_run_compares_it_with(study, tmp_path):
    config, paths, batches = prepare(study, tmp_path)
    said = []
    evaluate_batch(config, batches[0], paths, 1, said.append)
    deliver(config, paths, partial=True)
    for path in (paths.archive, paths.pickle, paths.table("samples")):
        assert path.stat().st_mtime < paths.study.stat().st_mtime
    assert said[-1].startswith(f"batch {batches[0].key}: [####################] 12/12 done, ")


def test_nothing_of_a_study_is_gathered_as_not_run(tmp_path):
    tree = study_tree(logged(tmp_path / "log"), size=6, design={"method": "saltelli", "size": 4})
    config, paths, _ = prepare(tree, tmp_path)
    counts = deliver(config, paths, partial=True)
    assert counts == {"ok": 0, "not_run": 12}
    assert labels(open_study(paths.root)) == ["not_run"] * 12


def test_a_run_shows_on_the_terminal_when_its_bar_has_become_longer(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("ensnare.evaluate.progress.time.monotonic", lambda: now[0])
    ended = np.full(1000, 255, np.uint8)
    said = []
    progress = Progress("batch 3f", Counts(1000, count_statuses(ended)), ended, said.append)
    for step in range(1, 101):
        now[0] += 6.0
        ended[: 10 * step] = Status.OK
        progress.show()
    progress.show(final=True)
    told = capsys.readouterr().err.splitlines()
    assert len(said) == 101
    assert len(told) == 20
    assert told[0].startswith("batch 3f: [#...................] 50/1000 done")
    ended[:] = 255
    short = Progress("batch 3f", Counts(1000, count_statuses(ended)), ended, said.append)
    now[0] += 9.0
    ended[:500] = Status.OK
    short.show()
    assert not capsys.readouterr().err
