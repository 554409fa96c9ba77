import os
import signal
import subprocess
import sys

import pytest
from waiting import is_running, lines_of, marked_processes, wait_until

from ensnare.model.process import Ended, run_step

ENVIRONMENT = {"PATH": os.environ["PATH"]}
PYTHON = sys.executable


def run_in_worker(tmp_path, text, argv=(), timeout=60):
    """Run Python text in a process that adopts orphans, as workers do, and return its output."""
    head = (
        "import os, sys\n"
        "from ensnare.model.process import *\n"
        f"os.chdir({str(tmp_path)!r})\n"
        f"environment = {ENVIRONMENT!r} | {{'MARK': {str(tmp_path)!r}}}\n"
        "adopt_orphans()\n"
    )
    done = subprocess.run(
        [PYTHON, "-c", head + text, *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def step_in_worker(tmp_path, script, limit_s=None):
    """Run a shell script as a step in a worker; return how it ended."""
    text = (
        f"ended = run_step(['/bin/sh', '-c', {script!r}], environment, "
        f"('out', 'err'), False, {limit_s})\n"
        "print(ended.exit_code, ended.timed_out)"
    )
    code, timed_out = run_in_worker(tmp_path, text).split()
    assert marked_processes(str(tmp_path)) == []
    return Ended(int(code), timed_out == "True")


def step(script, append=False, streams=("out", "err"), limit_s=None):
    return run_step(["/bin/sh", "-c", script], ENVIRONMENT, streams, append, limit_s)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_returned(here, code):
    assert step(f"exit {code}") == Ended(code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_is_a_negative_exit_code(here, number):
    assert step(f"kill -{int(number)} $$") == Ended(-number)


def test_streams_go_to_files_and_a_later_step_adds_to_them(here):
    step("echo one; echo bad >&2")
    step("echo two; echo worse >&2", append=True)
    assert (here / "out").read_text() == "one\ntwo\n"
    assert (here / "err").read_text() == "bad\nworse\n"
    step("echo new")
    assert (here / "out").read_text() == "new\n"
    assert (here / "err").read_text() == ""


def test_both_streams_may_share_a_file_in_order(here):
    step("echo a; echo b >&2; echo c", streams=("log", "log"))
    assert (here / "log").read_text() == "a\nb\nc\n"


def test_standard_input_is_empty(here):
    assert step("cat; readlink /proc/$$/fd/0") == Ended(0)
    assert (here / "out").read_text() == "/dev/null\n"


def test_nothing_of_ours_is_open_in_the_code(here):
    with open(here / "ours", "w"):
        step("ls -l /proc/$$/fd")
    assert "/ours" not in (here / "out").read_text()


def test_signals_have_their_defaults_in_the_code(here):
    # Python ignores SIGPIPE; a code that inherits that writes into closed pipes without end
    step("grep SigIgn /proc/$$/status")
    ignored = int((here / "out").read_text().split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
    assert not ignored & (1 << (signal.SIGTERM - 1))


def test_only_the_given_environment_is_passed(here):
    run_step(["/usr/bin/env"], {"ONLY": "this"}, ("out", "err"), False, None)
    assert (here / "out").read_text() == "ONLY=this\n"


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd"])
def test_a_program_that_cannot_be_started_is_an_error(here, program):
    with pytest.raises(OSError, match=r"No such file|Permission denied"):
        run_step([program], ENVIRONMENT, ("out", "err"), False, None)


def test_a_code_within_its_limit_is_not_disturbed(here):
    assert step("exit 3", limit_s=60) == Ended(3)


def test_a_limit_longer_than_a_poll_can_take_is_a_limit(here):
    assert step("exit 3", limit_s=1e9) == Ended(3)


def test_a_code_that_obeys_sigterm_ends_with_its_own_code(here):
    script = "trap 'echo tidied; exit 7' TERM; while :; do sleep 0.01; done"
    ended = step(script, limit_s=0.2)
    assert ended == Ended(7, timed_out=True)
    assert (here / "out").read_text() == "tidied\n"


TREES = {
    "a child": "sleep 300",
    "one that ignores SIGTERM": "trap '' TERM; sleep 300",
    "a child in the background": "sleep 300 & wait",
    "a child in a session of its own": "setsid sleep 300 & wait",
    "a grandchild that ignores SIGTERM in a session of its own": (
        "setsid sh -c \"trap '' TERM; sh -c 'sleep 300; :'; :\" & wait"
    ),
    "an orphan": "(setsid sh -c 'sleep 300; :' &) ; sleep 300",
}


@pytest.mark.parametrize("script", TREES.values(), ids=TREES)
def test_the_time_limit_ends_the_whole_tree(tmp_path, monkeypatch, script):
    prefix = "import ensnare.model.process as p; p._GRACE_S = 0.1\n"
    text = (
        f"{prefix}ended = run_step(['/bin/sh', '-c', {script!r}], environment, "
        "('out', 'err'), False, 0.3)\nprint(ended.exit_code, ended.timed_out)"
    )
    code, timed_out = run_in_worker(tmp_path, text).split()
    assert timed_out == "True"
    assert int(code) in (-signal.SIGTERM, -signal.SIGKILL)
    assert marked_processes(str(tmp_path)) == []


@pytest.mark.parametrize(
    "script",
    [
        "sleep 300 & exit 5",
        "setsid sleep 300 & exit 5",
        "(setsid setsid sh -c 'sleep 300 & sleep 300' &) ; exit 5",
        "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 300 &) ; done; exit 5",
    ],
)
def test_what_a_code_leaves_behind_is_killed(tmp_path, script):
    assert step_in_worker(tmp_path, script) == Ended(5)


def test_a_code_is_done_when_it_ends_though_a_grandchild_holds_its_output(tmp_path):
    assert step_in_worker(tmp_path, "sleep 300 & echo done") == Ended(0)
    assert (tmp_path / "out").read_text() == "done\n"


def test_a_code_may_close_its_streams(tmp_path):
    assert step_in_worker(tmp_path, "exec >&- 2>&-; exit 0") == Ended(0)


def test_the_output_of_a_code_does_not_go_through_our_memory(tmp_path):
    text = (
        "ended = run_step(['/bin/sh', '-c', 'head -c 200000000 /dev/zero'], environment, "
        "('/dev/null', 'err'), False, None)\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(ended.exit_code, int(peak[0].split()[1]) // 1024)"
    )
    code, mebibytes = map(int, run_in_worker(tmp_path, text).split())
    assert code == 0
    assert mebibytes < 150


FLOODS = {
    "for good": "cat /dev/zero",
    "for good, and ignores SIGTERM": "trap '' TERM; cat /dev/zero",
    "to the error stream": "cat /dev/zero >&2",
    "and ends well": "head -c 3000000 /dev/zero",
    "to a file without a name": "rm out; cat /dev/zero",
    "in the background": "setsid cat /dev/zero & wait",
    "as a hole": "exec 1<>out; truncate -s 1T /proc/self/fd/1; sleep 300",
}


@pytest.mark.parametrize("script", FLOODS.values(), ids=FLOODS)
def test_a_code_that_writes_too_much_is_ended_and_its_file_cut(tmp_path, script):
    text = (
        f"ended = run_step(['/bin/sh', '-c', {script!r}], environment, "
        "('out', 'err'), False, None, 2_000_000)\nprint(ended.stream_too_long)"
    )
    assert run_in_worker(tmp_path, text) == "True"
    assert marked_processes(str(tmp_path)) == []
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert max(sizes, default=0) <= 2_000_000


def test_what_steps_write_together_counts(here):
    def too_long(append):
        script = ["/bin/sh", "-c", "head -c 600 /dev/zero"]
        return run_step(script, ENVIRONMENT, ("out", "out"), append, None, 1000).stream_too_long

    assert [too_long(False), too_long(True)] == [False, True]
    assert (here / "out").stat().st_size == 1000


def test_elsewhere_only_the_group_of_the_code_is_killed(tmp_path):
    # a notebook that evaluates a point may have children of its own
    text = (
        "import subprocess, ensnare.model.process as p; p._adopter = 0\n"
        "own = subprocess.Popen(['sleep', '300'], env=environment)\n"
        "run_step(['/bin/sh', '-c', 'sleep 300 & exit 0'], environment, "
        "('out', 'err'), False, None)\n"
        "print(own.poll()); own.kill(); own.wait()"
    )
    assert run_in_worker(tmp_path, text) == "None"
    assert marked_processes(str(tmp_path)) == []


def test_children_that_are_spared_live_on(tmp_path):
    text = (
        "import subprocess\n"
        "start = lambda: subprocess.Popen(['sh', '-c', 'sleep 300; :'], env=environment)\n"
        "spared, other = start(), start()\n"
        "end_descendants(spare={spared.pid})\n"
        "print(spared.poll(), os.path.exists(f'/proc/{other.pid}'))\n"
        "end_descendants()"
    )
    assert run_in_worker(tmp_path, text) == "None False"
    assert marked_processes(str(tmp_path)) == []


def test_without_descendants_there_is_nothing_to_end(tmp_path):
    run_in_worker(tmp_path, "end_descendants(); end_descendants(spare={1})")
    text = "end_descendants(); print('psutil' in sys.modules)"
    assert run_in_worker(tmp_path, text) == "False"


GUARDED = """
from ensnare.store.signals import *
import subprocess, time
raise_on_signals()
code = {guard}
if code is not None:
    sys.exit(code)
subprocess.Popen(['setsid', 'sleep', '300'], env=environment)
with open('pids', 'w') as file:
    print(os.getppid(), os.getpid(), file=file)
try:
    {child}
except Terminated as ended:
    adopt_orphans()
    end_descendants()
    sys.exit(ended.exit_code)
"""


def start_guarded(tmp_path, child, guard="fork_with_guard()", before=""):
    text = (
        "import os, sys\nfrom ensnare.model.process import *\n"
        f"os.chdir({str(tmp_path)!r})\nenvironment = os.environ\n{before}\n"
        + GUARDED.format(child=child, guard=guard)
    )
    process = subprocess.Popen(
        [PYTHON, "-c", text], env=os.environ | {"MARK": str(tmp_path)}, stderr=subprocess.DEVNULL
    )
    guard, child = wait_until(lambda: [*map(int, " ".join(lines_of(tmp_path / "pids")).split())])
    assert guard == process.pid
    return process, child


def test_the_guard_returns_the_exit_code_and_ends_what_is_left(tmp_path):
    process, _ = start_guarded(tmp_path, "sys.exit(3)")
    assert process.wait() == 3
    assert marked_processes(str(tmp_path)) == []


def test_the_guard_ends_what_a_killed_child_leaves(tmp_path):
    process, child = start_guarded(tmp_path, "time.sleep(300)")
    os.kill(child, signal.SIGKILL)
    assert process.wait() == 128 + signal.SIGKILL
    assert marked_processes(str(tmp_path)) == []


def test_the_child_ends_when_the_guard_is_killed(tmp_path):
    process, child = start_guarded(tmp_path, "time.sleep(300)")
    process.kill()
    process.wait()
    wait_until(lambda: not is_running(child))
    wait_until(lambda: not marked_processes(str(tmp_path)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_guard_hands_on_a_signal_to_end(tmp_path, number):
    process, _ = start_guarded(tmp_path, "time.sleep(300)")
    process.send_signal(number)
    assert process.wait() == 128 + signal.SIGTERM
    assert marked_processes(str(tmp_path)) == []


def test_the_guard_calls_regularly_while_the_child_is_busy_or_stopped(tmp_path):
    guard = "fork_with_guard(lambda pid: print(pid, file=open('calls', 'a')))"
    quick = "sys.modules['ensnare.model.process']._GUARD_CALL_S = 0.01"
    process, child = start_guarded(tmp_path, "time.sleep(300)", guard, quick)
    os.kill(child, signal.SIGSTOP)
    before = len(lines_of(tmp_path / "calls"))
    wait_until(lambda: len(lines_of(tmp_path / "calls")) > before + 3)
    assert set(lines_of(tmp_path / "calls")) == {str(child)}
    os.kill(child, signal.SIGKILL)
    assert process.wait() == 128 + signal.SIGKILL
