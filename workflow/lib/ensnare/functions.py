"""Loading a Python function that a study names."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ensnare.errors import ConfigError, did_you_mean
from ensnare.identity import callable_file


def load_function(call: str, directory: Path, where: str) -> tuple[Callable[..., Any], Path]:
    """Load a function.

    Parameters
    ----------
    call : str
        `file.py:function` or `package.module:function`.
    directory : Path
        Where a relative file name starts.
    where : str
        Begins messages.

    Returns
    -------
    function : callable
        The function.
    path : Path
        The file that defines it.

    Raises
    ------
    ConfigError
        If it cannot be imported.
    """
    path = callable_file(call, directory, where)
    name = call.rpartition(":")[2]
    try:
        module = _import(call, path)
    except (Exception, SystemExit) as error:  # importing runs the user's code
        text = str(error).strip().splitlines()
        raise ConfigError(
            f"{where}: importing {path} raises {type(error).__name__}: {text[0] if text else ''}"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        raise ConfigError(f"{where}: {path} has no function '{name}'{did_you_mean(name, known)}")
    return function, path


def _import(call: str, path: Path) -> ModuleType:
    place = call.rpartition(":")[0]
    if not place.endswith(".py"):
        return importlib.import_module(place)
    spec = importlib.util.spec_from_file_location(f"ensnare_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    # a model file imports its neighbours, as it does when it is run by hand
    sys.path.insert(0, os.fspath(path.parent.absolute()))
    spec.loader.exec_module(module)
    return module
