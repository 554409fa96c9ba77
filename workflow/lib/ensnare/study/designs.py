"""The key `design` of a study file: one class for each method, and facts about the methods.

The classes hold options only; `ensnare.design` makes the points.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ensnare.study.values import ClosedModel, FileName, Name, Number, Size, to_integer

# the archive numbers groups of rows with 32 bits, and more rows could not be computed anyway
MOST_ROWS = 10**8
Rows = Annotated[Size, Field(le=MOST_ROWS)]
_LEVELS = "Levels lie at the quantiles (k + 1/2) / levels of the inputs."


def _levels(value: Any) -> Any:  # noqa: ANN401
    """Return a number of levels, or a mapping of input to number; each must be at least 1."""
    for name, number in value.items() if isinstance(value, dict) else [("", value)]:
        if to_integer(number) < 1:
            raise ValueError(f"{name or 'all inputs'}: got {number}; expected at least 1 level")
    return value if isinstance(value, dict) else to_integer(value)


class MonteCarlo(ClosedModel):
    """Independent random points."""

    method: Literal["monte_carlo"]
    size: Rows = Field(description="Number of points.")


class Sobol(ClosedModel):
    """The first points of the Sobol' low-discrepancy sequence."""

    method: Literal["sobol"]
    size: Rows = Field(description="Number of points; a power of two is best.")


class Halton(ClosedModel):
    """The first points of the Halton low-discrepancy sequence."""

    method: Literal["halton"]
    size: Rows = Field(description="Number of points.")


class Lhs(ClosedModel):
    """A Latin hypercube: one point in each of `size` slices of every input; it cannot grow."""

    method: Literal["lhs"]
    size: Rows = Field(
        description="Number of points. Another number gives a new design, all of which runs."
    )
    optimise: Literal["c2", "phip", "mindist"] | None = Field(
        None,
        description="Criterion of space filling to improve by simulated annealing: the centred L2 "
        "discrepancy (c2), phi_p (phip) or the smallest distance of two points (mindist).",
    )


class Until(ClosedModel):
    """When a design that doubles its size is large enough: at a precision, or at a budget."""

    width: Number = Field(
        description="Stop when every total Sobol' index, in every case, has a confidence interval "
        "narrower than this. The level of confidence is that of the analysis `sobol`.",
        gt=0,
    )
    budget: Size = Field(
        description="Most samples, of all cases together. A failed sample counts, and counts once "
        "however often it is tried again."
    )
    outputs: list[Name] | None = Field(
        None,
        description="Outputs whose indices count; default: all that are numbers, not arrays.",
        min_length=1,
    )

    def most_rows(self, n_cases: int) -> int:
        """Return how many rows the design may have in each of `n_cases` cases."""
        return self.budget // n_cases


class Saltelli(ClosedModel):
    """Pick-freeze blocks for Sobol' indices, from a low-discrepancy sequence."""

    method: Literal["saltelli"]
    size: Rows = Field(
        description="Base size N; N (d + 2) samples for d inputs. A power of two is best."
    )
    second_order: bool = Field(
        False,
        description="Add the samples of second-order indices: N (2 d + 2) samples in all. With two "
        "inputs none are added.",
    )
    until: Until | None = Field(
        None,
        description="Double the size until the indices are precise enough, or a budget is spent: "
        "`{width: 0.1, budget: 20000}`. `size` is then the base size to begin with.",
    )

    def n_blocks(self, d: int) -> int:
        """Return the number of samples of one base row: the size of a group, for d inputs."""
        # with two inputs, the d + 2 samples already give the second-order index
        return 2 * d + 2 if self.second_order and d > 2 else d + 2


class Morris(ClosedModel):
    """Trajectories that change one input at a time, for screening by elementary effects."""

    method: Literal["morris"]
    size: Rows = Field(description="Number of trajectories, of d + 1 samples each for d inputs.")
    levels: Size = Field(
        4,
        description=f"Levels of each input, an even number; a step is half their number. {_LEVELS}",
    )

    @model_validator(mode="after")
    def _even(self) -> Morris:
        if self.levels % 2:
            raise ValueError(f"levels: got {self.levels}; expected an even number such as 4")
        return self


class Factorial(ClosedModel):
    """Full factorial: every combination of levels of the inputs."""

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
    ] = Field(
        description=f"Number of levels: one for all inputs, or by name, `{{a: 3, b: 5}}`. {_LEVELS}"
    )

    def levels_of(self, names: list[str]) -> list[int]:
        """Return the number of levels of each input, in the order of `names`."""
        levels = self.levels
        return [levels if isinstance(levels, int) else levels[name] for name in names]


class Composite(ClosedModel):
    """The centre, the ends of each input, and the corners: 1 + 2 d + 2^d samples."""

    method: Literal["composite"]
    tail: Number = Field(
        0.05, gt=0, lt=0.5, description="The ends are the quantiles `tail` and 1 - `tail`."
    )


class OneAtATime(ClosedModel):
    """The medians; and each input in turn at its levels, while the others stay at their median."""

    method: Literal["one_at_a_time"]
    levels: Size = Field(description=f"Levels of each input, at least 2. {_LEVELS}", ge=2)


class Constrained(ClosedModel):
    """Independent random points of the inputs, given that they satisfy constraints."""

    method: Literal["constrained"]
    size: Rows = Field(description="Number of points, all of which satisfy the constraints.")
    constraints: Annotated[list[str], Field(min_length=1)] = Field(
        description="Comparisons (<=, >=, <, >, also chained) of arithmetic over inputs and "
        "values derived from them: `[x0*x1 <= 0.5, 0.1 <= Mg/(Zn+Cu) <= 0.15]`.",
    )


class Table(ClosedModel):
    """Points from a file."""

    method: Literal["table"]
    file: FileName = Field(
        description="A CSV file with a header, an HDF5 file, or a `.pkl` or `.pklz` file of arrays."
    )
    dataset: str | None = Field(
        None,
        description="Of an HDF5 file: the group with one dataset per input, or a compound dataset; "
        "default: the root group.",
    )
    size: Rows | None = Field(
        None, description="Take this number of rows from the beginning; default: all."
    )


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
# designs that fill the unit cube, and still do so when a copula has transformed it
TAKE_COPULA = (MonteCarlo, Sobol, Halton, Lhs, Constrained)
# methods whose points are distributed as the inputs are, so that statistics of them make sense
REPRESENT = ("monte_carlo", "sobol", "halton", "lhs", "saltelli", "constrained", "table")


def count_rows(design: Any, names: list[str]) -> int:  # noqa: ANN401
    """Return the number of rows of a design (not a table) over the uncertain inputs `names`."""
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
    """Return the options that decide the points of a design, for the names of its batches.

    The size is among them only where a larger design does not begin with the smaller one.
    """
    options: dict[str, Any] = design.model_dump()
    if not isinstance(design, Lhs):
        options.pop("size", None)
    options.pop("constraints", None)  # `plan.batches` adds them as `identity_text`
    options.pop("until", None)
    # batches that were made before this option existed keep their names
    if not options.get("second_order"):
        options.pop("second_order", None)
    return options
