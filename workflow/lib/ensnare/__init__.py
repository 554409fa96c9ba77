"""Uncertainty, parameter and scaling studies of any simulation code, as a Snakemake workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensnare.results import StudyResults, open_study

__all__ = ["StudyResults", "open_study"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # imported when asked for: programs below this package must start in milliseconds
    if name in __all__:
        from ensnare import results

        return getattr(results, name)
    raise AttributeError(f"module 'ensnare' has no attribute '{name}'")
