"""TODO parareal."""
