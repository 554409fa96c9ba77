"""The key `on_failure` of a study file: try failed samples again, or end the study early."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from ensnare.errors import did_you_mean
from ensnare.store.outcome import FAILURES, Status
from ensnare.study.values import ClosedModel, show, to_integer

KINDS = tuple(status.label for status in FAILURES)
MOST_RETRIES = 100
_SHARE = re.compile(r"([0-9]*\.?[0-9]+)\s*%")
_COUNT = {"type": "integer", "minimum": 0}


def _retries(value: Any) -> Any:  # noqa: ANN401
    """Return retries by kind of failure; one number stands for all kinds."""
    if not isinstance(value, dict):
        return dict.fromkeys(KINDS, _times(value))
    for kind in value:
        if kind not in KINDS:
            raise ValueError(f"{show(kind)} is no kind of failure{did_you_mean(str(kind), KINDS)}")
    return {kind: _times(times) for kind, times in value.items()}


def _times(value: Any) -> int:  # noqa: ANN401
    times = to_integer(value)
    if not 0 <= times <= MOST_RETRIES:
        raise ValueError(f"got {show(value)}; expected a whole number from 0 to {MOST_RETRIES}")
    return times


def _stop_after(value: Any) -> Any:  # noqa: ANN401
    """Return a number of samples, or a share as a text such as `5 %`."""
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match and 0 < float(match[1]) <= 100:
        return f"{float(match[1]):.12g} %"
    try:
        count = to_integer(value)
    except ValueError:
        count = -1
    if count < 0:
        raise ValueError(
            f"got {show(value)}; expected a number of samples such as 20, or a share such as 5 %"
        )
    return count


class OnFailure(ClosedModel):
    """What to do about samples that fail. A change of these keys runs no finished sample again."""

    retries: Annotated[
        dict[str, int],
        BeforeValidator(_retries),
        WithJsonSchema(
            {
                "anyOf": [
                    _COUNT,
                    {
                        "type": "object",
                        "properties": dict.fromkeys(KINDS, _COUNT),
                        "additionalProperties": False,
                    },
                ]
            }
        ),
    ] = Field(
        {},
        description="How often a sample is tried again, by kind of failure: "
        f"`{{timeout: 1, failed: 2}}`. Kinds are {', '.join(KINDS)}; one number stands for all of "
        "them. After its n-th run a sample is tried again if n is at most the number of the kind "
        "that this run ended with, so the numbers of several kinds do not add up. Default: 1 for "
        "`killed`, 0 for the others.",
    )
    stop_after: Annotated[
        int | str | None,
        BeforeValidator(lambda value: None if value is None else _stop_after(value)),
        WithJsonSchema({"anyOf": [_COUNT, {"type": "string"}, {"type": "null"}]}),
    ] = Field(
        None,
        description="End the study when more samples than this fail: a number (20) or a share of "
        "all samples (`5 %`). Skipped samples do not count. Values out of their range do not "
        "either, since the range is checked later.",
    )

    def times(self, status: Status) -> int:
        """Return how often a sample that ended with this status is tried again."""
        # killed means out of memory, or by hand, which says nothing about the sample
        return self.retries.get(status.label, 1 if status is Status.KILLED else 0)

    def limit(self, samples: int) -> int | None:
        """Return how many of all samples may fail; None if there is no limit."""
        if isinstance(self.stop_after, str):
            share = float(self.stop_after.removesuffix("%")) / 100
            # the factor keeps 29 % of 100 samples from being rounded down to 28
            return math.floor(share * samples * (1 + 1e-12))
        return self.stop_after
