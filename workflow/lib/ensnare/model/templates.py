"""Templates of input files, of words of the command and of the environment.

A plain template is a text with placeholders such as `${x}`; a Jinja2 template has logic too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ensnare.study.values import NAME

Value = str | int | float
NUMBER_FORMAT = ".14g"
_WIDTH = re.compile(r"(.?[<>=^])?[-+ ]?z?#?0?[1-9]")  # a Python format with a width
_JINJA_GLOBALS = ("range", "dict", "namespace")  # the functions that a template may call


@dataclass(frozen=True)
class Placeholder:
    """A part of a template that is replaced by a value."""

    name: str
    format: str
    width: int
    has_format: bool = False  # the placeholder itself gives the format
    is_optional: bool = False  # a template with logic may not need the value

    def render(self, value: Value) -> str:
        """Return the value as text: numbers in their format and width, texts as they are.

        Raises ValueError if a number does not fit the width.
        """
        if isinstance(value, str):
            return value
        # a whole number, such as a count of cores, is written as one unless given a format
        exact = isinstance(value, int) and not self.has_format
        text = str(value) if exact else format(value, self.format)
        if self.width and len(text) > self.width:
            raise ValueError(
                f"'{self.name}' = {text} takes {len(text)} characters; expected {self.width} at "
                "most; give a shorter format or a larger width"
            )
        return text.rjust(self.width) if self.width else text


@dataclass(frozen=True)
class Template:
    """A text cut at its placeholders."""

    parts: tuple[str | Placeholder, ...]
    _text: str | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not self.names:  # joined once: most words of commands are the same for all samples
            object.__setattr__(self, "_text", "".join(map(str, self.parts)))

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that it needs."""
        return frozenset(p.name for p in self.parts if isinstance(p, Placeholder))

    def render(self, values: Mapping[str, Value]) -> str:
        """Return the text with values in place of the placeholders."""
        if self._text is not None:
            return self._text
        return "".join([p if isinstance(p, str) else p.render(values[p.name]) for p in self.parts])


@dataclass(frozen=True)
class JinjaTemplate:
    """A Jinja2 template, with the interface of `Template`."""

    parts: tuple[Placeholder, ...]  # all names in it; which ones it needs depends on its logic
    _template: Any

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that it may need."""
        return frozenset(part.name for part in self.parts)

    def render(self, values: Mapping[str, Value]) -> str:
        """Return the text.

        Raises ValueError if it needs a value that the sample does not have, or a number does not
        fit.
        """
        try:
            return str(self._template.render(values))
        except ValueError:
            raise
        except Exception as error:  # a template is a program of the user and may raise anything
            raise ValueError(f"the template: {type(error).__name__}: {error}") from None


def parse_template(
    text: str,
    delimiters: tuple[str, str] = ("${", "}"),
    number_format: str = NUMBER_FORMAT,
    width: int = 0,
) -> Template:
    """Cut a text at its placeholders; raise ValueError where one is malformed.

    `${x:.3e}` gives a number its own format, `${x:12.3e}` also its own width. Other numbers have
    `number_format` and are padded on the left to `width`, unless that is 0. If the closing
    delimiter is empty, as in `@x`, the name extends as far as it can. The opening delimiter must
    not occur elsewhere in the text, so a file full of braces needs others than `{` and `}`.
    """
    return Template(tuple(_cut(text, delimiters, number_format, width)))


def parse_jinja(text: str, number_format: str = NUMBER_FORMAT, width: int = 0) -> JinjaTemplate:
    """Compile a Jinja2 template; raise ValueError if it is none, or includes another template.

    Numbers with a decimal point are written in `number_format`, whole numbers as they are; both are
    padded on the left to `width`, unless that is 0. Lines that hold only a block leave no line.
    """
    import jinja2
    from jinja2 import meta

    def finalize(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return Placeholder("a number", number_format, width).render(value)

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\r\n" if "\r\n" in text else "\n",
    )
    environment.globals = {name: environment.globals[name] for name in _JINJA_GLOBALS}
    try:
        tree = environment.parse(text)
        names = sorted(meta.find_undeclared_variables(tree))
        if any(True for _ in meta.find_referenced_templates(tree)):
            raise ValueError("a template cannot include or extend another one; put it in one file")
        template = environment.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    parts = tuple(Placeholder(name, number_format, 0, is_optional=True) for name in names)
    return JinjaTemplate(parts, template)


def _cut(
    text: str, delimiters: tuple[str, str], number_format: str, width: int
) -> Iterator[str | Placeholder]:
    """Yield the texts and placeholders of a template in order."""
    opening, closing = map(re.escape, delimiters)
    # without a closing delimiter, the colon of `@x:` is text that follows the placeholder
    own_format = r"(?::([^\s{}]*?))?" if closing else "()"
    placeholder = re.compile(f"{opening}({NAME}){own_format}{closing}")
    at = 0
    while (found := text.find(delimiters[0], at)) >= 0:
        match = placeholder.match(text, found)
        if not match:
            line = text.count("\n", 0, found) + 1
            end = text.find("\n", found)
            rest = text[found : end if end >= 0 else None][:30].rstrip()
            raise ValueError(
                f"line {line}: '{rest}' is not a placeholder; expected "
                f"{delimiters[0]}name{delimiters[1]}; choose other delimiters if it is meant as "
                "text"
            )
        if found > at:
            yield text[at:found]
        own = match[2]
        if own:
            _check_format(own, text.count("\n", 0, found) + 1)
        own_width = bool(own and _WIDTH.match(own))
        yield Placeholder(match[1], own or number_format, 0 if own_width else width, bool(own))
        at = match.end()
    if at < len(text):
        yield text[at:]


def _check_format(spec: str, line: int) -> None:
    """Raise ValueError if a Python format does not apply to numbers."""
    try:
        format(1.5, spec)
    except ValueError:
        raise ValueError(
            f"line {line}: '{spec}' does not format a number; expected such as .6e"
        ) from None
