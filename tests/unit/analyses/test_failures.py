"""The test of failure against each input: exact probabilities, level and power."""

import numpy as np
import pytest

from ensnare.analyses.estimators.failures import failure_dependence


def test_the_p_value_is_that_of_the_tables():
    # 3 failed all above 7 finished: 2 of the 120 ways to choose them are as extreme
    x = np.arange(10.0)[:, None]
    p_value, statistic = failure_dependence(x, x[:, 0] >= 7)
    np.testing.assert_allclose(statistic, 1)
    np.testing.assert_allclose(p_value, 2 / 120)


def test_scipy_gives_the_same_test_for_one_input(rng):
    from scipy.stats import ks_2samp

    x, failed = rng.random((300, 1)), rng.random(300) < 0.1
    result = failure_dependence(x, failed)
    theirs = ks_2samp(x[failed, 0], x[~failed, 0])
    np.testing.assert_allclose(result.p_value, theirs.pvalue)
    np.testing.assert_allclose(result.statistic, theirs.statistic)


def test_p_values_are_adjusted_after_holm(rng):
    x, failed = rng.random((200, 3)), rng.random(200) < 0.3
    x[failed, 1] **= 0.5
    x[failed, 2] **= 0.6
    alone = [failure_dependence(x[:, [j]], failed).p_value[0] for j in range(3)]
    order = np.argsort(alone)
    expected = np.minimum(np.maximum.accumulate(np.array(alone)[order] * [3, 2, 1]), 1)
    np.testing.assert_allclose(failure_dependence(x, failed).p_value[order], expected)


@pytest.mark.parametrize(("n", "d", "share"), [(200, 1, 0.1), (500, 4, 0.05)])
def test_random_failures_are_called_dependent_in_at_most_5_percent_of_studies(n, d, share):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        failed = rng.random(n) < share
        hits += np.nanmin(failure_dependence(rng.random((n, d)), failed).p_value) < 0.05
    assert 0.025 < hits / 1000 < 0.065  # 0.05 + 2 standard errors


def test_the_level_holds_with_discrete_inputs():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(500):
        x = rng.integers(0, 3, size=(200, 2)).astype(float)
        hits += failure_dependence(x, rng.random(200) < 0.1).p_value.min() < 0.05
    assert hits / 500 < 0.06


@pytest.mark.parametrize("failing", ["upper fifth", "both ends", "middle"])
def test_failures_in_a_part_of_the_range_are_found_for_the_right_input(failing):
    rng = np.random.default_rng(3)
    n_failed = {"upper fifth": 10, "both ends": 60, "middle": 60}[failing]
    found = np.zeros(5)
    for _ in range(100):
        x = rng.random((1000, 5))
        where = {
            "upper fifth": x[:, 3] > 0.8,
            "both ends": np.abs(x[:, 3] - 0.5) > 0.35,
            "middle": np.abs(x[:, 3] - 0.5) < 0.15,
        }[failing]
        failed = np.zeros(1000, dtype=bool)
        failed[rng.choice(np.flatnonzero(where), n_failed, replace=False)] = True
        found += failure_dependence(x, failed).p_value < 0.05
    assert found[3] >= 95
    assert np.delete(found, 3).max() <= 5


@pytest.mark.filterwarnings("error")
def test_large_samples_are_tested_without_warnings(rng):
    x, failed = rng.random((100_000, 2)), rng.random(100_000) < 0.2
    assert failure_dependence(x, failed).p_value.min() > 0.001


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [0, 1, 20])
@pytest.mark.parametrize("outcome", [False, True])
def test_all_or_none_failed_is_not_tested(outcome, n, rng):
    result = failure_dependence(rng.random((n, 2)), np.full(n, outcome))
    assert np.isnan([result.p_value, result.statistic]).all()


@pytest.mark.filterwarnings("error")
def test_a_constant_input_is_not_tested_nor_counted(rng):
    x, failed = rng.random((100, 3)), rng.random(100) < 0.3
    expected = failure_dependence(x[:, 1:], failed)
    x[:, 0] = 0.1
    result = failure_dependence(x, failed)
    assert np.isnan([result.p_value[0], result.statistic[0]]).all()
    np.testing.assert_array_equal(result.p_value[1:], expected.p_value)


def test_rows_with_a_missing_input_are_left_out(rng):
    x, failed = rng.random((100, 2)), rng.random(100) < 0.3
    expected = failure_dependence(x[1:], failed[1:])
    x[0, 1] = np.nan
    np.testing.assert_array_equal(failure_dependence(x, failed), expected)


def test_wrong_arguments_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"x has shape \(10,\); expected \(n, d\)"):
        failure_dependence(np.zeros(10), np.zeros(10, dtype=bool))
    with pytest.raises(ValueError, match=r"failed has shape \(9,\); expected \(10,\)"):
        failure_dependence(np.zeros((10, 2)), np.zeros(9, dtype=bool))
    with pytest.raises(ValueError, match="failed holds int64; expected bool"):
        failure_dependence(np.zeros((10, 2)), np.zeros(10, dtype=np.int64))
