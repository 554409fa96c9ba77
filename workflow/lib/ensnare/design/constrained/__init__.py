"""Uniform sampling of the points that satisfy constraints.

What comes in is a `Problem`: constraints on named values, and how points of the unit cube become
values. Inputs of a study become a problem whose values are their quantiles, so that uniform
feasible points have the joint distribution of the inputs, given that the constraints hold. The
command (`python -m ensnare.models.constrained_sampler`) reads a problem whose values are the points
themselves. What goes out is a `Draw`: values, shape (n, d), with the method, acceptance, effective
sample size and, where it is estimated, the volume.

Random numbers belong to a seed, a step and a particle; ranks decide by integer sums or from all
particles, and their parts begin at multiples of 64. So any number of MPI ranks gives the same
bytes.

Files, from the bottom up:

- `problem`: constraints as a list of operations, their slacks and violations
- `intervals`: bounds of values by interval arithmetic (HC4)
- `linear`: constraints as half-spaces; linear programs for bounds, a centre, or a contradiction
- `bounds`: a box around the feasible points, or the proof that there are none
- `parallel`: random numbers, and the processes that share the work
- `particles`: random moves of particles, their lengths and their order, and their correlation
- `hit_and_run`: particles in a polytope
- `smc`: sequential Monte Carlo, for any constraints
- `chains`: Gibbs and Metropolis chains to compare with, R-hat and effective sample size
- `sampler`: `draw`, which chooses a method, and rejection from a box
- `inputs`: the problem of the inputs of a study
- `inputfile`: the text file with the problem of the command

>>> from pathlib import Path
>>> from ensnare.design.constrained.inputfile import read_set
>>> from ensnare.design.constrained.sampler import draw
>>> drawn = draw(read_set(Path("config/data/sets/alloy.txt")).problem, 1000)
>>> drawn.method, drawn.x.shape
('rejection from a box', (1000, 11))
"""
