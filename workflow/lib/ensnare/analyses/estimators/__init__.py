"""Estimators with confidence intervals, from arrays to arrays.

In come the inputs x, shape (n, d), and one output y, shape (n,), or for pick-freeze designs a table
of outputs by base row and block. Out come small dataclasses of arrays with one entry per input. No
estimator knows of studies or files, so all of them can be used alone.

Conventions: a sample that failed is NaN in y; it is left out, and counted in n_dropped. What is not
defined, such as an index of a constant output, is NaN and no error; a wrong shape or an unknown
name is a ValueError. Docstrings say where a formula comes from, what its interval assumes, and how
often the interval covered the true value in simulations.

Which file to open:

- `statistics`: mean, standard deviation, quantiles, probability of exceedance.
- `correlation`: Pearson, Spearman, standardised regression (SRC), partial correlation (PCC).
- `sobol`: Sobol' indices from a pick-freeze design, first, total and second order.
- `sobol_estimators`: the formulas of Martinez, Jansen, Saltelli, and Mauntz and Kucherenko.
- `rank_sobol`: first-order Sobol' indices from any random sample, by ranks.
- `morris`: elementary effects along the trajectories of Morris.
- `failures`: the test whether failures depend on the inputs.
- `intervals`: jackknife confidence intervals, and checks of shapes.
- `scaling_points`: median time, speed-up, efficiency and serial fraction.
- `scaling_laws`: the laws of Amdahl, Gustafson and Gunther, fitted to times.

>>> x = np.random.default_rng(0).uniform(-np.pi, np.pi, (1000, 3))
>>> y = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
>>> rank_sobol_indices(x, y).first  # Ishigami's function: 0.31, 0.44 and 0 for large n
"""
