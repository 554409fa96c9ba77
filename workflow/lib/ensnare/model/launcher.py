"""Starting the ranks of MPI models: with srun in a SLURM job, with mpiexec elsewhere."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ensnare.errors import BatchError, ConfigError
from ensnare.model.environment import find_program
from ensnare.model.process import Ended
from ensnare.model.templates import Template, Value, parse_template
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import Model

LAUNCHER_VARIABLE = "ENSNARE_LAUNCHER"
MPI_VARIABLE = "ENSNARE_MPI"
_MPIEXEC = "mpiexec -n ${ranks}"
# --exact: on cores that no other step has. --mem=0: steps share the memory of the job, of which the
# first step would take all otherwise.
_SRUN = (
    "srun --exact --nodes=${nodes} --ntasks=${ranks} --cpus-per-task=${threads} --mem=0 "
    "--kill-on-bad-exit=1 --job-name=${sample}"
)
# Inside a step of SLURM that step has all cores: further steps with --exact would wait forever.
_SRUN_INSIDE = _SRUN.replace("--exact", "--overlap")
_SIGNAL_OFFSET = 128
_ALLOWED_NAMES = frozenset({"ranks", "threads", "nodes", "sample"})
# The request for the batch job, which srun would take as options of each step in it.
_JOB_VARIABLES = re.compile(
    "SLURM_(NTASKS|NPROCS|NNODES|JOB_NUM_NODES|JOB_NAME|CPUS_PER|TASKS_PER|MEM_|CPU_BIND|"
    "TRES|DISTRIBUTION|STEP|EXACT|EXCLUSIVE|OVERLAP|HINT|THREADS_PER_CORE)"
)
# Samples run side by side: an MPI that binds ranks to cores would bind those of all samples to the
# first cores. It would also count the cores, and refuse to start more ranks.
_MPI_DEFAULTS = {
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "I_MPI_PIN": "off",
}


@dataclass(frozen=True)
class Cores:
    """The cores that a job has on each of its nodes."""

    per_node: tuple[int, ...]

    def side_by_side(self, cores: int) -> int:
        """Return how many samples of so many cores run at the same time; at least one.

        A sample that fits on one node is not spread over two; a larger one takes cores of several.
        """
        if cores > max(self.per_node):
            return max(1, sum(self.per_node) // cores)
        return sum(node // cores for node in self.per_node)

    def nodes_for(self, cores: int) -> int:
        """Return the fewest nodes that have so many cores; all nodes if they have fewer."""
        sums = list(accumulate(sorted(self.per_node, reverse=True)))
        return next((i for i, total in enumerate(sums, 1) if total >= cores), len(sums))


@dataclass(frozen=True)
class Launcher:
    """The command that starts the ranks of a sample."""

    words: tuple[Template, ...]  # of its command
    steps: tuple[bool, ...]  # whether it starts each step of the command
    resume: tuple[bool, ...]  # the same for the steps that continue an interrupted run
    by_slurm: bool  # whether it is srun, in a job of SLURM
    takes_nodes: bool = False  # the value `nodes` is the number of nodes, not the fewest possible

    def command(self, values: Mapping[str, Value]) -> list[str]:
        """Return the words that stand before the program of a sample."""
        cores = int(values["ranks"]) * int(values["threads"])
        nodes = job_cores(1).nodes_for(cores) if self.by_slurm else 1
        if self.by_slurm and self.takes_nodes:
            nodes = int(values["nodes"])
        return [word.render({**values, "nodes": nodes}) for word in self.words]

    def start(
        self,
        steps: Sequence[list[str]],
        values: Mapping[str, Value],
        search: str | None,
        goes_on: bool,
    ) -> list[list[str]]:
        """Return the words of each step, behind the launcher where it starts the step.

        Raises FileNotFoundError if the launcher is not on the path `search`.
        """
        program, *options = self.command(values)
        start = [find_program(program, "", search), *options]
        pairs = zip(self.launched(goes_on), steps, strict=True)
        return [[*start, *step] if launched else step for launched, step in pairs]

    def environment(
        self, given: Mapping[str, str], values: Mapping[str, Value]
    ) -> Mapping[str, str]:
        """Return the environment of a sample whose ranks it starts."""
        if self.by_slurm:
            given = {k: v for k, v in given.items() if not _JOB_VARIABLES.match(k)}
        return {**_MPI_DEFAULTS, **given, MPI_VARIABLE: shlex.join(self.command(values))}

    def launched(self, goes_on: bool) -> tuple[bool, ...]:
        """Return for each step, of the command or of `resume`, whether the launcher starts it."""
        return self.resume if goes_on else self.steps

    def check(self, search: str | None) -> None:
        """Check that the launcher is on a search path; raise ConfigError if it is not."""
        (word,) = [self.words[0].render({})]
        if shutil.which(word, path=search) is None:
            raise ConfigError(
                f"resources.ranks: no program '{word}' on PATH to start MPI ranks with; load an "
                f"MPI in model.environment, or set {LAUNCHER_VARIABLE} to a command such as "
                f"'{_MPIEXEC}'"
            )


def compile_launcher(study: LoadedStudy) -> Launcher | None:
    """Return the launcher of a study on this machine; None if the study has no ranks.

    It is `srun` in a job of SLURM and `mpiexec` elsewhere, unless the environment variable
    ENSNARE_LAUNCHER gives another command: the machine decides, not the study. Raises ConfigError
    if the variable is not a command with a place for the number of ranks.
    """
    if study.config.resources.ranks is None:
        return None
    text = os.environ.get(LAUNCHER_VARIABLE, "").strip()
    by_slurm = not text and in_slurm_job() and shutil.which("srun") is not None
    if not text:
        inside = os.environ.get("SLURM_STEP_ID", "").isdecimal()
        text = (_SRUN_INSIDE if inside else _SRUN) if by_slurm else _MPIEXEC
    try:
        words = tuple(parse_template(word) for word in shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"{LAUNCHER_VARIABLE}: {error}") from None
    names = frozenset().union(*(word.names for word in words))
    if "ranks" not in names or names - _ALLOWED_NAMES or words[0].names:
        raise ConfigError(
            f"{LAUNCHER_VARIABLE}: got '{text}'; expected a command such as '{_MPIEXEC}', with "
            "${ranks} and perhaps ${threads}, ${nodes} and ${sample}"
        )
    model = study.config.model
    scaling = study.config.scaling
    return Launcher(
        words,
        _launched(model.steps, model),
        _launched(model.resume, model),
        by_slurm,
        takes_nodes=scaling is not None and scaling.over == "nodes",
    )


def _launched(steps: Sequence[Sequence[str]], model: Model) -> tuple[bool, ...]:
    """Return for each step whether the launcher starts it: not those that `serial` names."""
    return tuple(model.serial != "all" and str(step[0]) not in model.serial for step in steps)


def decode_signal(ended: Ended) -> Ended:
    """Return how a launched program ended: a launcher reports signal n as exit code 128 + n."""
    if ended.exit_code <= _SIGNAL_OFFSET:
        return ended
    return replace(ended, exit_code=_SIGNAL_OFFSET - ended.exit_code)


def in_slurm_job() -> bool:
    """Return whether this process is part of a SLURM job."""
    return "SLURM_JOB_ID" in os.environ


@functools.lru_cache(maxsize=4)
def job_cores(threads: int) -> Cores:
    """Return the cores of this job for samples of several ranks.

    `threads`, the cores that Snakemake gives to the job, count unless it has several nodes. Raises
    BatchError if SLURM does not report the cores of the job.
    """
    if not in_slurm_job():
        return Cores((threads,))
    text = os.environ.get("SLURM_JOB_CPUS_PER_NODE")
    if text is None:  # Snakemake removes it from the environment of an MPI job
        return _cores_from_scontrol()
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    per_node = tuple(int(n) for n, times in found for _ in range(int(times or 1)))
    # on one node, several batches may run in the job, each with some of its cores
    return Cores(per_node) if len(per_node) > 1 else Cores((threads,))


def _cores_from_scontrol() -> Cores:
    """Ask SLURM for the cores of this job."""
    job = os.environ["SLURM_JOB_ID"]
    command = ["scontrol", "show", "job", job, "--oneliner"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = dict(re.findall(r"\b(NumNodes|NumCPUs)=(\d+)", done.stdout))
        nodes, cores = int(found["NumNodes"]), int(found["NumCPUs"])
    except (OSError, KeyError):
        raise BatchError(
            f"scontrol does not say how many cores the SLURM job {job} has; run again"
        ) from None
    return Cores((max(1, cores // nodes),) * nodes)
