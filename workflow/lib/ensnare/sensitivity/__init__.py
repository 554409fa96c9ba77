"""Sensitivity of an output to its inputs: indices, effects of failure, all with intervals."""

from __future__ import annotations

from ensnare.sensitivity.estimators import ESTIMATORS
from ensnare.sensitivity.failures import FailureDependence, failure_dependence
from ensnare.sensitivity.rank import RankIndices, rank_sobol_indices
from ensnare.sensitivity.sobol import SobolIndices, sobol_indices

__all__ = [
    "ESTIMATORS",
    "FailureDependence",
    "RankIndices",
    "SobolIndices",
    "failure_dependence",
    "rank_sobol_indices",
    "sobol_indices",
]
