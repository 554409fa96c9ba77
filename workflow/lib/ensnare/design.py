"""The design of experiments: a table of input values that can grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.config import LoadedStudy
from ensnare.config.inputs import MonteCarlo, Saltelli, Sobol, Table
from ensnare.errors import ConfigError
from ensnare.ids import occurrences, row_words
from ensnare.tables import read_table

_BLOCK = 1024  # rows of a Monte Carlo block; part of what a seed means, never to be changed


@dataclass(frozen=True)
class DesignTable:
    """The rows of a design.

    Attributes
    ----------
    names : tuple of str, length d
        Names of the inputs, in the order of the study file.
    x : ndarray of float, shape (n, d)
        Input values.
    block, group : ndarray of int32, shape (n,), or None
        Pick-freeze designs: 0 for A, 1 for B, 2 + i for A with column i of B; and the base row.
    words : ndarray of uint64, shape (n, 2)
        Hashes of the rows.
    occurrence : ndarray of uint64, shape (n,)
        How many equal rows come before each.
    """

    names: tuple[str, ...]
    x: NDArray[np.float64]
    block: NDArray[np.int32] | None
    group: NDArray[np.int32] | None
    words: NDArray[np.uint64]
    occurrence: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.x)


def make_design(study: LoadedStudy) -> DesignTable:
    """Make the design of a study.

    Parameters
    ----------
    study : LoadedStudy
        The study.

    Returns
    -------
    DesignTable
        One row without inputs when the study is a pure sweep.

    Raises
    ------
    ConfigError
        If a distribution, the copula or the table is wrong.
    """
    config = study.config
    names = [item.name for item in config.random_inputs]
    block = group = None
    if config.design is None:
        x = np.empty((1, 0))
    elif isinstance(config.design, Table):
        x = read_table(study.path(config.design.file), names, config.design.dataset)
        x = x[: config.design.size]
    else:
        x, block, group = _from_distributions(study, names)
    _refuse_infinite(x, names, study.source)
    words = row_words(x, names)
    return DesignTable(tuple(names), x, block, group, words, occurrences(words))


def _refuse_infinite(x: NDArray[np.float64], names: Sequence[str], source: str) -> None:
    """Refuse values that no code can take: the tails of a distribution can overflow."""
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ConfigError(
            f"{source}: inputs: '{names[column]}' is {x[row, column]:g} in row {row} of the "
            "design; truncate its distribution"
        )


def _from_distributions(
    study: LoadedStudy, names: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    """Sample the distributions; dimensions follow the sorted names, columns the file."""
    config = study.config
    order = sorted(names)
    marginals, matrix = joint_distribution(study, order)
    back = [order.index(name) for name in names]
    match config.design:
        case Saltelli(size=size):
            u, place, group = pick_freeze(sobol_points(size, 2 * len(order)))
            return _values(u, marginals, matrix, back), _blocks(place, order, names), group
        case Sobol(size=size):
            u = sobol_points(size, len(order))
        case MonteCarlo(size=size):
            u = random_points(size, len(order), config.seed)
        case other:
            raise AssertionError(other)
    return _values(u, marginals, matrix, back), None, None


def _values(u: NDArray[np.float64], marginals: Sequence[Any], matrix: Any, back: list[int]) -> Any:  # noqa: ANN401
    from ensnare.inputs import from_uniform

    return from_uniform(u, marginals, matrix)[:, back]


def joint_distribution(study: LoadedStudy, order: Sequence[str]) -> tuple[list[Any], Any]:
    """Return the marginals and the correlation matrix (or None), in the given order of names."""
    from ensnare.inputs import build_distribution, correlation

    config = study.config
    try:
        built = {
            item.name: build_distribution(item, f"inputs[{i}]")
            for i, item in enumerate(config.inputs)
            if item.distribution is not None
        }
        matrix = None if config.copula is None else correlation(config.copula, order)
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None
    return [built[name] for name in order], matrix


def random_points(size: int, dimension: int, seed: int) -> NDArray[np.float64]:
    """Return independent uniform points of the open unit cube, shape (size, dimension).

    Each block of 1,024 rows has a generator of its own, so that a larger size begins with the
    rows of a smaller one.
    """
    blocks = [
        np.random.default_rng([seed, number]).random((_BLOCK, dimension))
        for number in range(-(-size // _BLOCK))
    ]
    # random() may return 0, whose quantile can be infinite
    return np.maximum(np.concatenate(blocks)[:size], 2.0**-54)


def sobol_points(size: int, dimension: int) -> NDArray[np.float64]:
    """Return the first points of the Sobol' sequence of OpenTURNS, shape (size, dimension).

    Raises
    ------
    ConfigError
        If the sequence does not have so many dimensions.
    """
    import openturns as ot

    try:
        sequence = ot.SobolSequence(dimension)
    except (TypeError, RuntimeError):
        raise ConfigError(
            f"design: the Sobol' sequence does not reach {dimension} dimensions; choose monte_carlo"
        ) from None
    return np.array(sequence.generate(size))


def _blocks(place: NDArray[np.int32], order: list[str], names: list[str]) -> NDArray[np.int32]:
    """Return block numbers by the order of the file; blocks lie in the order of the names."""
    number = [0, 1, *(2 + names.index(name) for name in order)]
    return np.array(number, np.int32)[place]


def pick_freeze(
    u: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """Return the pick-freeze rows of pairs of points.

    Parameters
    ----------
    u : ndarray of float, shape (n, 2 d)
        Base rows A | B.

    Returns
    -------
    points : ndarray of float, shape (n (d + 2), d)
        The d + 2 rows of a group follow each other, so that a larger n adds rows at the end.
    block : ndarray of int32, shape (n (d + 2),)
        0 for A, 1 for B, 2 + i for A with column i of B.
    group : ndarray of int32, shape (n (d + 2),)
        The base row.
    """
    n, d = len(u), u.shape[1] // 2
    points = np.repeat(u[:, None, :d], d + 2, axis=1)
    points[:, 1] = u[:, d:]
    for column in range(d):
        points[:, 2 + column, column] = u[:, d + column]
    block = np.tile(np.arange(d + 2, dtype=np.int32), n)
    group = np.repeat(np.arange(n, dtype=np.int32), d + 2)
    return points.reshape(-1, d), block, group
