"""Choosing the parser that reads an output from the files of a run.

The parsers of text are loaded with this module, since most studies have one; the others when an
output asks for them, since every batch job pays for what it loads.
"""

from __future__ import annotations

from pathlib import Path

from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.shapes import check_size
from ensnare.model.outputs.text import after_parser, regex_parser
from ensnare.study.outputs import (
    AfterOutput,
    Hdf5Output,
    JsonOutput,
    NetcdfOutput,
    Output,
    PythonOutput,
    RegexOutput,
    TableOutput,
    XmlOutput,
)


def compile_parser(
    output: Output, stdout: str, directory: Path = Path(), where: str = "outputs"
) -> Parser:
    """Return the function that reads an output from a run.

    It takes the files of a run and returns a number, or the m numbers of an array, followed by the
    m numbers of its axis if that is read from the run too. `stdout` is the file of standard output,
    `directory` that of the study file, `where` the place of the output in it, for messages. Raises
    ValueError if a regular expression or an XPath is wrong, ConfigError if a Python function cannot
    be loaded.
    """
    match output:
        case RegexOutput():
            return regex_parser(output, stdout)
        case AfterOutput():
            return after_parser(output, stdout)
        case TableOutput():
            from ensnare.model.outputs.tables import table_parser

            return table_parser(output)
        case JsonOutput():
            from ensnare.model.outputs.structured import json_parser

            return _checked(json_parser(output), output)
        case XmlOutput():
            from ensnare.model.outputs.structured import xml_parser

            return _checked(xml_parser(output), output)
        case Hdf5Output():
            from ensnare.model.outputs.arrays import hdf5_parser

            return hdf5_parser(output)
        case NetcdfOutput():
            from ensnare.model.outputs.arrays import netcdf_parser

            return netcdf_parser(output)
        case PythonOutput():
            from ensnare.model.outputs.function import function_parser

            return function_parser(output, directory, where)
        case _:
            raise ValueError(f"output '{output.name}' does not say where it stands")


def _checked(parser: Parser, output: Output) -> Parser:
    """Return a parser that also checks the size of an array."""
    if output.shape is None:
        return parser

    def parse(files: RunFiles) -> float | list[float]:
        values = parser(files)
        assert isinstance(values, list)
        check_size(values, output)
        return values

    return parse
