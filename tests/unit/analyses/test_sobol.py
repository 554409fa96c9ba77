"""Sobol' indices against analytic truths, openturns, SALib and simulated coverage."""

import numpy as np
import pytest
from SALib.analyze.sobol import analyze
from sobol_samples import (
    PROBLEMS,
    g_truth,
    ishigami,
)

from ensnare.analyses.estimators.sobol import sobol_indices


def pick_freeze(problem, rng, shape):
    """Return outputs of shape (*shape, d + 2) of a purely random pick-freeze design."""
    function, inputs, _ = PROBLEMS[problem]
    a, b = inputs(rng, shape), inputs(rng, shape)
    outputs = [function(a), function(b)]
    for i in range(a.shape[-1]):
        mixed = a.copy()
        mixed[..., i] = b[..., i]
        outputs.append(function(mixed))
    return np.stack(outputs, axis=-1)


def bounds(result):
    return np.array([result.first_low, result.first_high, result.total_low, result.total_high])


def every_number(result):
    return np.concatenate([result.first, result.total, *bounds(result)])


def assert_same(one, other):
    np.testing.assert_allclose(every_number(one), every_number(other), rtol=1e-9, atol=1e-12)


def test_the_g_function_has_its_published_indices():
    first, total = g_truth()
    np.testing.assert_allclose(first[:4], [0.71619, 0.17905, 0.02368, 0.00716], atol=1e-5)
    np.testing.assert_allclose(total[:4], [0.78714, 0.2422, 0.03432, 0.01046], atol=1e-5)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_indices_of_a_large_sample_are_the_analytic_ones(problem, rng):
    result = sobol_indices(pick_freeze(problem, rng, (100_000,)))
    first, total = PROBLEMS[problem][2]
    np.testing.assert_allclose(result.first, first, atol=0.01)
    np.testing.assert_allclose(result.total, total, atol=0.01)
    assert (result.n_used, result.n_dropped) == (100_000, 0)


def test_one_effective_input_has_index_one_and_the_others_exactly_no_total_effect(rng):
    a, b, noise = rng.normal(size=(3, 500))
    result = sobol_indices(np.stack([a, b, b, a, a * (1 + 1e-15 * noise)], axis=1))
    np.testing.assert_allclose(result.first[0], 1, atol=1e-12)
    np.testing.assert_allclose(result.total[1:], 0, atol=1e-12)
    np.testing.assert_allclose([result.first_low[0], result.first_high[0]], 1, atol=1e-12)
    np.testing.assert_allclose([result.total_low[1:], result.total_high[1:]], 0, atol=1e-12)


def test_an_input_that_matters_in_a_single_group_gets_a_small_but_open_interval(rng):
    a, b = rng.normal(size=(2, 500))
    rarely = a.copy()
    rarely[7] += 1
    result = sobol_indices(np.stack([a, b, rarely], axis=1))
    assert 0 <= result.total_low[0] < result.total[0] < result.total_high[0] < 0.01


@pytest.mark.parametrize("n", [8, 100, 2000])
def test_openturns_martinez_gives_the_same_indices_on_its_own_design(n):
    import openturns as ot

    ot.RandomGenerator.SetSeed(0)
    inputs = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
    x = ot.SobolIndicesExperiment(inputs, n, False).generate()
    y = ishigami(np.asarray(x))
    theirs = ot.MartinezSensitivityAlgorithm(x, ot.Sample(y[:, None]), n)
    ours = sobol_indices(y.reshape(5, n).T)
    np.testing.assert_allclose(ours.first, theirs.getFirstOrderIndices(), atol=1e-10)
    np.testing.assert_allclose(ours.total, theirs.getTotalOrderIndices(), atol=1e-10)


def test_intervals_are_close_to_the_asymptotic_ones_of_openturns_for_large_samples(rng):
    import openturns as ot

    y = pick_freeze("ishigami", rng, (20_000,))
    theirs = ot.MartinezSensitivityAlgorithm(
        ot.Sample(np.zeros((y.size, 3))), ot.Sample(y.T.reshape(-1, 1)), len(y)
    )
    theirs.setUseAsymptoticDistribution(True)
    first = theirs.getFirstOrderIndicesInterval()
    total = theirs.getTotalOrderIndicesInterval()
    np.testing.assert_allclose(
        bounds(sobol_indices(y)),
        [end for i in (first, total) for end in (i.getLowerBound(), i.getUpperBound())],
        atol=5e-4,
    )


def test_salib_agrees_within_the_intervals(rng):
    y = pick_freeze("ishigami", rng, (4096,))
    rows = np.concatenate([y[:, :1], y[:, 2:], y[:, 1:2]], axis=1)  # its order is A, E_i, B
    problem = {"num_vars": 3, "names": ["x1", "x2", "x3"], "bounds": [[-np.pi, np.pi]] * 3}
    theirs = analyze(problem, rows.ravel(), calc_second_order=False, num_resamples=50, seed=0)
    ours = sobol_indices(y)
    assert np.all(np.abs(ours.first - theirs["S1"]) < ours.first_high - ours.first_low)
    assert np.all(np.abs(ours.total - theirs["ST"]) < ours.total_high - ours.total_low)


def coverage(problem, n, replicates=1000, confidence=0.95):
    """Return the share of intervals that cover, shape (2, d): first order, total."""
    rng = np.random.default_rng(0)
    truth = np.array(PROBLEMS[problem][2])
    hits = np.zeros(truth.shape)
    for _ in range(replicates // 100):
        for y in pick_freeze(problem, rng, (100, n)):
            ends = bounds(sobol_indices(y, confidence=confidence))
            hits += (ends[0::2] <= truth) & (truth <= ends[1::2])
    return hits / replicates


# includes an index that is exactly 0: first order of Ishigami's x3
@pytest.mark.parametrize("problem", ["ishigami", "beam"])
@pytest.mark.parametrize(("n", "least"), [(64, 0.91), (200, 0.92), (1000, 0.92)])
def test_a_95_percent_interval_covers_in_95_percent_of_random_designs(problem, n, least):
    share = coverage(problem, n)
    assert share.min() >= least
    assert share.max() <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["ishigami", "beam"])
def test_an_80_percent_interval_covers_in_80_percent_of_random_designs(problem):
    # at 80 % the sampling error of the share itself is larger: more replicates
    share = coverage(problem, 300, replicates=4000, confidence=0.8)
    np.testing.assert_allclose(share, 0.8, atol=0.03)


def test_the_interval_is_the_jackknife_of_the_whole_analysis(rng):
    from scipy.stats import t

    y = pick_freeze("beam", rng, (20,))
    deleted = [sobol_indices(np.delete(y, k, axis=0)) for k in range(20)]
    result = sobol_indices(y, confidence=0.9)
    z = np.arctanh([[one.first, 1 - one.total] for one in deleted])
    margin = np.sqrt(19 * z.var(axis=0)) * t.ppf(0.95, 19)
    middle = np.arctanh([result.first, 1 - result.total])
    (first_low, total_high), (first_high, total_low) = np.tanh([middle - margin, middle + margin])
    expected = [first_low, first_high, 1 - total_low, 1 - total_high]
    np.testing.assert_allclose(bounds(result), expected, rtol=1e-9)


def test_the_interval_is_as_wide_as_a_bootstrap_that_recomputes_everything(rng):
    y = pick_freeze("ishigami", rng, (1000,))
    resamples = (sobol_indices(y[rng.integers(0, 1000, 1000)]) for _ in range(500))
    spread = np.std([[one.first, one.total] for one in resamples], axis=0)
    low_first, high_first, low_total, high_total = bounds(sobol_indices(y))
    width = np.array([high_first - low_first, high_total - low_total])
    np.testing.assert_allclose(width, 2 * 1.96 * spread, rtol=0.12)


def test_unit_offset_and_order_of_the_groups_do_not_matter(rng):
    y = pick_freeze("beam", rng, (300,))
    expected = sobol_indices(y)
    for same in (y[::-1], y + 100, -1e3 * y, 1e300 * y, 1e-300 * y):
        assert_same(sobol_indices(same), expected)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("block", range(5))
def test_a_group_with_a_missing_output_is_left_out_as_a_whole(block, missing, rng):
    y = pick_freeze("ishigami", rng, (200,))
    lost = [0, 17, 199]
    expected = sobol_indices(np.delete(y, lost, axis=0))
    y[lost, block] = missing
    result = sobol_indices(y)
    assert (result.n_used, result.n_dropped) == (197, 3)
    np.testing.assert_array_equal(every_number(result), every_number(expected))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_a_constant_output_has_no_indices(constant):
    result = sobol_indices(np.full((64, 5), constant))
    assert np.isnan(every_number(result)).all()
    assert (result.n_used, result.n_dropped) == (64, 0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("rows", "lost"), [(0, 0), (1, 0), (2, 1), (9, 9)])
def test_fewer_than_two_complete_groups_have_no_indices(rows, lost, rng):
    y = rng.normal(size=(rows, 5))
    y[:lost, 3] = np.nan
    result = sobol_indices(y)
    assert every_number(result).shape == (18,)
    assert np.isnan(every_number(result)).all()
    assert (result.n_used, result.n_dropped) == (rows - lost, lost)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_groups_have_indices_without_intervals(n, rng):
    result = sobol_indices(rng.normal(size=(n, 4)))
    assert np.isfinite([result.first, result.total]).all()
    assert np.isnan(bounds(result)).all()


@pytest.mark.filterwarnings("error")
def test_variance_from_one_group_alone_gives_no_interval():
    y = np.zeros((50, 3))
    y[4] = 1.0
    result = sobol_indices(y)
    np.testing.assert_allclose(result.first, 1)
    assert np.isnan(bounds(result)).all()


@pytest.mark.filterwarnings("error")
def test_a_constant_block_spoils_only_its_own_input(rng):
    y = pick_freeze("beam", rng, (50,))
    expected = sobol_indices(y)
    y[:, 3] = 0.1
    result = sobol_indices(y)
    assert np.isnan([result.first[1], result.total[1]]).all()
    np.testing.assert_allclose(np.delete(result.first, 1), np.delete(expected.first, 1))


@pytest.mark.parametrize("shape", [(10,), (10, 2), (10, 3, 2), ()])
def test_a_wrong_shape_is_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"y has shape .*; expected \(N, d \+ 2\)") as error:
        sobol_indices(np.zeros(shape))
    assert str(shape) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_estimator_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'martines'; did you mean 'martinez'\?"):
        sobol_indices(np.zeros((10, 3)), estimator="martines")


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence is .*; expected between 0 and 1"):
        sobol_indices(np.zeros((10, 3)), confidence=confidence)
