"""Figures of a study: arrays and tables in, a matplotlib Figure out, `save` writes it."""

from ensnare.plots.by_case import plot_estimates_by_case
from ensnare.plots.correlations import plot_correlations
from ensnare.plots.curves import plot_curves, plot_curves_by_case
from ensnare.plots.distributions import plot_distribution, plot_distributions_by_case
from ensnare.plots.estimate_curves import plot_estimate_curves
from ensnare.plots.estimates import (
    CORRELATIONS,
    RANK_SOBOL,
    SECOND,
    SOBOL,
    Estimates,
    melted,
    morris_estimates,
)
from ensnare.plots.exceedance import plot_exceedance, plot_exceedance_by_case
from ensnare.plots.failures import plot_failures
from ensnare.plots.levels import joined
from ensnare.plots.morris import plot_morris
from ensnare.plots.pairs import plot_pairs
from ensnare.plots.parareal import plot_iterates, plot_iterations, plot_maxdif, plot_speedup
from ensnare.plots.regimes import plot_regimes
from ensnare.plots.rounds import plot_rounds
from ensnare.plots.samples import plot_cost, plot_scatter, plot_status
from ensnare.plots.scaling import ScalingCurve, plot_scaling
from ensnare.plots.second_order import plot_second_order
from ensnare.plots.sobol import plot_sobol
from ensnare.plots.style import axis_label, save
from ensnare.plots.sweeps import plot_sweep

__all__ = [
    "CORRELATIONS",
    "RANK_SOBOL",
    "SECOND",
    "SOBOL",
    "Estimates",
    "ScalingCurve",
    "axis_label",
    "joined",
    "melted",
    "morris_estimates",
    "plot_correlations",
    "plot_cost",
    "plot_curves",
    "plot_curves_by_case",
    "plot_distribution",
    "plot_distributions_by_case",
    "plot_estimate_curves",
    "plot_estimates_by_case",
    "plot_exceedance",
    "plot_exceedance_by_case",
    "plot_failures",
    "plot_iterates",
    "plot_iterations",
    "plot_maxdif",
    "plot_morris",
    "plot_pairs",
    "plot_regimes",
    "plot_rounds",
    "plot_scaling",
    "plot_scatter",
    "plot_second_order",
    "plot_sobol",
    "plot_speedup",
    "plot_status",
    "plot_sweep",
    "save",
]
