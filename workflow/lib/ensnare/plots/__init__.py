"""Figures of a study: arrays and tables in, a matplotlib Figure out, `save` writes it."""

from ensnare.plots.correlations import plot_correlations
from ensnare.plots.curves import plot_curves, plot_curves_by_case
from ensnare.plots.distributions import plot_distribution, plot_distributions_by_case
from ensnare.plots.exceedance import plot_exceedance
from ensnare.plots.failures import plot_failures
from ensnare.plots.morris import plot_morris
from ensnare.plots.regimes import plot_regimes
from ensnare.plots.samples import plot_cost, plot_scatter, plot_status
from ensnare.plots.second_order import plot_second_order
from ensnare.plots.sobol import plot_sobol, plot_sobol_by_case
from ensnare.plots.sobol_curves import plot_sobol_curves
from ensnare.plots.style import axis_label, save
from ensnare.plots.sweeps import plot_sweep

__all__ = [
    "axis_label",
    "plot_correlations",
    "plot_cost",
    "plot_curves",
    "plot_curves_by_case",
    "plot_distribution",
    "plot_distributions_by_case",
    "plot_exceedance",
    "plot_failures",
    "plot_morris",
    "plot_regimes",
    "plot_scatter",
    "plot_second_order",
    "plot_sobol",
    "plot_sobol_by_case",
    "plot_sobol_curves",
    "plot_status",
    "plot_sweep",
    "save",
]
