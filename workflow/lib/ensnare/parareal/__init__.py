"""Parareal: an initial-value problem integrated in parallel in time, over files."""
