"""Parareal: an initial-value problem integrated in parallel in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ensnare.errors import did_you_mean
from ensnare.study.expressions import parse_expression
from ensnare.study.model import Model
from ensnare.study.outputs import check_call
from ensnare.study.values import Name, Number, Size, Strict, show, to_number

if TYPE_CHECKING:
    from ensnare.study.study import Study

TIMES = ("t0", "t1")


"""Placeholders of the ends of a slice, beside the components of the state."""


PROPAGATOR_KINDS = ("method", "model")


def _initial(value: Any) -> Any:  # noqa: ANN401
    """Return an initial value: a number, a list of numbers, or an expression over factors."""
    if isinstance(value, list):
        if not value:
            raise ValueError("found an empty list; expected at least one number")
        return [to_number(item) for item in value]
    try:
        return to_number(value)
    except ValueError:
        if not isinstance(value, str):
            raise ValueError(
                f"got {show(value)}; expected a number, a list of numbers, or an expression"
            ) from None
    parse_expression(value)
    return value


Initial = Annotated[
    float | list[float] | str,
    BeforeValidator(_initial),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"]},
                {"type": "array", "items": {"type": "number"}, "minItems": 1},
            ]
        }
    ),
]


class Function(Strict):
    """A Python function that a study names."""

    call: str = Field(
        description="`file.py:function` (relative to the study file) or `package.module:function`."
    )

    @field_validator("call")
    @classmethod
    def _two_parts(cls, value: str) -> str:
        return check_call(value)


class Integrator(Strict):
    """A one-step method on the right-hand side `rhs`; its steps fill the slice evenly."""

    method: Literal["euler", "rk4"] = Field(
        description="Forward Euler, or the classical Runge-Kutta method of order 4."
    )
    steps: Size | None = Field(None, description="Steps in a slice; or:")
    step: Number | None = Field(
        None, description="Longest step; a slice takes so many that none is longer.", gt=0
    )

    @model_validator(mode="after")
    def _one_size(self) -> Integrator:
        if (self.steps is None) == (self.step is None):
            found = "neither" if self.steps is None else "both"
            raise ValueError(f"found {found} of steps and step; expected one")
        return self


class Solver(Strict):
    """An external code, or a Python function, that takes the state from `t0` to `t1`."""

    model: Model = Field(
        description="As `model` of any study. Placeholders are also `t0`, `t1` and the components "
        "of the state at `t0` (a list stands on lines of its own); outputs are the components at "
        "`t1`."
    )


def _kind(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, dict):
        return next((kind for kind in PROPAGATOR_KINDS if kind in value), None)
    return "method" if isinstance(value, Integrator) else "model"


Propagator = Annotated[
    Annotated[Integrator, Tag("method")] | Annotated[Solver, Tag("model")],
    Discriminator(
        _kind,
        custom_error_type="one_of",
        custom_error_message="expected a mapping with one of the keys "
        + ", ".join(PROPAGATOR_KINDS),
    ),
]


class Parareal(Strict):
    """An initial-value problem, its coarse and fine propagators, and when to stop.

    After k iterations the first k slices are exactly the serial fine solution. So iteration k
    needs the fine solves of slices k, k + 1, ... only, and ends at the latest with the last slice.
    """

    interval: tuple[Number, Number] = Field(description="Times `[start, end]`.")
    points: Size = Field(description="Points in time, both ends included: slices and one more.")
    state: dict[Name, Initial] = Field(
        description="Components of the state and their initial values: a number, a list of numbers "
        "for an array, or an expression over factors and constants.",
        min_length=1,
    )
    unit: str = Field("", description="Unit of time, shown in plots.")
    rhs: Function | None = Field(
        None,
        description="Right-hand side of dy/dt = f(t, y): a function of `t`, `y` (an array of all "
        "components) and any factors and constants by name, that returns an array.",
    )
    coarse: Propagator = Field(description="The cheap propagator, run in sequence.")
    fine: Propagator = Field(description="The propagator to be parallelised over slices.")
    tolerance: Number = Field(
        description="Stop when no component of the state at any point changes by this much in an "
        "iteration. A smaller one afterwards adds only what is missing.",
        gt=0,
    )
    driver: Literal["rules", "pool"] = Field(
        "pool",
        description="`pool`: one job whose workers run the fine solves, for solves of "
        "seconds; `rules`: jobs of Snakemake, for solves of minutes or hours. The numbers are the "
        "same.",
    )
    slices_per_job: Size = Field(
        1, description="Fine solves of a case in one job of the driver `rules`."
    )
    serial: bool = Field(
        False,
        description="Also run the fine propagator in sequence where the iteration did not, and "
        "compare with it.",
    )
    exact: Function | None = Field(
        None,
        description="The exact solution to compare with: a function of `t` and any of `y0` (the "
        "initial state), factors and constants, that returns an array.",
    )

    @field_validator("points")
    @classmethod
    def _two_points(cls, value: int) -> int:
        if value < 2:
            raise ValueError(f"got {value}; expected at least 2")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Parareal:
        start, end = self.interval
        if not start < end:
            raise ValueError(f"interval: found [{start:g}, {end:g}]; expected start < end")
        integrates = [isinstance(p, Integrator) for p in (self.coarse, self.fine)]
        if any(integrates) and self.rhs is None:
            raise ValueError("missing key 'rhs', the right-hand side to integrate; add it")
        if self.rhs is not None and not any(integrates):
            raise ValueError("rhs: no propagator integrates it; remove it")
        for where, solver in (("coarse", self.coarse), ("fine", self.fine)):
            if isinstance(solver, Solver):
                _check_solver(self, solver, f"{where}.model")
        return self

    @property
    def slices(self) -> int:
        """The number of slices between the points."""
        return self.points - 1

    def width(self, component: str) -> int:
        """Return how many numbers a component of the state has."""
        value = self.state[component]
        return len(value) if isinstance(value, list) else 1


def _check_solver(parareal: Parareal, solver: Solver, where: str) -> None:
    """Check that the outputs of a solver are the components of the state."""
    outputs = {output.name: output for output in solver.model.outputs}
    if solver.model.python is not None and solver.model.python.vectorized:
        raise ValueError(f"{where}.python: a propagator takes one state at a time; not vectorized")
    for name in parareal.state:
        if name not in outputs:
            raise ValueError(f"{where}.outputs: no output '{name}', which the state has; add it")
        array = isinstance(parareal.state[name], list)
        width, found = parareal.width(name), outputs[name]
        if array != (found.shape is not None) or found.size != width:
            expected = f"shape: [{width}]" if array else "a number"
            raise ValueError(f"{where}.outputs: '{name}' has another size; expected {expected}")
    for name, output in outputs.items():
        if name not in parareal.state:
            known = ", ".join(parareal.state)
            raise ValueError(f"{where}.outputs: '{name}' is not in the state; expected {known}")
        if output.axis is not None and output.axis.is_read:
            raise ValueError(f"{where}.outputs: '{name}' reads an axis; leave it out")
        if output.range is not None:
            raise ValueError(
                f"{where}.outputs: '{name}' has a range, which nothing judges; remove it"
            )


def check_parareal(study: Study) -> None:
    """Check that the rest of a parareal study fits it.

    Raises
    ------
    ValueError
        With the first thing that is wrong.
    """
    parareal = study.parareal
    assert parareal is not None
    found = {
        "model": study.wrapped is not None,
        "design": study.design is not None,
        "copula": study.copula is not None,
        "scaling": study.scaling is not None,
        "analyses": any(analysis is not None for _, analysis in study.analyses),
    }
    for key, is_there in found.items():
        if is_there:
            where = "; a code to run goes to parareal.fine.model" if key == "model" else ""
            raise ValueError(f"found both '{key}' and 'parareal'; remove one{where}")
    for item in study.inputs:
        if not item.is_constant:
            raise ValueError(
                f"input '{item.name}' is uncertain; a parareal study takes constants (value) and "
                "the factors of a sweep"
            )
    if study.on_failure.stop_after is not None:
        raise ValueError(
            "on_failure.stop_after: a parareal study ends with the first failed solve; remove it"
        )
    if study.batch.size != "auto":
        raise ValueError("batch: a parareal study has no batches; found a size; remove it")
    if study.overrides and parareal.driver == "pool":
        raise ValueError(
            "overrides: the driver pool runs all cases in one job; state what any of them needs in "
            "resources, or take the driver rules"
        )
    _check_expressions(study, parareal)


def _check_expressions(study: Study, parareal: Parareal) -> None:
    known = {*study.constants, *study.derived, *study.factors}
    for name, value in parareal.state.items():
        if not isinstance(value, str):
            continue
        unknown = sorted(parse_expression(value).names - known)
        if unknown:
            raise ValueError(
                f"parareal.state.{name}: '{unknown[0]}' is neither a factor nor a constant"
                + did_you_mean(unknown[0], known)
            )
