"""An output that a Python function computes from the working directory of a run."""

from __future__ import annotations

import os
from pathlib import Path

from ensnare.errors import OutputError
from ensnare.model.function import load_function
from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.shapes import as_declared, as_numbers
from ensnare.study.outputs import PythonOutput


def function_parser(output: PythonOutput, directory: Path, where: str) -> Parser:
    """Return the parser that calls a function with the working directory as a Path.

    Raises ConfigError if the function cannot be loaded. The parser raises OutputError with whatever
    the function raises.
    """
    function, _ = load_function(output.python, directory, where)
    place = output.python

    def parse(files: RunFiles) -> float | list[float]:
        here = os.getcwd()
        try:
            found = function(Path(files.directory))
        except (Exception, SystemExit) as error:  # the user's code may raise anything
            raise OutputError(f"{place} raises {type(error).__name__}: {error}") from None
        finally:
            os.chdir(here)
        return as_declared(as_numbers(found, place), output, place)

    return parse
