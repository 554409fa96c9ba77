"""Figures of a study: arrays and tables in, a matplotlib Figure out, `save` writes it."""

from ensnare.plots.distributions import plot_distribution, plot_distributions_by_case
from ensnare.plots.samples import plot_cost, plot_scatter, plot_status
from ensnare.plots.sobol import plot_sobol, plot_sobol_by_case
from ensnare.plots.style import axis_label, save
from ensnare.plots.sweeps import plot_sweep

__all__ = [
    "axis_label",
    "plot_cost",
    "plot_distribution",
    "plot_distributions_by_case",
    "plot_scatter",
    "plot_sobol",
    "plot_sobol_by_case",
    "plot_status",
    "plot_sweep",
    "save",
]
