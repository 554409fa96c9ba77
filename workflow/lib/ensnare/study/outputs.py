"""The key `outputs` of a model: what a quantity of interest is, and where a code wrote it.

The classes hold what the file states; `ensnare.model.outputs` reads the files.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from ensnare.study.values import (
    Call,
    ClosedModel,
    Column,
    FileName,
    Integer,
    Name,
    Number,
    Numbers,
    RowRange,
    Size,
    ValueLabels,
)

OUTPUT_KINDS = ("json", "xml", "table", "regex", "after", "hdf5", "netcdf", "python")
_INDEX = "Position along each axis, from 0 or the end: `[0, -1]`; axes left out are taken whole."
Reduce = Literal["mean", "min", "max", "sum", "std", "first", "last"]


class Axis(ClosedModel):
    """What an array output is plotted over; without an axis, its position 0, 1, 2 ..."""

    name: Name = Field("position", description="Name, shown in plots.")
    unit: str = Field("", description="Unit, shown in plots.")
    values: Numbers | None = Field(
        None,
        description='The values themselves: a list, or a rule such as `"linspace(0, 1, 101)"` or '
        '`"geom(1, 1e6, 61)"` (in quotes, since YAML splits at commas between braces).',
    )
    column: Column | None = Field(None, description="Of a table: the column that has the values.")
    dataset: str | None = Field(
        None, description="Of an HDF5 file: the dataset that has them.", min_length=1
    )
    variable: str | None = Field(
        None, description="Of a netCDF file: the variable that has them.", min_length=1
    )

    @property
    def is_read(self) -> bool:
        """Whether every sample reads it from a file of its own."""
        return any(place is not None for place in (self.column, self.dataset, self.variable))

    @model_validator(mode="after")
    def _one_source(self) -> Axis:
        places = (self.values, self.column, self.dataset, self.variable)
        if sum(place is not None for place in places) > 1:
            raise ValueError("found several sources; expected values, or column, or dataset ...")
        return self


class OutputBase(ClosedModel):
    """A quantity of interest: a number, or an array of fixed shape."""

    name: Name = Field(description="Name; used in tables, plots and analyses.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What the output is; shown in the report.")
    range: tuple[Number | None, Number | None] | None = Field(
        None,
        description="Bounds `[low, high]` of valid values, `null` for none; a sample with a value "
        "outside gets the status out_of_range.",
    )
    shape: Annotated[list[Size], Field(min_length=1, max_length=1)] | None = Field(
        None,
        description="`[200]` for an array of 200 numbers; default: one number. A sample with an "
        "array of another size gets the status unparsable.",
    )
    axis: Axis | None = Field(None, description="What an array is plotted over.")
    labels: ValueLabels | None = Field(
        None,
        description="Names of the values of an output that is a category, not a quantity: "
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
        """The file that it is read from, or a pattern; empty for standard output and functions."""
        keys = ("json_", "xml", "table", "in_", "hdf5", "netcdf")
        return next((str(name) for key in keys if (name := getattr(self, key, None))), "")

    @property
    def size(self) -> int:
        """The number of its values."""
        return self.shape[0] if self.shape else 1

    @property
    def width(self) -> int:
        """The number of its values in a record of a sample, an axis that is read included."""
        return self.size * (2 if self.axis is not None and self.axis.is_read else 1)

    @property
    def flat_names(self) -> list[str]:
        """The name of each of its values: `y`, or `u[0]`, `u[1]` ..."""
        return [f"{self.name}[{i}]" for i in range(self.size)] if self.shape else [self.name]


class _Number(OutputBase):
    """An output that is one number, never an array."""

    @model_validator(mode="after")
    def _no_shape(self) -> _Number:
        if self.shape is not None:
            raise ValueError("shape: this gives one number; arrays come from json, xml, table, "
                             "hdf5, netcdf or python")  # fmt: skip
        return self


class _Reduced(OutputBase):
    """An output whose values may be reduced to one number."""

    reduce: Reduce | None = Field(
        None,
        description="Reduce several values to one number: mean, min, max, sum, first, last, or std "
        "(with n - 1 in the denominator).",
    )

    @model_validator(mode="after")
    def _one_or_many(self) -> _Reduced:
        if self.reduce is not None and self.shape is not None:
            raise ValueError("found both reduce and shape; expected one")
        return self


class JsonOutput(OutputBase):
    """A number, or a list of numbers, in a JSON file."""

    json_: FileName = Field(alias="json", description="The file.")
    key: str = Field(
        description="Path of keys and positions in lists, from 0: `forces.0.drag`.", min_length=1
    )


class XmlOutput(OutputBase):
    """A number, or numbers separated by blanks, in an XML file."""

    xml: FileName = Field(description="The file.")
    xpath: str = Field(description="Path of an element or an attribute: `outputs/@deviation`.")


class TableOutput(_Reduced):
    """Numbers in a column of a table: CSV, or columns separated by blanks."""

    table: FileName = Field(
        description="The file, or a pattern: of the files that match `probes/*/U.csv`, the last "
        "one counts; numbers in names are ordered by value."
    )
    column: Column = Field(description="Name of the column in the header, or its number from 0.")
    row: Integer = Field(
        -1, description="For one number: its row from 0, or from the end (-1 is the last)."
    )
    rows: RowRange | None = Field(
        None,
        description="For an array, or with `reduce`: rows `10..20` (both included), `-500..` (the "
        "last 500), `..9` or `5`, all of which must exist; default: all rows.",
    )
    delimiter: str | None = Field(
        None,
        description="Separator of columns; default: semicolon, tab, comma or blanks, whichever is "
        "found first.",
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
    """A number in a text that a regular expression finds; the last match counts."""

    regex: str = Field(description="Regular expression with one group, the number.")
    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")


class AfterOutput(_Number):
    """A number in a text, found by the text in front of it."""

    after: str = Field(
        description="The text in front of the number, not a regular expression.", min_length=1
    )
    in_: FileName | None = Field(None, alias="in", description="The file; default: stdout.")
    field: Size = Field(
        1, description="Which word after that text is the number, from 1, also on later lines."
    )
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
    index: list[Integer] = Field([], description=_INDEX)


class NetcdfOutput(_Reduced):
    """Numbers in a netCDF file, classic or netCDF-4; packed values are unpacked."""

    netcdf: FileName = Field(description="The file.")
    variable: str = Field(description="Name of the variable, with its groups.", min_length=1)
    index: list[Integer] = Field([], description=_INDEX)


class PythonOutput(OutputBase):
    """What a Python function computes from the files of the working directory."""

    python: Call = Field(
        description="`file.py:function` (relative to the study file) or `package.module:function`. "
        "It takes the directory as a Path and returns a number or an array."
    )


class PlainOutput(OutputBase):
    """A number or an array that the model, a Python function, returns under this name."""


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
