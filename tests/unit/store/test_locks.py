import multiprocessing
import os
import signal

from waiting import is_running, wait_until

from ensnare.store import locks
from ensnare.store.locks import machine_identity, remove_abandoned, start_time, temporary_name
from ensnare.store.paths import write_whole

fork = multiprocessing.get_context("fork")


def killed_while_writing(path):
    """Leave what a process leaves that is killed before it renames its file."""

    def write(part):
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    process = fork.Process(target=write_whole, args=(path, write))
    process.start()
    process.join()


def test_a_process_has_a_start_time_while_it_lives():
    process = fork.Process(target=signal.pause)
    process.start()
    started = start_time(process.pid)
    assert int(started) >= int(start_time(os.getpid()))
    process.kill()
    wait_until(lambda: not is_running(process.pid))
    assert start_time(process.pid) == ""  # not collected yet
    process.join()
    assert start_time(process.pid) == ""


def test_the_identity_of_a_machine_has_its_boot_and_its_container():
    assert set(machine_identity()) == {"host", "boot", "space"}
    assert all(machine_identity().values())


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_the_file(tmp_path):
    path = tmp_path / "archive.h5"
    killed_while_writing(path)
    killed_while_writing(tmp_path / "another.h5")
    left = {p.name.partition(".")[0] for p in tmp_path.iterdir()}
    assert left == {"archive", "another"}
    write_whole(path, lambda part: part.write_text("whole"))
    assert path.read_text() == "whole"
    assert {p.name.partition(".h5")[0] for p in tmp_path.iterdir()} == {"archive", "another"}
    assert list(tmp_path.glob("archive*")) == [path]


def test_what_others_are_writing_stays(tmp_path, monkeypatch):
    path = tmp_path / "a[1].csv"
    ours = tmp_path / temporary_name(path.name)
    with monkeypatch.context() as patch:
        patch.setattr(locks, "_machine_hash", lambda: "elsewhere")
        theirs = tmp_path / temporary_name(path.name)
    for part in (ours, theirs):
        part.touch()
    remove_abandoned(path, theirs.stat().st_mtime)
    assert ours.exists()
    assert theirs.exists()
    os.utime(theirs, (1, 1))  # untouched for long: whoever wrote it is gone
    remove_abandoned(path, ours.stat().st_mtime)
    assert ours.exists()
    assert not theirs.exists()
