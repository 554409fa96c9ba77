"""Elementary effects against analytic effects, SALib, otmorris and simulated coverage."""

import numpy as np
import openturns as ot
import otmorris
import pytest
from SALib.analyze.morris import analyze
from SALib.sample.morris import sample

from ensnare.analyses.estimators.morris import morris_effects

LEVELS = 4
DELTA = LEVELS / (2 * (LEVELS - 1))


def trajectories(rng, r, d):
    """Return random trajectories on the grid of four levels, shape (r (d + 1), d), and labels."""
    x = np.empty((r, d + 1, d))
    for k in range(r):
        start = rng.integers(0, LEVELS // 2, d) / (LEVELS - 1)
        sign = rng.choice([-1, 1], d)
        x[k] = np.where(sign > 0, start, start + DELTA)
        for step, j in enumerate(rng.permutation(d)):
            x[k, step + 1 :, j] += sign[j] * DELTA
    return x.reshape(-1, d), np.repeat(np.arange(r), d + 1)


def smooth(x):
    return np.exp(x[..., 0]) * (1 + x[..., 1]) + 3 * x[..., 1] * x[..., 2] - np.sin(3 * x[..., 2])


def grid_effects(function, d):
    """Return every elementary effect there is on the grid, shape (number, d)."""
    grid = np.stack(np.meshgrid(*[np.arange(LEVELS) / (LEVELS - 1)] * d, indexing="ij"), axis=-1)
    grid = grid.reshape(-1, d)
    effects = []
    for j in range(d):
        low = grid[grid[:, j] < 0.5]
        high = low.copy()
        high[:, j] += DELTA
        effects.append((function(high) - function(low)) / DELTA)
    return np.array(effects).T


def every_number(result):
    names = ("mu", "mu_star", "sigma")
    return np.array([getattr(result, n + end) for n in names for end in ("", "_low", "_high")])


# --- values


def test_a_linear_output_has_its_coefficients_and_no_spread(rng):
    x, label = trajectories(rng, 8, 3)
    result = morris_effects(x, x @ [2, -5, 0], label)
    np.testing.assert_allclose(result.mu, [2, -5, 0], atol=1e-12)
    np.testing.assert_allclose(result.mu_star, [2, 5, 0], atol=1e-12)
    np.testing.assert_allclose(result.sigma, 0, atol=1e-12)
    np.testing.assert_array_equal(result.n_used, 8)
    np.testing.assert_array_equal(result.n_dropped, 0)


def test_effects_of_many_trajectories_are_those_of_the_whole_grid(rng):
    x, label = trajectories(rng, 20_000, 3)
    result = morris_effects(x, smooth(x), label)
    effects = grid_effects(smooth, 3)
    np.testing.assert_allclose(result.mu, effects.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(result.mu_star, np.abs(effects).mean(axis=0), atol=0.05)
    np.testing.assert_allclose(result.sigma, effects.std(axis=0), atol=0.05)


def test_bounds_put_inputs_in_shares_of_their_range(rng):
    x, label = trajectories(rng, 10, 3)
    y = smooth(x)
    bounds = np.array([[1e9, 3e9], [-1, 1], [0, 1e-7]])
    scaled = bounds[:, 0] + x * np.diff(bounds)[:, 0]
    np.testing.assert_allclose(
        every_number(morris_effects(scaled, y, label, bounds)),
        every_number(morris_effects(x, y, label)),
        rtol=1e-9,
    )


@pytest.mark.parametrize("r", [4, 50])
def test_salib_gives_the_same_effects(r):
    bounds = [[-1, 2], [0, 3], [10, 20]]
    problem = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": bounds}
    x = sample(problem, r, num_levels=4, seed=1)
    y = smooth(x / 5)
    theirs = analyze(problem, x, y, num_levels=4, num_resamples=2, seed=0)
    ours = morris_effects(x, y, np.repeat(np.arange(r), 4), bounds)
    for name in ("mu", "mu_star", "sigma"):
        np.testing.assert_allclose(getattr(ours, name), theirs[name], rtol=1e-9)


@pytest.mark.parametrize("levels", [4, 5])
def test_otmorris_gives_the_same_effects(levels):
    ot.RandomGenerator.SetSeed(0)
    bounds = ot.Interval([-1.0, 0.0, 10.0], [2.0, 3.0, 20.0])
    x = otmorris.MorrisExperimentGrid([levels] * 3, 10, bounds).generate()
    y = smooth(np.asarray(x) / 5)
    theirs = otmorris.Morris(x, ot.Sample(y[:, None]), bounds)
    ours = morris_effects(
        x, y, np.repeat(np.arange(len(y) // 4), 4), np.transpose([[-1, 0, 10], [2, 3, 20]])
    )
    np.testing.assert_allclose(ours.mu, theirs.getMeanElementaryEffects(), rtol=1e-9)
    np.testing.assert_allclose(ours.mu_star, theirs.getMeanAbsoluteElementaryEffects(), rtol=1e-9)
    np.testing.assert_allclose(
        ours.sigma, theirs.getStandardDeviationElementaryEffects(), rtol=1e-9
    )


# --- intervals


def g_function(x):
    a = np.array([0, 1, 4.5])
    return np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=-1)


@pytest.mark.parametrize("function", [smooth, g_function])
@pytest.mark.parametrize("r", [10, 40])
def test_a_95_percent_interval_covers_in_95_percent_of_designs(r, function):
    rng = np.random.default_rng(7)
    effects = grid_effects(function, 3)
    truth = np.array([effects.mean(axis=0), np.abs(effects).mean(axis=0), effects.std(axis=0)])
    hits = []
    x, label = trajectories(rng, 600 * r, 3)
    for rows in np.split(np.arange(len(x)), 600):
        _, low, high = every_number(morris_effects(x[rows], function(x[rows]), label[rows]))[
            [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
        ]
        hits.append((low <= truth + 1e-9) & (truth - 1e-9 <= high))
    share = np.mean(hits, axis=0)
    assert share.min() >= (0.91 if r == 10 else 0.92)
    assert share[:2].max() <= 0.98
    assert share[2].max() <= (0.99 if r == 10 else 0.98)  # sigma: few effects of few sizes


# --- failed samples


def test_a_failed_sample_costs_only_the_effects_of_its_steps(rng):
    x, label = trajectories(rng, 6, 3)
    y = smooth(x)
    y[4 * 2 + 1] = np.nan  # second row of the third trajectory: its first and second step
    touched = [int(np.argmax(x[4 * 2 + k] != x[4 * 2 + k + 1])) for k in (0, 1)]
    result = morris_effects(x, y, label)
    np.testing.assert_array_equal(result.n_dropped, np.isin(range(3), touched).astype(int))
    np.testing.assert_array_equal(result.n_used, 6 - result.n_dropped)
    whole = morris_effects(x, smooth(x), label)
    (kept,) = set(range(3)) - set(touched)
    np.testing.assert_array_equal(every_number(result)[:, kept], every_number(whole)[:, kept])
    without = np.delete(np.arange(len(x)), np.s_[8:12])
    rest = morris_effects(x[without], y[without], label[without])
    np.testing.assert_array_equal(every_number(result)[:, touched], every_number(rest)[:, touched])


@pytest.mark.filterwarnings("error")
def test_all_failed_leaves_no_effects(rng):
    x, label = trajectories(rng, 6, 3)
    for missing in (np.nan, np.inf):
        result = morris_effects(x, np.full(len(x), missing), label)
        assert np.isnan(every_number(result)).all()
        np.testing.assert_array_equal(result.n_used, 0)
        np.testing.assert_array_equal(result.n_dropped, 6)


# --- degenerate input


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("r", [0, 1, 2, 4])
def test_few_trajectories_have_effects_and_nan_intervals(r, rng):
    x, label = trajectories(rng, r, 3)
    result = morris_effects(x, smooth(x), label)
    assert np.isfinite(result.mu).all() == (r >= 1)
    assert np.isfinite(result.sigma).all() == (r >= 2)
    assert np.isfinite([result.mu_low, result.mu_star_high]).all() == (r >= 2)
    assert np.isnan([result.sigma_low, result.sigma_high]).all()


@pytest.mark.filterwarnings("error")
def test_a_constant_output_has_no_effects_of_any_size(rng):
    x, label = trajectories(rng, 10, 3)
    assert np.all(every_number(morris_effects(x, np.full(len(x), 0.1), label)) == 0)


@pytest.mark.filterwarnings("error")
def test_a_step_of_size_zero_is_not_counted(rng):
    x, label = trajectories(rng, 10, 3)
    x[:, 1] = 0.5
    result = morris_effects(x, smooth(x), label)
    np.testing.assert_array_equal(result.n_used, [10, 0, 10])
    assert np.isnan(every_number(result)[:, 1]).all()


def test_rows_out_of_order_are_refused_by_number(rng):
    x, label = trajectories(rng, 3, 3)
    x[[4, 6]] = x[[6, 4]]
    with pytest.raises(ValueError, match=r"rows 6 and 7 of trajectory 1 differ in 3 inputs"):
        morris_effects(x, smooth(x), label)


def test_wrong_arguments_are_refused_in_one_line(rng):
    x, label = trajectories(rng, 3, 3)
    y = smooth(x)
    with pytest.raises(ValueError, match=r"y has shape \(11,\); expected \(12,\)"):
        morris_effects(x, y[1:], label)
    with pytest.raises(ValueError, match=r"trajectory has shape \(11,\); expected \(12,\)"):
        morris_effects(x, y, label[1:])
    with pytest.raises(ValueError, match=r"bounds has shape \(2, 3\); expected \(3, 2\)"):
        morris_effects(x, y, label, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="bounds of input 1 are 5 and 5; expected low < high"):
        morris_effects(x, y, label, [[0, 1], [5, 5], [0, 1]])
    with pytest.raises(ValueError, match="confidence is 95; expected between 0 and 1"):
        morris_effects(x, y, label, confidence=95)
