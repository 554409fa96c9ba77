"""The environment of the command, and only of the command."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from ensnare.config import LoadedStudy
from ensnare.errors import ConfigError

# a pool runs a sample per core: a code that starts a thread per core would fight with itself
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WHERE = ("PWD", "OLDPWD")


def base_environment(study: LoadedStudy, threads: int) -> Mapping[str, str]:
    """Return the environment that all samples of a batch share.

    Parameters
    ----------
    study : LoadedStudy
        The study; `model.environment.source` is sourced by bash once.
    threads : int
        Threads of a sample.

    Raises
    ------
    ConfigError
        If the file to source does not exist or ends with an error.
    """
    environment = dict(os.environ)
    for name in _WHERE:  # a sample runs elsewhere
        environment.pop(name, None)
    for name in _THREAD_VARIABLES:
        environment.setdefault(name, str(threads))
    source = study.config.model.environment.source
    if source is None:
        return environment
    path = study.path(source).absolute()
    where = f"{study.source}: model.environment.source"
    if not path.is_file():
        raise ConfigError(f"{where}: no file {path}")
    done = subprocess.run(
        ["bash", "-c", 'source "$1" >&2 && env -0', "bash", str(path)],
        env=environment,
        cwd=path.parent,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ConfigError(f"{where}: {path} ends with an error: {''.join(last)}")
    pairs = (
        item.partition("=") for item in done.stdout.decode(errors="surrogateescape").split("\0")
    )
    return {name: value for name, equals, value in pairs if equals and name not in _WHERE}


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
