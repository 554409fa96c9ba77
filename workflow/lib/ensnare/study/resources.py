"""The keys `resources`, `overrides` and `batch`: what a sample needs, and samples per job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from ensnare.study.sweep import Case, matches
from ensnare.study.values import (
    NAME,
    Bytes,
    ClosedModel,
    Level,
    Name,
    Seconds,
    Size,
    show,
    to_integer,
)

_FACTOR = re.compile(rf"(\$\{{)?({NAME})(?(1)\}})")


def _ranks(value: Any) -> Any:  # noqa: ANN401
    """Return a whole number above zero, or the name of a factor, from `cores` or `${cores}`."""
    if isinstance(value, str) and (named := _FACTOR.fullmatch(value)):
        return named[2]
    try:
        ranks = to_integer(value)
    except ValueError:
        ranks = 0
    if ranks < 1:
        raise ValueError(f"got {show(value)}; expected a whole number above 0, or a factor")
    return ranks


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


def _gpus(value: object) -> int:
    count = to_integer(value)
    if count < 0:
        raise ValueError(f"got {show(value)}; expected 0 or more")
    return count


Ranks = Annotated[
    int | str,
    BeforeValidator(_ranks),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]
BatchSize = Annotated[
    int | Literal["auto"],
    BeforeValidator(_batch_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
Count = Annotated[int, BeforeValidator(_gpus), WithJsonSchema({"type": "integer", "minimum": 0})]
_MEMORY = "Memory of one sample: `500 MB`, `4 GB`. Default: the job has what the profile states."
_RUNTIME = (
    "Longest time that one sample is expected to take: `5 min`, `2 h`. It decides the size of "
    "batches and the time limit of their jobs; a sample that takes longer is not ended (`timeout` "
    "does that)."
)
_NODES = "Nodes that one sample needs."
_EXCLUSIVE = "Whether the job of the sample has its nodes to itself."


class Resources(ClosedModel):
    """What one sample needs. A change of these keys runs no finished sample again."""

    ranks: Ranks | None = Field(
        None,
        description="MPI ranks of one sample: a number, or the name of a factor whose levels are "
        "the numbers. If the key is given, even as 1, `srun` or `mpiexec` starts the command.",
    )
    threads: Size = Field(1, description="Threads (cores) of one sample, or of each of its ranks.")
    memory: Bytes | None = Field(None, description=_MEMORY)
    runtime: Seconds | None = Field(None, description=_RUNTIME)
    nodes: Size | None = Field(None, description=_NODES)
    gpus: Count = Field(0, description="GPUs of one sample.")
    exclusive: bool = Field(False, description=_EXCLUSIVE)

    @property
    def rank_count(self) -> int:
        """The number of processes of a sample; 1 if a factor decides it, before `resources_of`."""
        return self.ranks if isinstance(self.ranks, int) else 1

    @property
    def cores(self) -> int:
        """The number of cores that a sample uses."""
        return self.rank_count * self.threads


class ResourceChanges(ClosedModel):
    """What some samples need instead; a key that is left out stays as in `resources`."""

    ranks: Size | None = Field(None, description="MPI ranks of one sample.")
    threads: Size | None = Field(None, description="Threads of one sample, or of each rank.")
    memory: Bytes | None = Field(None, description="Memory of one sample.")
    runtime: Seconds | None = Field(None, description="Longest time of one sample.")
    nodes: Size | None = Field(None, description=_NODES)
    gpus: Count | None = Field(None, description="GPUs of one sample.")
    exclusive: bool | None = Field(None, description=_EXCLUSIVE)


class Override(ClosedModel):
    """Cases whose samples need other resources."""

    when: dict[Name, Level] = Field(
        description="The cases, by levels of some of their factors: `{mesh: fine}`."
    )
    resources: ResourceChanges = Field(
        description="What their samples need: `{runtime: 6 h, memory: 16 GB}`."
    )


class Batch(ClosedModel):
    """How many samples one job evaluates."""

    size: BatchSize = Field(
        "auto",
        description="Samples per job. `auto`: as many as take about 20 minutes on 4 cores, from "
        "`resources.runtime`, or else from the time that samples took before. If neither is known: "
        "8192, doubled after every second job.",
    )


def resources_of(common: Resources, overrides: Sequence[Override], case: Case) -> Resources:
    """Return what the samples of a case need: `common`, changed by the overrides that match it.

    Of several overrides that match, later ones win, key by key.
    """
    changes: dict[str, object] = {}
    for override in overrides:
        if matches(case, override.when):
            changes |= override.resources.model_dump(exclude_none=True)
    factor = changes.get("ranks", common.ranks)
    if isinstance(factor, str) and factor in case:
        changes["ranks"] = case[factor]
    return common.model_copy(update=changes)
