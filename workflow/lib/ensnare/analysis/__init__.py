"""Analyses of a whole archive: every output in every case, as tables."""

from ensnare.analysis.failures import failure_table, failure_warnings
from ensnare.analysis.groups import independent_rows
from ensnare.analysis.growth import measure_round
from ensnare.analysis.rounds import rounds_ending, rounds_table
from ensnare.analysis.tables import (
    ANALYSES,
    correlations_table,
    exceedance_table,
    morris_table,
    pick_freeze_table,
    rank_sobol_table,
    read_table,
    sobol_table,
    statistics_table,
    write_table,
)

__all__ = [
    "ANALYSES",
    "correlations_table",
    "exceedance_table",
    "failure_table",
    "failure_warnings",
    "independent_rows",
    "measure_round",
    "morris_table",
    "pick_freeze_table",
    "rank_sobol_table",
    "read_table",
    "rounds_ending",
    "rounds_table",
    "sobol_table",
    "statistics_table",
    "write_table",
]
