"""Inputs, their coupling, and the design of experiments, as the study file says them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from ensnare.config.base import FileName, Name, Number, Size, Strict, to_number

# more rows fit neither the archive's 32-bit group numbers nor a year of computing
Rows = Annotated[Size, Field(le=10**8)]


def _parameter(value: Any) -> float | list[float]:  # noqa: ANN401
    return [to_number(v) for v in value] if isinstance(value, list) else to_number(value)


Parameter = Annotated[
    float | list[float],
    PlainValidator(_parameter),
    WithJsonSchema({"type": ["number", "array"], "items": {"type": "number"}}),
]


class Input(Strict):
    """One input: uncertain (`distribution`), or a constant (`value`)."""

    name: Name = Field(description="Name; used in templates, commands and tables.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What it is; shown in the report.")
    distribution: dict[str, dict[str, Parameter]] | None = Field(
        None,
        description="An OpenTURNS distribution by name with named parameters, such as "
        "`{Normal: {mu: 0, sigma: 1}}` or `{LogNormalMuSigma: {mu: 30e3, sigma: 9e3, gamma: 0}}`.",
        examples=[{"Normal": {"mu": 0, "sigma": 1}}],
    )
    truncate: tuple[Number | None, Number | None] | None = Field(
        None, description="Bounds `[low, high]` of a truncated distribution; `null` leaves a side."
    )
    value: Number | None = Field(None, description="The value of a constant.")

    @model_validator(mode="after")
    def _one_kind(self) -> Input:
        if self.distribution is not None and self.value is not None:
            raise ValueError(f"'{self.name}' has both a distribution and a value; keep one")
        if self.distribution is not None and len(self.distribution) != 1:
            names = ", ".join(self.distribution) or "none"
            raise ValueError(f"distribution: found {names}; expected one distribution")
        if self.truncate is not None:
            low, high = self.truncate
            if self.distribution is None:
                raise ValueError(f"'{self.name}' is truncated but has no distribution")
            if low is None and high is None:
                raise ValueError("truncate: found no bound; expected at least one number")
            if low is not None and high is not None and low >= high:
                raise ValueError(f"truncate: found [{low:g}, {high:g}]; expected low < high")
        return self

    @property
    def is_constant(self) -> bool:
        """Whether it has one value."""
        return self.value is not None


class NormalCopula(Strict):
    """A normal copula from rank correlations; pairs that are not named are independent."""

    spearman: list[tuple[Name, Name, Number]] = Field(
        description="Spearman rank correlations, `[[L, I, -0.2], ...]`.", min_length=1
    )


class Copula(Strict):
    """The dependence between inputs."""

    normal: NormalCopula


class MonteCarlo(Strict):
    """Independent random points."""

    method: Literal["monte_carlo"]
    size: Rows = Field(description="Number of points.")


class Sobol(Strict):
    """The first points of the Sobol' low-discrepancy sequence."""

    method: Literal["sobol"]
    size: Rows = Field(description="Number of points; a power of two is best.")


class Saltelli(Strict):
    """Pick-freeze blocks for Sobol' indices, from a low-discrepancy sequence."""

    method: Literal["saltelli"]
    size: Rows = Field(
        description="Base size N; N (d + 2) samples for d inputs. A power of two is best."
    )


class Table(Strict):
    """Points from a file."""

    method: Literal["table"]
    file: FileName = Field(description="A CSV file with a header, or an HDF5 file.")
    dataset: str | None = Field(
        None,
        description="HDF5: the group with one dataset per input, or a compound dataset; "
        "default: the root group.",
    )
    size: Rows | None = Field(None, description="Take the first rows only.")


Design = Annotated[MonteCarlo | Sobol | Saltelli | Table, Field(discriminator="method")]


def input_identity(item: Input) -> dict[str, Any]:
    """Return what decides the values of an input: neither its unit nor its place in the list."""
    return {
        "name": item.name,
        "distribution": item.distribution,
        "truncate": item.truncate,
    }
