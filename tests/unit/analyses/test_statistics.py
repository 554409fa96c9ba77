"""Statistics of a sample against numpy, exact probabilities and simulated coverage."""

import numpy as np
import pytest

from ensnare.analyses.estimators.statistics import Statistic, exceedance, summarise

NAMES = ["mean", "std", "min", "max", "q05", "q25", "median", "q75", "q95"]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def by_name(y, **options):
    return {row.name: row for row in summarise(y, **options)[0]}


# --- values


def test_the_values_are_those_of_numpy_to_the_last_digit(rng):
    y = np.sort(rng.lognormal(size=1001))
    expected = [y.mean(), y.std(ddof=1), y.min(), y.max(), *np.quantile(y, LEVELS, method="linear")]
    rows, n_used, n_dropped = summarise(y)
    assert [row.name for row in rows] == NAMES
    assert [row.value for row in rows] == expected
    assert (n_used, n_dropped) == (1001, 0)


def test_every_value_is_a_plain_float(rng):
    for row in summarise(rng.normal(size=50))[0]:
        assert {type(row.value), type(row.low), type(row.high)} == {float}


def test_intervals_hold_their_values_and_the_extremes_have_none(rng):
    rows, _, _ = summarise(rng.lognormal(size=300))
    for row in rows:
        if row.name in ("min", "max"):
            assert np.isnan([row.low, row.high]).all()
        else:
            assert row.low < row.value < row.high


def test_quantiles_are_named_after_their_percentage(rng):
    levels = (0.001, 0.025, 0.05, 0.5, 0.29, 0.9, 0.999)
    rows, _, _ = summarise(rng.normal(size=50), quantiles=levels)
    expected = ["q00.1", "q02.5", "q05", "median", "q29", "q90", "q99.9"]
    assert [row.name for row in rows[4:]] == expected


def test_no_quantiles_may_be_asked_for():
    assert [row.name for row in summarise([1.0, 2.0], quantiles=())[0]] == NAMES[:4]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_missing_samples_are_left_out_and_counted(missing, rng):
    y = rng.normal(size=100)
    rows, n_used, n_dropped = summarise(np.insert(y, [0, 50, 100], missing))
    np.testing.assert_array_equal(
        [(row.value, row.low, row.high) for row in rows],
        [(row.value, row.low, row.high) for row in summarise(y)[0]],
    )
    assert (n_used, n_dropped) == (100, 3)


def test_a_change_of_unit_scales_every_number(rng):
    y = rng.lognormal(size=200)
    for factor in (1e-200, 1e3, 1e200):  # squares of 1e200 overflow
        for row, scaled in zip(summarise(y)[0], summarise(factor * y)[0], strict=True):
            np.testing.assert_allclose(
                [scaled.value, scaled.low, scaled.high],
                [factor * row.value, factor * row.low, factor * row.high],
                rtol=1e-12,
            )


# --- intervals


def test_the_interval_of_the_mean_is_students():
    mean = by_name([1.0, 2.0, 3.0, 4.0, 5.0])["mean"]
    half_width = 2.7764451051977987 * np.sqrt(2.5 / 5)  # t table, 4 degrees of freedom
    np.testing.assert_allclose([mean.low, mean.high], [3 - half_width, 3 + half_width])


def test_the_interval_of_the_std_is_bonetts():
    y = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 40.0])
    n, z = 10, 1.959963984540054
    c = n / (n - z)
    trimmed = y[2:-2].mean()  # 1 / (2 sqrt(10 - 4)) = 20.4 % of each side
    kurtosis = n * np.sum((y - trimmed) ** 4) / np.sum((y - y.mean()) ** 2) ** 2
    error = c * np.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    ends = np.exp(np.log(c * y.var(ddof=1)) + np.array([-z, z]) * error)
    std = by_name(y)["std"]
    np.testing.assert_allclose([std.low, std.high], np.sqrt(ends))


def test_the_interval_of_the_median_has_the_ranks_of_the_tables():
    # Conover's tables: n = 10, ranks 2 and 9, confidence 97.9 %; n = 100, ranks 40 and 61
    ten, hundred = (by_name(np.arange(1.0, n + 1))["median"] for n in (10, 100))
    assert (ten.low, ten.high) == (2, 9)
    assert (hundred.low, hundred.high) == (40, 61)


@pytest.mark.parametrize("n", [30, 59, 200, 1000])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_each_end_of_a_quantile_interval_has_the_exact_binomial_guarantee_and_is_tight(
    n, confidence
):
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    rows = by_name(np.arange(1.0, n + 1), confidence=confidence)
    for name, p in zip(NAMES[4:], LEVELS, strict=True):
        low, high = rows[name].low, rows[name].high
        if np.isnan(low):
            assert binom.cdf(0, n, p) > tail
        else:
            assert binom.cdf(low - 1, n, p) <= tail < binom.cdf(low, n, p)
        if np.isnan(high):
            assert binom.sf(n - 1, n, p) > tail
        else:
            assert binom.sf(high - 1, n, p) <= tail < binom.sf(high - 2, n, p)


def test_an_end_that_needs_more_samples_is_nan():
    rows = by_name(np.arange(20.0))
    assert np.isnan(rows["q05"].low)
    assert np.isfinite(rows["q05"].high)
    assert np.isfinite(rows["q95"].low)
    assert np.isnan(rows["q95"].high)


@pytest.mark.parametrize("n", [300, 500])
@pytest.mark.parametrize("sigma", [None, 0.4], ids=["normal", "lognormal"])
def test_a_95_percent_interval_covers_in_95_percent_of_samples(sigma, n, rng):
    from scipy.special import ndtri

    normal = rng.normal(size=(1000, n))
    truth = [0, 1, *ndtri(LEVELS)]
    if sigma is not None:
        mean = np.exp(sigma**2 / 2)
        truth = [mean, mean * np.sqrt(np.expm1(sigma**2)), *np.exp(sigma * ndtri(LEVELS))]
    hits = np.zeros(len(truth))
    for y in normal if sigma is None else np.exp(sigma * normal):
        rows = [row for row in summarise(y)[0] if row.name not in ("min", "max")]
        hits += [row.low <= value <= row.high for row, value in zip(rows, truth, strict=True)]
    assert hits.min() / len(normal) >= 0.92
    assert hits.max() / len(normal) <= 0.98


def test_a_higher_confidence_widens_every_interval(rng):
    y = rng.lognormal(size=500)
    for narrow, wide in zip(summarise(y, confidence=0.5)[0], summarise(y)[0], strict=True):
        if narrow.name not in ("min", "max"):
            assert wide.low < narrow.low < narrow.high < wide.high


# --- degenerate input


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("y", [[], [np.nan, np.nan]])
def test_no_samples_have_no_statistics(y):
    rows, n_used, n_dropped = summarise(y)
    assert [row.name for row in rows] == NAMES
    assert np.isnan([(row.value, row.low, row.high) for row in rows]).all()
    assert (n_used, n_dropped) == (0, len(y))


@pytest.mark.filterwarnings("error")
def test_one_sample_has_values_without_intervals():
    rows = by_name([3.0])
    assert np.isnan(rows.pop("std").value)
    assert {row.value for row in rows.values()} == {3.0}
    assert np.isnan([(row.low, row.high) for row in rows.values()]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [2, 4])
def test_fewer_than_five_samples_have_a_std_without_interval(n):
    std = by_name(np.arange(float(n)))["std"]
    assert std.value == np.arange(float(n)).std(ddof=1)
    assert np.isnan([std.low, std.high]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e300])
def test_a_constant_output_has_no_spread(constant):
    rows = by_name(np.full(200, constant))
    assert rows["std"] == Statistic("std", 0.0, 0.0, 0.0)
    assert rows["mean"].low == rows["mean"].value == rows["mean"].high
    np.testing.assert_allclose(rows["mean"].value, constant, rtol=1e-15)
    assert rows["median"] == Statistic("median", constant, constant, constant)


@pytest.mark.parametrize("shape", [(3, 1), ()])
def test_a_wrong_shape_is_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"y has shape .*; expected \(n,\)"):
        summarise(np.zeros(shape))


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence is .*; expected between 0 and 1"):
        summarise([1.0, 2.0], confidence=confidence)


@pytest.mark.parametrize("level", [0, 1, 5, np.nan])
def test_a_quantile_outside_0_to_1_is_refused(level):
    with pytest.raises(ValueError, match=r"quantile is .*; expected a probability"):
        summarise([1.0, 2.0], quantiles=[level])


@pytest.mark.parametrize(("p", "n"), [(0.3, 50), (0.05, 200), (0.01, 600), (0.01, 1000)])
def test_the_interval_of_a_probability_covers(p, n):
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(500):
        found = exceedance(rng.random(n), 1 - p)
        covered += found.low <= p <= found.high
    assert 0.92 <= covered / 500 <= 0.98


def test_a_probability_is_the_share_beyond_the_threshold_of_known_values():
    y = [1.0, 2.0, 3.0, 4.0, np.nan]
    above, below = exceedance(y, 3.0), exceedance(y, 3.0, below=True)
    assert (above.value, above.n_used, above.n_dropped) == (0.25, 4, 1)
    assert below.value == 0.5
    assert exceedance(y, 9.0).low == 0 < exceedance(y, 9.0).high < 0.5
    assert np.isnan(exceedance([np.nan], 0.0).value)
