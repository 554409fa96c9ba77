"""What a Python function makes of a working directory."""

from __future__ import annotations

import os
from pathlib import Path

from ensnare.errors import OutputError
from ensnare.model.function import load_function
from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.shapes import as_numbers, shaped
from ensnare.study.outputs import PythonOutput


def function_parser(output: PythonOutput, directory: Path, where: str) -> Parser:
    """Return the parser that calls a function with the working directory.

    Raises
    ------
    ConfigError
        If the function cannot be loaded.
    """
    function, _ = load_function(output.python, directory, where)
    place = output.python

    def parse(files: RunFiles) -> float | list[float]:
        here = os.getcwd()
        try:
            found = function(Path(files.directory))
        except (Exception, SystemExit) as error:  # it is the user's; what it raises is a result
            raise OutputError(f"{place} raises {type(error).__name__}: {error}") from None
        finally:
            os.chdir(here)
        return shaped(as_numbers(found, place), output, place)

    return parse
