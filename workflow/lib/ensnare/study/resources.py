"""What a sample needs of a machine, and which samples need something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from ensnare.study.sweep import Case, matches
from ensnare.study.values import NAME, Bytes, Level, Name, Seconds, Size, Strict, show, to_integer

_FACTOR = re.compile(rf"(\$\{{)?({NAME})(?(1)\}})")


def _ranks(value: Any) -> Any:  # noqa: ANN401
    """Return a whole number above zero, or the name of a factor; `${cores}` means `cores`."""
    if isinstance(value, str) and (named := _FACTOR.fullmatch(value)):
        return named[2]
    try:
        ranks = to_integer(value)
    except ValueError:
        ranks = 0
    if ranks < 1:
        raise ValueError(f"got {show(value)}; expected a whole number above 0, or a factor")
    return ranks


Ranks = Annotated[
    int | str,
    BeforeValidator(_ranks),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]


def _gpus(value: object) -> int:
    count = to_integer(value)
    if count < 0:
        raise ValueError(f"got {show(value)}; expected 0 or more")
    return count


Count = Annotated[int, BeforeValidator(_gpus), WithJsonSchema({"type": "integer", "minimum": 0})]
_MEMORY = "Memory of one sample: `500 MB`, `4 GB`; default: what the profile says for the job."
_RUNTIME = (
    "Longest time that one sample is expected to take: `5 min`, `2 h`. It sizes batches and the "
    "time of their jobs, and ends nothing (see `timeout`)."
)
_NODES = "Machines that one sample needs."
_EXCLUSIVE = "No other job on the machines of the sample's job."


class Resources(Strict):
    """What one sample needs; changing it runs nothing again."""

    ranks: Ranks | None = Field(
        None,
        description="MPI ranks of one sample: a number, or the factor that says it. With it, also "
        "with 1, `srun` or `mpiexec` starts the command.",
    )
    threads: Size = Field(1, description="Threads (cores) of one sample, or of each of its ranks.")
    memory: Bytes | None = Field(None, description=_MEMORY)
    runtime: Seconds | None = Field(None, description=_RUNTIME)
    nodes: Size | None = Field(None, description=_NODES)
    gpus: Count = Field(0, description="GPUs of one sample.")
    exclusive: bool = Field(False, description=_EXCLUSIVE)

    @property
    def rank_count(self) -> int:
        """How many processes a sample has."""
        return self.ranks if isinstance(self.ranks, int) else 1

    @property
    def cores(self) -> int:
        """How many cores a sample keeps busy."""
        return self.rank_count * self.threads


class ResourceChanges(Strict):
    """What some samples need instead; what is left out stays as it is."""

    ranks: Size | None = Field(None, description="MPI ranks of one sample.")
    threads: Size | None = Field(None, description="Threads of one sample, or of each rank.")
    memory: Bytes | None = Field(None, description="Memory of one sample.")
    runtime: Seconds | None = Field(None, description="Longest time of one sample.")
    nodes: Size | None = Field(None, description=_NODES)
    gpus: Count | None = Field(None, description="GPUs of one sample.")
    exclusive: bool | None = Field(None, description=_EXCLUSIVE)


class Override(Strict):
    """Cases whose samples need something else."""

    when: dict[Name, Level] = Field(
        description="The cases, by some of their factors: `{mesh: fine}`."
    )
    resources: ResourceChanges = Field(
        description="What their samples need: `{runtime: 6 h, memory: 16 GB}`."
    )


def resources_of(common: Resources, overrides: Sequence[Override], case: Case) -> Resources:
    """Return what the samples of a case need.

    Parameters
    ----------
    common : Resources
        What samples need unless an override says otherwise.
    overrides : sequence of Override
        Of several that fit the case, later ones win, key by key.
    case : dict
        Factor to level.
    """
    changes: dict[str, object] = {}
    for override in overrides:
        if matches(case, override.when):
            changes |= override.resources.model_dump(exclude_none=True)
    factor = changes.get("ranks", common.ranks)
    if isinstance(factor, str) and factor in case:
        changes["ranks"] = case[factor]
    return common.model_copy(update=changes)
