"""The key `parareal`: an initial-value problem to integrate in parallel in time."""

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
from ensnare.study.values import Call, ClosedModel, Name, Number, Size, show, to_number

if TYPE_CHECKING:
    from ensnare.study.study import Study

# placeholders of the ends of a slice, which models have beside the components of the state
TIMES = ("t0", "t1")
PROPAGATOR_KINDS = ("method", "model")


def _initial(value: Any) -> Any:  # noqa: ANN401
    """Return an initial value: a number, a list of numbers, or an expression."""
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


class Function(ClosedModel):
    """A Python function of the problem."""

    call: Call = Field(
        description="`file.py:function` (relative to the study file) or `package.module:function`."
    )


class Integrator(ClosedModel):
    """A one-step method for the right-hand side `rhs`, with equal steps in a slice."""

    method: Literal["euler", "rk4"] = Field(
        description="Forward Euler, or the classical Runge-Kutta method of order 4."
    )
    steps: Size | None = Field(None, description="Number of steps in a slice; or:")
    step: Number | None = Field(
        None, description="Longest step; a slice has as few steps as this allows.", gt=0
    )

    @model_validator(mode="after")
    def _one_size(self) -> Integrator:
        if (self.steps is None) == (self.step is None):
            found = "neither" if self.steps is None else "both"
            raise ValueError(f"found {found} of steps and step; expected one")
        return self


class Solver(ClosedModel):
    """An external code, or a Python function, that takes the state from `t0` to `t1`."""

    model: Model = Field(
        description="As `model` of any study. Placeholders are also `t0`, `t1` and the components "
        "of the state at `t0` (an array has a line for each number). Outputs are the components "
        "of the state at `t1`."
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


class Parareal(ClosedModel):
    """An initial-value problem, its coarse and fine propagators, and when to stop.

    After k iterations the first k slices have exactly the serial fine solution. So iteration k
    needs only the fine solves of slices k, k + 1, ..., and there are at most as many iterations
    as slices.
    """

    interval: tuple[Number, Number] = Field(description="Times `[start, end]`.")
    points: Size = Field(description="Number of points in time, both ends included: slices + 1.")
    state: dict[Name, Initial] = Field(
        description="Components of the state with their initial values: a number, a list of "
        "numbers for an array, or an expression over factors, constants and derived values.",
        min_length=1,
    )
    unit: str = Field("", description="Unit of time, shown in plots.")
    rhs: Function | None = Field(
        None,
        description="Right-hand side of dy/dt = f(t, y): a function that takes `t`, `y` (an array "
        "of all components) and any factors and constants by name, and returns an array.",
    )
    coarse: Propagator = Field(description="The cheap propagator, which runs in sequence.")
    fine: Propagator = Field(
        description="The accurate propagator, which runs in parallel over slices."
    )
    tolerance: Number = Field(
        description="Stop when no component of the state at any point changes by this much in an "
        "iteration. After a change to a smaller tolerance only the missing iterations run.",
        gt=0,
    )
    driver: Literal["rules", "pool"] = Field(
        "pool",
        description="`pool`: the workers of one job run the fine solves, for solves of seconds. "
        "`rules`: jobs of Snakemake run them, for solves of minutes or hours. Both give the same "
        "numbers.",
    )
    slices_per_job: Size = Field(
        1, description="Number of fine solves of a case in one job of the driver `rules`."
    )
    serial: bool = Field(
        False,
        description="Also compute the serial fine solution, and compare with it. Fine solves that "
        "the iteration has made are not repeated.",
    )
    exact: Function | None = Field(
        None,
        description="Exact solution to compare with: a function that takes `t` and any of `y0` "
        "(the initial state), factors and constants by name, and returns an array.",
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
        """Return the number of values of a component of the state."""
        value = self.state[component]
        return len(value) if isinstance(value, list) else 1


def _check_solver(parareal: Parareal, solver: Solver, where: str) -> None:
    """Check that the outputs of a solver are the components of the state, in name and size."""
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
                f"{where}.outputs: '{name}' has a range, which parareal does not check; remove it"
            )


def check_parareal(study: Study) -> None:
    """Check that a parareal study has no parts that only studies of samples have.

    Raises a ValueError with the first thing that is wrong.
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
