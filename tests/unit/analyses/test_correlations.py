"""Correlations and regression coefficients against openturns, scipy and simulated coverage."""

import numpy as np
import pytest
from sobol_samples import PROBLEMS

from ensnare.analyses.estimators.correlation import correlations

NAMES = ("pearson", "spearman", "src", "srrc", "pcc", "prcc")
OPENTURNS = {
    "pearson": "computeLinearCorrelation",
    "spearman": "computeSpearmanCorrelation",
    "src": "computeSRC",
    "srrc": "computeSRRC",
    "pcc": "computePCC",
    "prcc": "computePRCC",
}


def normal_inputs(rng, shape):
    x = rng.normal(size=(*shape, 4))
    x[..., 1] = 0.6 * x[..., 0] + 0.8 * x[..., 1]  # a correlation of 0.6
    return x  # the last input is the noise


def normal_output(x):
    return x[..., 0] + 0.5 * x[..., 1] + x[..., 3]


def sample(problem, rng, shape):
    if problem == "normal":
        x = normal_inputs(rng, shape)
        return x[..., :3], normal_output(x)
    function, inputs, _ = PROBLEMS[problem]
    x = inputs(rng, shape)
    return x, function(x)


def values(result):
    return np.array([getattr(result, name).value for name in NAMES])


def bounds(result):
    return np.array([[getattr(result, n).low, getattr(result, n).high] for n in NAMES])


# --- values


@pytest.mark.slow
def test_coefficients_of_normal_variables_are_the_analytic_ones(rng):
    result = correlations(*sample("normal", rng, (200_000,)))
    spread = np.sqrt(1 + 0.25 + 1 + 0.6)
    pearson = np.array([1.3, 1.1, 0]) / spread
    np.testing.assert_allclose(result.pearson.value, pearson, atol=0.01)
    spearman = 6 / np.pi * np.arcsin(pearson / 2)
    np.testing.assert_allclose(result.spearman.value, spearman, atol=0.01)
    np.testing.assert_allclose(result.src.value, np.array([1, 0.5, 0]) / spread, atol=0.01)
    # what is left of an input without the other: 0.8 of its spread
    partial = [0.8 / np.hypot(0.8, 1), 0.4 / np.hypot(0.4, 1), 0]
    np.testing.assert_allclose(result.pcc.value, partial, atol=0.01)


@pytest.mark.parametrize("problem", ["normal", "ishigami", "beam", "g"])
@pytest.mark.parametrize("n", [20, 1000])
def test_openturns_gives_the_same_values(problem, n, rng):
    import openturns as ot

    x, y = sample(problem, rng, (n,))
    # in the units of the beam (Pa, N, m, m^4) the regression of openturns is wrong
    x, y = (v / v.std(axis=0) for v in (x, y))
    theirs = ot.CorrelationAnalysis(ot.Sample(x), ot.Sample(y[:, None]))
    result = correlations(x, y)
    for name, method in OPENTURNS.items():
        np.testing.assert_allclose(
            getattr(result, name).value, getattr(theirs, method)(), atol=1e-9, err_msg=name
        )


def test_scipy_gives_the_same_correlations_even_with_equal_values(rng):
    from scipy.stats import pearsonr, spearmanr

    x = rng.integers(0, 5, size=(100, 3)).astype(float)
    y = np.round(x @ [1, 0.5, 0] + rng.normal(size=100))
    result = correlations(x, y)
    for j in range(3):
        np.testing.assert_allclose(result.pearson.value[j], pearsonr(x[:, j], y)[0])
        np.testing.assert_allclose(result.spearman.value[j], spearmanr(x[:, j], y)[0])


def test_partial_correlation_is_that_of_the_residuals(rng):
    x, y = sample("normal", rng, (200,))
    given = np.column_stack([np.ones(200), x[:, 1:]])
    one, other = (v - given @ np.linalg.lstsq(given, v, rcond=None)[0] for v in (x[:, 0], y))
    result = correlations(x, y)
    np.testing.assert_allclose(result.pcc.value[0], np.corrcoef(one, other)[0, 1])


def test_one_input_has_one_correlation(rng):
    x, y = rng.normal(size=(2, 50))
    result = correlations(x[:, None], x + y)
    for name in ("src", "pcc"):
        np.testing.assert_allclose(getattr(result, name).value, result.pearson.value)


def test_unit_offset_and_order_of_the_rows_do_not_matter(rng):
    x, y = sample("beam", rng, (200,))
    expected = correlations(x, y)
    for same in ((x[::-1], y[::-1]), (1e200 * x, 1e-200 * y), (x / x.std(axis=0) + 5, y + 100)):
        result = correlations(*same)
        np.testing.assert_allclose(values(result), values(expected), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(bounds(result), bounds(expected), rtol=1e-6, atol=1e-8)


# --- intervals


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["normal", "ishigami", "beam", "g"])
def test_a_95_percent_interval_covers_in_95_percent_of_random_samples(problem):
    x, y = sample(problem, np.random.default_rng(1), (100_000,))
    truth = values(correlations(x[:, :3], y))
    rng = np.random.default_rng(2)
    hits = []
    for x, y in zip(*sample(problem, rng, (600, 150)), strict=True):
        low, high = np.moveaxis(bounds(correlations(x[:, :3], y)), 1, 0)
        hits.append((low <= truth) & (truth <= high))
    share = np.mean(hits, axis=0)
    # partial correlations of the beam are close to 1
    assert share.min() >= (0.91 if problem == "beam" else 0.92)
    assert share.max() <= 0.98


def test_intervals_of_normal_variables_are_close_to_the_classical_ones(rng):
    x, y = rng.normal(size=(2, 5000))
    y += 0.5 * x
    result = correlations(x[:, None], y)
    r = result.pearson.value[0]
    margin = 1.96 / np.sqrt(5000 - 3)
    expected = np.tanh([np.arctanh(r) - margin, np.arctanh(r) + margin])
    np.testing.assert_allclose(bounds(result)[0][:, 0], expected, atol=2e-3)
    r = result.spearman.value[0]
    margin *= np.sqrt(1 + r**2 / 2)  # Bonett, Wright
    expected = np.tanh([np.arctanh(r) - margin, np.arctanh(r) + margin])
    np.testing.assert_allclose(bounds(result)[1][:, 0], expected, atol=2e-3)


@pytest.mark.slow
def test_intervals_are_as_wide_as_a_bootstrap_that_ranks_again(rng):
    x, y = sample("ishigami", rng, (1000,))
    rows = rng.integers(0, 1000, (200, 1000))
    spread = np.std([values(correlations(x[k], y[k])) for k in rows], axis=0)
    width = np.ptp(bounds(correlations(x, y)), axis=1)
    np.testing.assert_allclose(width, 2 * 1.96 * spread, rtol=0.2)


def test_a_higher_confidence_widens_every_interval(rng):
    x, y = sample("normal", rng, (100,))
    narrow = bounds(correlations(x, y, confidence=0.5))
    wide = bounds(correlations(x, y, confidence=0.99))
    assert np.all((wide[:, 0] < narrow[:, 0]) & (narrow[:, 1] < wide[:, 1]))


# --- degenerate input


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_rows_with_a_missing_value_are_left_out_before_ranking(missing, rng):
    x, y = sample("normal", rng, (100,))
    expected = correlations(x[2:], y[2:])
    y[0] = x[1, 2] = missing
    result = correlations(x, y)
    np.testing.assert_array_equal(values(result), values(expected))
    np.testing.assert_array_equal(bounds(result), bounds(expected))
    assert (result.n_used, result.n_dropped) == (98, 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_a_constant_input_is_nan_and_leaves_the_others_alone(constant, rng):
    x, y = sample("normal", rng, (100,))
    expected = correlations(x[:, 1:], y)
    x[:, 0] = constant
    result = correlations(x, y)
    assert np.isnan(values(result)[:, 0]).all()
    assert np.isnan(bounds(result)[..., 0]).all()
    np.testing.assert_array_equal(values(result)[:, 1:], values(expected))
    np.testing.assert_array_equal(bounds(result)[..., 1:], bounds(expected))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_a_constant_output_has_no_correlations(constant, rng):
    result = correlations(rng.normal(size=(50, 2)), np.full(50, constant))
    assert np.isnan(values(result)).all()
    assert np.isnan(bounds(result)).all()


@pytest.mark.filterwarnings("error")
def test_inputs_that_determine_each_other_have_correlations_but_no_coefficients(rng):
    x, y = sample("normal", rng, (100,))
    twice = np.column_stack([x, 3 - 2 * x[:, 0]])
    result, alone = correlations(twice, y), correlations(x, y)
    assert np.isfinite([result.pearson.value, result.spearman.low]).all()
    for name in ("src", "srrc", "pcc", "prcc"):
        coefficient, expected = getattr(result, name), getattr(alone, name)
        assert np.isnan([coefficient.value[[0, 3]], coefficient.high[[0, 3]]]).all()
        np.testing.assert_allclose(coefficient.value[1:3], expected.value[1:3])
        np.testing.assert_allclose(coefficient.low[1:3], expected.low[1:3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", range(10))
def test_few_samples_have_nan_where_there_is_nothing_to_estimate(n, rng):
    x, y = rng.normal(size=(n, 3)), rng.normal(size=n)
    result = correlations(x, y)
    assert np.isfinite(values(result)[:2]).all() == (n >= 2)
    assert np.isfinite(values(result)[2:]).all() == (n >= 5)
    assert np.isfinite(bounds(result)[:2]).all() == (n >= 4)
    assert np.isfinite(bounds(result)[2:]).all() == (n >= 7)


@pytest.mark.filterwarnings("error")
def test_an_output_that_is_linear_has_partial_correlation_one(rng):
    x = rng.normal(size=(50, 3))
    result = correlations(x, x @ [3.0, 4.0, 0.0])
    np.testing.assert_allclose(result.pcc.value[:2], 1)
    np.testing.assert_allclose([result.pcc.low[:2], result.pcc.high[:2]], 1, atol=1e-6)
    assert np.isnan([result.pcc.value[2], result.pcc.low[2], result.pcc.high[2]]).all()
    np.testing.assert_allclose(result.src.value[2], 0, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_an_output_that_is_an_input_has_correlation_one(rng):
    x = rng.normal(size=(50, 1))
    result = correlations(x, np.exp(x[:, 0]))
    for name in ("spearman", "srrc", "prcc"):
        coefficient = getattr(result, name)
        ends = [coefficient.value, coefficient.low, coefficient.high]
        np.testing.assert_allclose(ends, 1, atol=1e-6)


@pytest.mark.parametrize(("x", "y"), [((10,), (10,)), ((10, 2), (9,)), ((10, 2), (10, 1))])
def test_a_wrong_shape_is_refused_in_one_line(x, y):
    with pytest.raises(ValueError, match=r"[xy] has shape .*; expected \(") as error:
        correlations(np.zeros(x), np.zeros(y))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence is .*; expected between 0 and 1"):
        correlations(np.zeros((10, 3)), np.zeros(10), confidence=confidence)
