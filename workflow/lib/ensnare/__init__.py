"""Uncertainty, parameter and scaling studies of any simulation code, as a Snakemake workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensnare.archive.results import StudyResults, open_study
    from ensnare.parareal.archive import PararealResults, open_parareal

__all__ = ["PararealResults", "StudyResults", "open_parareal", "open_study"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # imported when asked for: programs below this package must start in milliseconds
    if name in ("StudyResults", "open_study"):
        from ensnare.archive import results

        return getattr(results, name)
    if name in ("PararealResults", "open_parareal"):
        from ensnare.parareal import archive

        return getattr(archive, name)
    raise AttributeError(f"module 'ensnare' has no attribute '{name}'")
