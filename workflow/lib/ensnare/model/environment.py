"""The environment of the command of a sample: modules, a file to source, variables, GPUs.

Only the command gets it; the worker, which reads the outputs, keeps its own.
"""

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

# A pool runs one sample per core. Codes that start a thread per core would overload the machine.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# srun takes its option --gpus from this variable. In a job the value is all GPUs of the job, so
# that samples, which are steps of the job, would wait for each other.
GPUS_OF_STEP = "SLURM_GPUS"
# with these a scheduler, or a user, says which GPUs a process may use
_GPU_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)
_DIRECTORY_VARIABLES = ("PWD", "OLDPWD")
# `module` is a shell function, which is often not defined in a shell that is not interactive
FIND_MODULES = """\
for init in "$MODULESHOME/init/bash" /etc/profile.d/lmod.sh /etc/profile.d/modules.sh \
    /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash; do
  type module >/dev/null 2>&1 && break
  if [ -r "$init" ]; then source "$init"; fi
done
"""
_NOT_LOADED = 201  # exit code of the script
_SCRIPT = f"""\
exec 3>&1 >&2
file=$1
shift
if [ $# -gt 0 ]; then
{FIND_MODULES}
  type module >/dev/null 2>&1 ||
    {{ echo "this machine has no command 'module'"; exit {_NOT_LOADED}; }}
fi
for name; do module load "$name" || exit {_NOT_LOADED}; done
if [ -n "$file" ]; then source "$file" || exit; fi
env -0 >&3
"""


@dataclass(frozen=True)
class CommandEnvironment:
    """The environment of the command of a study, made in the order of its fields."""

    study: LoadedStudy
    threads: int  # of a sample, for those of THREAD_VARIABLES that the machine does not set
    modules: tuple[Template, ...]  # environment modules, loaded first
    source: Template | None  # a bash file, sourced after the modules
    variables: Mapping[str, Template]  # set last
    # (file to source, modules...) to the environment that bash reported
    _loaded: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def values_passed_on(self) -> list[str]:
        """The names of values that the environment needs and that no id of a sample contains."""
        files = [self.source] if self.source else []
        templates = (*self.modules, *files, *self.variables.values())
        needed = {name for template in templates for name in template.names}
        config = self.study.config
        return sorted(needed & {*config.constants, *config.derived, "seed"})

    def of(self, values: Mapping[str, Value]) -> Mapping[str, str]:
        """Return the environment of the command of a sample.

        Raises ConfigError if a module cannot be loaded, or the file to source does not exist or
        fails.
        """
        common = self._common(values)
        if not self.variables:
            return common
        return {**common, **{k: t.render(values) for k, t in self.variables.items()}}

    def search_path(self, values: Mapping[str, Value]) -> str | None:
        """Return the PATH of the command, from values that samples share.

        A PATH in `variables` counts only if these values suffice for it. Raises ConfigError as
        `of`.
        """
        path, common = self.variables.get("PATH"), self._common(values)
        return path.render(values) if path and path.names <= {*values} else common.get("PATH")

    def _common(self, values: Mapping[str, Value]) -> Mapping[str, str]:
        """Return the environment before variables are set; bash runs once for the same modules."""
        source = self.source.render(values) if self.source else ""
        key = (source, *(module.render(values) for module in self.modules))
        if key not in self._loaded:
            self._loaded[key] = self._load(source, key[1:])
        return self._loaded[key]

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Set variables in all environments loaded so far; later ones start from `os.environ`."""
        self._loaded.update({key: {**made, **variables} for key, made in self._loaded.items()})

    def load_common(self) -> None:
        """Load modules and the file now if all samples share them; raise ConfigError as `of`."""
        files = [self.source] if self.source else []
        if not any(template.names for template in (*self.modules, *files)):
            self._common({})

    def _load(self, source: str, modules: tuple[str, ...]) -> Mapping[str, str]:
        """Run bash to see how modules and the file change the environment of this machine."""
        environment = dict(os.environ)
        for name in _DIRECTORY_VARIABLES:  # a sample runs in another directory
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
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        # before version 4.0, Environment Modules exit with 0 although a module was not found
        not_loaded = [line for line in lines if ":ERROR:" in line] if modules else []
        if done.returncode == _NOT_LOADED or not_loaded:
            reason = "".join(not_loaded[:1] or lines[-1:])
            raise ConfigError(f"{where}.modules: cannot load {' '.join(modules)}: {reason}")
        if done.returncode:
            raise ConfigError(f"{where}.source: {path} ends with an error: {''.join(lines[-1:])}")
        return _parse_environment(done.stdout)


def compile_environment(study: LoadedStudy, threads: int) -> CommandEnvironment:
    """Return the environment of the command of a study, for samples of so many threads.

    Raises ConfigError if a placeholder is wrong, or what all samples share cannot be loaded.
    """
    environment = study.config.model.environment
    try:
        compiled = CommandEnvironment(
            study,
            threads,
            tuple(parse_template(str(name)) for name in environment.modules),
            None if environment.source is None else parse_template(environment.source),
            {name: parse_template(str(text)) for name, text in environment.set.items()},
        )
    except ValueError as error:
        raise ConfigError(f"{study.source}: model.environment: {error}") from None
    compiled.load_common()
    return compiled


def find_program(word: str, base: str, search: str | None) -> str:
    """Return the path of a program; raise FileNotFoundError if a name is not on the search path.

    `word` is as written in the study: a name on the path `search`, `./program` in the working
    directory of the sample, or a path relative to `base`, the directory of the study file.
    """
    if "/" in word:
        return word if word.startswith("./") else os.path.join(base, word)
    found = shutil.which(word, path=search)
    if found is None:
        raise FileNotFoundError(2, "no such program on PATH", word)
    return found


def gpus_of_worker(slot: int, count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that show a worker its own GPUs.

    Samples that run side by side would otherwise all take the first GPU of the job.

    Parameters
    ----------
    slot : int
        Number of the worker in the job, from 0.
    count : int
        GPUs of one sample.
    environment : mapping of str to str
        Environment of the job. A variable that is not set, or names too few GPUs, is left out.
    """
    found = {}
    for name in _GPU_VARIABLES:
        devices = [device for device in environment.get(name, "").split(",") if device]
        own = devices[slot * count : (slot + 1) * count]
        if count and len(own) == count:
            found[name] = ",".join(own)
    return found


def _parse_environment(text: bytes) -> Mapping[str, str]:
    """Return the environment that `env -0` printed."""
    pairs = (item.partition("=") for item in text.decode(errors="surrogateescape").split("\0"))
    return {
        name: value for name, equals, value in pairs if equals and name not in _DIRECTORY_VARIABLES
    }
