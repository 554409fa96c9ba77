"""Codes that do what no code should: each has its status, and nothing of it stays.

Each case is one of three samples of a batch; the other two must not notice.
"""

import os
import signal
import subprocess
import sys

import pytest
from small_studies import labels, prepare, shell, study_tree
from waiting import lines_of, marked_processes

from ensnare.archive.gather import gather

XFSZ, KILL, TERM = -signal.SIGXFSZ, -signal.SIGKILL, -signal.SIGTERM
DAEMON = 'setsid sh -c \'(setsid sh -c "trap \\"\\" TERM; while :; do sleep 1; done" &) ; exit\' &'
# what the code does; how it ends; its exit code
PROCESSES = {
    "leaves grandchildren": ("(sleep 300 & sleep 300 & ) ; echo y = 1", "ok", 0),
    "leaves daemons that forked twice": (f"{DAEMON} sleep 0.2; echo y = 1", "ok", 0),
    "waits for daemons until the limit": (f"{DAEMON} wait; sleep 300", "timeout", TERM),
    "ignores SIGTERM": ("trap '' TERM; while :; do sleep 0.01; done", "timeout", KILL),
    "stops itself": ("kill -STOP $$; echo y = 1", "timeout", KILL),
    "stops its children": ("sleep 300 & kill -STOP $!; wait", "timeout", TERM),
    "closes its streams": ("exec >&- 2>&-; exit 0", "unparsable", 0),
    "closes its streams and fails": ("exec >&- 2>&-; exit 3", "failed", 3),
    "writes without end": ("yes", "failed", XFSZ),
    "writes errors without end": ("yes >&2; echo y = 1", "failed", XFSZ),
    "writes too much and ends": ("echo y = 1; head -c 9000000 /dev/zero", "failed", XFSZ),
    "ends well without output": ("true", "unparsable", 0),
    "kills its group": ("sleep 300 & kill -9 0", "killed", KILL),
    "kills its worker": ("kill -9 $PPID; sleep 300", "killed", KILL),
}
DIRECTORIES = {
    "deletes its directory": ('d=$PWD; cd /; rm -r "$d"; echo y = 1', "unparsable", 0),
    "replaces its directory by a link": (
        'd=$PWD; cd /; rm -r "$d"; ln -s "$precious" "$d"; echo y = 1', "unparsable", 0),
    "replaces its directory by a file": (
        'd=$PWD; cd /; rm -r "$d"; echo y = 1 > "$d"', "unparsable", 0),
    "moves its directory away": ('mv "$PWD" "$precious/moved"; echo y = 1', "unparsable", 0),
    "takes all permissions": ("mkdir a; chmod 0 a .; echo y = 1", "unparsable", 0),
    "takes them from its files": ("chmod 0 *; echo y = 1", "unparsable", 0),
}  # fmt: skip


def hostile_study(tmp_path, script, **rest):
    """Return a study of three samples, of which the second is hostile."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data").write_text("of years")
    environment = {"set": {"precious": str(tmp_path / "precious"), "log": str(tmp_path / "log")}}
    text = f"echo start >> $log; case ${{n}} in 2) {script};; *) sleep 0.2; echo y = 1;; esac"
    model = shell(text, environment=environment)
    sizes = {"timeout": "3 s", "stream_limit": "1 MB"}
    return study_tree(model, size=1, sweep={"n": [1, 2, 3]}, **sizes, **rest)


def without_privilege():
    """Return the words before a command without root's right to open what has no permissions."""
    if os.geteuid():
        return []
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"]


def evaluate_apart(tree, tmp_path, prefix=()):
    """Evaluate the only batch by the command of the rule; return the arrays."""
    study, paths, (batch,) = prepare(tree, tmp_path)
    words = [sys.executable, "-m", "ensnare", "evaluate-batch", paths.study, batch.key]
    words += ["--threads", "2", "--log", tmp_path / "batch.log"]
    done = subprocess.run([*prefix, *map(str, words)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert marked_processes(str(tmp_path)) == []
    return gather(study, (batch,), paths)


def assert_defined(tmp_path, arrays, status, code):
    assert labels(arrays) == ["ok", status, "ok"]
    assert arrays.exit_code[1] == code
    assert (1 in arrays.messages) == (status != "ok")
    assert len(lines_of(tmp_path / "log")) == (4 if status == "killed" else 3)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "status", "code"), PROCESSES.values(), ids=PROCESSES)
def test_a_code_that_breaks_its_environment_has_a_status_and_leaves_no_process(
    tmp_path, script, status, code
):
    arrays = evaluate_apart(hostile_study(tmp_path, script, keep="all"), tmp_path)
    assert_defined(tmp_path, arrays, status, code)
    assert max(path.stat().st_size for path in tmp_path.rglob("*")) <= 1_000_000
    if code == XFSZ:
        assert "wrote more than 1 MB to its standard output or error" in arrays.messages[1]


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["all", "none", "packed", "scratch"])
@pytest.mark.parametrize(("script", "status", "code"), DIRECTORIES.values(), ids=DIRECTORIES)
def test_a_code_that_spoils_its_directory_has_a_status_and_harms_no_other(
    tmp_path, script, status, code, keep
):
    options = {
        "packed": {"keep": "all", "pack": True},
        "scratch": {"keep": {"ok": ["*.txt"], "failed": ["*.txt"]}, "scratch": str(tmp_path)},
    }
    tree = hostile_study(tmp_path, script, **options.get(keep, {"keep": keep}))
    arrays = evaluate_apart(tree, tmp_path, without_privilege())
    assert_defined(tmp_path, arrays, status, code)
    assert (tmp_path / "precious" / "data").read_text() == "of years"
    assert not list(tmp_path.glob("ensnare-*"))
    if keep == "none":
        assert not (tmp_path / "results" / "small" / "samples").exists()
