"""From the archive of a study to the tables of its analyses.

In comes the archive, as `StudyResults`. Out come tables, one CSV file for each analysis of the
study file: statistics, probabilities of exceedance, Sobol' indices, elementary effects,
correlations, the test whether failures depend on inputs, and the curves of scaling studies. Figures
and report are made from these tables.

An analysis treats every number of an output in every case by itself. Samples without a result are
left out and counted in n_dropped. Every row has a confidence interval where one is known, and a
note if failures depend on an input, since then leaving them out biases the result.

Which file to open:

- `tables`: `ANALYSES`, the name of each table and the function that makes it. A new analysis
  begins here.
- `groups`: how results are split by output, position and case, and which samples are independent.
- `failures`: whether failures depend on the inputs, and the warnings about it.
- `rounds`: how precise the results of a design that grows by itself are in each of its rounds.
- `scaling_runs`: the single runs of a scaling study, with their times and their memory.
- `scaling_curves`: speed-up and efficiency of a scaling study, and the laws fitted to them.
- `estimators`: the statistics themselves, from arrays to arrays.

>>> results = ensnare.open_study("results/beam")
>>> table = ANALYSES["sobol_indices"](results, estimator="martinez", confidence=0.95)
>>> table[["output", "input", "index", "value", "ci_low", "ci_high", "n_dropped"]]
"""
