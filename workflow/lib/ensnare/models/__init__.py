"""Example codes: stand-alone programs that import nothing of ensnare."""
