"""Rendering placeholders: in input files, in words of the command, in the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ensnare.study.values import NAME

Value = str | int | float
NUMBER_FORMAT = ".14g"
_WIDTH = re.compile(r"(.?[<>=^])?[-+ ]?z?#?0?[1-9]")  # a Python format that says a width


@dataclass(frozen=True)
class Placeholder:
    """A place in a template that takes a value."""

    name: str
    format: str
    width: int
    is_own: bool = False  # the format stands in the placeholder
    is_optional: bool = False  # a template with logic may do without it

    def render(self, value: Value) -> str:
        """Return the value as text: numbers in their format and width, texts as they are.

        Raises
        ------
        ValueError
            If it does not fit the width.
        """
        if isinstance(value, str):
            return value
        # a whole number, such as a count of cores, stays one unless the placeholder says how
        exact = isinstance(value, int) and not self.is_own
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
        if not self.names:  # made once: most words of commands are the same for all samples
            object.__setattr__(self, "_text", "".join(map(str, self.parts)))

    @property
    def names(self) -> frozenset[str]:
        """The names of the values it needs."""
        return frozenset(p.name for p in self.parts if isinstance(p, Placeholder))

    def render(self, values: Mapping[str, Value]) -> str:
        """Return the text with values in the place of names."""
        if self._text is not None:
            return self._text
        return "".join([p if isinstance(p, str) else p.render(values[p.name]) for p in self.parts])


def parse_template(
    text: str,
    delimiters: tuple[str, str] = ("${", "}"),
    number_format: str = NUMBER_FORMAT,
    width: int = 0,
) -> Template:
    """Cut a text at its placeholders.

    Parameters
    ----------
    text : str
        The template.
    delimiters : tuple of str
        What encloses a name; `${x:.3e}` gives a number a format of its own, and `${x:12.3e}`
        also a width of its own. Without a closing one, as in `@x`, a name goes as far as it can.
        The opening one must not occur elsewhere in the text: what it begins is either a
        placeholder or a mistake, so a file full of braces takes others than `{` and `}`.
    number_format : str
        Python format of numbers.
    width : int
        Pad to this width on the left; 0 does not pad.

    Raises
    ------
    ValueError
        If an opening delimiter is not followed by a name and a closing one, or a format is wrong.
    """
    return Template(tuple(_parts(text, delimiters, number_format, width)))


def _parts(
    text: str, delimiters: tuple[str, str], number_format: str, width: int
) -> Iterator[str | Placeholder]:
    opening, closing = map(re.escape, delimiters)
    own_format = r"(?::([^\s{}]*?))?" if closing else "()"  # `@x:` may end a word of the code's
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
                f"{delimiters[0]}name{delimiters[1]}; choose other delimiters if it is meant so"
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
    try:
        format(1.5, spec)
    except ValueError:
        raise ValueError(
            f"line {line}: '{spec}' does not format a number; expected such as .6e"
        ) from None


_GLOBALS = ("range", "dict", "namespace")


@dataclass(frozen=True)
class JinjaTemplate:
    """A Jinja2 template, rendered like `templates.Template`.

    Attributes
    ----------
    parts : tuple of Placeholder
        The names that it takes; which of them it needs depends on its logic.
    """

    parts: tuple[Placeholder, ...]
    _template: Any

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that it may need."""
        return frozenset(part.name for part in self.parts)

    def render(self, values: Mapping[str, Value]) -> str:
        """Return the text.

        Raises
        ------
        ValueError
            If it needs a value that the sample does not have, or a number does not fit.
        """
        try:
            return str(self._template.render(values))
        except ValueError:
            raise
        except Exception as error:  # the template is a program of the user's
            raise ValueError(f"the template: {type(error).__name__}: {error}") from None


def parse_jinja(text: str, number_format: str = NUMBER_FORMAT, width: int = 0) -> JinjaTemplate:
    """Compile a Jinja2 template.

    Parameters
    ----------
    text : str
        The template; lines with nothing but a block leave no line behind.
    number_format : str
        Python format of what is a number with a point; whole numbers stay as they are.
    width : int
        Pad numbers to this width on the left; 0 does not pad.

    Raises
    ------
    ValueError
        If it is not a template.
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
    environment.globals = {name: environment.globals[name] for name in _GLOBALS}
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
