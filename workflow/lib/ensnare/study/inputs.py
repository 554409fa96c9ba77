"""The dependence between inputs, as the study file says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from ensnare.study.values import FileName, Name, Number, Size, Strict, to_number

Pairs = Annotated[list[tuple[Name, Name, Number]], Field(min_length=1)]
Two = Annotated[list[Name], Field(min_length=2, max_length=2)]


class NormalCopula(Strict):
    """A normal copula from correlations of one kind; pairs that are not named are independent."""

    spearman: Pairs | None = Field(
        None, description="Spearman rank correlations, `[[L, I, -0.2], ...]`."
    )
    kendall: Pairs | None = Field(None, description="Kendall rank correlations instead.")
    pearson: Pairs | None = Field(
        None, description="Parameters of the normal copula instead: correlations of normal scores."
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
        """The kind of correlation."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """The correlations."""
        return list(getattr(self, self.kind))

    @property
    def inputs(self) -> list[str]:
        """The inputs that it couples, by name."""
        return sorted({name for first, second, _ in self.pairs for name in (first, second)})


class ThetaCopula(Strict):
    """A copula of two inputs with one parameter."""

    inputs: Two = Field(description="The two inputs that it couples.")
    theta: Number = Field(description="Its parameter, as in OpenTURNS.")


class JoePair(ThetaCopula):
    """An asymmetric extreme-value copula of two inputs."""

    psi1: Number = Field(0.5, description="Its second parameter, as in OpenTURNS.")
    psi2: Number = Field(0.5, description="Its third parameter, as in OpenTURNS.")


class MarshallOlkinPair(Strict):
    """A copula of two inputs that are equal, up to a power, with some probability."""

    inputs: Two = Field(description="The two inputs that it couples.")
    alpha: Number = Field(description="Its first parameter, as in OpenTURNS.", ge=0, le=1)
    beta: Number = Field(description="Its second parameter, as in OpenTURNS.", ge=0, le=1)


class TogetherBlock(Strict):
    """Perfect dependence: all inputs rise and fall together."""

    inputs: list[Name] = Field(min_length=2, description="The inputs that it couples.")


class StudentBlock(Strict):
    """The copula of a multivariate Student distribution: extremes come together."""

    inputs: list[Name] = Field(min_length=2, description="The inputs that it couples.")
    nu: Number = Field(description="Degrees of freedom.")
    correlations: Pairs = Field(description="Its parameters, `[[a, b, 0.5], ...]`.")

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """The correlations."""
        return self.correlations


class Copula(Strict):
    """One copula by its OpenTURNS name, or `normal`; several in a list couple other inputs each."""

    normal: NormalCopula | None = Field(None, description="From correlations of pairs of inputs.")
    AliMikhailHaqCopula: ThetaCopula | None = Field(None, description="theta in [-1, 1].")
    ClaytonCopula: ThetaCopula | None = Field(
        None, description="theta >= -1: small values come together."
    )
    FarlieGumbelMorgensternCopula: ThetaCopula | None = Field(None, description="theta in [-1, 1].")
    FrankCopula: ThetaCopula | None = Field(None, description="Any theta.")
    GalambosCopula: ThetaCopula | None = Field(None, description="theta > 0.")
    GumbelCopula: ThetaCopula | None = Field(
        None, description="theta >= 1: large values come together."
    )
    JoeCopula: JoePair | None = Field(None, description="theta > 0, psi1 and psi2 in [0, 1].")
    MarshallOlkinCopula: MarshallOlkinPair | None = Field(
        None, description="alpha and beta in [0, 1]: common shocks."
    )
    MinCopula: TogetherBlock | None = Field(None, description="Perfect dependence.")
    PlackettCopula: ThetaCopula | None = Field(None, description="theta > 0.")
    StudentCopula: StudentBlock | None = Field(None, description="Of any number of inputs.")

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
        """Its name."""
        return next(n for n in type(self).model_fields if getattr(self, n) is not None)

    @property
    def block(self) -> Any:  # noqa: ANN401
        """What is said of it."""
        return getattr(self, self.name)

    def identity(self) -> list[Any]:
        """Return what decides the values of the inputs that it couples."""
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
