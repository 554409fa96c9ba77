"""The whole study file, and what must agree between its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from ensnare.config.base import Integer, Level, Name, Number, Seconds, Size, Strict
from ensnare.config.inputs import Copula, Design, Input, Saltelli, Table
from ensnare.config.model import KeepPolicy, Model, Resources
from ensnare.errors import did_you_mean
from ensnare.expressions import RESERVED, Expression, parse_expression

# placeholders that every sample has
BUILT_IN = frozenset({"sample", "seed", "threads", "study_dir"})


class Batch(Strict):
    """How samples are cut into jobs."""

    size: Size | Literal["auto"] = Field(
        "auto", description="Samples per job; auto: 256, doubling after every fourth job."
    )


class SobolAnalysis(Strict):
    """First and total Sobol' indices."""

    estimator: Literal["martinez"] = Field("martinez", description="Estimator.")
    confidence: Number = Field(0.95, description="Level of the intervals.", gt=0, lt=1)


class StatisticsAnalysis(Strict):
    """Mean, standard deviation, extremes and quantiles."""

    confidence: Number = Field(0.95, description="Level of the intervals.", gt=0, lt=1)


class Analyses(Strict):
    """The analyses of a study, by name."""

    statistics: StatisticsAnalysis | None = Field(None, description="Statistics of every output.")
    sobol: SobolAnalysis | None = Field(None, description="Sobol' indices.")


class Study(Strict):
    """One study: inputs, design, sweep, model, analyses."""

    study: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        description="Name; results go to `results/<name>/`."
    )
    title: str = Field("", description="Title of the report.")
    description: str = Field("", description="Text at the head of the report.")
    seed: Integer = Field(0, description="Seed of everything random; 0 is a seed.", ge=0)
    inputs: list[Input] = Field([], description="Inputs; their order is the column order.")
    derived: dict[Name, str] = Field(
        {}, description="Values computed from inputs by arithmetic, usable wherever an input is."
    )
    copula: Copula | None = Field(None, description="Dependence between inputs.")
    design: Design | None = Field(None, description="Design of experiments over the inputs.")
    sweep: dict[Name, list[Level]] = Field(
        {}, description="Factors and their levels; every combination is a case."
    )
    defaults: dict[Name, Level] = Field(
        {}, description="Level of a factor that samples had before the factor was added."
    )
    model: Model = Field(description="The wrapped code.")
    resources: Resources = Field(Resources(), description="What one sample needs.")
    timeout: Seconds | None = Field(
        None, description="Longest time of one sample: `30 s`, `5 min`, `2 h`."
    )
    keep: KeepPolicy = Field("failed", description="Which working directories stay.")
    batch: Batch = Field(Batch(), description="How samples are cut into jobs.")
    analyses: Analyses = Field(
        default=None,
        validate_default=True,
        description="Analyses: a list such as `[{sobol: {confidence: 0.9}}, statistics]`; "
        "default: statistics where there is a design, and sobol for a saltelli design.",
    )

    @field_validator("analyses", mode="before")
    @classmethod
    def _list_to_names(cls, value: Any) -> Any:  # noqa: ANN401
        """Accept the list form; `None` stands for the default, which needs the design."""
        if value is None:
            return {}
        if not isinstance(value, list):
            return value
        named: dict[str, Any] = {}
        for item in value:
            pairs = item if isinstance(item, dict) else {item: None}
            for name, options in pairs.items():
                if name in named:
                    raise ValueError(f"'{name}' is listed twice; keep one")
                named[name] = {} if options is None else options
        return named

    @model_validator(mode="before")
    @classmethod
    def _default_analyses(cls, tree: Any) -> Any:  # noqa: ANN401
        if isinstance(tree, dict) and tree.get("analyses") is None:
            design = tree.get("design")
            method = design.get("method") if isinstance(design, dict) else None
            names = (["statistics"] if method else []) + (["sobol"] if method == "saltelli" else [])
            return tree | {"analyses": names}
        return tree

    @field_validator("sweep")
    @classmethod
    def _levels(cls, sweep: dict[str, list[str | int | float]]) -> Any:  # noqa: ANN401
        for factor, levels in sweep.items():
            if not levels:
                raise ValueError(f"'{factor}' has no levels; expected a list of at least one")
            texts = [str(level) for level in levels]
            twice = next((t for t in texts if texts.count(t) > 1), None)
            if twice is not None:
                raise ValueError(f"'{factor}' has the level {twice} twice; keep one")
            if len({isinstance(level, str) for level in levels}) > 1:
                raise ValueError(f"'{factor}' mixes numbers and texts; quote the numbers")
        return sweep

    @model_validator(mode="after")
    def _agree(self) -> Study:
        _check_names(self)
        _check_design(self)
        _check_copula(self)
        _check_derived(self)
        for factor in self.defaults:
            if factor not in self.sweep:
                raise ValueError(
                    f"defaults: '{factor}' is not a factor of the sweep"
                    + did_you_mean(factor, self.sweep)
                )
        return self

    @property
    def random_inputs(self) -> list[Input]:
        """The inputs that the design varies, in the order of the file."""
        return [item for item in self.inputs if not item.is_constant]

    @property
    def constants(self) -> dict[str, float]:
        """Name and value of the constant inputs."""
        return {item.name: item.value for item in self.inputs if item.value is not None}

    @property
    def expressions(self) -> dict[str, Expression]:
        """The derived values, each after those it needs."""
        return _sorted_expressions({k: parse_expression(v) for k, v in self.derived.items()})

    @property
    def value_names(self) -> frozenset[str]:
        """All that `${name}` may name."""
        inputs = {item.name for item in self.inputs}
        return frozenset(inputs | set(self.derived) | set(self.sweep) | BUILT_IN)


def _check_names(study: Study) -> None:
    """Check that names of inputs, derived values, factors and outputs are unique together."""
    kinds = {
        "inputs": [item.name for item in study.inputs],
        "derived": list(study.derived),
        "sweep": list(study.sweep),
        "outputs": [item.name for item in study.model.outputs],
    }
    seen: dict[str, str] = {}
    for kind, names in kinds.items():
        for name in names:
            if name in seen:
                raise ValueError(f"the name '{name}' is used in {seen[name]} and again in {kind}")
            if name in BUILT_IN or name in RESERVED:
                raise ValueError(f"{kind}: the name '{name}' is taken by Ensnare; choose another")
            seen[name] = kind


def _check_design(study: Study) -> None:
    """Check that the design and the inputs fit each other."""
    names = [item.name for item in study.random_inputs]
    if study.design is None:
        if names:
            raise ValueError(f"input '{names[0]}' is uncertain but there is no design; add design:")
        if not study.sweep:
            raise ValueError("found neither a design nor a sweep; add one")
        if study.analyses.sobol or study.analyses.statistics:
            raise ValueError("analyses: statistics and sobol need a design; this study has a sweep")
        return
    if not names:
        raise ValueError("there is a design but no uncertain input; add inputs with distributions")
    if not isinstance(study.design, Table):
        bare = [i.name for i in study.random_inputs if i.distribution is None]
        if bare:
            raise ValueError(f"input '{bare[0]}' has neither a distribution nor a value; add one")
    if study.analyses.sobol and not isinstance(study.design, Saltelli):
        raise ValueError(f"analyses: sobol needs the design saltelli; found {study.design.method}")


def _check_copula(study: Study) -> None:
    """Check that the copula couples inputs that vary, each pair once."""
    if study.copula is None:
        return
    if study.design is not None and study.design.method in ("saltelli", "table"):
        raise ValueError(
            f"copula: the design {study.design.method} takes independent inputs; "
            "remove the copula or choose monte_carlo or sobol"
        )
    names = [item.name for item in study.random_inputs]
    seen: set[frozenset[str]] = set()
    for first, second, value in study.copula.normal.spearman:
        for name in (first, second):
            if name not in names:
                raise ValueError(
                    f"copula: '{name}' is not an uncertain input" + did_you_mean(name, names)
                )
        if first == second or frozenset((first, second)) in seen:
            raise ValueError(f"copula: the pair {first}, {second} is not a new pair of two inputs")
        if not -1 < value < 1:
            raise ValueError(
                f"copula: correlation {value:g} of {first}, {second}; expected -1 to 1"
            )
        seen.add(frozenset((first, second)))


def _check_derived(study: Study) -> None:
    """Check that derived values need names that exist, and not each other in a circle."""
    known = {item.name for item in study.inputs} | set(study.derived) | set(study.sweep)
    texts = {f for f, levels in study.sweep.items() if isinstance(levels[0], str)}
    for name, text in study.derived.items():
        try:
            expression = parse_expression(text)
        except ValueError as error:
            raise ValueError(f"derived.{name}: {error}") from None
        for needed in sorted(expression.names):
            if needed not in known:
                raise ValueError(
                    f"derived.{name}: '{needed}' is not an input" + did_you_mean(needed, known)
                )
            if needed in texts:
                raise ValueError(f"derived.{name}: factor '{needed}' is a text, not a number")
    _sorted_expressions({k: parse_expression(v) for k, v in study.derived.items()})


def _sorted_expressions(expressions: dict[str, Expression]) -> dict[str, Expression]:
    """Order derived values so that each comes after those it needs."""
    done: dict[str, Expression] = {}
    while len(done) < len(expressions):
        ready = [
            name
            for name, expression in expressions.items()
            if name not in done and not (_pending(expression.names, expressions) - set(done))
        ]
        if not ready:
            circle = sorted(set(expressions) - set(done))
            raise ValueError(f"derived: {', '.join(circle)} need each other in a circle")
        done |= {name: expressions[name] for name in ready}
    return done


def _pending(names: Iterable[str], expressions: dict[str, Expression]) -> set[str]:
    return set(names) & set(expressions)
