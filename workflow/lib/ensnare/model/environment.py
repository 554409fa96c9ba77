"""Which GPUs of a job a worker has: samples side by side must not all take the first ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ensnare.errors import ConfigError
from ensnare.model.templates import Template, Value, parse_template
from ensnare.study.loading import LoadedStudy

# by which a scheduler, or a user, says which GPUs a process may see
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)
# what srun takes for --gpus; of the job it would be all of them, for one step after the other
GPUS_OF_STEP = "SLURM_GPUS"


def gpus_of_worker(slot: int, count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that show a worker its own GPUs.

    Parameters
    ----------
    slot : int
        Which of the workers of the job, from 0.
    count : int
        GPUs of one sample.
    environment : mapping of str to str
        Of the job. What it does not say, or says of too few GPUs, is left as it is.
    """
    found = {}
    for name in _VARIABLES:
        devices = [device for device in environment.get(name, "").split(",") if device]
        own = devices[slot * count : (slot + 1) * count]
        if count and len(own) == count:
            found[name] = ",".join(own)
    return found


# a pool runs a sample per core: a code that starts a thread per core would fight with itself
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WHERE = ("PWD", "OLDPWD")
# `module` is a function of the shell, which a shell that is not interactive may lack
FIND_MODULES = """\
for init in "$MODULESHOME/init/bash" /etc/profile.d/lmod.sh /etc/profile.d/modules.sh \
    /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash; do
  type module >/dev/null 2>&1 && break
  if [ -r "$init" ]; then source "$init"; fi
done
"""
_NO_MODULE = 201
_SCRIPT = f"""\
exec 3>&1 >&2
file=$1
shift
if [ $# -gt 0 ]; then
{FIND_MODULES}
  type module >/dev/null 2>&1 ||
    {{ echo "this machine has no command 'module'"; exit {_NO_MODULE}; }}
fi
for name; do module load "$name" || exit {_NO_MODULE}; done
if [ -n "$file" ]; then source "$file" || exit; fi
env -0 >&3
"""


@dataclass(frozen=True)
class CommandEnvironment:
    """The environment of a study's command.

    Attributes
    ----------
    threads : int
        Threads of a sample, which the environment tells the code.
    modules : tuple of Template
        Environment modules to load.
    source : Template, optional
        A bash file to source then.
    variables : dict of str to Template
        What is set at last.
    """

    study: LoadedStudy
    threads: int
    modules: tuple[Template, ...]
    source: Template | None
    variables: Mapping[str, Template]
    _made: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def handed_over(self) -> list[str]:
        """The names of the values that it needs and that the ids of samples do not hold."""
        files = [self.source] if self.source else []
        templates = (*self.modules, *files, *self.variables.values())
        needed = {name for template in templates for name in template.names}
        config = self.study.config
        return sorted(needed & {*config.constants, *config.derived, "seed"})

    def of(self, values: Mapping[str, Value]) -> Mapping[str, str]:
        """Return the environment of the command of a sample.

        Raises
        ------
        ConfigError
            If a module cannot be loaded, or the file to source is not there or ends with an error.
        """
        common = self._common(values)
        if not self.variables:
            return common
        return {**common, **{k: t.render(values) for k, t in self.variables.items()}}

    def search_path(self, values: Mapping[str, Value]) -> str | None:
        """Return where programs are looked for, given values that samples share.

        Raises
        ------
        ConfigError
            As `of`.
        """
        own, common = self.variables.get("PATH"), self._common(values)
        return own.render(values) if own and own.names <= {*values} else common.get("PATH")

    def _common(self, values: Mapping[str, Value]) -> Mapping[str, str]:
        """Return the environment before variables are set; made once."""
        source = self.source.render(values) if self.source else ""
        key = (source, *(module.render(values) for module in self.modules))
        if key not in self._made:
            self._made[key] = self._make(source, key[1:])
        return self._made[key]

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Set variables in all that has been made; what is made later starts from `os.environ`."""
        self._made.update({key: {**made, **variables} for key, made in self._made.items()})

    def make_common(self) -> None:
        """Load modules and source the file now, if they are the same for all samples.

        Raises
        ------
        ConfigError
            As `of`.
        """
        files = [self.source] if self.source else []
        if not any(template.names for template in (*self.modules, *files)):
            self._common({})

    def _make(self, source: str, modules: tuple[str, ...]) -> Mapping[str, str]:
        """Run bash to see what modules and a file make of the environment of this machine."""
        environment = dict(os.environ)
        for name in _WHERE:  # a sample runs elsewhere
            environment.pop(name, None)
        for name in THREAD_VARIABLES:
            environment.setdefault(name, str(self.threads))
        if not (source or modules):
            return environment
        where = f"{self.study.source}: model.environment"
        path = self.study.path(source).absolute() if source else None
        if path and not path.is_file():
            raise ConfigError(f"{where}.source: no file {path}")
        done = subprocess.run(
            ["bash", "-c", _SCRIPT, "bash", str(path or ""), *modules],
            env=environment,
            cwd=path.parent if path else None,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        said = done.stderr.decode(errors="replace").strip().splitlines()
        # modules before 4.0 end well even then
        lacking = [line for line in said if ":ERROR:" in line] if modules else []
        if done.returncode == _NO_MODULE or lacking:
            why = "".join(lacking[:1] or said[-1:])
            raise ConfigError(f"{where}.modules: cannot load {' '.join(modules)}: {why}")
        if done.returncode:
            raise ConfigError(f"{where}.source: {path} ends with an error: {''.join(said[-1:])}")
        return _parsed(done.stdout)


def _parsed(text: bytes) -> Mapping[str, str]:
    """Return the environment that `env -0` printed."""
    pairs = (item.partition("=") for item in text.decode(errors="surrogateescape").split("\0"))
    return {name: value for name, equals, value in pairs if equals and name not in _WHERE}


def compile_environment(study: LoadedStudy, threads: int) -> CommandEnvironment:
    """Return the environment of a study's command.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    threads : int
        Threads of a sample.

    Raises
    ------
    ConfigError
        If a placeholder is wrong, or what all samples load cannot be loaded.
    """
    environment = study.config.model.environment
    try:
        around = CommandEnvironment(
            study,
            threads,
            tuple(parse_template(str(name)) for name in environment.modules),
            None if environment.source is None else parse_template(environment.source),
            {name: parse_template(str(text)) for name, text in environment.set.items()},
        )
    except ValueError as error:
        raise ConfigError(f"{study.source}: model.environment: {error}") from None
    around.make_common()
    return around


def find_program(word: str, base: str, search: str | None) -> str:
    """Return the path of a program.

    Parameters
    ----------
    word : str
        As written in the study: a name on PATH, `./program` in the working directory of the
        sample, or a path relative to the study file.
    base : str
        The directory of the study file.
    search : str, optional
        The search path.

    Raises
    ------
    FileNotFoundError
        If a name is not on the search path.
    """
    if "/" in word:
        return word if word.startswith("./") else os.path.join(base, word)
    found = shutil.which(word, path=search)
    if found is None:
        raise FileNotFoundError(2, "no such program on PATH", word)
    return found
