"""The key `scaling`: the same work on more and more ranks, threads or nodes, several times each.

A scaling study is a sweep: the counts and the repeats become factors of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ensnare.errors import did_you_mean
from ensnare.study.resources import Resources
from ensnare.study.sweep import Case, Conditional, Sweep
from ensnare.study.values import ClosedModel, Number, Size, parse_levels, show, to_integer

if TYPE_CHECKING:
    from ensnare.study.study import Study

OVER = ("ranks", "threads", "nodes")  # what may be counted
WALL = "wall"  # the `time` that is measured by Ensnare, not an output
REPEAT, COPIES, COPY = "repeat", "copies", "copy"  # factors that a scaling study adds
MOST_COPIES = 4096


def _counts(value: Any) -> Any:  # noqa: ANN401
    """Return whole numbers above zero, all different, from a list or a rule (igeom(1, 16, 5))."""
    found = parse_levels(value) if isinstance(value, str) else value
    if not isinstance(found, list) or not found:
        got = "an empty list" if found == [] else show(value)
        raise ValueError(f"got {got}; expected a list such as [1, 2, 4, 8]")
    counts = [to_integer(item) for item in found]
    for i, count in enumerate(counts):
        if count < 1:
            raise ValueError(f"got {count}; expected whole numbers above 0")
        if count in counts[:i]:
            raise ValueError(f"found {count} twice; keep one")
    return counts


Counts = Annotated[
    list[int],
    BeforeValidator(_counts),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "integer", "minimum": 1}},
                {"type": "string", "pattern": r"^\s*(geom|igeom|linspace)\s*\("},
            ]
        }
    ),
]


class Scaling(ClosedModel):
    """Measure time on more and more ranks, threads or nodes; every run is a job of its own."""

    ranks: Counts | None = Field(
        None,
        description="Numbers of MPI ranks: `[1, 2, 4, 8]` or `igeom(1, 64, 7)`. The number of a "
        "run is `${ranks}`; or:",
    )
    threads: Counts | None = Field(
        None, description="Numbers of threads of one process; the one of a run is `${threads}`; or:"
    )
    nodes: Counts | None = Field(
        None, description="Numbers of nodes; the one of a run is `${nodes}`."
    )
    ranks_per_node: Size | None = Field(
        None, description="MPI ranks on each of the `nodes`; default: 1."
    )
    repeats: Size = Field(3, description="Runs at every count; their median is the result.")
    mode: Literal["strong", "weak", "throughput"] = Field(
        "strong",
        description="`strong`: the same problem at every count. `weak`: the problem grows with the "
        "count, by the use of `${ranks}` in templates and derived values. `throughput`: as many "
        "independent copies as the count run at the same time, `${copies}` of them; the time of a "
        "sample is the time of all copies divided by their number.",
    )
    time: str = Field(
        WALL,
        description="The time to analyse: `wall`, from the start of the command to its end, or the "
        "name of an output in seconds.",
    )
    oversubscribe: bool = Field(
        False,
        description="Also run counts that need more cores than this machine has. A cluster refuses "
        "such jobs.",
    )
    confidence: Number = Field(0.95, description="Level of the confidence intervals.", gt=0, lt=1)

    @model_validator(mode="after")
    def _one_count(self) -> Scaling:
        given = [name for name in OVER if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"found {found} of ranks, threads and nodes; expected one")
        if self.ranks_per_node is not None and self.nodes is None:
            raise ValueError("ranks_per_node: expected nodes too; found " + given[0])
        if self.mode == "throughput" and self.nodes is not None:
            raise ValueError("mode throughput: found nodes; expected ranks or threads")
        if self.mode == "throughput" and max(self.counts) > MOST_COPIES:
            raise ValueError(f"mode throughput: expected at most {MOST_COPIES} copies")
        return self

    @property
    def over(self) -> str:
        """What is counted: ranks, threads or nodes."""
        return next(name for name in OVER if getattr(self, name) is not None)

    @property
    def counts(self) -> list[int]:
        """The counts, in the order of the file."""
        return list(getattr(self, self.over))

    @property
    def factor(self) -> str:
        """The factor whose levels are the counts."""
        return COPIES if self.mode == "throughput" else self.over

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of the factors that it adds to those of the sweep."""
        return (self.factor, REPEAT, *((COPY,) if self.mode == "throughput" else ()))

    def sweep(self, given: Sweep) -> Sweep:
        """Return the sweep of the study crossed with the counts and the repeats."""
        if self.mode == "throughput":
            # a count of n opens the factor `copy` with n levels: n samples that run together
            opened = {count: {COPY: list(range(1, count + 1))} for count in self.counts}
            counts: Any = Conditional.model_validate(opened)
        else:
            counts = self.counts
        return {**given, self.factor: counts, REPEAT: list(range(1, self.repeats + 1))}

    def needs(self, needs: Resources, case: Case) -> Resources:
        """Return the resources of a case: `needs`, changed to the count of the case."""
        count = case.get(self.factor)
        if self.mode == "throughput" or not isinstance(count, int):
            return needs
        change: dict[str, int] = {self.over: count}
        if self.over == "nodes":
            change["ranks"] = count * (self.ranks_per_node or 1)
        return needs.model_copy(update=change)

    def curve(self, case: Case) -> Case:
        """Return the levels that a case shares with all points of its curve."""
        return {factor: level for factor, level in case.items() if factor not in self.factors}


def runs_of(cases: Sequence[Case]) -> list[list[int]]:
    """Return the positions of the cases of each run: one, or all copies that run together."""
    found: dict[tuple[object, ...], list[int]] = {}
    for i, case in enumerate(cases):
        key = tuple((factor, level) for factor, level in case.items() if factor != COPY)
        found.setdefault(key, []).append(i)
    return list(found.values())


def with_counts(tree: Any) -> Any:  # noqa: ANN401
    """Return the tree of a study file with the resources that its key `scaling` decides.

    A tree of the wrong form is returned as it is, since the validation that follows reports it.
    Raises a ValueError if the file states such a resource itself.
    """
    scaling = tree.get("scaling") if isinstance(tree, dict) else None
    resources = tree.get("resources", {}) if isinstance(tree, dict) else {}
    if not isinstance(scaling, Mapping) or not isinstance(resources, dict):
        return tree
    throughput = scaling.get("mode") == "throughput"
    if scaling.get("nodes") is not None:
        stated: dict[str, Any] = {"ranks": 1, "nodes": 1}
    elif scaling.get("ranks") is not None:
        stated = {"ranks": 1 if throughput else "ranks"}
    else:
        stated = {} if throughput or scaling.get("threads") is None else {"threads": 1}
    for name, value in stated.items():
        given = resources.get(name)
        if throughput and given is not None:
            stated = {}
        elif given not in (None, value):  # equal values are in a study that is read from study.json
            raise ValueError(
                f"resources.{name}: found {show(given)}, but `scaling` decides it; remove it"
            )
    return tree | {"resources": resources | stated}


def check_scaling(study: Study) -> None:
    """Check that a scaling study has the parts that it needs, and none that contradict it."""
    scaling = study.scaling
    if scaling is None:
        return
    if study.random_inputs:
        raise ValueError(
            f"scaling: the input '{study.random_inputs[0].name}' is uncertain; expected "
            "constants (value: ...), and factors of the sweep for what differs between curves"
        )
    if study.batch.size not in ("auto", 1):
        raise ValueError("batch.size: every run of a scaling study is a job of its own; remove it")
    outputs = {output.name: output.shape is None for output in study.model.outputs}
    if scaling.time != WALL and not outputs.get(scaling.time):
        if scaling.time in outputs:
            raise ValueError(f"scaling.time: '{scaling.time}' is an array; expected a number")
        raise ValueError(
            f"scaling.time: '{scaling.time}' is neither wall nor an output"
            + did_you_mean(scaling.time, [WALL, *outputs])
        )
    if scaling.mode == "throughput" and study.on_failure.retries:
        raise ValueError("on_failure.retries: a copy would run again without the others; remove it")
    for i, override in enumerate(study.overrides):
        changed = override.resources.model_dump(exclude_none=True)
        decided = {scaling.over} | ({"ranks"} if scaling.over == "nodes" else set())
        if scaling.mode != "throughput" and (conflicts := sorted(decided & set(changed))):
            raise ValueError(
                f"overrides[{i}].resources.{conflicts[0]}: `scaling` decides it; remove it"
            )
