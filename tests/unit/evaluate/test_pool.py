import fcntl
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.errors import BatchError
from ensnare.evaluate.pool import Pool
from ensnare.evaluate.worker import Death
from ensnare.store.signals import Terminated, raise_on_signals

fork = multiprocessing.get_context("fork")


class RecordedWork:
    """Work that appends a line to a file at every start and finish."""

    def __init__(self, log, action=lambda work, task, attempt: None):
        self.log, self.action = log, action
        self.clock = None

    def note(self, *words):
        # one write: a signal may end a worker anywhere, but no line is then half there
        with self.log.open("ab", buffering=0) as file:
            file.write((" ".join(map(str, words)) + "\n").encode())

    def do(self, task, attempt, restart_clock):
        self.clock = restart_clock
        self.note("start", task, attempt, os.getpid())
        self.action(self, task, attempt)
        self.note("finish", task, attempt, os.getpid())

    def begin(self, slot):
        self.slot = slot

    def record_death(self, task, death: Death):
        self.note("record_death", task, death.exit_code, death.timed_out)
        starts = [line.split()[:2] for line in lines_of(self.log)].count(["start", str(task)])
        return death.timed_out or starts >= 2

    def lines(self, kind):
        split = [line.split() for line in lines_of(self.log)]
        return [[int(word) for word in words[1:3]] for words in split if words[0] == kind]


def run_pool(work, tasks, workers=2, limit_s=None, tick=lambda: None):
    """Run a pool in a process of its own; return its exit code."""

    def target():
        raise_on_signals()
        try:
            Pool(work, tasks, workers, limit_s, tick).run()
        except Terminated as ended:
            os._exit(ended.exit_code)
        except BatchError as error:
            work.note("error", error)
            os._exit(9)

    process = fork.Process(target=target)
    process.start()
    return process


def assert_done(work, process, code=0):
    process.join()
    assert process.exitcode == code
    pids = {int(line.split()[3]) for line in lines_of(work.log) if line.startswith("start")}
    assert not [pid for pid in pids if is_running(pid)]


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_every_task_is_done_exactly_once(tmp_path, workers):
    work = RecordedWork(tmp_path / "log")
    assert_done(work, run_pool(work, 500, workers))
    assert sorted(work.lines("finish")) == [[task, 1] for task in range(500)]
    assert sorted(work.lines("start")) == sorted(work.lines("finish"))


def test_more_tasks_than_fit_into_the_pipe(tmp_path):
    done = mmap.mmap(-1, 40_000)

    class Counted(RecordedWork):
        def do(self, task, attempt, restart_clock):
            done[task] = done[task] + 1

    assert_done(Counted(tmp_path / "log"), run_pool(Counted(tmp_path / "log"), 40_000, 2))
    assert done[:] == b"\1" * 40_000


def test_no_tasks_are_no_work(tmp_path):
    work = RecordedWork(tmp_path / "log")
    assert_done(work, run_pool(work, 0))
    assert not work.log.exists()


def test_whoever_is_free_takes_the_next(tmp_path):
    # task 0 waits until all the others are done: no other split of the tasks ends
    def wait(work, task, attempt):
        if task == 0:
            wait_until(lambda: len(work.lines("finish")) == 99)

    work = RecordedWork(tmp_path / "log", wait)
    assert_done(work, run_pool(work, 100, 2))
    assert work.lines("finish")[-1] == [0, 1]


class OnAnotherClock:
    """Tasks that take a time by a clock of their own, on two workers.

    A worker that is ahead of the other waits, so that they take up tasks in the order in which
    they would if each task took its time; so nothing depends on how busy the machine is.
    """

    def __init__(self, root, lengths):
        self.root, self.lengths = root, lengths
        memory = mmap.mmap(-1, 24)
        self.clocks = np.frombuffer(memory, np.float64, 2)
        self.taken = np.frombuffer(memory, np.int64, 1, 16)
        self.mine = None

    def begin(self, slot):
        pass

    def do(self, task, attempt, restart_clock):
        if self.mine is None:
            self.mine = int(not self.claim("first"))
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.taken[0] += 1
        self.clocks[self.mine] += self.lengths[task]
        wait_until(self.may_go_on)

    def may_go_on(self):
        mine, other = self.clocks[self.mine], self.clocks[1 - self.mine]
        return mine <= other or self.taken[0] == len(self.lengths)

    def claim(self, name):
        try:
            (self.root / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def record_death(self, task, death):
        raise AssertionError("no worker dies")


@pytest.mark.parametrize("seed", range(3))
def test_two_workers_are_idle_for_less_than_5_percent_when_tasks_differ_a_lot(tmp_path, seed):
    # 95 % of the lengths lie within two decades
    lengths = np.random.default_rng(seed).lognormal(0, np.log(100) / (2 * 1.96), 400)
    work = OnAnotherClock(tmp_path, lengths)
    process = run_pool(work, len(lengths), 2)
    process.join()
    assert process.exitcode == 0
    assert work.clocks.sum() == pytest.approx(lengths.sum())
    assert 1 - lengths.sum() / (2 * work.clocks.max()) < 0.05


def kill_self(number=signal.SIGKILL):
    os.kill(os.getpid(), number)
    time.sleep(60)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_task_of_a_killed_worker_is_tried_again_and_the_others_are_not(tmp_path, workers):
    work = RecordedWork(
        tmp_path / "log", lambda w, task, k: kill_self() if task % 7 == k == 1 else 0
    )
    assert_done(work, run_pool(work, 30, workers))
    killed = [1, 8, 15, 22, 29]
    assert sorted(work.lines("record_death")) == [[task, -signal.SIGKILL] for task in killed]
    assert sorted(work.lines("finish")) == [[t, 2 if t in killed else 1] for t in range(30)]
    assert len(work.lines("start")) == 35


ENDINGS = {
    "SIGKILL": (kill_self, -signal.SIGKILL),
    "SIGTERM": (lambda: kill_self(signal.SIGTERM), 128 + signal.SIGTERM),
    "os._exit(0)": (lambda: os._exit(0), 0),
    "os._exit(74)": (lambda: os._exit(74), 74),
    "an exception": (lambda: 1 / 0, 1),
    "sys.exit()": (lambda: exec("raise SystemExit"), 1),
}


@pytest.mark.parametrize(("end", "code"), ENDINGS.values(), ids=ENDINGS)
def test_a_task_that_always_ends_its_worker_is_given_up(tmp_path, end, code):
    work = RecordedWork(tmp_path / "log", lambda w, task, attempt: end() if task == 3 else None)
    assert_done(work, run_pool(work, 10, 2))
    assert work.lines("record_death") == [[3, code], [3, code]]
    assert sorted(t for t, _ in work.lines("finish")) == [t for t in range(10) if t != 3]


def start_tree(work):
    """Start what codes start: a child, and a grandchild in a session of its own."""
    script = "setsid sh -c \"trap '' TERM; sleep 300; :\" & sleep 300; :"
    subprocess.Popen(["sh", "-c", script], env=os.environ | {"MARK": str(work.log)})
    wait_until(lambda: len(marked_processes(str(work.log))) >= 4)


def test_a_killed_worker_leaves_no_orphan_to_the_next_attempt(tmp_path):
    def act(work, task, attempt):
        work.note("seen", len(marked_processes(str(work.log))), 0)
        start_tree(work)
        if attempt == 1:
            kill_self()

    work = RecordedWork(tmp_path / "log", act)
    assert_done(work, run_pool(work, 1, 1))
    assert work.lines("seen") == [[0, 0], [0, 0]]
    assert marked_processes(str(work.log)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_workers_and_all_that_they_run(tmp_path, number):
    def act(work, task, attempt):
        start_tree(work)
        work.note("up", task, attempt)
        time.sleep(300)

    work = RecordedWork(tmp_path / "log", act)
    process = run_pool(work, 5, 2)
    wait_until(lambda: len(work.lines("up")) == 2)
    os.kill(process.pid, number)
    assert_done(work, process, 128 + number)
    assert marked_processes(str(work.log)) == []
    assert work.lines("finish") == work.lines("record_death") == []


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("ensnare.evaluate.pool._END_GRACE_S", 0.2)

    def act(work, task, attempt):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        work.note("up", task, attempt)
        time.sleep(300)

    work = RecordedWork(tmp_path / "log", act)
    process = run_pool(work, 2, 2)
    wait_until(lambda: len(work.lines("up")) == 2)
    process.terminate()
    assert_done(work, process, 128 + signal.SIGTERM)


def test_workers_and_what_they_run_end_when_the_pool_is_killed(tmp_path):
    def act(work, task, attempt):
        start_tree(work)
        work.note("up", task, os.getpid())
        time.sleep(300)

    work = RecordedWork(tmp_path / "log", act)
    process = run_pool(work, 2, 2)
    wait_until(lambda: len(work.lines("up")) == 2)
    process.kill()
    process.join()
    wait_until(lambda: not any(is_running(pid) for _, pid in work.lines("up")))
    wait_until(lambda: not marked_processes(str(work.log)))


def test_a_task_past_its_limit_is_ended_and_said_to_be_late(tmp_path):
    work = RecordedWork(tmp_path / "log", lambda w, task, k: time.sleep(300 if task == 2 else 0))
    assert_done(work, run_pool(work, 6, 2, limit_s=0.3))
    assert [line for line in lines_of(work.log) if line.startswith("record_death")] == [
        "record_death 2 -9 True"
    ]
    assert sorted(work.lines("finish")) == [[t, 1] for t in range(6) if t != 2]


@pytest.mark.slow
def test_a_task_that_restarts_its_clock_is_not_late(tmp_path):
    def act(work, task, attempt):
        for _ in range(6):
            time.sleep(0.25)
            work.clock()

    work = RecordedWork(tmp_path / "log", act)
    assert_done(work, run_pool(work, 1, 1, limit_s=1.0))
    assert work.lines("record_death") == []


def test_what_cannot_be_recorded_stops_the_pool_with_the_reason(tmp_path):
    def act(work, task, attempt):
        if task == 2:
            raise OSError(28, "No space left on device")

    work = RecordedWork(tmp_path / "log", act)
    assert_done(work, run_pool(work, 1000, 2), 9)
    error = lines_of(work.log)[-1]
    assert "a sample cannot be run or recorded: No space left on device" in error
    assert [2, 1] not in work.lines("finish")


def test_workers_that_die_before_they_take_a_task_stop_the_pool(tmp_path, monkeypatch):
    monkeypatch.setattr("ensnare.evaluate.worker._serve", lambda *_: os._exit(3))
    work = RecordedWork(tmp_path / "log")
    assert_done(work, run_pool(work, 5, 2), 9)
    assert "before they took a sample, the last with exit code 3" in lines_of(work.log)[-1]


def test_a_worker_killed_between_tasks_loses_none(tmp_path):
    log = tmp_path / "log"

    class Dying(RecordedWork):
        def do(self, task, attempt, restart_clock):
            super().do(task, attempt, restart_clock)
            if task == 4:
                # dies a moment after the task: with the next one out of the pipe, or none
                signal.setitimer(signal.ITIMER_REAL, 1e-4)

    work = Dying(log)
    assert_done(work, run_pool(work, 2000, 2))
    finished = [t for t, _ in work.lines("finish")]
    deaths = [t for t, _ in work.lines("record_death")]
    assert set(finished) == set(range(2000))
    assert len(finished) - 2000 <= len(deaths) <= 1


def test_an_error_in_the_parent_ends_the_workers(tmp_path):
    def act(work, task, attempt):
        start_tree(work)
        work.note("up", task, attempt)
        time.sleep(300)

    work = RecordedWork(tmp_path / "log", act)

    def tick():
        if work.lines("up"):
            raise BatchError("another job took it over")

    assert_done(work, run_pool(work, 2, 2, tick=tick), 9)
    assert marked_processes(str(work.log)) == []


def test_what_a_worker_prints_is_not_lost_and_not_said_twice(tmp_path):
    work = RecordedWork(tmp_path / "log", lambda w, task, attempt: print("task", task))

    def target():
        sys.stdout = (tmp_path / "stdout").open("w")
        print("before")
        Pool(work, 8, 2, None, lambda: None).run()

    process = fork.Process(target=target)
    process.start()
    process.join()
    assert process.exitcode == 0
    expected = ["before", *(f"task {task}" for task in range(8))]
    assert sorted(lines_of(tmp_path / "stdout")) == expected


def test_a_function_that_asks_for_input_gets_none(tmp_path):
    def act(work, task, attempt):
        work.note("read", len(os.read(0, 10)), 0)

    work = RecordedWork(tmp_path / "log", act)
    assert_done(work, run_pool(work, 1, 1))
    assert work.lines("read") == [[0, 0]]
