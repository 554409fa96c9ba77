"""Scaling of a code with its cores: speed-up, efficiency, serial fraction, laws; arrays only."""

from ensnare.scaling.laws import LAWS, Fit, Law, Parameter, fit_law
from ensnare.scaling.points import (
    Interval,
    efficiency,
    median_interval,
    reference_point,
    serial_fraction,
    speedup,
)

__all__ = [
    "LAWS",
    "Fit",
    "Interval",
    "Law",
    "Parameter",
    "efficiency",
    "fit_law",
    "median_interval",
    "reference_point",
    "serial_fraction",
    "speedup",
]
