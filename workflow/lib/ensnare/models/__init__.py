"""Example codes: stand-alone programs that import nothing of ensnare.

`constrained_sampler` is another thing: the command of the library `ensnare.design.constrained`.
"""
