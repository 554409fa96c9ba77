"""Jansen, Saltelli, Mauntz-Kucherenko and second order, against truths, openturns, coverage."""

import numpy as np
import pytest
from sobol_samples import BEAM, G_COEFFICIENTS, PROBLEMS

from ensnare.analyses.estimators.sobol import sobol_indices
from ensnare.analyses.estimators.sobol_estimators import ESTIMATORS

OPENTURNS = {
    "martinez": "MartinezSensitivityAlgorithm",
    "jansen": "JansenSensitivityAlgorithm",
    "saltelli": "SaltelliSensitivityAlgorithm",
    "mauntz_kucherenko": "MauntzKucherenkoSensitivityAlgorithm",
}
NEW = sorted(set(ESTIMATORS) - {"martinez"})


def product_second_order(partial):
    """Return the second-order indices of a product of independent factors."""
    return np.outer(partial, partial) / (np.prod(1 + partial) - 1)


def second_order_truths():
    ishigami = np.zeros((3, 3))
    ishigami[0, 2] = ishigami[2, 0] = 0.243684
    # the beam is a product too: first = partial / variance of y / mean^2
    variance = 0.020324140**2 / 0.170690775**2
    return {
        "ishigami": ishigami,
        "g": product_second_order(1 / (3 * (1 + G_COEFFICIENTS) ** 2)),
        "beam": product_second_order(BEAM[0] * variance),
    }


SECOND = second_order_truths()


def design(problem, rng, shape):
    """Return outputs of shape (*shape, 2 d + 2): the blocks A, B, E_i, C_i of random groups."""
    function, inputs, _ = PROBLEMS[problem]
    a, b = inputs(rng, shape), inputs(rng, shape)
    outputs = [function(a), function(b)]
    for kept, other in ((a, b), (b, a)):
        for i in range(a.shape[-1]):
            mixed = kept.copy()
            mixed[..., i] = other[..., i]
            outputs.append(function(mixed))
    return np.stack(outputs, axis=-1)


def theirs(y, estimator, d):
    import openturns as ot

    x = ot.Sample(np.zeros((y.size, d)))
    return getattr(ot, OPENTURNS[estimator])(x, ot.Sample(y.T.reshape(-1, 1)), len(y))


def every_number(result):
    parts = [result.first, result.first_low, result.first_high]
    parts += [result.total, result.total_low, result.total_high]
    if result.second is not None:
        below = np.tril_indices(len(result.first), -1)
        parts += [m[below] for m in (result.second, result.second_low, result.second_high)]
    return np.concatenate(parts)


# --- values


@pytest.mark.parametrize("estimator", NEW)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_indices_of_a_large_sample_are_the_analytic_ones(problem, estimator, rng):
    y = design(problem, rng, (100_000,))
    result = sobol_indices(y, estimator=estimator, second_order=True)
    np.testing.assert_allclose(result.first, PROBLEMS[problem][2][0], atol=0.015)
    np.testing.assert_allclose(result.total, PROBLEMS[problem][2][1], atol=0.015)
    off_diagonal = ~np.eye(len(result.first), dtype=bool)
    np.testing.assert_allclose(
        result.second[off_diagonal], SECOND[problem][off_diagonal], atol=0.025
    )
    assert np.isnan(np.diag(result.second)).all()
    np.testing.assert_array_equal(result.second, result.second.T)


def test_the_interaction_of_ishigami_is_found_with_a_low_discrepancy_design():
    import openturns as ot

    inputs = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
    n = 2**14
    experiment = ot.LowDiscrepancyExperiment(ot.SobolSequence(), inputs, n)
    x = np.asarray(ot.SobolIndicesExperiment(experiment, True).generate())
    y = PROBLEMS["ishigami"][0](x).reshape(8, n).T
    for estimator in ESTIMATORS:
        result = sobol_indices(y, estimator=estimator, second_order=True)
        np.testing.assert_allclose(result.second[0, 2], 0.2437, atol=2e-3)


@pytest.mark.parametrize("offset", [0, 3, 1e4])
@pytest.mark.parametrize("n", [2, 8, 100, 2000])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_openturns_gives_the_same_indices_on_the_same_numbers(estimator, n, offset, rng):
    # the blocks C_i shift the mean that openturns subtracts: checked with and without them
    y = design("ishigami", rng, (n,)) + offset
    for ours, other in (
        (sobol_indices(y[:, :5], estimator=estimator), theirs(y[:, :5], estimator, 3)),
        (sobol_indices(y, estimator=estimator, second_order=True), theirs(y, estimator, 3)),
    ):
        np.testing.assert_allclose(ours.first, other.getFirstOrderIndices(), atol=1e-10)
        np.testing.assert_allclose(ours.total, other.getTotalOrderIndices(), atol=1e-10)
    below = np.tril_indices(3, -1)
    expected = np.asarray(other.getSecondOrderIndices())[below]
    np.testing.assert_allclose(ours.second[below], expected, atol=1e-10)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_for_two_inputs_the_blocks_e_serve_as_blocks_c(estimator):
    import openturns as ot

    ot.RandomGenerator.SetSeed(0)
    inputs = ot.JointDistribution([ot.Uniform(0, 1)] * 2)
    model = ot.SymbolicFunction(["a", "b"], ["a + b + 3 * a * b"])
    n = 300
    algorithm = getattr(ot, OPENTURNS[estimator])
    other = algorithm(inputs, n, model, True)
    ot.RandomGenerator.SetSeed(0)
    x = ot.SobolIndicesExperiment(inputs, n, True).generate()
    assert len(x) == 4 * n
    y = np.asarray(model(x)).reshape(4, n).T[:, [0, 1, 2, 3, 3, 2]]
    ours = sobol_indices(y, estimator=estimator, second_order=True)
    np.testing.assert_allclose(ours.first, other.getFirstOrderIndices(), atol=1e-10)
    np.testing.assert_allclose(ours.second[1, 0], other.getSecondOrderIndices()[1, 0], atol=1e-10)


def test_one_input_has_no_interactions(rng):
    result = sobol_indices(rng.normal(size=(50, 4)), second_order=True)
    assert result.second.shape == (1, 1)
    assert np.isnan([result.second, result.second_low, result.second_high]).all()
    assert np.isfinite(result.first).all()


def test_without_the_blocks_c_there_is_no_second_order(rng):
    result = sobol_indices(rng.normal(size=(50, 8)))
    assert len(result.first) == 6
    assert (result.second, result.second_low, result.second_high) == (None, None, None)


# --- intervals


def coverage(problem, n, estimator, replicates):
    """Return the shares of intervals that cover: first order, total, second order."""
    rng = np.random.default_rng(5)
    first, total = PROBLEMS[problem][2]
    hits = []
    for y in design(problem, rng, (replicates, n)):
        r = sobol_indices(y, estimator=estimator, second_order=True)
        second = (r.second_low <= SECOND[problem]) & (SECOND[problem] <= r.second_high)
        of_first = (r.first_low <= first) & (first <= r.first_high)
        of_total = (r.total_low <= total) & (total <= r.total_high)
        hits.append([*of_first, *of_total, *second[np.tril_indices(len(first), -1)]])
    return np.mean(hits, axis=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("problem", "n", "least"), [("ishigami", 300, 0.92), ("beam", 100, 0.92)])
def test_a_95_percent_interval_covers_in_95_percent_of_random_designs(problem, n, least, estimator):
    share = coverage(problem, n, estimator, replicates=1000)
    assert share.min() >= least
    assert share.max() <= 0.98
    assert abs(share.mean() - 0.95) < 0.015


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_interval_is_the_jackknife_of_the_whole_analysis(estimator, rng):
    from scipy.stats import t

    y = design("beam", rng, (25,))
    deleted = [
        sobol_indices(np.delete(y, k, axis=0), estimator=estimator, second_order=True)
        for k in range(25)
    ]
    result = sobol_indices(y, estimator=estimator, second_order=True, confidence=0.9)

    def ends(name, to, back):
        z = to(np.array([getattr(one, name) for one in deleted]))
        margin = np.sqrt(24 * z.var(axis=0)) * t.ppf(0.95, 24)
        middle = to(getattr(result, name))
        return np.sort([back(middle - margin), back(middle + margin)], axis=0)

    same = (lambda v: v, lambda z: z)
    fisher = (np.arctanh, np.tanh)
    scales = {
        "martinez": (fisher, (lambda v: np.arctanh(1 - v), lambda z: 1 - np.tanh(z))),
        "jansen": ((lambda v: np.log(1 - v), lambda z: 1 - np.exp(z)), (np.log, np.exp)),
    }.get(estimator, (same, same))
    for name, scale in zip(("first", "total", "second"), (*scales, same), strict=True):
        expected = ends(name, *scale)
        actual = [getattr(result, f"{name}_low"), getattr(result, f"{name}_high")]
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-12)


# --- degenerate input


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unit_offset_and_order_of_the_groups_do_not_matter(estimator, rng):
    y = design("beam", rng, (200,))
    options = {"estimator": estimator, "second_order": True}
    expected = every_number(sobol_indices(y, **options))
    for same in (y[::-1], y + 100, -1e3 * y, 1e300 * y, 1e-300 * y):
        actual = every_number(sobol_indices(same, **options))
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("block", [0, 1, 4, 6])
def test_a_group_with_a_missing_output_is_left_out_as_a_whole(block, estimator, rng):
    y = design("ishigami", rng, (100,))
    options = {"estimator": estimator, "second_order": True}
    expected = sobol_indices(np.delete(y, [3, 50], axis=0), **options)
    y[[3, 50], block] = np.nan
    result = sobol_indices(y, **options)
    assert (result.n_used, result.n_dropped) == (98, 2)
    np.testing.assert_array_equal(every_number(result), every_number(expected))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_constant_output_has_no_indices(estimator):
    for constant in (0.0, 0.1, 1e300):
        y = np.full((64, 8), constant)
        assert np.isnan(every_number(sobol_indices(y, estimator=estimator))).all()
        result = sobol_indices(y, estimator=estimator, second_order=True)
        assert np.isnan(every_number(result)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_groups_have_indices_from_two_and_intervals_from_four(n, estimator, rng):
    y = rng.normal(size=(n, 6))
    result = sobol_indices(y, estimator=estimator, second_order=True)
    assert np.isfinite([*result.first, *result.total, result.second[0, 1]]).all() == (n >= 2)
    assert np.isnan([result.first_low, result.total_high, result.second_low[0]]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ["jansen", "mauntz_kucherenko"])
def test_an_input_without_effect_has_exactly_no_total_index(estimator, rng):
    a, b = rng.normal(size=(2, 500))
    result = sobol_indices(np.stack([a, b, b, a], axis=1), estimator=estimator)
    np.testing.assert_allclose(result.total[1], 0, atol=1e-12)
    np.testing.assert_allclose([result.total_low[1], result.total_high[1]], 0, atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_variance_from_one_group_alone_gives_no_interval(estimator):
    y = np.zeros((50, 3))
    y[4] = 1.0
    result = sobol_indices(y, estimator=estimator)
    assert np.isnan([result.first_low, result.first_high]).all()
    assert np.isnan([result.total_low, result.total_high]).all()


@pytest.mark.parametrize("shape", [(10,), (10, 2), (10, 5), (10, 4, 2)])
def test_a_shape_that_cannot_be_second_order_is_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"y has shape .*; expected \(N, 2 d \+ 2\)") as error:
        sobol_indices(np.zeros(shape), second_order=True)
    assert "\n" not in str(error.value)
