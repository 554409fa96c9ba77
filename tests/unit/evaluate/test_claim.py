import errno
import json
import multiprocessing
import os
import signal
import socket
import threading
import time

import psutil
import pytest
from waiting import is_running, lines_of, wait_until

from ensnare.evaluate import claim as claim_module
from ensnare.evaluate.claim import Claim, renew_for, renewing
from ensnare.store.locks import temporary_name

fork = multiprocessing.get_context("fork")


def _use(path, log, hold):
    with Claim(path) as claim:
        assert claim.renew()
        with log.open("a") as file:
            file.write("enter\n")
        hold()
        with log.open("a") as file:
            file.write("leave\n")


def _use_briefly(path, log):
    _use(path, log, lambda: time.sleep(0.002))


def _use_for_good(path, log):
    _use(path, log, signal.pause)


def dead_claim(path, tmp_path):
    """Leave the claim of a process that was killed."""
    log = tmp_path / "dead.log"
    process = fork.Process(target=_use_for_good, args=(path, log))
    process.start()
    wait_until(lambda: lines_of(log), "the claim")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert path.exists()


def claim_of(path, **changes):
    """Write a claim that differs from one of a live process of this host as stated."""
    claim = json.loads(Claim(path)._text) | changes
    path.write_text(json.dumps(claim))


def _assert_waits(path):
    """A second job does not get the claim while nothing changes."""
    said = []
    thread = threading.Thread(target=lambda: Claim(path, said.append).__enter__(), daemon=True)
    thread.start()
    wait_until(lambda: said, "the message")
    assert thread.is_alive()
    assert "waiting" in said[0]
    path.unlink()
    thread.join(20)
    assert not thread.is_alive()
    assert len(said) == 1


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(claim_module, "_POLL_S", 0.002)


def test_one_process_at_a_time_owns_a_batch(tmp_path, quick):
    path, log = tmp_path / "a.owner", tmp_path / "log"
    processes = [fork.Process(target=_use_briefly, args=(path, log)) for _ in range(12)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert lines_of(log) == ["enter", "leave"] * 12
    assert list(tmp_path.iterdir()) == [log]


def test_an_abandoned_claim_of_this_host_is_free_at_once(tmp_path):
    path = tmp_path / "a.owner"
    dead_claim(path, tmp_path)
    said = []
    with Claim(path, said.append) as claim:
        assert claim.renew()
    assert said == []
    assert not path.exists()


def test_of_many_that_find_an_abandoned_claim_one_at_a_time_has_it(tmp_path, quick):
    for trial in range(5):
        path, log = tmp_path / f"{trial}.owner", tmp_path / f"{trial}.log"
        claim_of(path, started="long ago")
        processes = [fork.Process(target=_use_briefly, args=(path, log)) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert lines_of(log) == ["enter", "leave"] * 8
        assert not path.exists()


def test_a_process_number_that_was_reused_does_not_count_as_alive(tmp_path):
    path = tmp_path / "a.owner"
    claim_of(path, pid=os.getpid(), started="12345")
    with Claim(path):
        pass


def test_a_valid_claim_is_waited_for(tmp_path):
    path = tmp_path / "a.owner"
    claim_of(path)
    _assert_waits(path)


@pytest.mark.parametrize(
    "changes",
    [{"host": "elsewhere"}, {"boot": "another"}, {"space": "pid:[1]"}],
    ids=["another host", "a host of the same name", "another container"],
)
def test_a_claim_from_elsewhere_is_valid_until_renewals_are_missing(tmp_path, changes):
    path = tmp_path / "a.owner"
    claim_of(path, pid=2**22 + 1, **changes)
    _assert_waits(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"host": 1}'])
def test_a_damaged_claim_is_valid_until_renewals_are_missing(tmp_path, text):
    path = tmp_path / "a.owner"
    path.write_text(text)
    _assert_waits(path)


@pytest.mark.parametrize("text", ["", None], ids=["damaged", "elsewhere"])
def test_a_claim_without_renewals_is_taken_over(tmp_path, monkeypatch, quick, text):
    monkeypatch.setattr(claim_module, "_DEAD_S", 0.05)
    path = tmp_path / "a.owner"
    if text is None:
        claim_of(path, host="elsewhere")
    else:
        path.write_text(text)
    with Claim(path) as claim:
        assert claim.renew()


class _RenewedElsewhere:
    """A clock by which half the time of an abandoned claim passes between two renewals."""

    def __init__(self, path, renewals):
        self._path, self._left, self._now = path, renewals, 0.0

    def monotonic(self):
        self._now += claim_module._DEAD_S / 2
        return self._now

    def sleep(self, _seconds):
        self._left -= 1
        if self._left:
            os.utime(self._path, (self._left, self._left))
        else:
            self._path.unlink()


def test_a_claim_that_is_renewed_elsewhere_stays_valid(tmp_path, monkeypatch):
    path = tmp_path / "a.owner"
    claim_of(path, host="elsewhere")
    clock = _RenewedElsewhere(path, renewals=20)
    monkeypatch.setattr(claim_module, "time", clock)
    with Claim(path):
        assert clock._left == 0


def test_renewal_changes_the_file_and_tells_when_the_claim_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(claim_module, "_RENEW_S", 0.0)
    path = tmp_path / "a.owner"
    with Claim(path) as claim:
        os.utime(path, (1, 1))
        assert claim.renew()
        assert path.stat().st_mtime > 1
        claim_of(path, token="another")
        assert not claim.renew()
        path.unlink()
        assert not claim.renew()
        claim_of(path, token="another")
    assert path.exists()  # what is not ours stays


def test_another_process_renews_the_claim_of_a_busy_one_and_no_other(tmp_path):
    path = tmp_path / "a.owner"
    renew_for(path, os.getpid())  # no claim yet
    with Claim(path):
        for pid, renews in ((os.getpid(), True), (os.getpid() + 1, False)):
            os.utime(path, (1, 1))
            renew_for(path, pid)
            assert (path.stat().st_mtime > 1) == renews
        for text in ("", "[]", "{", json.dumps({"pid": os.getpid()})):
            path.write_text(text)
            os.utime(path, (1, 1))
            renew_for(path, os.getpid())
            assert path.stat().st_mtime == 1


def test_a_child_renews_the_claims_of_a_busy_process_and_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(claim_module, "_RENEW_S", 0.01)
    mine, other = tmp_path / "a.owner", tmp_path / "b.owner"
    claim_of(other, pid=os.getpid() + 1)
    os.utime(other, (1, 1))
    with Claim(mine):
        os.utime(mine, (1, 1))
        with renewing([mine, other]):
            wait_until(lambda: mine.stat().st_mtime > 1, "a beat")
        os.utime(mine, (1, 1))
    assert other.stat().st_mtime == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _busy(path):
    with Claim(path), renewing([path]):
        signal.pause()


def test_the_child_that_renews_ends_with_a_process_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(claim_module, "_RENEW_S", 0.01)
    path = tmp_path / "a.owner"
    process = fork.Process(target=_busy, args=(path,))
    process.start()
    wait_until(path.exists, "the claim")
    children = psutil.Process(process.pid).children
    (child,) = wait_until(children, "the child")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    wait_until(lambda: not is_running(child.pid), "its end")


def test_a_claim_that_another_host_removes_while_we_read_it_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "a.owner"
    claim_of(path, host="elsewhere")

    def stale(handle):
        monkeypatch.undo()
        path.unlink()
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "fstat", stale)
    with Claim(path) as claim:
        assert claim.renew()


def test_a_claim_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.owner"

    def full(self, text):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match=r"No space left.*a\.owner"), Claim(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_beside_the_claim_goes(tmp_path):
    path = tmp_path / "a.owner"
    process = fork.Process(target=lambda: (tmp_path / temporary_name("a.owner")).touch())
    process.start()
    process.join()
    ours = tmp_path / temporary_name("a.owner")
    ours.touch()  # of a process that lives
    assert len(list(tmp_path.iterdir())) == 2
    with Claim(path):
        pass
    assert list(tmp_path.iterdir()) == [ours]


def test_a_file_system_that_stutters_is_no_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(claim_module, "_RENEW_S", 0.0)
    with Claim(tmp_path / "a.owner") as claim:

        def utime(*_):
            raise OSError(116, "Stale file handle")

        monkeypatch.setattr(os, "utime", utime)
        assert claim.renew()
        monkeypatch.undo()


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "a.owner"
    with Claim(path):
        assert json.loads(path.read_text())["host"] == socket.gethostname()
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()


def test_a_link_whose_answer_was_lost_counts(tmp_path, monkeypatch):
    real = os.link

    def link(source, target):
        real(source, target)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "link", link)
    with Claim(tmp_path / "a.owner") as claim:
        assert claim.renew()
