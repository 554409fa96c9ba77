"""From factors and levels to cases."""

from __future__ import annotations

from collections.abc import Mapping

from ensnare.config.sweep import AnyLevel as Level
from ensnare.config.sweep import Case, expand_cases

__all__ = ["Case", "Level", "case_identity", "case_label", "expand_cases"]


def case_identity(case: Case, defaults: Mapping[str, Level]) -> dict[str, Level]:
    """Return what tells a case from others, whatever the order of factors.

    A factor at its stated default is left out: samples made before the factor was added keep
    their identity. Numbers are floats, since `1` and `1.0` are one level.
    """
    return {
        factor: _canonical(level)
        for factor, level in sorted(case.items())
        if factor not in defaults or _canonical(level) != _canonical(defaults[factor])
    }


def _canonical(level: Level) -> Level:
    # a whole number that no double holds is another level than its neighbour, which is the same one
    return level if isinstance(level, str) or float(level) != level else float(level)


def case_label(case: Case) -> str:
    """Return a case as a reader sees it: `mesh=fine, cores=4`."""
    return ", ".join(
        f"{factor}={level:.12g}" if isinstance(level, float) else f"{factor}={level}"
        for factor, level in case.items()
    )
