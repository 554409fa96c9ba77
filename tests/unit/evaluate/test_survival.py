"""What a batch outlives: damage to its journal, the loss of the machine, a second job.

The code records its starts and finishes in a file outside its directory.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter

import h5py
import numpy as np
import pytest
from small_studies import evaluate, labels, prepare, shell, study_tree
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.archive.gather import gather
from ensnare.evaluate.claim import Claim
from ensnare.store.journal import Journal, journal_about, read_journal
from ensnare.store.signals import Terminated

fork = multiprocessing.get_context("fork")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def logged(log, script=""):
    text = f"echo start ${{sample}} >> {log}; {script} y=$(echo '${{x}} * ${{x}}' | bc -l)"
    return shell(f"{text}; echo y = $y; echo finish ${{sample}} >> {log}")


def starts(log):
    return [line.split()[1] for line in lines_of(log) if line.startswith("start")]


def assert_right(arrays):
    assert labels(arrays) == ["ok"] * len(arrays)
    assert len(set(arrays.sample_id.tolist())) == len(arrays)
    np.testing.assert_allclose(arrays.y, arrays.x**2)


# --- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_journal_costs_the_records_it_touches_and_says_so(tmp_path, log, seed):
    tree = study_tree(logged(log), size=40)
    evaluate(tree, tmp_path)
    _, paths, (batch,) = prepare(tree, tmp_path)
    paths.batch(batch.key).unlink()
    journal = paths.journal(batch.key)
    data = np.frombuffer(journal.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    at = rng.choice(len(data), rng.integers(1, 6), replace=False)
    data[at] ^= rng.integers(1, 256, len(at)).astype(np.uint8)
    cut = int(rng.integers(1, 500)) if seed % 2 else 0
    journal.write_bytes(data[: len(data) - cut].tobytes())
    left = read_journal(journal, 1)
    record = len(data) // 42 + 1
    assert 40 - len(left.rows) <= len(at) + -(-cut // record) + 1

    known = {i.decode() for i in left.rows["sample_id"].tolist()}
    before = len(starts(log))
    said, arrays = evaluate(tree, tmp_path)
    assert_right(arrays)
    again = starts(log)[before:]
    assert len(again) == len(set(again)) == 40 - len(known)
    assert not set(again) & known
    assert f"{left.damaged} bytes of the journal are damaged" in said[0]


def test_a_journal_whose_note_was_damaged_says_again_what_it_holds(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    evaluate(tree, tmp_path)
    _, paths, (batch,) = prepare(tree, tmp_path)
    paths.batch(batch.key).unlink()
    journal = paths.journal(batch.key)
    note = journal_about(journal)
    journal.write_bytes(journal.read_bytes().replace(b"regex", b"rogue"))
    assert journal_about(journal) == ""
    evaluate(tree, tmp_path)
    assert journal_about(journal) == note
    tree["batch"] = {"size": 3}  # other batches take over what it records
    for path in paths.batches.glob("*.h5"):
        path.unlink()
    _, arrays = evaluate(tree, tmp_path)
    assert_right(arrays)
    assert len(starts(log)) == 4


# --- the loss of a machine --------------------------------------------------------------------


def evaluate_until_lost(tree, tmp_path, syncs):
    """Evaluate in this process; note the length of the journal at each sync; end at the fourth."""
    _, paths, (batch,) = prepare(tree, tmp_path)
    journal, sync = paths.journal(batch.key), os.fsync

    def noted(handle):
        if os.readlink(f"/proc/self/fd/{handle}") == str(journal):
            length = os.fstat(handle).st_size  # what is there before is on the disk after
            sync(handle)
            with syncs.open("a") as file:
                file.write(f"{length}\n")
            if len(lines_of(syncs)) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        else:
            sync(handle)

    os.fsync = noted
    evaluate(tree, tmp_path)


@pytest.mark.slow
def test_after_the_loss_of_a_machine_all_before_the_last_sync_is_known(tmp_path, log):
    lost, syncs = tmp_path / "lost", tmp_path / "syncs"
    tree = study_tree(logged(log, f"[ -e {lost} ] || sleep 0.05;"), size=400)
    job = fork.Process(target=evaluate_until_lost, args=(tree, tmp_path, syncs))
    job.start()
    job.join()
    assert job.exitcode == -signal.SIGKILL
    wait_until(lambda: not marked_processes(str(log)))
    _, paths, (batch,) = prepare(tree, tmp_path)
    journal = paths.journal(batch.key)
    lost.touch()
    synced = [int(line) for line in lines_of(syncs)]
    whole = read_journal(journal, 1)
    os.truncate(journal, synced[-2])  # as if the last sync had not come to its end

    left = read_journal(journal, 1)
    assert left.damaged == 0  # workers write whole records, so a sync falls between two
    assert 0 < len(left.rows) < len(whole.rows)
    np.testing.assert_array_equal(left.rows, whole.rows[: len(left.rows)])
    before = len(starts(log))
    _, arrays = evaluate(tree, tmp_path)
    assert_right(arrays)
    again = starts(log)[before:]
    known = {i.decode() for i in left.rows["sample_id"].tolist()}
    assert len(again) == len(set(again)) == 400 - len(known)
    assert not set(again) & known


class _Ticking:
    """A clock that half a second passes on between two ticks of the pool."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 0.5
        return self.now

    def time(self):
        return self.now


@pytest.mark.slow
def test_no_record_waits_for_a_sync_longer_than_a_second(tmp_path, log, monkeypatch):
    clock, synced = _Ticking(), []
    monkeypatch.setattr("ensnare.evaluate.batch.time", clock)
    sync = Journal.sync
    monkeypatch.setattr(Journal, "sync", lambda j: (synced.append(clock.now), sync(j)))
    evaluate(study_tree(logged(log, "sleep 1;"), size=6), tmp_path)
    assert len(synced) >= 3
    assert max(np.diff(synced)) <= 1.0


# --- two jobs -------------------------------------------------------------------------------


def start_job(prepared, tmp_path, name, before=""):
    """Start the command of the rule in a process of its own."""
    _, paths, (batch,) = prepared
    words = ["evaluate-batch", str(paths.study), batch.key, "--threads", "2"]
    words += ["--log", str(tmp_path / name)]
    text = (
        f"import sys\n{before}\nfrom ensnare.commands.main import main\nsys.exit(main({words!r}))"
    )
    return subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path)


def gathered(prepared):
    study, paths, batches = prepared
    return gather(study, batches, paths)


@pytest.mark.slow
def test_of_two_jobs_one_evaluates_and_the_other_adopts(tmp_path, log):
    prepared = prepare(study_tree(logged(log, "sleep 0.05;"), size=30), tmp_path)
    jobs = [start_job(prepared, tmp_path, f"{k}.txt") for k in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    assert_right(gathered(prepared))
    assert Counter(starts(log)).most_common(1)[0][1] == 1
    said = [(tmp_path / f"{k}.txt").read_text() for k in range(3)]
    assert sum("30/30 done" in text for text in said) == 1
    assert sum("taken over from the job that evaluated it" in text for text in said) == 2


@pytest.mark.slow
def test_a_job_whose_guard_was_killed_does_not_overlap_with_the_next(tmp_path, log):
    gate = tmp_path / "gate"
    wait = f"while [ ! -e {gate} ]; do sleep 0.01; done;"
    prepared = prepare(study_tree(logged(log, wait), size=10), tmp_path)
    first = start_job(prepared, tmp_path, "first.txt")
    wait_until(lambda: len(starts(log)) == 2)
    first.kill()
    first.wait()
    gate.touch()
    second = start_job(prepared, tmp_path, "second.txt")
    assert second.wait() == 0
    assert_right(gathered(prepared))
    counts = Counter(starts(log))
    assert max(counts.values()) <= 2
    assert sum(count == 2 for count in counts.values()) <= 2
    assert marked_processes(str(log)) == []


def elsewhere(paths, batch):
    """Leave the claim of a job on another host."""
    path = paths.owner(batch.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = json.loads(Claim(path)._text) | {"host": "elsewhere", "boot": "another"}
    path.write_text(json.dumps(mark))
    return path


def _beat(path):
    while True:
        os.utime(path)
        signal.sigtimedwait([], 0.05)


# a claim without renewal for two seconds is abandoned: forty renewals of the other host
IMPATIENT = "import ensnare.evaluate.claim as o; o._DEAD_S = 2.0; o._POLL_S = 0.01"


@pytest.mark.slow
def test_a_job_on_another_host_is_waited_for_while_it_renews_its_claim(tmp_path, log):
    prepared = prepare(study_tree(logged(log), size=4), tmp_path)
    _, paths, (batch,) = prepared
    owner = elsewhere(paths, batch)
    renewing = fork.Process(target=_beat, args=(owner,))
    renewing.start()
    job = start_job(prepared, tmp_path, "job.txt", IMPATIENT)
    wait_until(lambda: any("waiting" in line for line in lines_of(tmp_path / "job.txt")))
    seen = owner.stat().st_mtime_ns
    wait_until(lambda: owner.stat().st_mtime_ns > seen + 3_000_000_000)
    assert job.poll() is None
    assert starts(log) == []
    renewing.kill()  # the host is lost
    renewing.join()
    assert job.wait() == 0
    assert_right(gathered(prepared))
    assert len(starts(log)) == 4


def test_what_a_job_on_another_host_finished_is_adopted(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    evaluate(tree, tmp_path)
    prepared = prepare(tree, tmp_path)
    _, paths, (batch,) = prepared
    hidden = tmp_path / "hidden.h5"
    paths.batch(batch.key).rename(hidden)
    paths.journal(batch.key).unlink()
    owner = elsewhere(paths, batch)
    job = start_job(prepared, tmp_path, "job.txt")
    wait_until(lambda: any("waiting" in line for line in lines_of(tmp_path / "job.txt")))
    hidden.rename(paths.batch(batch.key))
    owner.unlink()
    assert job.wait() == 0
    assert len(starts(log)) == 4
    with h5py.File(paths.batch(batch.key), "r", locking=False) as file:
        assert len(file["rows"]) == 4


@pytest.mark.slow
def test_a_job_that_is_busy_for_long_keeps_its_claim(tmp_path, log, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # its model takes its time to load: nothing of the job runs but its guard
    gate = tmp_path / "gate"
    (tmp_path / "slow.py").write_text(
        f"import os, time\nopen({str(tmp_path / 'loading')!r}, 'w').close()\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
        f"def f(x):\n    open({str(log)!r}, 'a').write('start %s\\n' % x)\n    return x * x\n"
    )
    model = {"python": {"call": "slow.py:f"}, "outputs": [{"name": "y"}]}
    prepared = prepare(study_tree(model, size=4), tmp_path)
    _, paths, (batch,) = prepared
    quick = "import ensnare.model.process as p; p._GUARD_CALL_S = 0.05"
    first = start_job(prepared, tmp_path, "first.txt", quick)
    wait_until(lambda: (tmp_path / "loading").exists())
    # the other host cannot see whether the process of the first lives
    there = f"{IMPATIENT}; o._alive = lambda text: None"
    second = start_job(prepared, tmp_path, "second.txt", there)
    wait_until(lambda: any("waiting" in line for line in lines_of(tmp_path / "second.txt")))
    seen = paths.owner(batch.key).stat().st_mtime_ns
    wait_until(lambda: paths.owner(batch.key).stat().st_mtime_ns > seen + 3_000_000_000)
    assert second.poll() is None
    gate.touch()
    assert [first.wait(), second.wait()] == [0, 0]
    assert_right(gathered(prepared))
    assert len(starts(log)) == 4
    assert "taken over" in (tmp_path / "second.txt").read_text()
    assert not is_running(first.pid)


@pytest.mark.parametrize("end", ["kill -TERM $$", "exit 143", "kill -9 $$"])
def test_a_code_that_is_ended_with_its_job_has_not_failed(tmp_path, log, monkeypatch, end):
    def told_to_end(_):
        raise Terminated(signal.SIGTERM)

    # the job is told while its worker waits for that, after each of two runs
    monkeypatch.setattr("ensnare.evaluate.sample_runs.time.sleep", told_to_end)
    _, arrays = evaluate(study_tree(logged(log, f"{end};"), size=1), tmp_path)
    assert labels(arrays) == ["killed"]  # its worker ended, and no one waits for more here
    assert arrays.exit_code.tolist() == [128 + signal.SIGTERM]
    assert len(starts(log)) == 2
