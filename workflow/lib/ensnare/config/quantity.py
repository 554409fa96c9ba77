"""A quantity of interest, as the study file says it: name, unit, shape, axis, what is valid."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from ensnare.config.base import Name, Number, Size, Strict, show
from ensnare.config.sweep import parse_levels


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
