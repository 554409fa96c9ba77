"""Numbers in JSON and XML files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ensnare.errors import OutputError
from ensnare.model.outputs.files import Parser, RunFiles, to_float, to_floats
from ensnare.study.outputs import JsonOutput, XmlOutput


def json_parser(output: JsonOutput) -> Parser:
    """Return the parser of a number or a list of numbers in a JSON file."""
    name, key = output.json_, output.key
    is_array = output.shape is not None

    def load(path: str) -> Any:  # noqa: ANN401
        return json.loads(Path(path).read_bytes())

    def parse(files: RunFiles) -> float | list[float]:
        node = files.get(name, "json", load)
        node = _at_key(node, key, name)
        if is_array:
            if not isinstance(node, list) or any(isinstance(item, bool) for item in node):
                raise OutputError(f"'{name}': {key}: got {str(node)[:60]}; expected numbers")
            return to_floats(node, f"'{name}': {key}")
        if isinstance(node, bool) or not isinstance(node, int | float | str):
            raise OutputError(f"'{name}': {key}: got {str(node)[:60]}; expected a number")
        return to_float(node, f"'{name}': {key}")

    return parse


def _at_key(node: Any, key: str, name: str) -> Any:  # noqa: ANN401
    """Follow a path of keys and positions such as `a.b.0`; a key may itself contain dots."""
    rest = key
    while rest and not (isinstance(node, dict) and rest in node):
        part, _, rest = rest.partition(".")
        try:
            node = node[int(part) if isinstance(node, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise OutputError(f"'{name}': no '{part}' of '{key}'") from None
    return node[rest] if rest else node


def xml_parser(output: XmlOutput) -> Parser:
    """Return the parser of a number, or numbers between blanks, in an XML file.

    Raises ValueError if the XPath is wrong.
    """
    from xml.etree import ElementTree

    name, xpath = output.xml, output.xpath
    is_array = output.shape is not None

    path, attribute = _split_xpath(xpath)
    try:
        ElementTree.Element("x").find(path)
    except (SyntaxError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = f": {error}" if isinstance(error, SyntaxError) else ""
        raise ValueError(
            f"'{xpath}' is not a path in XML{reason}; expected such as outputs/@y, outputs/force "
            "or {*}y for any namespace"
        ) from None

    def load(file: str) -> Any:  # noqa: ANN401
        try:
            return ElementTree.parse(file).getroot()
        except ElementTree.ParseError as error:
            raise ValueError(f"not XML: {error}") from None

    def parse(files: RunFiles) -> float | list[float]:
        root = files.get(name, "xml", load)
        # a path may begin with the name of the root, which ElementTree leaves out
        node = root.find(path)
        head, _, tail = path.strip("/").partition("/")
        if node is None and head == root.tag:
            node = root.find(tail or ".")
        text = None if node is None else node.get(attribute) if attribute else node.text
        if text is None:
            raise OutputError(f"'{name}': nothing at '{xpath}'")
        if is_array:
            return to_floats(text.replace(",", " ").split(), f"'{name}': {xpath}")
        return to_float(text, f"'{name}': {xpath}")

    return parse


def _split_xpath(xpath: str) -> tuple[str, str]:
    """Return the path of the element in the form of ElementTree, and the attribute or ""."""
    head, slash, last = xpath.removesuffix("/text()").rpartition("/")
    path, attribute = (head, last[1:]) if last.startswith("@") else (head + slash + last, "")
    if not xpath.strip("/ ") or last == "@":
        raise ValueError(f"'{xpath}' names nothing; expected such as outputs/@y or outputs/force")
    path = f".{path}" if path.startswith("//") else path.lstrip("/")
    return path or ".", attribute
