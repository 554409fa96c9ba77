"""Uniform points of a part of the unit cube that linear and non-linear constraints leave."""
