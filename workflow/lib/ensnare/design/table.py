"""The design of a study: points of the unit cube made into a table of input values.

Most designs can grow: the rows of a smaller size come first in a larger one. Dimensions of the cube
are the inputs sorted by name, so that the order of the study file changes no value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensnare.design import points
from ensnare.design.tables import data_columns, read_table
from ensnare.errors import ConfigError, NoFeasiblePointError
from ensnare.store.ids import occurrences, row_words
from ensnare.study.design_checks import constraints_of
from ensnare.study.designs import (
    Composite,
    Constrained,
    Factorial,
    Halton,
    Lhs,
    MonteCarlo,
    Morris,
    OneAtATime,
    Saltelli,
    Sobol,
    Table,
    count_rows,
)
from ensnare.study.loading import LoadedStudy

if TYPE_CHECKING:
    from ensnare.design.constrained.problem import Problem


@dataclass(frozen=True)
class DesignTable:
    """The rows of a design.

    Attributes
    ----------
    x : ndarray of float, shape (n, d)
        Input values, in columns of these names, in the order of the study file.
    block, group : ndarray of int32, shape (n,), or None
        Pick-freeze designs: the block, which is 0 for A, 1 for B, 2 + i for A with column i of B,
        2 + d + i for B with column i of A (second order); and the base row.
        Morris designs: no block, and the trajectory.
    words : ndarray of uint64, shape (n, 2)
        Hashes of the rows.
    occurrence : ndarray of uint64, shape (n,)
        Number of equal rows before each.
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
    """Make the design of a study; a pure sweep has one row without inputs.

    Raises
    ------
    ConfigError
        If a distribution, the copula, the constraints or the table is wrong.
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
    """Raise ConfigError for infinite values: the tails of a distribution can overflow."""
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ConfigError(
            f"{source}: inputs: '{names[column]}' is {x[row, column]:g} in row {row} of the "
            "design; truncate its distribution"
        )


def _from_distributions(
    study: LoadedStudy, names: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    """Return values, block and group; dimensions are sorted by name, columns as in the file."""
    from ensnare.design.marginals import from_uniform

    order = sorted(names)
    marginals, couplings = joint_distribution(study, order)
    if isinstance(study.config.design, Constrained):
        x = constrained_inputs(study)
        return x[:, [order.index(name) for name in names]], None, None
    u, place, group = unit_points(study.config.design, order, study.config.seed)
    x = from_uniform(u, marginals, couplings)
    if order != names:
        x = x[:, [order.index(name) for name in names]]
    return x, None if place is None else _blocks(place, order, names), group


def unit_points(
    design: Any,  # noqa: ANN401
    order: list[str],
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    """Return the points of a design before they become values.

    Parameters
    ----------
    design : a design of `ensnare.study.designs`
        Neither a table nor constrained.
    order : list of str, length d
        Names of the inputs, sorted: the order of the dimensions.

    Returns
    -------
    u : ndarray of float, shape (n, d)
        Points of the open unit cube.
    block, group : ndarray of int32, shape (n,), or None
        As in `DesignTable`, but blocks are numbered by dimension.
    """
    d = len(order)
    match design:
        case Saltelli(size=size):
            return points.pick_freeze(points.sobol_points(size, 2 * d), design.n_blocks(d))
        case Morris(size=size, levels=levels):
            u, group = points.morris_points(size, d, levels, seed)
            return u, None, group
        case Sobol(size=size):
            u = points.sobol_points(size, d)
        case Halton(size=size):
            u = points.halton_points(size, d)
        case MonteCarlo(size=size):
            u = points.random_points(size, d, seed)
        case Lhs(size=size, optimise=optimise):
            u = points.lhs_points(size, d, seed, optimise)
        case Factorial():
            u = points.factorial_points(design.levels_of(order))
        case Composite(tail=tail):
            u = points.composite_points(d, tail)
        case OneAtATime(levels=levels):
            u = points.one_at_a_time_points(d, levels)
        case other:
            raise AssertionError(other)
    return u, None, None


def constrained_inputs(study: LoadedStudy) -> NDArray[np.float64]:
    """Return values, shape (n, d), that satisfy the constraints of the design, sorted by name.

    Raises ConfigError if no values satisfy the constraints, or none were found.
    """
    from ensnare.design.constrained.inputs import draw_inputs

    with _constraints_named(study):
        size = count_rows(study.config.design, [])
        drawn = draw_inputs(_conditioned(study), size, study.config.seed)
    return drawn.x


def check_constraints(study: LoadedStudy) -> None:
    """Check that interval arithmetic does not prove the constraints of the design infeasible.

    Raises
    ------
    ConfigError
        If it does. Constraints that pass can still turn out infeasible when points are drawn.
    """
    from ensnare.design.constrained.inputs import check_feasible

    with _constraints_named(study):
        check_feasible(_conditioned(study))


def _conditioned(study: LoadedStudy) -> Problem:
    """Return the inputs of a study, sorted by name, conditioned on its constraints."""
    from ensnare.design.constrained.inputs import conditioned_inputs

    order = sorted(item.name for item in study.config.random_inputs)
    marginals, couplings = joint_distribution(study, order)
    return conditioned_inputs(order, marginals, couplings, constraints_of(study.config))


@contextlib.contextmanager
def _constraints_named(study: LoadedStudy) -> Iterator[None]:
    """Begin messages of the sampler with the place of the constraints in the study file."""
    try:
        yield
    except NoFeasiblePointError as error:
        raise ConfigError(f"{study.source}: design.constraints: {error}") from None


def joint_distribution(study: LoadedStudy, order: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Return the marginals in the given order of names, and the couplings between them.

    Raises
    ------
    ConfigError
        If a distribution, its data or a copula is wrong.
    """
    from ensnare.design.copulas import build_coupling
    from ensnare.design.marginals import build_distribution, fit_distribution

    built = {}
    try:
        for i, item in enumerate(study.config.inputs):
            where = f"inputs[{i}]"
            if item.distribution is not None:
                built[item.name] = build_distribution(item, where)
            elif item.data is not None:
                values, weights = data_columns(study, item, where)
                built[item.name] = fit_distribution(item, values, weights, where)
        couplings = [build_coupling(copula, order) for copula in study.config.copulas]
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None
    return [built[name] for name in order], couplings


def _blocks(place: NDArray[np.int32], order: list[str], names: list[str]) -> NDArray[np.int32]:
    """Return blocks, shape (n,), renumbered from the order of sorted names to that of the file."""
    inputs = [names.index(name) for name in order]
    number = [0, 1, *(2 + i for i in inputs), *(2 + len(names) + i for i in inputs)]
    return np.array(number, np.int32)[place]
