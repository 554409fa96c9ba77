"""From factors and levels to cases."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Level = str | int | float
Case = dict[str, Level]


def expand_cases(sweep: Mapping[str, Sequence[Level]]) -> list[Case]:
    """Return every combination of levels.

    Parameters
    ----------
    sweep : mapping
        Factor to levels. The first factor varies slowest.

    Returns
    -------
    list of dict
        Factor to level; one empty case when there is no factor.
    """
    return [dict(zip(sweep, levels, strict=True)) for levels in itertools.product(*sweep.values())]


def case_identity(case: Case, defaults: Mapping[str, Level]) -> dict[str, Level]:
    """Return what tells a case from others, whatever the order of factors.

    A factor at its stated default is left out: samples made before the factor was added keep
    their identity. Numbers are floats, since `1` and `1.0` are one level.
    """
    return {
        factor: level if isinstance(level, str) else float(level)
        for factor, level in sorted(case.items())
        if factor not in defaults or _canonical(level) != _canonical(defaults[factor])
    }


def _canonical(level: Level) -> Level:
    return level if isinstance(level, str) else float(level)


def case_label(case: Case) -> str:
    """Return a case as a reader sees it: `mesh=fine, cores=4`."""
    return ", ".join(f"{factor}={level}" for factor, level in case.items())
