"""Put figures into an HTML page: SVG text with ids of its own, or a PNG when that is large."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

XML = "{http://www.w3.org/XML/1998/namespace}"
MAX_SVG_BYTES = 500_000
# What a drawing needs none of, and a page should not run or load.
UNWANTED = {"script", "foreignObject", "metadata", "title", "a"}


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _prune(element: ET.Element) -> None:
    """Remove scripts, metadata and event handlers below an element."""
    for child in list(element):
        if _local(child.tag) in UNWANTED:
            element.remove(child)
        else:
            _prune(child)
    for name in [n for n in element.attrib if _local(n).lower().startswith("on")]:
        del element.attrib[name]


def _rename_ids(element: ET.Element, prefix: str) -> None:
    """Put a prefix before every id and every reference to one; drop references to elsewhere."""
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, prefix + value)
        elif _local(name) == "href":
            inside = value.startswith(("#", "data:image/"))
            del element.attrib[name]
            if inside:
                target = f"#{prefix}{value[1:]}" if value.startswith("#") else value
                element.set("href", target)
        elif "url(" in value:
            ours = re.sub(r"url\(#", f"url(#{prefix}", value)
            element.set(name, re.sub(r"url\((?!#)[^)]*\)", "none", ours))
        elif name.startswith("{") and not name.startswith(XML):
            del element.attrib[name]


def inline_svg(svg: str, number: int, label: str) -> str:
    """Return an SVG file as an element of an HTML page.

    Parameters
    ----------
    svg : str
        Text of the file.
    number : int
        Number of the figure on the page; its ids begin with `f<number>-`.
    label : str
        What a screen reader says.

    Returns
    -------
    str
        An `<svg>` element without scripts, metadata or references outside of the page.

    Raises
    ------
    ValueError
        If the text is not SVG.
    """
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise ValueError(f"figure {number}: not an SVG file: {error}") from None
    if _local(root.tag) != "svg":
        raise ValueError(f"figure {number}: found <{_local(root.tag)}>, expected <svg>")
    prefix = f"f{number}-"
    _prune(root)
    for element in root.iter():
        _rename_ids(element, prefix)
        element.tag = _local(element.tag)
        if element.tag == "style" and element.text:
            # matplotlib styles `*`, which would reach every other drawing of the page.
            element.text = re.sub(r"@import|url\([^)]*\)", "", element.text)
            element.text = re.sub(r"(^|\})\s*\*", rf"\1#{prefix}svg *", element.text)
    root.attrib |= {"id": f"{prefix}svg", "role": "img", "aria-label": label}
    return ET.tostring(root, encoding="unicode")


def inline_figure(svg: str, png: bytes, number: int, label: str) -> str:
    """Return the HTML of a figure: its SVG, or its PNG if the SVG is over 500 kB (or empty)."""
    if svg and (not png or len(svg.encode()) <= MAX_SVG_BYTES):
        return inline_svg(svg, number, label)
    return png_element(png, label)


def png_element(png: bytes, label: str) -> str:
    """Return an `<img>` that holds the PNG itself."""
    image = ET.Element("img", alt=label)
    image.set("src", "data:image/png;base64," + base64.b64encode(png).decode())
    return ET.tostring(image, encoding="unicode", short_empty_elements=True)
