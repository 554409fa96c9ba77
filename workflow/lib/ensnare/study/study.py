"""`Study`: the whole study file as one typed model, whose parts are checked together."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from ensnare.errors import ConfigError
from ensnare.study.analyses import Analyses, analyses_by_name, check_analyses, default_analyses
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
from ensnare.study.resources import Batch, Override, Resources, resources_of
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
    ClosedModel,
    FileName,
    Integer,
    Level,
    Name,
    Seconds,
)


def _refuse_many(sweep: dict[str, Any]) -> None:
    if count_cases(sweep) > MOST_CASES:
        raise ValueError(f"found {count_cases(sweep):.3g} cases; expected {MOST_CASES:g} at most")


class Study(ClosedModel):
    """One study: inputs, design, sweep, model, analyses and how to run them."""

    study: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    ] = Field(description="Name of the study; results go to `results/<name>/`.")
    title: str = Field("", description="Title of the report.")
    description: str = Field("", description="Text at the head of the report.")
    seed: Integer = Field(
        0, description="Seed of all random numbers; 0 is a seed like any other.", ge=0, lt=2**63
    )
    inputs: list[Input] = Field([], description="Inputs; tables have their columns in this order.")
    derived: dict[Name, str] = Field(
        {},
        description="Values computed by arithmetic from inputs, factors and each other, as "
        "`{I: b * h**3 / 12}`; usable wherever an input is.",
    )
    copula: Copulas | None = Field(
        None, description="Dependence between inputs; default: independent."
    )
    design: Design | None = Field(
        None, description="Design of experiments over the uncertain inputs."
    )
    sweep: Sweep = Field(
        {},
        description="Factors and their levels: `{mesh: [coarse, fine]}`. Every combination is a "
        "case, and the design runs in every case. Levels are a list; a rule of first level, last "
        "level and number (`geom(1, 100, 5)`, `linspace(0, 1, 5)`, or `igeom(1, 16, 5)` of whole "
        "numbers); or a mapping to factors that exist for one level only: `{solver: {cg: {precond: "
        "[none, ilu]}, lu: {}}}`.",
    )
    units: dict[Name, str] = Field(
        {}, description="Units of factors, shown in tables and plots: `{width: mm}`."
    )
    exclude: list[dict[Name, Level]] = Field(
        [],
        description="Cases to leave out, by levels of some of their factors: "
        "`[{mesh: fine, cores: 1}]`.",
    )
    defaults: dict[Name, Level] = Field(
        {},
        description="For a factor that is added to a study with results: the level that the old "
        "samples had, such as `{mesh: coarse}`. They are not run again then.",
    )
    scaling: Scaling | None = Field(
        None,
        description="A scaling study: every case of the sweep runs on more and more ranks, threads "
        "or nodes. It has no uncertain inputs and no design.",
    )
    wrapped: Model | None = Field(
        None, alias="model", description="The wrapped code; required unless there is `parareal`."
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
        "`[{when: {mesh: fine}, resources: {runtime: 6 h}}]`. Later entries win.",
    )
    timeout: Seconds | None = Field(
        None,
        description="Time limit of one sample: `30 s`, `5 min`, `2 h`. A sample that takes longer "
        "is ended, and has the status timeout.",
    )
    on_failure: OnFailure = Field(OnFailure(), description="What to do about samples that fail.")
    stream_limit: Bytes = Field(
        1_000_000_000,
        description="Most that a sample may write to its standard output, or to its standard "
        "error: `500 MB`, `2 GB`. A sample that writes more is ended, and has the status failed.",
    )
    keep: KeepPolicy = Field(
        "failed",
        description="Which working directories stay: `all`, those of failed samples (`failed`), "
        "`none`; or a mapping such as `{failed: all, ok: ['log.*']}`. When outputs change, samples "
        "whose files have stayed are parsed again instead of run again.",
    )
    pack: bool = Field(
        False,
        description="Pack the working directories that stay into one file per batch; `ensnare "
        "path` unpacks one.",
    )
    scratch: FileName | None = Field(
        None,
        description="Run in directories below this one, on a disk of the node: `$TMPDIR`. What "
        "stays is copied back.",
    )
    batch: Batch = Field(Batch(), description="How many samples one job evaluates.")
    analyses: Analyses = Field(
        default=None,
        validate_default=True,
        description="Analyses: a list such as `[{sobol: {confidence: 0.9}}, statistics]`. Default: "
        "`statistics` for designs that represent the inputs, `sobol` too for saltelli, and "
        "`morris` for morris.",
    )

    @field_validator("analyses", mode="before")
    @classmethod
    def _list_to_names(cls, value: Any) -> Any:  # noqa: ANN401
        """Accept the list form; `None` is the default of the field and stands for no analyses."""
        return {} if value is None else analyses_by_name(value)

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
        """The wrapped code; raises a ConfigError for a parareal study, which has no samples."""
        if self.wrapped is None:
            raise ConfigError(
                f"study {self.study}: a parareal study has no samples; after snakemake its "
                f"results are in results/{self.study}: parareal.csv, archive.h5"
            )
        return self.wrapped

    @property
    def models(self) -> dict[str, Model]:
        """All codes that the study wraps, by their place in the file: `parareal.fine.model`."""
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
        """The uncertain inputs, which the design varies, in the order of the file."""
        return [item for item in self.inputs if not item.is_constant]

    @property
    def copulas(self) -> list[Copula]:
        """The copulas, each of other inputs; none if inputs are independent."""
        if self.copula is None:
            return []
        return self.copula if isinstance(self.copula, list) else [self.copula]

    @property
    def constants(self) -> dict[str, float]:
        """The values of the constant inputs, by name."""
        return {item.name: item.value for item in self.inputs if item.value is not None}

    @property
    def factors(self) -> dict[str, list[str | int | float]]:
        """Every factor with all of its levels, also factors that exist for one level of another."""
        return all_factors(self.whole_sweep)

    def shown_factor(self, name: str) -> str:
        """Return the label of a factor for axes and tables: `width [mm]`."""
        return f"{name} [{unit}]" if (unit := self.units.get(name)) else name

    @property
    def whole_sweep(self) -> dict[str, Any]:
        """The sweep; in a scaling study crossed with its counts and repeats."""
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
        """The derived values, each after the ones that it needs."""
        return sorted_expressions({k: parse_expression(v) for k, v in self.derived.items()})

    @property
    def value_names(self) -> frozenset[str]:
        """All names that a placeholder `${name}` may have."""
        inputs = {item.name for item in self.inputs}
        own = {*TIMES, *self.parareal.state} if self.parareal else set()
        return frozenset(inputs | set(self.derived) | set(self.factors) | own | BUILT_IN)
