"""Scaling as arrays, against curves whose answers are known."""

import math

import numpy as np
import pytest
import scipy.stats

from ensnare.analyses.estimators.scaling_laws import LAWS, fit_law
from ensnare.analyses.estimators.scaling_points import (
    efficiency,
    median_interval,
    reference_point,
    serial_fraction,
    speedup,
)

COUNTS = np.array([1, 2, 4, 8, 18, 36])
PUBLISHED_S = np.array([2711, 1370, 744, 376, 196, math.nan])


def amdahl(p, s=0.05, t1=100.0):
    return t1 * (s + (1 - s) / p)


def universal(p, alpha=0.04, beta=0.002, t1=100.0):
    return t1 * (1 + alpha * (p - 1) + beta * p * (p - 1)) / p


def test_the_published_times_have_their_speed_ups_and_a_hole():
    found = speedup(COUNTS, PUBLISHED_S)
    np.testing.assert_allclose(found[:5], [1, 1.98, 3.64, 7.21, 13.8], rtol=0.003)
    assert math.isnan(found[5])
    assert math.isnan(efficiency(COUNTS, PUBLISHED_S)[5])
    assert math.isnan(serial_fraction(COUNTS, PUBLISHED_S)[5])


def test_karp_and_flatt_find_the_serial_fraction_of_amdahl_at_every_count():
    found = serial_fraction(COUNTS, amdahl(COUNTS, s=0.07))
    assert math.isnan(found[0])
    np.testing.assert_allclose(found[1:], 0.07)


def test_the_reference_is_the_smallest_count_with_a_time_in_any_order():
    counts, time_s = np.array([8, 1, 4, 2]), np.array([12.5, math.nan, 25.0, 50.0])
    assert reference_point(counts, time_s) == 3
    np.testing.assert_allclose(speedup(counts, time_s), [4, math.nan, 2, 1])
    np.testing.assert_allclose(efficiency(counts, time_s), [1, math.nan, 1, 1])
    # relative to two of them: the serial fraction of a curve without loss is 0
    np.testing.assert_allclose(serial_fraction(counts, time_s)[[0, 2]], 0, atol=1e-12)


def test_a_single_count_is_its_own_reference():
    np.testing.assert_array_equal(speedup([4], [3.0]), [1])
    np.testing.assert_array_equal(efficiency([4], [3.0]), [1])
    assert math.isnan(serial_fraction([4], [3.0])[0])


def test_without_any_time_there_is_nothing():
    nothing = [math.nan, math.nan]
    assert reference_point([1, 2], nothing) is None
    for function in (speedup, efficiency, serial_fraction):
        assert np.isnan(function([1, 2], nothing)).all()


def test_superlinear_is_said_as_it_is():
    assert efficiency([1, 2], [10, 4])[1] == pytest.approx(1.25)
    assert serial_fraction([1, 2], [10, 4])[1] < 0


def test_a_problem_that_grows_is_compared_by_its_size():
    s = 0.1
    time_s = 50 / (1 - s + s / COUNTS)  # scaled speed-up p + (1 - p) s
    np.testing.assert_allclose(speedup(COUNTS, time_s, "weak"), COUNTS + (1 - COUNTS) * s)
    np.testing.assert_allclose(efficiency(COUNTS, time_s, "weak"), 1 - s + s / COUNTS)
    np.testing.assert_allclose(serial_fraction(COUNTS, time_s, "weak")[1:], s)


def test_a_time_of_zero_is_refused():
    with pytest.raises(ValueError, match="the time at 2 is 0 s; expected more than 0"):
        speedup([1, 2], [1.0, 0.0])


@pytest.mark.parametrize(
    ("n", "rank", "level"),
    [(2, 1, 0.5), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (10, 2, 0.978515625)],
)
def test_the_interval_of_a_median_is_an_order_statistic_with_its_exact_level(n, rank, level):
    values = np.arange(n, 0, -1.0)
    found = median_interval(values, 0.95)
    assert (found.low, found.high) == (rank, n + 1 - rank)
    assert found.level == pytest.approx(level)
    assert found.value == np.median(values)


def test_the_interval_of_a_median_has_its_level_whatever_the_distribution():
    chance = np.random.default_rng(1)
    draws = chance.exponential(size=(4000, 7))
    hits = [i.low <= math.log(2) <= i.high for i in map(median_interval, draws)]
    assert np.mean(hits) == pytest.approx(median_interval(draws[0]).level, abs=0.01)


def test_one_run_has_no_interval_and_none_has_no_median():
    one = median_interval([3.0, math.nan])
    assert (one.value, one.level) == (3, 0)
    assert math.isnan(one.low)
    assert math.isnan(median_interval([math.nan]).value)


def test_amdahl_gives_back_its_fraction():
    fit = fit_law(LAWS["amdahl"], COUNTS, amdahl(COUNTS, s=0.03))
    found = {name: p.value for name, p in fit.parameters.items()}
    assert found == pytest.approx(
        {"time_1_s": 100, "serial_fraction": 0.03, "most_speedup": 1 / 0.03}
    )
    assert fit.deviation < 1e-12
    assert not fit.note


def test_gustafson_gives_back_its_fraction():
    time_s = 50 / (1 - 0.2 + 0.2 / COUNTS)
    fit = fit_law(LAWS["gustafson"], COUNTS, time_s)
    assert fit.parameters["serial_fraction"].value == pytest.approx(0.2)
    assert fit.parameters["time_1_s"].value == pytest.approx(50)


@pytest.mark.parametrize("name", ["universal", "universal_weak"])
def test_the_universal_law_gives_back_alpha_beta_and_the_best_count(name):
    weak = name.endswith("weak")
    time_s = universal(COUNTS) * (COUNTS if weak else 1)
    fit = fit_law(LAWS[name], COUNTS, time_s)
    found = {key: p.value for key, p in fit.parameters.items()}
    assert found["contention"] == pytest.approx(0.04)
    assert found["coherency"] == pytest.approx(0.002)
    assert found["best_count"] == pytest.approx(math.sqrt((1 - 0.04) / 0.002))
    np.testing.assert_allclose(fit.time_s(COUNTS), time_s)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_parameters_and_coefficients_are_two_ways_to_say_a_law(law):
    c = np.array([3.0, 0.2, 0.01])[: law.columns(np.ones(1)).shape[1]]
    np.testing.assert_allclose(law.coefficients(law.parameters(c)), c)


def test_holes_and_repeats_do_not_move_a_fit():
    counts = np.repeat(COUNTS, 3)
    time_s = universal(counts.astype(float))
    time_s[[0, 17]] = math.nan
    fit = fit_law(LAWS["universal"], counts, time_s)
    assert fit.n_used == 16
    assert fit.parameters["contention"].value == pytest.approx(0.04)


def test_too_few_counts_are_no_fit_and_say_so():
    fit = fit_law(LAWS["universal"], [1, 1, 2, 2], [10, 10, 6, 6])
    assert all(math.isnan(p.value) for p in fit.parameters.values())
    assert fit.note == "expected at least 3 counts with a time; found 2"
    assert "found 0" in fit_law(LAWS["amdahl"], [1, 2], [math.nan, math.nan]).note


def test_as_many_runs_as_coefficients_have_no_interval():
    fit = fit_law(LAWS["amdahl"], [1, 4], amdahl(np.array([1, 4])))
    assert fit.parameters["serial_fraction"].value == pytest.approx(0.05)
    assert math.isnan(fit.parameters["serial_fraction"].low)
    assert "no interval" in fit.note


def test_a_coherency_that_only_rounding_leaves_has_no_best_count():
    counts = np.array([2, 4, 8])
    fit = fit_law(LAWS["universal"], counts, 0.3 * (0.1 + 0.9 / counts))
    assert fit.parameters["coherency"].value == 0
    assert fit.parameters["best_count"].value == math.inf


def test_a_superlinear_curve_stays_within_the_bounds_and_says_so():
    fit = fit_law(LAWS["universal"], COUNTS, 100 / COUNTS**1.1)
    assert fit.parameters["contention"].value == 0
    assert fit.parameters["best_count"].value == math.inf
    assert fit.note == "contention and coherency at the bound 0"


def test_a_curve_that_never_gets_faster_is_all_serial():
    fit = fit_law(LAWS["amdahl"], COUNTS, 5.0 + 0.1 * COUNTS)
    assert fit.parameters["serial_fraction"].value == pytest.approx(1)
    assert fit.note == "serial_fraction at the bound 1"


@pytest.mark.slow
def test_intervals_of_a_fit_hold_the_truth_about_as_often_as_they_say():
    chance = np.random.default_rng(3)
    counts = np.repeat(COUNTS, 3)
    hits = []
    for seed in range(60):
        time_s = amdahl(counts) * np.exp(0.03 * chance.standard_normal(counts.size))
        found = fit_law(LAWS["amdahl"], counts, time_s, confidence=0.9, seed=seed)
        p = found.parameters["serial_fraction"]
        hits.append(p.low <= 0.05 <= p.high)
    assert 0.75 <= np.mean(hits) <= 1


def test_the_same_seed_gives_the_same_intervals():
    time_s = universal(COUNTS) * [1, 1.02, 0.99, 1.01, 0.98, 1]
    first, second = (fit_law(LAWS["universal"], COUNTS, time_s, seed=0) for _ in range(2))
    assert first.parameters == second.parameters
    assert first.parameters != fit_law(LAWS["universal"], COUNTS, time_s, seed=1).parameters


def test_intervals_of_few_runs_are_as_wide_as_those_of_student():
    law, counts = LAWS["amdahl"], np.array([1, 2, 4, 8])
    chance = np.random.default_rng(3)
    ratios = []
    for _ in range(12):
        time_s = law.time_s(np.array([0.05, 0.95]), counts) * (1 + 0.03 * chance.normal(size=4))
        found = fit_law(law, counts, time_s).parameters["time_1_s"]
        rows = law.columns(counts.astype(float)) / time_s[:, None]
        inverse = np.linalg.inv(rows.T @ rows)
        deviations = 1 - rows @ (inverse @ rows.sum(axis=0))
        # the parameter is the sum of the coefficients
        error = np.sqrt(deviations @ deviations / 2 * inverse.sum())
        ratios.append((found.high - found.low) / (2 * scipy.stats.t.ppf(0.975, 2) * error))
    assert 0.8 < np.mean(ratios) < 1.2
