"""The files of a SLURM that lives on one machine."""

import ctypes
import getpass
import random
import shutil
import socket
from pathlib import Path

SLURM_CONF = """\
ClusterName=ensnare
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# a job that is started again waits until its credential is too old to be used: 2 minutes elsewhere
AuthInfo=socket={root}/munge.socket,cred_expire=10
SlurmctldPidFile={root}/run/slurmctld.slurm
SlurmdPidFile={root}/run/%n.slurm
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/%n.log
SlurmdSpoolDir={root}/spool/%n
StateSaveLocation={root}/state
# of each node its own: ranks of a step meet in there
TmpFS={root}/tmp/%n
MailProg=/bin/true
# no cgroups and no systemd are needed
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault={mpi}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# nodes may claim more CPUs than the machine has
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
# jobs start, and faults show, at once
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdTimeout=10
KillWait=5
# the files of controller and clients differ in one port
DebugFlags=NO_CONF_HASH
NodeName=n[1-{nodes}] NodeHostname=localhost NodeAddr=127.0.0.1 \
Port=[{first_node_port}-{last_node_port}] CPUs={cpus} RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=10 State=UP
{accounting}
{extra}
"""
# a GPU is a file; nothing here computes on it
GRES_CONF = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"
ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={root}/munge.socket
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
LogFile={root}/log/{name}.log
PidFile={root}/run/{name}.slurm
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""
# The plugin's job step starts srun without SLURM_CONF: the wrapper gives it back. It also counts
# the calls.
CLIENTS = ("sbatch", "srun", "salloc", "squeue", "scancel", "scontrol", "sinfo", "sshare")
ACCOUNTING_CLIENTS = ("sacct", "sacctmgr", "sreport")
WRAPPER = """\
#!/bin/sh
echo {name} >> {root}/calls
SLURM_CONF={conf} exec {program} "$@"
"""


def write_wrappers(root: Path, names: tuple[str, ...]) -> None:
    """Write a wrapper of each client program that counts its calls."""
    (root / "bin").mkdir()
    (root / "calls").touch()
    for name in names:
        program, conf = shutil.which(name), root / "accounting" / "slurm.conf"
        wrapper = root / "bin" / name
        wrapper.write_text(WRAPPER.format(name=name, root=root, conf=conf, program=program))
        wrapper.chmod(0o755)


def free_ports(count: int) -> int:
    """Return the first of consecutive free ports.

    They are below those that the system gives to connections, so that a daemon which is started
    again later finds its port still free.
    """
    for _ in range(200):
        first = random.randrange(15000, 32000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"found no {count} consecutive free ports between 15000 and 32000")


def write_settings(root: Path, nodes: int, cpus: int, accounting: bool, extra: str) -> None:
    """Write the configuration files of a cluster and choose its ports."""
    first = free_ports(nodes + 4)
    common = {"root": root, "user": getpass.getuser(), "database_port": first + 1}
    values = {
        "controller_port": first,
        "first_node_port": first + 4,
        "last_node_port": first + 3 + nodes,
        "nodes": nodes,
        "cpus": cpus,
        "mpi": _mpi(),
        "extra": extra,
    }
    # what the controller reports to, and what sacct asks; one of them may lag behind
    for name, port in (("recorder", first + 2), ("accounting", first + 3)):
        account = ACCOUNTING.format(port=port, root=root) if accounting else ""
        folder = root / name
        folder.mkdir(parents=True)
        text = SLURM_CONF.format(accounting=account, **common, **values)
        (folder / "slurm.conf").write_text(text)
        (folder / "gres.conf").write_text(GRES_CONF)
        if accounting:
            conf = folder / "slurmdbd.conf"
            conf.write_text(SLURMDBD_CONF.format(port=port, name=name, **common))
            conf.chmod(0o600)
    (root / "database_port").write_text(str(first + 1))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _mpi() -> str:
    """Return how srun starts ranks; its plugin for PMIx wants a file of libpmix-dev."""
    try:
        ctypes.CDLL("libpmix.so")
    except OSError:
        return "pmi2"
    return "pmix"
