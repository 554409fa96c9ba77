"""Example codes: stand-alone programs that studies wrap, and that import nothing of ensnare.

`constrained_sampler` is an exception: the command of the package `ensnare.design.constrained`.
"""
