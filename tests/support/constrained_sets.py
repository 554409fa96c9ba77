"""The sets that the sampler is measured on: files, exact points, exact volumes, statistics."""

import math
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

SETS = Path(__file__).parents[2] / "config/data/sets"
LOG_VOLUME = {
    "mixture": math.log(1 / 2),
    "example": math.log(3 / 16),
    "formulation": math.log(1.8307972e-4),
    "alloy": math.log(8.53878e-25),
}
ALLOY_LOW = [4e-4, 4e-4, 8e-4, 1e-3, 2e-4, 3e-4, 6e-4, 1e-4, 5e-4, 8e-3, 3e-4]
ALLOY_HIGH = [3.5e-3, 2.8e-2, 1.4e-2, 3.7e-2, 8e-3, 1.6e-3, 5e-3, 2e-3, 1e-3, 0.12, 5e-3]


def is_inside(name, x):
    """Return whether points, shape (n, d), are in a set: written apart from the sampler."""
    with np.errstate(divide="ignore", invalid="ignore"):
        match name:
            case "mixture":
                inside = x[:, 0] + x[:, 1] <= 1
            case "example":
                inside = (x[:, 0] >= 0.5) & (x[:, 1] * x[:, 2] <= 0.5) & (x[:, 1] / x[:, 3] >= 1)
            case "formulation":
                pair = x[:, 0] + x[:, 1]
                ratio = x[:, 3] / pair
                inside = (x.sum(axis=1) <= 1) & (ratio >= 0.1) & (ratio <= 0.15)
                inside &= (x[:, 2] >= 0.5) & (pair / (pair + x[:, 3]) >= 0.8)
            case "alloy":
                total = x.sum(axis=1)
                inside = (total >= 0.017 - 0.0008) & (total <= 0.174 - 0.0008)
                inside &= ((x >= ALLOY_LOW) & (x <= ALLOY_HIGH)).all(axis=1)
    return inside & ((x >= 0) & (x <= 1)).all(axis=1)


def exact_points(name, n, seed=123):
    """Return independent uniform points of a set, shape (n, d), by rejection from its bounds."""
    rng = np.random.default_rng(seed)
    low, high = {
        "mixture": ([0] * 2, [1] * 2),
        "example": ([0.5, 0, 0, 0], [1] * 4),
        "formulation": ([0, 0, 0.5, 0], [0.5, 0.5, 1, 0.075]),
        "alloy": (ALLOY_LOW, ALLOY_HIGH),
    }[name]
    found, count = [], 0
    while count < n:
        x = rng.uniform(low, high, (500_000, len(low)))
        found.append(x[is_inside(name, x)])
        count += len(found[-1])
    return np.concatenate(found)[:n]


def largest_ks_distance(x, exact, seed=7):
    """Return the largest Kolmogorov distance of a coordinate, and of 20 random projections."""
    rng = np.random.default_rng(seed)
    directions = np.concatenate([np.eye(x.shape[1]), rng.normal(size=(20, x.shape[1]))])
    scale = exact.std(axis=0)
    pairs = ((x / scale @ v, exact / scale @ v) for v in directions)
    return max(ks_2samp(a, b, method="asymp").statistic for a, b in pairs)


def same_neighbours(x, exact):
    """Return the share of points whose nearest neighbour is of their own sample; 1/2 if alike.

    Schilling (1986), J. Am. Stat. Assoc. 81, 799-806, doi:10.1080/01621459.1986.10478337
    """
    both = np.concatenate([x, exact[: len(x)]]) / exact.std(axis=0)
    _, nearest = cKDTree(both).query(both, k=2)
    own = np.arange(len(both)) < len(x)
    return float((own == own[nearest[:, 1]]).mean())
