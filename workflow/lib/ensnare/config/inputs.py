"""Inputs, as the study file says them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from ensnare.config.base import FileName, Name, Number, Size, Strict, to_number


def _parameter(value: Any) -> float | list[float]:  # noqa: ANN401
    return [to_number(v) for v in value] if isinstance(value, list) else to_number(value)


Parameter = Annotated[
    float | list[float],
    PlainValidator(_parameter),
    WithJsonSchema({"type": ["number", "array"], "items": {"type": "number"}}),
]


class DataFit(Strict):
    """A distribution that is fitted to a column of a file."""

    file: FileName = Field(description="A CSV file with a header, an HDF5 or a pickle file.")
    column: str | None = Field(None, description="The column; default: the name of the input.")
    fit: Literal["kernel", "histogram", "discrete"] = Field(
        "kernel",
        description="Kernel smoothing, a histogram, or the values themselves with their shares.",
    )
    bins: Size | None = Field(
        None, description="Bars of the histogram; default: by the rule of Freedman and Diaconis."
    )
    weights: str | None = Field(
        None, description="Column of weights, for a histogram or discrete values."
    )

    @model_validator(mode="after")
    def _agree(self) -> DataFit:
        if self.bins is not None and self.fit != "histogram":
            raise ValueError(f"bins go with a histogram; found the fit {self.fit}")
        if self.weights is not None and self.fit == "kernel":
            raise ValueError("weights go with the fit histogram or discrete; found kernel")
        return self


class Input(Strict):
    """One input: uncertain (`distribution` or `data`), or a constant (`value`)."""

    name: Name = Field(description="Name; used in templates, commands and tables.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What it is; shown in the report.")
    distribution: dict[str, dict[str, Parameter]] | None = Field(
        None,
        description="An OpenTURNS distribution by name with named parameters, such as "
        "`{Normal: {mu: 0, sigma: 1}}` or `{LogNormalMuSigma: {mu: 30e3, sigma: 9e3, gamma: 0}}`.",
        examples=[{"Normal": {"mu": 0, "sigma": 1}}],
    )
    data: DataFit | None = Field(None, description="Measured values instead of a distribution.")
    truncate: tuple[Number | None, Number | None] | None = Field(
        None, description="Bounds `[low, high]` of a truncated distribution; `null` leaves a side."
    )
    value: Number | None = Field(None, description="The value of a constant.")

    @model_validator(mode="after")
    def _one_kind(self) -> Input:
        kinds = {"a distribution": self.distribution, "data": self.data, "a value": self.value}
        found = [kind for kind, given in kinds.items() if given is not None]
        if len(found) > 1:
            raise ValueError(f"'{self.name}' has both {found[0]} and {found[1]}; keep one")
        if self.distribution is not None and len(self.distribution) != 1:
            names = ", ".join(self.distribution) or "none"
            raise ValueError(f"distribution: found {names}; expected one distribution")
        if self.truncate is not None:
            low, high = self.truncate
            if not self.has_law:
                raise ValueError(f"'{self.name}' is truncated but has no distribution")
            if low is None and high is None:
                raise ValueError("truncate: found no bound; expected at least one number")
            if low is not None and high is not None and low >= high:
                raise ValueError(f"truncate: found [{low:g}, {high:g}]; expected low < high")
        return self

    @property
    def has_law(self) -> bool:
        """Whether it has a distribution, given or fitted."""
        return self.distribution is not None or self.data is not None

    @property
    def is_constant(self) -> bool:
        """Whether it has one value."""
        return self.value is not None


def input_identity(item: Input) -> dict[str, Any]:
    """Return what decides the values of an input: neither its unit nor its place in the list."""
    return {
        "name": item.name,
        "distribution": item.distribution,
        "truncate": item.truncate,
    }
