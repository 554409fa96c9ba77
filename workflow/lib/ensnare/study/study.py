"""The whole study file, and what must agree between its parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ensnare.errors import ConfigError
from ensnare.study.analyses import Analyses, check_analyses, default_analyses, named
from ensnare.study.checks import (
    BUILT_IN,
    check_defaults,
    check_derived,
    check_exclude,
    check_names,
    check_overrides,
    check_ranks,
    sorted_expressions,
)
from ensnare.study.design_checks import check_constraints, check_copula, check_design, check_growth
from ensnare.study.designs import Design
from ensnare.study.expressions import Expression, parse_expression
from ensnare.study.failures import OnFailure
from ensnare.study.inputs import Copula, Copulas, Input
from ensnare.study.model import KeepPolicy, Model
from ensnare.study.parareal import TIMES, Parareal, Solver, check_parareal
from ensnare.study.resources import Override, Resources, resources_of
from ensnare.study.scaling import Scaling, check_scaling, with_counts
from ensnare.study.sweep import (
    MOST_CASES,
    Case,
    Sweep,
    all_factors,
    check_sweep,
    check_units,
    count_cases,
    expand_cases,
)
from ensnare.study.values import (
    Bytes,
    FileName,
    Integer,
    Level,
    Name,
    Seconds,
    Strict,
    show,
    to_integer,
)


def _batch_size(value: Any) -> Any:  # noqa: ANN401
    """Return `auto`, or a whole number above zero."""
    if value == "auto":
        return value
    try:
        size = to_integer(value)
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"got {show(value)}; expected a whole number above 0, or auto")
    return size


BatchSize = Annotated[
    int | Literal["auto"],
    BeforeValidator(_batch_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]


def _refuse_many(sweep: dict[str, Any]) -> None:
    if count_cases(sweep) > MOST_CASES:
        raise ValueError(f"found {count_cases(sweep):.3g} cases; expected {MOST_CASES:g} at most")


class Batch(Strict):
    """How samples are cut into jobs."""

    size: BatchSize = Field(
        "auto",
        description="Samples per job. auto: so many that a job takes about 20 minutes on 4 cores, "
        "by `resources.runtime`, or else by what samples took before; where neither is known, "
        "8192, doubling after every second job.",
    )


class Study(Strict):
    """One study: inputs, design, sweep, model, analyses."""

    study: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    ] = Field(description="Name; results go to `results/<name>/`.")
    title: str = Field("", description="Title of the report.")
    description: str = Field("", description="Text at the head of the report.")
    seed: Integer = Field(0, description="Seed of everything random; 0 is a seed.", ge=0, lt=2**63)
    inputs: list[Input] = Field([], description="Inputs; their order is the column order.")
    derived: dict[Name, str] = Field(
        {}, description="Values computed from inputs by arithmetic, usable wherever an input is."
    )
    copula: Copulas | None = Field(None, description="Dependence between inputs.")
    design: Design | None = Field(None, description="Design of experiments over the inputs.")
    sweep: Sweep = Field(
        {},
        description="Factors and their levels; every combination is a case. Levels are a list, a "
        "rule (`geom(1, 100, 5)`, `igeom(1, 16, 5)`, `linspace(0, 1, 5)`), or a mapping to the "
        "factors that exist for one level only: `{cg: {precond: [none, ilu]}, lu: {}}`.",
    )
    units: dict[Name, str] = Field(
        {}, description="Units of factors, shown in tables and plots: `{width: mm}`."
    )
    exclude: list[dict[Name, Level]] = Field(
        [], description="Cases to leave out, by some of their factors: `[{mesh: fine, cores: 1}]`."
    )
    defaults: dict[Name, Level] = Field(
        {}, description="Level of a factor that samples had before the factor was added."
    )
    scaling: Scaling | None = Field(
        None,
        description="A scaling study: every case of the sweep on more and more ranks, threads or "
        "nodes; it needs neither inputs nor a design.",
    )
    wrapped: Model | None = Field(
        None, alias="model", description="The wrapped code; required, but for `parareal`."
    )
    parareal: Parareal | None = Field(
        None,
        description="An initial-value problem to integrate in parallel in time for every case of "
        "the sweep, instead of samples to run.",
    )
    resources: Resources = Field(Resources(), description="What one sample needs.")
    overrides: list[Override] = Field(
        [],
        description="What the samples of some cases need instead: "
        "`[{when: {mesh: fine}, resources: {runtime: 6 h}}]`; later entries win.",
    )
    timeout: Seconds | None = Field(
        None, description="Longest time of one sample: `30 s`, `5 min`, `2 h`."
    )
    on_failure: OnFailure = Field(
        OnFailure(), description="What to do about samples that fail; it runs nothing again."
    )
    stream_limit: Bytes = Field(
        1_000_000_000,
        description="Most that a sample may write to its standard output or error, `500 MB`, "
        "`2 GB`; one that writes more is ended, and failed.",
    )
    keep: KeepPolicy = Field(
        "failed",
        description="Which working directories stay: all, those of failed samples, none; or a "
        "mapping such as `{failed: all, ok: ['log.*']}`. What stays is parsed again when outputs "
        "change, instead of run.",
    )
    pack: bool = Field(
        False, description="Put what stays into one file per batch; `ensnare path` unpacks."
    )
    scratch: FileName | None = Field(
        None,
        description="Run in directories below this one, such as `$TMPDIR`, local to the machine; "
        "what stays is copied back.",
    )
    batch: Batch = Field(Batch(), description="How samples are cut into jobs.")
    analyses: Analyses = Field(
        default=None,
        validate_default=True,
        description="Analyses: a list such as `[{sobol: {confidence: 0.9}}, statistics]`; "
        "default: statistics for a random design, and sobol for saltelli, morris for morris.",
    )

    @field_validator("analyses", mode="before")
    @classmethod
    def _list_to_names(cls, value: Any) -> Any:  # noqa: ANN401
        """Accept the list form; `None` stands for the default, which needs the design."""
        return {} if value is None else named(value)

    @model_validator(mode="before")
    @classmethod
    def _default_analyses(cls, tree: Any) -> Any:  # noqa: ANN401
        if isinstance(tree, dict) and tree.get("analyses") is None:
            design = tree.get("design")
            method = design.get("method") if isinstance(design, dict) else None
            return tree | {"analyses": default_analyses(method)}
        return tree

    @field_validator("sweep")
    @classmethod
    def _levels(cls, sweep: dict[str, Any]) -> dict[str, Any]:
        check_sweep(sweep)
        _refuse_many(sweep)
        return sweep

    @model_validator(mode="before")
    @classmethod
    def _scaled_resources(cls, tree: Any) -> Any:  # noqa: ANN401
        return with_counts(tree)

    @model_validator(mode="after")
    def _agree(self) -> Study:
        _refuse_many(self.whole_sweep)
        if self.parareal is not None:
            check_parareal(self)
        elif self.wrapped is None:
            raise ValueError("missing key 'model'; add it")
        check_names(self)
        if self.parareal is None:
            check_design(self)
            arrays = {output.name: output.shape is not None for output in self.model.outputs}
            check_analyses(self.analyses, self.design, arrays)
            check_growth(self)
        check_copula(self)
        check_derived(self)
        check_constraints(self)
        check_defaults(self)
        check_exclude(self)
        check_units(self.units, self.factors, self.value_names)
        check_overrides(self)
        check_ranks(self)
        check_scaling(self)
        return self

    @property
    def model(self) -> Model:
        """The wrapped code.

        Raises
        ------
        ConfigError
            If there is none, since the study has no samples.
        """
        if self.wrapped is None:
            raise ConfigError(
                f"study {self.study}: a parareal study has no samples; after snakemake its "
                f"results are in results/{self.study}: parareal.csv, archive.h5"
            )
        return self.wrapped

    @property
    def models(self) -> dict[str, Model]:
        """All codes that the study wraps, by where they stand in the file."""
        if self.parareal is None:
            return {"model": self.model}
        solvers = {"coarse": self.parareal.coarse, "fine": self.parareal.fine}
        return {
            f"parareal.{key}.model": solver.model
            for key, solver in solvers.items()
            if isinstance(solver, Solver)
        }

    @property
    def random_inputs(self) -> list[Input]:
        """The inputs that the design varies, in the order of the file."""
        return [item for item in self.inputs if not item.is_constant]

    @property
    def copulas(self) -> list[Copula]:
        """The copulas, each of inputs of its own."""
        if self.copula is None:
            return []
        return self.copula if isinstance(self.copula, list) else [self.copula]

    @property
    def constants(self) -> dict[str, float]:
        """Name and value of the constant inputs."""
        return {item.name: item.value for item in self.inputs if item.value is not None}

    @property
    def factors(self) -> dict[str, list[str | int | float]]:
        """Every factor with all of its levels; also those that only some level opens."""
        return all_factors(self.whole_sweep)

    def shown_factor(self, name: str) -> str:
        """Return a factor as axes and tables name it: `width [mm]`."""
        return f"{name} [{unit}]" if (unit := self.units.get(name)) else name

    @property
    def whole_sweep(self) -> dict[str, Any]:
        """The sweep, crossed with the counts and repeats of a scaling study."""
        return self.sweep if self.scaling is None else self.scaling.sweep(self.sweep)

    def cases(self) -> list[Case]:
        """Return every case of the study, in the order of the file."""
        return expand_cases(self.whole_sweep, self.exclude)

    def resources_of(self, case: Case) -> Resources:
        """Return what the samples of a case need."""
        needs = resources_of(self.resources, self.overrides, case)
        return needs if self.scaling is None else self.scaling.needs(needs, case)

    @property
    def expressions(self) -> dict[str, Expression]:
        """The derived values, each after those it needs."""
        return sorted_expressions({k: parse_expression(v) for k, v in self.derived.items()})

    @property
    def value_names(self) -> frozenset[str]:
        """All that `${name}` may name."""
        inputs = {item.name for item in self.inputs}
        own = {*TIMES, *self.parareal.state} if self.parareal else set()
        return frozenset(inputs | set(self.derived) | set(self.factors) | own | BUILT_IN)
