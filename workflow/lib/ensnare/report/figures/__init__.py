"""Plot functions: arrays or a table in, a matplotlib `Figure` out.

They know no study and, apart from `style.save`, no file. A `table` is a pandas DataFrame with the
columns of the CSV file of an analysis: `value`, `ci_low` and `ci_high` (NaN where there is no
interval), `n_used` and `n_dropped` (what failures took away). The values of an output are NaN where
a sample failed. Each figure states what was dropped or left out. Arguments that many functions
share: `output` or `label` and `unit` name the output; `title` is a further text above the figure,
such as the case; `warning` is written above it in red, for instance that failures are not random.
`axis_label`, `output_label` and the like include the unit, as `style.axis_label` writes it.

- `style`: colours, number formats, axes with units, notes above a figure, `save`.
- `axes`: the levels of a factor along an axis, and grids of panels that share their axes.
- `estimates`: kinds of estimates for each input, and rows of points with intervals.
- `indices`: Sobol' indices of one case; any estimates against the levels of a sweep.
- `index_curves`: estimates for an array output along its axis.
- `pairs_of_inputs`: second-order Sobol' indices.
- `morris`: elementary effects: the plane of mu* and sigma, and a ranking.
- `correlations`: correlation and regression coefficients.
- `distributions`: histogram of an output, and box plots by case.
- `exceedance`: probability that an output is beyond a threshold.
- `curves`: array outputs along their axis, of one case or of several.
- `samples`: an output against each input, samples by status, time of a sample.
- `sweeps`: an output against the levels of one or two factors.
- `regimes`: an output over two factors by colour or name, with a third factor as panels.
- `scaling`: time, speed-up and efficiency of a scaling study.
- `design`: points of a design for each pair of inputs.
- `rounds`: widest intervals against the number of samples of a design that doubles.
- `failures`: p-values of the test whether failures depend on an input.

>>> figure = plot_distribution(y, label="deviation", unit="m")
>>> save(figure, "figures/distribution_deviation")
(PosixPath('figures/distribution_deviation.svg'), PosixPath('figures/distribution_deviation.png'))
"""
