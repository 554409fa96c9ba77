"""The key `analyses` of a study file, and the tables that its analyses make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from ensnare.errors import did_you_mean
from ensnare.study.designs import REPRESENT
from ensnare.study.values import ClosedModel, Name, Number, show

if TYPE_CHECKING:
    from ensnare.study.study import Study

_LEVEL = "Level of the confidence intervals."
# analysis to the stem of its table
TABLES = {
    "statistics": "statistics",
    "exceedance": "exceedance",
    "sobol": "sobol_indices",
    "rank_sobol": "rank_sobol_indices",
    "morris": "morris",
    "correlations": "correlations",
}
SCALING_TABLES = ("scaling", "scaling_points", "scaling_fits")


class StatisticsAnalysis(ClosedModel):
    """Mean, standard deviation, extremes and quantiles of every output."""

    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)


class SobolAnalysis(ClosedModel):
    """First-order and total Sobol' indices; second-order ones if the design has their samples."""

    estimator: Literal["martinez", "jansen", "saltelli", "mauntz_kucherenko"] = Field(
        "martinez",
        description="Estimator; `mauntz_kucherenko` has the narrowest intervals for small "
        "first-order indices.",
    )
    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)


class RankSobolAnalysis(ClosedModel):
    """First-order Sobol' indices of any random design, estimated from ranks."""

    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)


class MorrisAnalysis(ClosedModel):
    """Elementary effects of Morris: mu, mu* and sigma of every input."""

    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)


class CorrelationsAnalysis(ClosedModel):
    """Correlation and regression with every input: Pearson, Spearman, SRC, SRRC, PCC and PRCC."""

    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)


class Exceedance(ClosedModel):
    """The probability that an output is beyond a threshold."""

    output: Name = Field(description="Name of the output, a number.")
    above: Number | None = Field(
        None, description="Threshold to exceed, in the unit of the output; or:"
    )
    below: Number | None = Field(
        None, description="Threshold to fall below, in the unit of the output."
    )
    confidence: Number = Field(0.95, description=_LEVEL, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_side(self) -> Exceedance:
        if (self.above is None) == (self.below is None):
            raise ValueError("expected either above or below: a threshold on one side")
        return self

    @property
    def threshold(self) -> float:
        """The threshold, in the unit of the output."""
        return float(self.below if self.above is None else self.above)  # type: ignore[arg-type]


def _or_one(schema: dict[str, Any]) -> None:
    """Accept a single item in the place of a list of one."""
    (array,) = (kind for kind in schema["anyOf"] if kind.get("type") == "array")
    schema["anyOf"].append(array["items"])


class Analyses(ClosedModel):
    """The analyses of a study by name: a list of names, or a mapping of names to options."""

    statistics: StatisticsAnalysis | None = Field(
        None, description="Mean, standard deviation, extremes and quantiles."
    )
    exceedance: list[Exceedance] | None = Field(
        None,
        description="Probability that an output exceeds (or falls below) a threshold, such as "
        "`{output: deviation, above: 0.3}`; or a list of these.",
        min_length=1,
        json_schema_extra=_or_one,
    )
    sobol: SobolAnalysis | None = Field(
        None, description="First-order and total Sobol' indices; needs the design saltelli."
    )
    rank_sobol: RankSobolAnalysis | None = Field(
        None, description="First-order Sobol' indices of any random design, estimated from ranks."
    )
    morris: MorrisAnalysis | None = Field(
        None, description="Elementary effects; needs the design morris."
    )
    correlations: CorrelationsAnalysis | None = Field(
        None, description="Correlation and regression coefficients."
    )

    @field_validator("exceedance", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:  # noqa: ANN401
        return [value] if isinstance(value, dict) else value


def wanted_tables(study: Study) -> dict[str, dict[str, Any]]:
    """Return the tables of a study by the stem of their file, each with options of its analysis.

    A study with a design also has a table that tests failures against the inputs; a design with
    `until` has one of its rounds.
    """
    analyses, design = study.analyses, study.design
    found: dict[str, dict[str, Any]] = {}
    for name, table in TABLES.items():
        options = getattr(analyses, name)
        if isinstance(options, list):
            found[table] = {"items": [item.model_dump() for item in options]}
        elif options is not None:
            found[table] = options.model_dump()
    if study.scaling is not None:
        found |= {table: {"lacks": {}} for table in SCALING_TABLES}
    if getattr(design, "until", None) is not None:
        found["rounds"] = {}
    return found if design is None else {**found, "failures": {}}


def analyses_by_name(value: Any) -> Any:  # noqa: ANN401
    """Return a list of analyses as a mapping of name to options; a mapping as it is.

    Raises a ValueError if the value is a text, if an item is neither a name nor a mapping, or if
    a name is listed twice.
    """
    if isinstance(value, str):
        raise ValueError(f"got {show(value)}; expected a list such as [{value}]")
    if not isinstance(value, list):
        return value
    found: dict[str, Any] = {}
    for item in value:
        if not isinstance(item, str | dict):
            raise ValueError(f"got {show(item)}; expected the name of an analysis")
        pairs = item if isinstance(item, dict) else {item: None}
        for name, options in pairs.items():
            if name in found:
                raise ValueError(f"'{name}' is listed twice; keep one")
            found[name] = {} if options is None else options
    return found


def default_analyses(method: str | None) -> list[str]:
    """Return the analyses of a study that names none; they depend on the method of its design."""
    if method == "morris":
        return ["morris"]
    statistics = ["statistics"] if method in REPRESENT else []
    return [*statistics, "sobol"] if method == "saltelli" else statistics


def check_analyses(analyses: Analyses, design: Any, outputs: dict[str, bool]) -> None:  # noqa: ANN401
    """Check that the design has the samples that the analyses need, and that outputs exist.

    `outputs` says of each output whether it is an array. Raises a ValueError if something does
    not fit.
    """
    wanted = [name for name in TABLES if getattr(analyses, name) is not None]
    found = "a pure sweep" if design is None else design.method
    for name in wanted:
        methods = {"sobol": ("saltelli",), "morris": ("morris",)}.get(name, REPRESENT)
        if found not in methods:
            kind = "the design" if len(methods) == 1 else "one of the designs"
            raise ValueError(f"analyses: {name} needs {kind} {', '.join(methods)}; found {found}")
    for i, item in enumerate(analyses.exceedance or []):
        if item.output not in outputs:
            raise ValueError(
                f"analyses.exceedance[{i}]: no output '{item.output}'"
                + did_you_mean(item.output, outputs)
            )
        if outputs[item.output]:
            raise ValueError(
                f"analyses.exceedance[{i}]: '{item.output}' is an array; expected a "
                "number: reduce it in an output of its own"
            )
