"""A real SLURM on the loopback of one machine: for tests, and for a developer who wants to try.

    python tests/cluster/slurm_cluster.py start DIR      # prints what to export
    python tests/cluster/slurm_cluster.py stop DIR

Everything it needs is in DIR: munge, the database and all daemons have their own sockets and ports,
so several clusters can run side by side. It runs as the user who starts it.
"""

import argparse
import getpass
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from daemons import Daemons
from slurm_settings import ACCOUNTING_CLIENTS, CLIENTS, write_settings, write_wrappers

PROGRAMS = ("munged", "slurmctld", "slurmd", *CLIENTS)
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", *ACCOUNTING_CLIENTS)
PACKAGES = "slurm-wlm slurmdbd munge mariadb-server openmpi-bin libpmix-dev"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_NODE = Path(__file__).parent / "node"
_START_S = 60.0  # generous: other programs may keep the machine busy


def missing_programs(accounting: bool = True) -> list[str]:
    """Return the programs that a cluster needs and this machine lacks."""
    wanted = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    return [name for name in wanted if not shutil.which(name, path=_PATH)]


class SlurmCluster:
    """A SLURM whose state is in one directory.

    Parameters
    ----------
    root : Path
        Its directory; short, since it holds sockets. Empty before the start.
    outlives : bool
        Whether daemons stay when the process that started them is killed.
    """

    def __init__(self, root: Path, outlives: bool = False):
        self.root = root.resolve()
        self.daemons = Daemons(self.root, outlives)
        # clients ask `accounting`, the controller reports to `recorder`: the same one, but their
        # daemons differ, so that either can be stopped or be late
        self.conf = self.root / "accounting" / "slurm.conf"

    def start(
        self, nodes: int = 4, cpus: int = 4, accounting: bool = True, extra: str = ""
    ) -> "SlurmCluster":
        """Start all daemons and wait until the nodes are idle; `extra` is added to slurm.conf."""
        missing = missing_programs(accounting)
        if missing:
            raise RuntimeError(f"{missing[0]} is not installed; apt-get install {PACKAGES}")
        for name in ("run", "log", "state", "spool"):
            (self.root / name).mkdir(parents=True)
        for node in range(nodes):
            (self.root / "tmp" / f"n{node + 1}").mkdir(parents=True)
        self.root.chmod(0o755)  # munge wants its socket to be reachable by all
        write_settings(self.root, nodes, cpus, accounting, extra)
        write_wrappers(self.root, CLIENTS + ACCOUNTING_CLIENTS)
        try:
            self._start_munge()
            if accounting:
                self._start_database()
                self.start_daemon("recorder")
                self.start_daemon("accounting")
                self._wait(lambda: self.answers("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
                self.client("sacctmgr", "-i", "add", "cluster", "ensnare")
                self.client("sacctmgr", "-i", "add", "account", "default")
                self.client("sacctmgr", "-i", "add", "user", getpass.getuser(), "account=default")
            self.start_daemon("slurmctld")
            for node in self.node_names():
                self.start_daemon(node)
            self.wait_until_idle()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all daemons and whatever jobs they left."""
        if self.daemons.is_running("slurmctld"):
            self.answers("timeout", "10", "scancel", "--user", getpass.getuser())
        # the database last: slurmdbd waits for it
        order = {"slurmctld": 0, "recorder": 2, "accounting": 2, "mariadbd": 3, "munged": 3}
        for name in sorted(self.daemons.names(), key=lambda name: order.get(name, 1)):
            self.daemons.end(name)
        self.daemons.kill_left_over()

    def heal(self) -> None:
        """Bring back what a test ended or stopped, cancel its jobs, and wait for idle nodes."""
        names = [*self.node_names(), "slurmctld"]
        names += ["accounting", "recorder"] if self._has_accounting() else []
        for name in reversed(names):
            if self.daemons.is_running(name):
                self.daemons.send(name, signal.SIGCONT)
            else:
                self.start_daemon(name)
        self._wait(lambda: self.answers("scontrol", "ping"), "slurmctld")
        self.client("scancel", "--user", getpass.getuser())
        for node in self.node_names():
            self.answers("scontrol", "update", f"nodename={node}", "state=resume")
        self.wait_until_idle()

    def lose_controller(self) -> None:
        """Kill the controller, but not before it has saved what it knows of jobs."""
        saved, since = self.root / "state" / "job_state", time.time()
        # what changes a job makes it save
        for job in self.client("squeue", "-h", "-o", "%i").split():
            self.client("scontrol", "update", f"jobid={job}", "comment=saved")
        self._wait(lambda: saved.exists() and saved.stat().st_mtime > since, "the state of jobs")
        self.daemons.end("slurmctld", signal.SIGKILL)

    def start_daemon(self, name: str) -> None:
        """Start slurmctld, a node by its name, or one of recorder and accounting."""
        conf, command = self.conf, ["slurmd", "-D", "-N", name]
        if name == "slurmctld":
            conf, command = self.root / "recorder" / "slurm.conf", ["slurmctld", "-D"]
        elif name in ("recorder", "accounting"):
            conf, command = self.root / name / "slurm.conf", ["slurmdbd", "-D"]
        self.daemons.start(name, command, {"SLURM_CONF": str(conf), "PATH": _PATH})

    def environment(self, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return variables with those that make clients find this cluster, and no other."""
        kept = {k: v for k, v in variables.items() if not k.startswith(("SLURM", "SBATCH"))}
        return kept | {
            "SLURM_CONF": str(self.conf),
            "PATH": f"{self.root}/bin{os.pathsep}{variables.get('PATH', '')}",
            "PYTHONPATH": f"{_NODE}{os.pathsep}{variables.get('PYTHONPATH', '')}",
        }

    def calls(self) -> Counter[str]:
        """Return how often each client program was called through this environment."""
        return Counter((self.root / "calls").read_text().split())

    def client(self, *command: str) -> str:
        """Run a client program; return what it printed."""
        environment = os.environ | {"PATH": _PATH, "SLURM_CONF": str(self.conf)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def answers(self, *command: str) -> bool:
        """Return whether a client program succeeds."""
        try:
            self.client(*command)
        except RuntimeError:
            return False
        return True

    def node_names(self) -> list[str]:
        """Return the names of the nodes."""
        text = self.conf.read_text().partition("NodeName=n[1-")[2]
        return [f"n{i + 1}" for i in range(int(text.partition("]")[0]))]

    def wait_until_idle(self) -> None:
        """Wait until every node is there and has nothing to do."""
        count = len(self.node_names())
        self._wait(lambda: self._idle_nodes() == count, f"{count} idle nodes")

    def _has_accounting(self) -> bool:
        return (self.conf.parent / "slurmdbd.conf").exists()

    def _idle_nodes(self) -> int:
        if not self.answers("scontrol", "ping"):
            return 0
        return len(self.client("sinfo", "-N", "-h", "-p", "main", "-t", "idle").splitlines())

    def _start_munge(self) -> None:
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        socket = self.root / "munge.socket"
        command = ["munged", "--foreground", "--force", f"--socket={socket}", f"--key-file={key}"]
        command += [f"--pid-file={self.root}/run/munged.munge"]
        command += [f"--seed-file={self.root}/munge.seed", f"--log-file={self.root}/log/munged.log"]
        self.daemons.start("munged", command, {"PATH": _PATH})
        self._wait(lambda: self.answers("munge", "--no-input", f"--socket={socket}"), "munge")

    def _start_database(self) -> None:
        folder, socket = self.root / "database", self.root / "database.socket"
        common = ["--no-defaults", f"--datadir={folder}"]
        self.client(
            "mariadb-install-db",
            *common,
            f"--user={getpass.getuser()}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=8M",
        )
        port = (self.root / "database_port").read_text()
        command = ["mariadbd", *common, f"--socket={socket}", f"--port={port}"]
        command += ["--bind-address=127.0.0.1", f"--user={getpass.getuser()}"]
        # nothing here has to survive the machine
        command += ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
        command += ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M"]
        self.daemons.start("mariadbd", command, {"PATH": _PATH})
        ask = ["mariadb", "--no-defaults", f"--socket={socket}", "-u", "root", "-e"]
        self._wait(lambda: self.answers(*ask, "select 1"), "mariadb")
        self.client(
            *ask,
            "create database slurm_acct; create user slurm@'127.0.0.1' identified by 'slurm';"
            " create user slurm@localhost identified by 'slurm';"
            " grant all on slurm_acct.* to slurm@'127.0.0.1';"
            " grant all on slurm_acct.* to slurm@localhost;",
        )

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {_START_S:g} s for {what}; see {self.root}/log")
            time.sleep(0.1)


def main() -> None:
    """Start or stop a cluster in a directory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=4, help="of each node")
    parser.add_argument("--no-accounting", action="store_true", help="a site without sacct")
    options = parser.parse_args()
    cluster = SlurmCluster(options.directory, outlives=True)
    if options.action == "stop":
        cluster.stop()
        shutil.rmtree(cluster.root, ignore_errors=True)
        return
    if cluster.root.exists() and any(cluster.root.iterdir()):
        sys.exit(f"{cluster.root} is not empty; stop the cluster there, or take another directory")
    try:
        cluster.start(options.nodes, options.cpus, not options.no_accounting)
    except RuntimeError as error:
        sys.exit(str(error))
    environment = cluster.environment()
    for name in ("SLURM_CONF", "PATH", "PYTHONPATH"):
        print(f"export {name}='{environment[name]}'")


_Raw = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    main()
