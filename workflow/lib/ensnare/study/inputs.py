"""The keys `inputs` and `copula` of a study file: marginal distributions and dependence.

The classes hold what the file states; `ensnare.design` makes OpenTURNS distributions of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from ensnare.study.values import ClosedModel, FileName, Name, Number, Size, to_number

Pairs = Annotated[list[tuple[Name, Name, Number]], Field(min_length=1)]
TwoNames = Annotated[list[Name], Field(min_length=2, max_length=2)]


class NormalCopula(ClosedModel):
    """A normal copula, from correlations of one kind; pairs that are not named are independent."""

    spearman: Pairs | None = Field(
        None, description="Spearman rank correlations: `[[L, I, -0.2], ...]`."
    )
    kendall: Pairs | None = Field(
        None, description="Kendall rank correlations instead, in the same form."
    )
    pearson: Pairs | None = Field(
        None,
        description="Correlations of the normal scores instead: the parameters of the copula, in "
        "the same form.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> NormalCopula:
        found = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'no correlations'}; "
                "expected one of spearman, kendall, pearson"
            )
        return self

    @property
    def kind(self) -> str:
        """The kind of correlation: spearman, kendall or pearson."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """The correlations: two inputs and a value each."""
        return list(getattr(self, self.kind))

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs that it couples."""
        return sorted({name for first, second, _ in self.pairs for name in (first, second)})


class ThetaCopula(ClosedModel):
    """A copula of two inputs with one parameter."""

    inputs: TwoNames = Field(description="The two inputs that it couples.")
    theta: Number = Field(description="Its parameter, as in OpenTURNS.")


class JoePair(ThetaCopula):
    """An asymmetric extreme-value copula of two inputs."""

    psi1: Number = Field(0.5, description="Its second parameter, as in OpenTURNS.")
    psi2: Number = Field(0.5, description="Its third parameter, as in OpenTURNS.")


class MarshallOlkinPair(ClosedModel):
    """A copula of common shocks: two inputs are equal, up to a power, with some probability."""

    inputs: TwoNames = Field(description="The two inputs that it couples.")
    alpha: Number = Field(description="Its first parameter, as in OpenTURNS.", ge=0, le=1)
    beta: Number = Field(description="Its second parameter, as in OpenTURNS.", ge=0, le=1)


class ComonotonicBlock(ClosedModel):
    """Perfect dependence: all inputs have the same quantile in every sample."""

    inputs: list[Name] = Field(min_length=2, description="The inputs that it couples.")


class StudentBlock(ClosedModel):
    """The copula of a multivariate Student distribution, whose extremes occur together."""

    inputs: list[Name] = Field(min_length=2, description="The inputs that it couples.")
    nu: Number = Field(description="Degrees of freedom.")
    correlations: Pairs = Field(description="Correlations of pairs: `[[a, b, 0.5], ...]`.")

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """The correlations: two inputs and a value each."""
        return self.correlations


class Copula(ClosedModel):
    """One copula by its OpenTURNS name, or `normal`; or a list of copulas of different inputs."""

    normal: NormalCopula | None = Field(
        None, description="Normal copula of any number of inputs, from correlations of pairs."
    )
    AliMikhailHaqCopula: ThetaCopula | None = Field(
        None, description="Two inputs; theta in [-1, 1]."
    )
    ClaytonCopula: ThetaCopula | None = Field(
        None, description="Two inputs; theta >= -1; small values occur together."
    )
    FarlieGumbelMorgensternCopula: ThetaCopula | None = Field(
        None, description="Two inputs; theta in [-1, 1]."
    )
    FrankCopula: ThetaCopula | None = Field(None, description="Two inputs; any theta.")
    GalambosCopula: ThetaCopula | None = Field(None, description="Two inputs; theta > 0.")
    GumbelCopula: ThetaCopula | None = Field(
        None, description="Two inputs; theta >= 1; large values occur together."
    )
    JoeCopula: JoePair | None = Field(
        None, description="Two inputs; theta > 0, psi1 and psi2 in [0, 1]."
    )
    MarshallOlkinCopula: MarshallOlkinPair | None = Field(
        None, description="Two inputs with common shocks; alpha and beta in [0, 1]."
    )
    MinCopula: ComonotonicBlock | None = Field(
        None, description="Perfect dependence of any number of inputs."
    )
    PlackettCopula: ThetaCopula | None = Field(None, description="Two inputs; theta > 0.")
    StudentCopula: StudentBlock | None = Field(
        None, description="Student copula of any number of inputs."
    )

    @model_validator(mode="after")
    def _one(self) -> Copula:
        found = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(found) != 1:
            raise ValueError(
                f"found {' and '.join(found) or 'none'}; expected one copula, such as normal; "
                "for several write a list"
            )
        return self

    @property
    def name(self) -> str:
        """Its OpenTURNS name, or `normal`."""
        return next(n for n in type(self).model_fields if getattr(self, n) is not None)

    @property
    def block(self) -> Any:  # noqa: ANN401
        """The parameters that stand under its name."""
        return getattr(self, self.name)

    def identity(self) -> list[Any]:
        """Return what decides the values of its inputs, for names of batches: pairs are sorted."""
        tree = self.block.model_dump(exclude_none=True)
        for kind in ("spearman", "kendall", "pearson", "correlations"):
            if kind in tree:
                tree[kind] = sorted([*sorted(pair[:2]), pair[2]] for pair in tree[kind])
        return [self.name, tree]


def _several(value: Any) -> str:  # noqa: ANN401
    return "(several)" if isinstance(value, list) else "(one)"


Copulas = Annotated[
    Annotated[Copula, Tag("(one)")]
    | Annotated[list[Copula], Field(min_length=1), Tag("(several)")],
    Discriminator(_several),
]


def _parameter(value: Any) -> float | list[float]:  # noqa: ANN401
    return [to_number(v) for v in value] if isinstance(value, list) else to_number(value)


Parameter = Annotated[
    float | list[float],
    PlainValidator(_parameter),
    WithJsonSchema({"type": ["number", "array"], "items": {"type": "number"}}),
]


class DataFit(ClosedModel):
    """A distribution that is fitted to measured values: a column of a file."""

    file: FileName = Field(description="A CSV file with a header, an HDF5 or a pickle file.")
    column: str | None = Field(
        None, description="Name of the column; default: the name of the input."
    )
    fit: Literal["kernel", "histogram", "discrete"] = Field(
        "kernel",
        description="Kernel smoothing, a histogram, or the values themselves (`discrete`) with the "
        "shares that they have in the file.",
    )
    bins: Size | None = Field(
        None, description="Bins of the histogram; default: by the rule of Freedman and Diaconis."
    )
    weights: str | None = Field(
        None, description="Name of a column of weights, for `histogram` and `discrete`."
    )

    @model_validator(mode="after")
    def _agree(self) -> DataFit:
        if self.bins is not None and self.fit != "histogram":
            raise ValueError(f"bins go with a histogram; found the fit {self.fit}")
        if self.weights is not None and self.fit == "kernel":
            raise ValueError("weights go with the fit histogram or discrete; found kernel")
        return self


class Input(ClosedModel):
    """One input: uncertain (`distribution` or `data`), or a constant (`value`)."""

    name: Name = Field(description="Name; used in templates, commands and tables.")
    unit: str = Field("", description="Unit, shown in tables and plots.")
    description: str = Field("", description="What the input is; shown in the report.")
    distribution: dict[str, dict[str, Parameter]] | None = Field(
        None,
        description="An OpenTURNS distribution by name with named parameters, such as "
        "`{Normal: {mu: 0, sigma: 1}}` or `{LogNormalMuSigma: {mu: 30e3, sigma: 9e3, gamma: 0}}`.",
        examples=[{"Normal": {"mu": 0, "sigma": 1}}],
    )
    data: DataFit | None = Field(
        None, description="Measured values to fit a distribution to, instead."
    )
    truncate: tuple[Number | None, Number | None] | None = Field(
        None, description="Truncate the distribution to `[low, high]`; `null` leaves a side open."
    )
    value: Number | None = Field(None, description="The value of a constant, instead.")

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
        """Whether it is a constant."""
        return self.value is not None


def input_identity(item: Input) -> dict[str, Any]:
    """Return what decides the values of an input, for names of batches: not its unit or place."""
    return {
        "name": item.name,
        "distribution": item.distribution,
        "truncate": item.truncate,
    }
