"""Daemons that belong to a directory, and the processes they leave."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_END_S = 10.0


class Daemons:
    """Programs that run for a directory; their process numbers and what they say are files in it.

    Parameters
    ----------
    root : Path
        The directory; it has the folders `run` and `log`.
    outlive : bool
        Whether they stay when the process that started them is killed.
    """

    def __init__(self, root: Path, outlive: bool):
        self.root, self.outlive = root, outlive
        # of this Python process; the files of process numbers also serve `make cluster-stop`
        self._started: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: list[str], variables: Mapping[str, str]) -> None:
        """Start a program that stays in the foreground."""
        # root may have no limit on open files, which slurmd would walk through for each job
        command = ["prlimit", "--nofile=4096:4096", *command]
        if not self.outlive:
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        if name in self._started:
            self._started[name].poll()
        with (self.root / "log" / f"{name}.out").open("a") as output:
            process = self._started[name] = subprocess.Popen(
                command,
                env=os.environ | {"ENSNARE_CLUSTER": str(self.root)} | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                start_new_session=True,  # Ctrl-C is not for them
            )
        (self.root / "run" / f"{name}.pid").write_text(str(process.pid))

    def names(self) -> list[str]:
        """Return the names of those that were started and not ended."""
        return sorted(path.stem for path in (self.root / "run").glob("*.pid"))

    def pid(self, name: str) -> int:
        """Return the process of a daemon; 0 if it was not started."""
        path = self.root / "run" / f"{name}.pid"
        return int(path.read_text()) if path.exists() else 0

    def is_running(self, name: str) -> bool:
        """Return whether a daemon runs, or is stopped by a signal."""
        return _is_running(self.pid(name))

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a daemon."""
        if pid := self.pid(name):
            _send(pid, number)

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon and wait for its end; SIGKILL if it does not listen."""
        for attempt in (number, signal.SIGKILL):
            self.send(name, attempt)
            self.send(name, signal.SIGCONT)
            deadline = time.monotonic() + _END_S
            while self.is_running(name) and time.monotonic() < deadline:
                time.sleep(0.05)
        _reap(self.pid(name))
        if process := self._started.pop(name, None):
            process.poll()  # notes that it has ended
        (self.root / "run" / f"{name}.pid").unlink(missing_ok=True)

    def kill_left_over(self) -> None:
        """Kill what daemons left, the jobs of the cluster too."""
        deadline = time.monotonic() + _END_S
        while (found := self._left_over()) and time.monotonic() < deadline:
            for pid in found:
                _send(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _left_over(self) -> list[int]:
        mark = f"ENSNARE_CLUSTER={self.root}\0".encode()
        conf = f"SLURM_CONF={self.root}/".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                variables = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            # clients have the configuration too, and are not ours; the daemon of a step writes
            # its title over its other variables
            is_job = b"SLURM_JOB_ID=" in variables or command.startswith(b"slurmstepd")
            is_job = is_job and conf in variables
            if (mark in variables or is_job) and _is_running(int(entry.name)):
                found.append(int(entry.name))
        return found


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Let a daemon that this process started, and that ended, go."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
