"""TODO analyses."""
