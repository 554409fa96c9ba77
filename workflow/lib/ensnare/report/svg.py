"""Figures inside an HTML page: SVG with unique ids, or PNG if the SVG is large."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

XML = "{http://www.w3.org/XML/1998/namespace}"
MAX_SVG_BYTES = 500_000
# Elements that a drawing does not need, and that a page should neither run nor load.
UNWANTED = {"script", "foreignObject", "metadata", "title", "a"}


def _local_name(name: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def _prune(element: ET.Element) -> None:
    """Remove scripts, metadata and event handlers below an element."""
    for child in list(element):
        if _local_name(child.tag) in UNWANTED:
            element.remove(child)
        else:
            _prune(child)
    for name in [n for n in element.attrib if _local_name(n).lower().startswith("on")]:
        del element.attrib[name]


def _rename_ids(element: ET.Element, prefix: str) -> None:
    """Put a prefix before each id and each reference to one.

    References to anything outside of the file are removed.
    """
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, prefix + value)
        elif _local_name(name) == "href":
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
    """Return an SVG file as an `<svg>` element of an HTML page.

    The ids of figure `number` begin with `f<number>-`, so that those of several figures differ;
    `label` is what a screen reader says. Scripts, metadata and references outside of the page are
    removed. Raises ValueError if the text is not SVG.
    """
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise ValueError(f"figure {number}: not an SVG file: {error}") from None
    if _local_name(root.tag) != "svg":
        raise ValueError(f"figure {number}: found <{_local_name(root.tag)}>, expected <svg>")
    prefix = f"f{number}-"
    _prune(root)
    for element in root.iter():
        _rename_ids(element, prefix)
        element.tag = _local_name(element.tag)
        if element.tag == "style" and element.text:
            # matplotlib styles `*`, which would apply to all other drawings of the page.
            element.text = re.sub(r"@import|url\([^)]*\)", "", element.text)
            element.text = re.sub(r"(^|\})\s*\*", rf"\1#{prefix}svg *", element.text)
    root.attrib |= {"id": f"{prefix}svg", "role": "img", "aria-label": label}
    return ET.tostring(root, encoding="unicode")


def inline_figure(svg: str, png: bytes, number: int, label: str) -> str:
    """Return the HTML of a figure: its SVG, or its PNG if the SVG is over 500 kB or empty."""
    if svg and (not png or len(svg.encode()) <= MAX_SVG_BYTES):
        return inline_svg(svg, number, label)
    return png_element(png, label)


def png_element(png: bytes, label: str) -> str:
    """Return an `<img>` element that contains the PNG."""
    image = ET.Element("img", alt=label)
    image.set("src", "data:image/png;base64," + base64.b64encode(png).decode())
    return ET.tostring(image, encoding="unicode", short_empty_elements=True)
