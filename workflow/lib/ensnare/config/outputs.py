"""What to take from a run, as the study file says it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
)

from ensnare.config.base import FileName, Integer, Name, Number, Strict, show

OUTPUT_KINDS = ("json", "xml", "table", "regex")


class OutputBase(Strict):
    """A quantity of interest."""

    name: Name = Field(description="Name.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What it is; shown in the report.")
    range: tuple[Number | None, Number | None] | None = Field(
        None, description="Bounds of what can be; a value outside is the status out_of_range."
    )

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float | None, float | None] | None) -> Any:  # noqa: ANN401
        if value and value[0] is not None and value[1] is not None and value[0] >= value[1]:
            raise ValueError(f"found [{value[0]:g}, {value[1]:g}]; expected low < high")
        return value


class JsonOutput(OutputBase):
    """A number in a JSON file."""

    json_: FileName = Field(alias="json", description="The file.")
    key: str = Field(
        description="Path of keys and positions, such as `forces.0.drag`.", min_length=1
    )


class XmlOutput(OutputBase):
    """A number in an XML file."""

    xml: FileName = Field(description="The file.")
    xpath: str = Field(description="Path of an element or attribute: `outputs/@deviation`.")


def _column(value: Any) -> Any:  # noqa: ANN401
    if (isinstance(value, str) and value) or type(value) is int:
        return value
    raise ValueError(f"got {show(value)}; expected the name of a column, or its number from 0")


Column = Annotated[
    str | int, BeforeValidator(_column), WithJsonSchema({"type": ["string", "integer"]})
]


class TableOutput(OutputBase):
    """A number in a table: CSV, or columns separated by blanks."""

    table: FileName = Field(description="The file.")
    column: Column = Field(description="Name in the header, or number from 0.")
    row: Integer = Field(-1, description="Row from 0, or from the end: -1 is the last.")
    delimiter: str | None = Field(
        None,
        description="Separator; default: semicolon, tab, comma or blanks, the first that is found.",
    )

    @field_validator("delimiter")
    @classmethod
    def _not_empty(cls, value: str | None) -> str | None:
        if value == "":
            raise ValueError("got ''; expected a separator such as ','; leave it out for any")
        return value


class RegexOutput(OutputBase):
    """A number in a text, found by a regular expression; the last match counts."""

    regex: str = Field(description="Regular expression with one group, the number.")
    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")


class PlainOutput(OutputBase):
    """A number that a Python callable returns under this name."""


def _output_kind(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        return next((key for key in OUTPUT_KINDS if key in value), "plain")
    kinds = {"JsonOutput": "json", "XmlOutput": "xml", "TableOutput": "table"}
    return (kinds | {"RegexOutput": "regex"}).get(type(value).__name__, "plain")


Output = Annotated[
    Annotated[JsonOutput, Tag("json")]
    | Annotated[XmlOutput, Tag("xml")]
    | Annotated[TableOutput, Tag("table")]
    | Annotated[RegexOutput, Tag("regex")]
    | Annotated[PlainOutput, Tag("plain")],
    Discriminator(_output_kind),
]
