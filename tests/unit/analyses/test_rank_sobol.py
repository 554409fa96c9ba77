"""Rank-based first-order indices against truths, openturns and simulated coverage."""

from itertools import permutations

import numpy as np
import pytest
from sobol_samples import PROBLEMS

from ensnare.analyses.estimators.rank_sobol import rank_sobol_indices


def sample(problem, rng, shape):
    function, inputs, _ = PROBLEMS[problem]
    x = inputs(rng, shape)
    return x, function(x)


def every_number(result):
    return np.concatenate([result.first, result.low, result.high])


# --- values


@pytest.mark.parametrize("problem", PROBLEMS)
def test_indices_of_a_large_sample_are_the_analytic_ones(problem, rng):
    result = rank_sobol_indices(*sample(problem, rng, (50_000,)))
    np.testing.assert_allclose(result.first, PROBLEMS[problem][2][0], atol=0.02)
    assert (result.n_used, result.n_dropped) == (50_000, 0)


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_openturns_gives_the_same_indices_on_the_same_numbers(problem, n, rng):
    import openturns as ot

    x, y = sample(problem, rng, (n,))
    y = (y - y.mean()) / y.std()  # openturns loses digits otherwise
    theirs = ot.RankSobolSensitivityAlgorithm(ot.Sample(x), ot.Sample(y[:, None]))
    np.testing.assert_allclose(
        rank_sobol_indices(x, y).first, theirs.getFirstOrderIndices(), atol=1e-10
    )


def test_equal_values_count_as_the_mean_over_all_their_orders(rng):
    y = rng.normal(size=8)
    result = rank_sobol_indices(np.array([[1.0, 1, 2, 2, 2, 3, 4, 4]]).T, y)
    orders = [
        [*one, *two, 5, *four]
        for one in permutations([0, 1])
        for two in permutations([2, 3, 4])
        for four in permutations([6, 7])
    ]
    x = np.arange(8.0)[:, None]
    broken = [rank_sobol_indices(x, y[order]).first for order in orders]
    np.testing.assert_allclose(result.first, np.mean(broken, axis=0))


def test_the_order_of_rows_does_not_matter_even_with_equal_values(rng):
    x = rng.integers(0, 4, size=(200, 2)).astype(float)
    y = x[:, 0] + rng.normal(size=200)
    order = rng.permutation(200)
    one, other = rank_sobol_indices(x, y).first, rank_sobol_indices(x[order], y[order]).first
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_a_discrete_input_has_its_analytic_index(rng):
    x = rng.integers(0, 2, size=(20_000, 1)).astype(float)
    result = rank_sobol_indices(x, x[:, 0] + rng.normal(size=20_000))  # 1/4 of 5/4
    np.testing.assert_allclose(result.first, 0.2, atol=0.01)
    assert result.low < 0.2 < result.high


def test_unit_offset_and_increasing_functions_of_an_input_do_not_matter(rng):
    x, y = sample("beam", rng, (300,))
    expected = every_number(rank_sobol_indices(x, y))
    for same in ((np.log(x), y), (x, y + 100), (1e200 * x, -1e300 * y), (x, 1e-300 * y)):
        np.testing.assert_allclose(every_number(rank_sobol_indices(*same)), expected, rtol=1e-7)


# --- intervals


@pytest.mark.parametrize(
    ("problem", "n"), [("ishigami", 300), ("ishigami", 1000), ("beam", 300), ("g", 300)]
)
def test_a_95_percent_interval_covers_in_95_percent_of_random_samples(problem, n):
    rng = np.random.default_rng(3)
    truth = PROBLEMS[problem][2][0][:4]
    hits = []
    for x, y in zip(*sample(problem, rng, (1000, n)), strict=True):
        r = rank_sobol_indices(x[:, :4], y)
        hits.append((r.low <= truth) & (truth <= r.high))
    share = np.mean(hits, axis=0)
    assert share.min() >= 0.92
    assert share.max() <= 0.98


def test_a_95_percent_interval_covers_with_discrete_inputs():
    rng = np.random.default_rng(3)
    n, hits = 300, []
    variance = 0.5 + 4 * (1 / 6 - 1 / 16) + 0.25
    truth = np.array([0.5, 0.25, 1 / 12]) / variance
    for _ in range(1000):
        coarse, binary = rng.integers(0, 5, n), rng.integers(0, 2, n)
        rounded = np.round(rng.random(n) * 100) / 100
        y = 0.5 * coarse + 2 * binary * rounded + 0.5 * rng.normal(size=n)
        r = rank_sobol_indices(np.column_stack([coarse, binary, rounded]), y)
        hits.append((r.low <= truth) & (truth <= r.high))
    share = np.mean(hits, axis=0)
    assert share.min() >= 0.92
    assert share.max() <= 0.98


def test_the_index_lies_in_its_interval_even_where_its_bias_is_larger(rng):
    x = rng.random((30, 1))
    result = rank_sobol_indices(x, x[:, 0])  # the pair of last and first costs 6/n
    assert result.low[0] <= result.first[0] < 0.9
    assert result.high[0] > 0.98


def test_a_higher_confidence_widens_the_interval(rng):
    x, y = sample("ishigami", rng, (200,))
    narrow, wide = rank_sobol_indices(x, y, confidence=0.5), rank_sobol_indices(x, y)
    assert np.all((wide.low < narrow.low) & (narrow.high < wide.high))


# --- degenerate input


def test_rows_with_a_missing_value_are_left_out_and_counted(rng):
    x, y = sample("ishigami", rng, (200,))
    expected = rank_sobol_indices(np.delete(x, [0, 7, 199], axis=0), np.delete(y, [0, 7, 199]))
    y[[0, 7]] = np.nan, np.inf
    x[199, 1] = np.nan
    result = rank_sobol_indices(x, y)
    np.testing.assert_array_equal(every_number(result), every_number(expected))
    assert (result.n_used, result.n_dropped) == (197, 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_what_does_not_vary_has_no_index(constant, rng):
    x = rng.random((50, 2))
    assert np.isnan(every_number(rank_sobol_indices(x, np.full(50, constant)))).all()
    x[:, 0] = constant
    result = rank_sobol_indices(x, x[:, 1])
    assert np.isnan([result.first[0], result.low[0], result.high[0]]).all()
    assert result.first[1] > 0.8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 6])
def test_few_samples_have_indices_without_intervals(n, rng):
    result = rank_sobol_indices(rng.random((n, 2)), rng.random(n))
    assert np.isfinite(result.first).all() == (n >= 2)
    assert np.isfinite(result.low).all() == (n >= 5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("levels", [2, 3, 49])
def test_any_number_of_equal_values_is_handled(levels, rng):
    x = (np.arange(50.0) % levels)[:, None]
    result = rank_sobol_indices(x, rng.normal(size=50))
    assert np.isfinite(every_number(result)).all()


@pytest.mark.filterwarnings("error")
def test_variance_from_one_sample_alone_is_no_error(rng):
    y = np.zeros(50)
    y[4] = 1.0
    result = rank_sobol_indices(rng.random((50, 1)), y)
    assert np.isfinite(result.first).all()


@pytest.mark.parametrize(("x", "y"), [((10,), (10,)), ((10, 2), (9,)), ((10, 2), (10, 1))])
def test_a_wrong_shape_is_refused_in_one_line(x, y):
    with pytest.raises(ValueError, match=r"[xy] has shape .*; expected \(") as error:
        rank_sobol_indices(np.zeros(x), np.zeros(y))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence is .*; expected between 0 and 1"):
        rank_sobol_indices(np.zeros((10, 3)), np.zeros(10), confidence=confidence)
