"""Points of the open unit cube for each design method; marginals make values of them.

Points of a larger design begin with those of a smaller one, except for Latin hypercubes and those
whose size follows from levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError

Points = NDArray[np.float64]
_BLOCK = 1024  # rows of a Monte Carlo block; never change it: it decides the points of a seed


def random_points(size: int, dimension: int, seed: int) -> NDArray[np.float64]:
    """Return independent uniform points of the open unit cube, shape (size, dimension).

    Each block of 1,024 rows has a generator of its own, so that a larger size begins with the
    rows of a smaller one.
    """
    points = np.empty((size, dimension))
    for number, start in enumerate(range(0, size, _BLOCK)):
        block = np.random.default_rng([seed, number]).random((_BLOCK, dimension))
        points[start : start + _BLOCK] = block[: size - start]
    # random() may return 0, whose quantile can be infinite
    return np.maximum(points, 2.0**-54, out=points)


def sobol_points(size: int, dimension: int) -> NDArray[np.float64]:
    """Return the first points of the Sobol' sequence of OpenTURNS, shape (size, dimension).

    Raises
    ------
    ConfigError
        If the sequence of OpenTURNS does not have so many dimensions.
    """
    import openturns as ot

    return _sequence(ot.SobolSequence, "Sobol'", size, dimension)


def halton_points(size: int, dimension: int) -> Points:
    """Return the first points of the Halton sequence of OpenTURNS, shape (size, dimension).

    Raises
    ------
    ConfigError
        If the sequence of OpenTURNS does not have so many dimensions.
    """
    import openturns as ot

    return _sequence(ot.HaltonSequence, "Halton", size, dimension)


def _sequence(cls: Any, name: str, size: int, dimension: int) -> Points:  # noqa: ANN401
    try:
        sequence = cls(dimension)
    except (TypeError, RuntimeError):
        raise ConfigError(
            f"design: the {name} sequence does not reach {dimension} dimensions; choose monte_carlo"
        ) from None
    return np.array(sequence.generate(size))


def lhs_points(size: int, dimension: int, seed: int, optimise: str | None = None) -> Points:
    """Return a Latin hypercube, shape (size, dimension): a point in each slice of each dimension.

    `optimise` is the space-filling criterion ("c2", "phip" or "mindist") that simulated annealing
    improves; None: a random hypercube.

    References
    ----------
    McKay, Beckman, Conover (1979), Technometrics 21, 239-245, doi:10.2307/1268522;
    Damblin, Couplet, Iooss (2013), J. Simulation 7, 276-289, doi:10.1057/jos.2013.16
    """
    rng = np.random.default_rng([seed, size])
    slices = np.stack([rng.permutation(size) for _ in range(dimension)], axis=1)
    u = (slices + np.maximum(rng.random((size, dimension)), 2.0**-40)) / size
    if optimise is None or size < 3:
        return u
    import openturns as ot

    cube = ot.JointDistribution([ot.Uniform(0, 1)] * dimension)
    criteria = {
        "c2": ot.SpaceFillingC2,
        "phip": ot.SpaceFillingPhiP,
        "mindist": ot.SpaceFillingMinDist,
    }
    ot.RandomGenerator.SetSeed(seed % 2**32)
    cooling = ot.GeometricProfile(10.0, 0.95, 2000)
    annealing = ot.SimulatedAnnealingLHS(ot.Sample(u), cube, criteria[optimise](), cooling)
    return np.array(annealing.generate())


def morris_points(
    size: int, dimension: int, levels: int, seed: int
) -> tuple[Points, NDArray[np.int32]]:
    """Return trajectories that change one coordinate at a time, and the trajectory of each row.

    Points have shape (size (dimension + 1), dimension); the rows of a trajectory follow each other.
    The levels, an even number p, lie at (k + 1/2) / p, where every quantile is finite. A step is
    1/2, that is p / 2 levels. Each trajectory has a random generator of its own.

    References
    ----------
    Morris (1991), Technometrics 33, 161-174, doi:10.1080/00401706.1991.10484804
    """
    d, half = dimension, levels // 2
    grid = np.empty((size, d + 1, d), np.int64)
    for number in range(size):
        rng = np.random.default_rng([seed, number])
        start, down = rng.integers(half, size=d), rng.random(d) < 0.5
        rank = np.argsort(rng.permutation(d))  # when each coordinate moves
        moved = np.arange(d + 1)[:, None] > rank
        grid[number] = start + half * (moved ^ down)
    points = (grid.reshape(-1, d) + 0.5) / levels
    return points, np.repeat(np.arange(size, dtype=np.int32), d + 1)


def centred_levels(levels: int) -> Points:
    """Return (k + 1/2) / levels for k = 0 .. levels - 1, shape (levels,)."""
    return (np.arange(levels) + 0.5) / levels


def factorial_points(levels: Sequence[int]) -> Points:
    """Return every combination of levels, shape (prod(levels), d); the first varies slowest."""
    axes = np.meshgrid(*map(centred_levels, levels), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def composite_points(dimension: int, tail: float) -> Points:
    """Return the centre, two points on each axis, and the corners, shape (1 + 2 d + 2^d, d).

    References
    ----------
    Box, Wilson (1951), J. R. Stat. Soc. B 13, 1-45, doi:10.1111/j.2517-6161.1951.tb00067.x;
    with the axial points on the faces.
    """
    d = dimension
    signs = np.zeros((1 + 2 * d, d))
    for axis in range(d):
        signs[1 + 2 * axis, axis], signs[2 + 2 * axis, axis] = -1, 1
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)
    return 0.5 + (0.5 - tail) * np.concatenate([signs, corners])


def one_at_a_time_points(dimension: int, levels: int) -> Points:
    """Return the centre, and each coordinate in turn at its other levels, shape (1 + d m, d).

    m is `levels`, less one if the centre is a level.
    """
    others = centred_levels(levels)
    others = others[others != 0.5]
    u = np.full((1 + dimension * len(others), dimension), 0.5)
    for axis in range(dimension):
        start = 1 + axis * len(others)
        u[start : start + len(others), axis] = others
    return u


def pick_freeze(
    u: NDArray[np.float64], n_blocks: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """Return the pick-freeze points, block and base row of base points A | B, shape (n, 2 d).

    Points have shape (n m, d), with m = `n_blocks` of d + 2, or 2 d + 2 for second order. The m
    rows of a base row follow each other, so that a larger n adds rows at the end. Blocks are 0 for
    A, 1 for B, 2 + i for A with column i of B, 2 + d + i for B with column i of A.
    """
    n, d = len(u), u.shape[1] // 2
    a, b = u[:, :d], u[:, d:]
    points = np.repeat(a[:, None], n_blocks, axis=1)
    points[:, 1] = b
    points[:, 2 + d :] = b[:, None]
    for i in range(d):
        points[:, 2 + i, i] = b[:, i]
        points[:, 2 + d + i : 3 + d + i, i] = a[:, i : i + 1]
    block = np.tile(np.arange(n_blocks, dtype=np.int32), n)
    group = np.repeat(np.arange(n, dtype=np.int32), n_blocks)
    return points.reshape(-1, d), block, group
