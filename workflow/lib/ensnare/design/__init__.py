"""The design of experiments: from a study to a table of input values.

What comes in is a study (`ensnare.study`). What goes out is a `DesignTable`: input values x of
shape (n, d), the blocks and base rows of pick-freeze designs or the trajectories of Morris designs,
and hashes of the rows.

A design is made in two steps. Its method places points in the open unit cube; copulas and quantiles
of the marginal distributions then turn each point into values. A design under constraints comes
from a sampler instead, and a table is read from a file. The points of a seed never change, and the
rows of a smaller size come first in a larger one, so that a study can grow: of all designs with a
size, only Latin hypercubes cannot.

Files:

- `table`: `make_design`, which chooses the method; the joint distribution; checks of constraints
- `points`: the points of each method (Monte Carlo, Sobol', Halton, Latin hypercube, Morris,
  factorial, composite, one at a time, pick-freeze)
- `marginals`: distributions by OpenTURNS name, truncation, fits to data, quantiles
- `copulas`: copulas, as functions that couple columns of uniforms
- `tables`: reading tables of CSV, HDF5 and pickle files, also for inputs given by data
- `constrained`: sampling uniformly from the points that satisfy constraints; a package of its own

>>> from pathlib import Path
>>> from ensnare.design.table import make_design
>>> from ensnare.study.loading import load_study
>>> design = make_design(load_study(Path("config/studies/ishigami.yaml")))  # saltelli, size 4096
>>> design.names, design.x.shape
(('x1', 'x2', 'x3'), (20480, 3))
"""
