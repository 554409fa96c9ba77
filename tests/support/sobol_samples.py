"""Samples with known Sobol' indices, for the tests of estimators."""

import numpy as np

ISHIGAMI = (np.array([0.313905, 0.442411, 0]), np.array([0.557589, 0.442411, 0.243684]))


BEAM = (
    np.array([0.04492, 0.70534, 0.08131, 0.16517]),
    np.array([0.04552, 0.70825, 0.08237, 0.16712]),
)


G_COEFFICIENTS = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def ishigami(x):
    return np.sin(x[..., 0]) * (1 + 0.1 * x[..., 2] ** 4) + 7 * np.sin(x[..., 1]) ** 2


def ishigami_inputs(rng, shape):
    return rng.uniform(-np.pi, np.pi, (*shape, 3))


def beam(x):
    return x[..., 1] * x[..., 2] ** 3 / (3 * x[..., 0] * x[..., 3])


def beam_inputs(rng, shape):
    log_sigma = np.sqrt(np.log(1 + (30 / 300) ** 2))
    columns = (
        65e9 + 10e9 * rng.beta(0.9, 3.5, shape),
        rng.lognormal(np.log(300) - log_sigma**2 / 2, log_sigma, shape),
        rng.uniform(2.5, 2.6, shape),
        1.3e-7 + 0.4e-7 * rng.beta(2.5, 4, shape),
    )
    return np.stack(columns, axis=-1)


def g_function(x):
    return np.prod((np.abs(4 * x - 2) + G_COEFFICIENTS) / (1 + G_COEFFICIENTS), axis=-1)


def g_inputs(rng, shape):
    return rng.random((*shape, 8))


def g_truth():
    partial = 1 / (3 * (1 + G_COEFFICIENTS) ** 2)
    variance = np.prod(1 + partial) - 1
    return partial / variance, partial / (1 + partial) * (1 + variance) / variance


PROBLEMS = {
    "ishigami": (ishigami, ishigami_inputs, ISHIGAMI),
    "beam": (beam, beam_inputs, BEAM),
    "g": (g_function, g_inputs, g_truth()),
}
