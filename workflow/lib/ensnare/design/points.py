"""Points of the unit cube: where the designs lie before they become values.

Points of a larger design begin with those of a smaller one, except for Latin hypercubes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError

Points = NDArray[np.float64]
_BLOCK = 1024  # rows of a Monte Carlo block; part of what a seed means, never to be changed


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
        If the sequence does not have so many dimensions.
    """
    import openturns as ot

    return _sequence(ot.SobolSequence, "Sobol'", size, dimension)


def halton_points(size: int, dimension: int) -> Points:
    """Return the first points of the Halton sequence of OpenTURNS, shape (size, dimension).

    Raises
    ------
    ConfigError
        If the sequence does not have so many dimensions.
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
    """Return a Latin hypercube: one point in each of `size` slices of every dimension.

    Parameters
    ----------
    size, dimension : int
        Shape of the points.
    seed : int
        Seed.
    optimise : {None, "c2", "phip", "mindist"}
        Space-filling criterion that simulated annealing improves; None: a random hypercube.

    Returns
    -------
    ndarray of float, shape (size, dimension)
        Points of the open unit cube.

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
    """Return trajectories that change one coordinate at a time, each by half the levels.

    Parameters
    ----------
    size : int
        Number of trajectories r.
    dimension : int
        Number of inputs d.
    levels : int
        Levels p, even; they lie at (k + 1/2) / p, where every quantile is finite.
    seed : int
        Seed; each trajectory has a generator of its own.

    Returns
    -------
    points : ndarray of float, shape (r (d + 1), d)
        The rows of a trajectory follow each other; a step is 1/2, that is p/2 levels.
    group : ndarray of int32, shape (r (d + 1),)
        The trajectory.

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
    """Return (k + 1/2) / levels, shape (levels,)."""
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
    """Return the centre, and each coordinate in turn at its other levels.

    Shape (1 + d m, d) with m = levels, less one when the centre is a level.
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
    """Return the pick-freeze rows of pairs of points.

    Parameters
    ----------
    u : ndarray of float, shape (n, 2 d)
        Base rows A | B.
    n_blocks : int
        m = d + 2, or 2 d + 2 for second order.

    Returns
    -------
    points : ndarray of float, shape (n m, d)
        The m rows of a group follow each other, so that a larger n adds rows at the end.
    block : ndarray of int32, shape (n m,)
        0 for A, 1 for B, 2 + i for A with column i of B, 2 + d + i for B with column i of A.
    group : ndarray of int32, shape (n m,)
        The base row.
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
