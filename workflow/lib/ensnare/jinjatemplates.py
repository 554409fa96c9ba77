"""Templates with logic: Jinja2, with the numbers of plain templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensnare.templates import NUMBER_FORMAT, Placeholder, Value

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
