"""Designs of experiments, as the study file says them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ensnare.study.values import FileName, Name, Number, Size, Strict, to_integer

# more rows fit neither the archive's 32-bit group numbers nor a year of computing
MOST_ROWS = 10**8
Rows = Annotated[Size, Field(le=MOST_ROWS)]
_LEVELS = "Levels lie at the quantiles (k + 1/2) / levels of the inputs."


def _levels(value: Any) -> Any:  # noqa: ANN401
    """Return a number of levels, or one for each input by name."""
    for name, number in value.items() if isinstance(value, dict) else [("", value)]:
        if to_integer(number) < 1:
            raise ValueError(f"{name or 'all inputs'}: got {number}; expected at least 1 level")
    return value if isinstance(value, dict) else to_integer(value)


class MonteCarlo(Strict):
    """Independent random points."""

    method: Literal["monte_carlo"]
    size: Rows = Field(description="Number of points.")


class Sobol(Strict):
    """The first points of the Sobol' low-discrepancy sequence."""

    method: Literal["sobol"]
    size: Rows = Field(description="Number of points; a power of two is best.")


class Halton(Strict):
    """The first points of the Halton low-discrepancy sequence."""

    method: Literal["halton"]
    size: Rows = Field(description="Number of points.")


class Lhs(Strict):
    """A Latin hypercube: one point in each of `size` slices of every input. It cannot grow."""

    method: Literal["lhs"]
    size: Rows = Field(description="Number of points; another number is another design.")
    optimise: Literal["c2", "phip", "mindist"] | None = Field(
        None,
        description="Improve a space-filling criterion by simulated annealing: the centred L2 "
        "discrepancy (c2), phi_p (phip) or the smallest distance of two points (mindist).",
    )


class Until(Strict):
    """When a design that doubles itself is large enough."""

    width: Number = Field(
        description="Every total Sobol' index, in every case, has an interval narrower than this, "
        "at the confidence of the analysis `sobol`.",
        gt=0,
    )
    budget: Size = Field(
        description="Most samples, of all cases together; failed ones count, tried again or not."
    )
    outputs: list[Name] | None = Field(
        None,
        description="The outputs that it is about; default: all that are numbers, not arrays.",
        min_length=1,
    )

    def most_rows(self, n_cases: int) -> int:
        """Return how many rows of a design the budget allows."""
        return self.budget // n_cases


class Saltelli(Strict):
    """Pick-freeze blocks for Sobol' indices, from a low-discrepancy sequence."""

    method: Literal["saltelli"]
    size: Rows = Field(
        description="Base size N; N (d + 2) samples for d inputs. A power of two is best."
    )
    second_order: bool = Field(
        False,
        description="Also the samples of second-order indices: N (2 d + 2) in all for d > 2.",
    )
    until: Until | None = Field(
        None,
        description="Double the size until indices are known well enough, or a budget is spent: "
        "`{width: 0.1, budget: 20000}`; `size` is then the first one.",
    )

    def n_blocks(self, d: int) -> int:
        """Return the samples of a group of d inputs; two inputs need none for second order."""
        return 2 * d + 2 if self.second_order and d > 2 else d + 2


class Morris(Strict):
    """Trajectories that change one input at a time, for screening by elementary effects."""

    method: Literal["morris"]
    size: Rows = Field(description="Number of trajectories, of d + 1 samples each for d inputs.")
    levels: Size = Field(
        4, description=f"Levels of each input, an even number; a step is half of them. {_LEVELS}"
    )

    @model_validator(mode="after")
    def _even(self) -> Morris:
        if self.levels % 2:
            raise ValueError(f"levels: got {self.levels}; expected an even number such as 4")
        return self


class Factorial(Strict):
    """Every combination of levels of the inputs."""

    method: Literal["factorial"]
    levels: Annotated[
        int | dict[Name, Rows],
        BeforeValidator(_levels),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
                ]
            }
        ),
    ] = Field(description=f"Number of levels of all inputs, or of each by name. {_LEVELS}")

    def levels_of(self, names: list[str]) -> list[int]:
        """Return the number of levels of each input."""
        levels = self.levels
        return [levels if isinstance(levels, int) else levels[name] for name in names]


class Composite(Strict):
    """The centre, the ends of each input, and the corners: 1 + 2 d + 2^d samples."""

    method: Literal["composite"]
    tail: Number = Field(
        0.05, gt=0, lt=0.5, description="The ends are the quantiles `tail` and 1 - `tail`."
    )


class OneAtATime(Strict):
    """The medians, and each input in turn at its levels while the others stay at the median."""

    method: Literal["one_at_a_time"]
    levels: Size = Field(description=f"Levels of each input, at least 2. {_LEVELS}", ge=2)


class Constrained(Strict):
    """Independent random points that satisfy constraints: the inputs, given that they do."""

    method: Literal["constrained"]
    size: Rows = Field(description="Number of points, all of which satisfy the constraints.")
    constraints: Annotated[list[str], Field(min_length=1)] = Field(
        description="Comparisons (<=, >=, <, >, also chained) of arithmetic over inputs and "
        "values derived from them: `[x0*x1 <= 0.5, 0.1 <= Mg/(Zn+Cu) <= 0.15]`.",
    )


class Table(Strict):
    """Points from a file."""

    method: Literal["table"]
    file: FileName = Field(
        description="A CSV file with a header, an HDF5 file, or a `.pkl` or `.pklz` file of arrays."
    )
    dataset: str | None = Field(
        None,
        description="HDF5: the group with one dataset per input, or a compound dataset; "
        "default: the root group.",
    )
    size: Rows | None = Field(None, description="Take the first rows only.")


Design = Annotated[
    MonteCarlo
    | Sobol
    | Halton
    | Lhs
    | Saltelli
    | Morris
    | Factorial
    | Composite
    | OneAtATime
    | Constrained
    | Table,
    Field(discriminator="method"),
]
METHODS = ("monte_carlo", "sobol", "halton", "lhs", "saltelli", "morris", "factorial",
           "composite", "one_at_a_time", "constrained", "table")  # fmt: skip
# what a copula fits: points that fill the cube, whatever shape it is bent to
TAKE_COPULA = (MonteCarlo, Sobol, Halton, Lhs, Constrained)
# whose points are distributed as the inputs are: those that statistics can be made of
REPRESENT = ("monte_carlo", "sobol", "halton", "lhs", "saltelli", "constrained", "table")


def count_rows(design: Any, names: list[str]) -> int:  # noqa: ANN401
    """Return the number of rows of a design that is not a table, over the inputs `names`."""
    d = len(names)
    match design:
        case Saltelli(size=size):
            return int(size * design.n_blocks(d))
        case Morris(size=size):
            return size * (d + 1)
        case Factorial():
            rows = 1
            for levels in design.levels_of(names):
                rows *= levels
            return rows
        case Composite():
            return int(1 + 2 * d + 2**d)
        case OneAtATime(levels=levels):
            return int(1 + d * (levels - levels % 2))
        case _:
            return int(design.size)


def design_options(design: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what decides the points of a design, but not how many a growing one has."""
    options: dict[str, Any] = design.model_dump()
    if not isinstance(design, Lhs):
        options.pop("size", None)
    options.pop("constraints", None)  # what they say counts, in any words
    options.pop("until", None)
    if not options.get("second_order"):  # batches of before this option keep their names
        options.pop("second_order", None)
    return options
