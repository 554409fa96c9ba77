"""A quantity of interest, as the study file says it: name, unit, shape, axis, what is valid."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ensnare.study.values import FileName, Integer, Name, Number, Size, Strict, parse_levels, show


def _column(value: Any) -> Any:  # noqa: ANN401
    if (isinstance(value, str) and value) or type(value) is int:
        return value
    raise ValueError(f"got {show(value)}; expected the name of a column, or its number from 0")


def _labels(value: Any) -> Any:  # noqa: ANN401
    """Return names by the value they stand for, written the shortest way."""
    if not isinstance(value, dict):
        return value
    try:
        return {f"{float(key):.12g}": str(name) for key, name in value.items()}
    except ValueError:
        raise ValueError(
            f"got {show(value)}; expected a name for each value, such as 0: laminar"
        ) from None


Column = Annotated[
    str | int, BeforeValidator(_column), WithJsonSchema({"type": ["string", "integer"]})
]
Values = Annotated[
    list[Number],
    BeforeValidator(lambda value: parse_levels(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": "number"}}),
]
Labels = Annotated[
    dict[str, str],
    BeforeValidator(_labels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class Axis(Strict):
    """What an array output is plotted over; without one, the position 0, 1, 2 ..."""

    name: Name = Field("position", description="Name.")
    unit: str = Field("", description="Unit.")
    values: Values | None = Field(
        None,
        description='The values themselves: a list, or a rule such as `"linspace(0, 1, 101)"` or '
        '`"geom(1, 1e6, 61)"` (quoted between braces, for its commas).',
    )
    column: Column | None = Field(None, description="Of a table: the column that holds them.")
    dataset: str | None = Field(None, description="Of an HDF5 file: the dataset.", min_length=1)
    variable: str | None = Field(None, description="Of a netCDF file: the variable.", min_length=1)

    @property
    def is_read(self) -> bool:
        """Whether it stands in a file of the sample."""
        return any(place is not None for place in (self.column, self.dataset, self.variable))

    @model_validator(mode="after")
    def _one_source(self) -> Axis:
        places = (self.values, self.column, self.dataset, self.variable)
        if sum(place is not None for place in places) > 1:
            raise ValueError("found several sources; expected values, or column, or dataset ...")
        return self


class OutputBase(Strict):
    """A quantity of interest: a number, or an array of fixed shape."""

    name: Name = Field(description="Name.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What it is; shown in the report.")
    range: tuple[Number | None, Number | None] | None = Field(
        None, description="Bounds of what can be; a value outside is the status out_of_range."
    )
    shape: Annotated[list[Size], Field(min_length=1, max_length=1)] | None = Field(
        None, description="`[200]` for an array of 200 numbers; another size is unparsable."
    )
    axis: Axis | None = Field(None, description="What an array stands over.")
    labels: Labels | None = Field(
        None,
        description="Names of the values of an output that is a kind and no quantity: "
        "`{0: laminar, 1: turbulent}`.",
        min_length=1,
    )

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float | None, float | None] | None) -> Any:  # noqa: ANN401
        if value and value[0] is not None and value[1] is not None and value[0] >= value[1]:
            raise ValueError(f"found [{value[0]:g}, {value[1]:g}]; expected low < high")
        return value

    @model_validator(mode="after")
    def _array(self) -> OutputBase:
        if self.labels and self.shape:
            raise ValueError("found labels and a shape; expected labels of a number")
        if self.axis is None:
            return self
        if self.shape is None:
            raise ValueError("found an axis but no shape; add one such as shape: [200]")
        if self.axis.values is not None and len(self.axis.values) != self.shape[0]:
            raise ValueError(
                f"axis.values: found {len(self.axis.values)}; expected {self.shape[0]} as in shape"
            )
        for kind, key in (("table", "column"), ("hdf5", "dataset"), ("netcdf", "variable")):
            if getattr(self.axis, key) is not None and not hasattr(self, kind):
                raise ValueError(f"axis.{key} is for a {kind}; give the values of the axis")
        return self

    @property
    def file(self) -> str:
        """The file that it is read from, or a glob; empty for standard output and functions."""
        keys = ("json_", "xml", "table", "in_", "hdf5", "netcdf")
        return next((str(name) for key in keys if (name := getattr(self, key, None))), "")

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return self.shape[0] if self.shape else 1

    @property
    def width(self) -> int:
        """How many numbers a record of a sample holds of it: with the axis, where that is read."""
        return self.size * (2 if self.axis is not None and self.axis.is_read else 1)

    @property
    def flat_names(self) -> list[str]:
        """The name of each number: `y`, or `u[0]`, `u[1]` ..."""
        return [f"{self.name}[{i}]" for i in range(self.size)] if self.shape else [self.name]


OUTPUT_KINDS = ("json", "xml", "table", "regex", "after", "hdf5", "netcdf", "python")
_ROWS = re.compile(r"(-?\d+)|(-?\d+)?\.\.(-?\d+)?")


def check_call(value: str) -> str:
    """Return the name of a function, `file.py:function` or `package.module:function`."""
    place, _, function = value.rpartition(":")
    if not place.strip(".") or ":" in place or not function.isidentifier():
        raise ValueError(f"got '{value}'; expected file.py:function or package.module:function")
    return value


def _rows(value: Any) -> str:  # noqa: ANN401
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _ROWS.fullmatch(text):
        raise ValueError(
            f"got {show(value)}; expected rows such as 10..20, -500.. or 5 (from 0, or the end)"
        )
    return text


Rows = Annotated[str, BeforeValidator(_rows), WithJsonSchema({"type": ["string", "integer"]})]
Reduce = Literal["mean", "min", "max", "sum", "std", "first", "last"]
_REDUCE = "Make one number of several; `std` has n - 1 in the denominator."


class _Number(OutputBase):
    """An output that cannot be an array."""

    @model_validator(mode="after")
    def _no_shape(self) -> _Number:
        if self.shape is not None:
            raise ValueError("shape: this gives one number; arrays come from json, xml, table, "
                             "hdf5, netcdf or python")  # fmt: skip
        return self


class _Reduced(OutputBase):
    """An output that may be one number made of several."""

    reduce: Reduce | None = Field(None, description=_REDUCE)

    @model_validator(mode="after")
    def _one_or_many(self) -> _Reduced:
        if self.reduce is not None and self.shape is not None:
            raise ValueError("found both reduce and shape; expected one")
        return self


class JsonOutput(OutputBase):
    """A number, or a list of numbers, in a JSON file."""

    json_: FileName = Field(alias="json", description="The file.")
    key: str = Field(
        description="Path of keys and positions, such as `forces.0.drag`.", min_length=1
    )


class XmlOutput(OutputBase):
    """A number, or numbers between blanks, in an XML file."""

    xml: FileName = Field(description="The file.")
    xpath: str = Field(description="Path of an element or attribute: `outputs/@deviation`.")


class TableOutput(_Reduced):
    """Numbers in a column of a table: CSV, or columns separated by blanks."""

    table: FileName = Field(
        description="The file; of the files that match `probes/*/U.csv` the numerically last."
    )
    column: Column = Field(description="Name in the header, or number from 0.")
    row: Integer = Field(-1, description="Row from 0, or from the end: -1 is the last.")
    rows: Rows | None = Field(
        None,
        description="Rows `10..20` (both included), `-500..` (the last 500), `..9` or `5`; "
        "default for arrays: all. All of them must exist.",
    )
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

    @model_validator(mode="after")
    def _which_rows(self) -> TableOutput:
        # -1 is the default, and comes back from the resolved study
        if self.row != -1 and (self.rows is not None or self.shape or self.reduce):
            raise ValueError("row is for one number; write rows instead")
        several = self.rows is not None and ".." in self.rows
        if several and self.shape is None and self.reduce is None:
            raise ValueError(f"rows {self.rows} gives several numbers; add reduce or shape")
        return self


class RegexOutput(_Number):
    """A number in a text, found by a regular expression; the last match counts."""

    regex: str = Field(description="Regular expression with one group, the number.")
    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")


class AfterOutput(_Number):
    """A number in a text, found by what stands before it."""

    after: str = Field(description="The text before it, character by character.", min_length=1)
    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")
    field: Size = Field(1, description="Which word behind that text, from 1; lines do not count.")
    occurrence: Integer = Field(
        -1, description="Which occurrence of that text: 1 is the first, -1 the last."
    )

    @field_validator("occurrence")
    @classmethod
    def _not_zero(cls, value: int) -> int:
        if value == 0:
            raise ValueError("got 0; expected 1 for the first, -1 for the last")
        return value


class Hdf5Output(_Reduced):
    """Numbers in an HDF5 file."""

    hdf5: FileName = Field(description="The file.")
    dataset: str = Field(description="Path of the dataset: `group/name`.", min_length=1)
    index: list[Integer] = Field(
        [], description="Position along each axis, from 0 or the end; axes left out stay whole."
    )


class NetcdfOutput(_Reduced):
    """Numbers in a netCDF file, classic or netCDF-4; packed values are unpacked."""

    netcdf: FileName = Field(description="The file.")
    variable: str = Field(description="Name of the variable, with its groups.", min_length=1)
    index: list[Integer] = Field(
        [], description="Position along each axis, from 0 or the end; axes left out stay whole."
    )


class PythonOutput(OutputBase):
    """What a Python function makes of the working directory."""

    python: str = Field(
        description="`file.py:function` (relative to the study file) or `package.module:function`; "
        "it is given the directory as a Path and returns a number or an array."
    )

    @field_validator("python")
    @classmethod
    def _two_parts(cls, value: str) -> str:
        return check_call(value)


class PlainOutput(OutputBase):
    """A number or array that a Python callable returns under this name."""


def _output_kind(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        return next((key for key in OUTPUT_KINDS if key in value), "plain")
    return type(value).__name__.removesuffix("Output").lower()


Output = Annotated[
    Annotated[JsonOutput, Tag("json")]
    | Annotated[XmlOutput, Tag("xml")]
    | Annotated[TableOutput, Tag("table")]
    | Annotated[RegexOutput, Tag("regex")]
    | Annotated[AfterOutput, Tag("after")]
    | Annotated[Hdf5Output, Tag("hdf5")]
    | Annotated[NetcdfOutput, Tag("netcdf")]
    | Annotated[PythonOutput, Tag("python")]
    | Annotated[PlainOutput, Tag("plain")],
    Discriminator(_output_kind),
]
