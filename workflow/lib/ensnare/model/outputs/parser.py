"""Reading outputs from what a run left in its working directory."""

from __future__ import annotations

from pathlib import Path

from ensnare.model.outputs.arrays import hdf5_parser, netcdf_parser
from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.function import function_parser
from ensnare.model.outputs.shapes import sized
from ensnare.model.outputs.structured import json_parser, xml_parser
from ensnare.model.outputs.tables import table_parser
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

    Parameters
    ----------
    output : Output
        Any output that says where it stands.
    stdout : str
        File that received standard output.
    directory : Path
        Directory of the study file.
    where : str
        Place of the output in the study file, for messages.

    Returns
    -------
    callable
        Takes the files of a run and returns a number, or the m numbers of an array; behind these
        the m numbers of its axis, if that is read from the run too.

    Raises
    ------
    ValueError
        If a regular expression or an XPath is wrong.
    ConfigError
        If a Python function cannot be loaded.
    """
    match output:
        case JsonOutput():
            return _checked(json_parser(output), output)
        case XmlOutput():
            return _checked(xml_parser(output), output)
        case TableOutput():
            return table_parser(output)
        case RegexOutput():
            return regex_parser(output, stdout)
        case AfterOutput():
            return after_parser(output, stdout)
        case Hdf5Output():
            return hdf5_parser(output)
        case NetcdfOutput():
            return netcdf_parser(output)
        case PythonOutput():
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
        sized(values, output)
        return values

    return parse
