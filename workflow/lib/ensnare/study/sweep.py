"""The key `sweep`: factors, their levels and sub-factors, and the cases that they make."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    RootModel,
    Tag,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from ensnare.errors import did_you_mean
from ensnare.study.values import AnyLevel, Level, Name, parse_levels

Case = dict[str, AnyLevel]
MOST_CASES = 10**7  # all cases are held in memory


def _to_list(value: Any) -> Any:  # noqa: ANN401
    return parse_levels(value) if isinstance(value, str) else value


def _kind(value: Any) -> str:  # noqa: ANN401
    pairs = isinstance(value, list) and value and all(map(_is_pair, value))
    return "(opens)" if pairs or isinstance(value, Mapping | Conditional) else "(levels)"


def _is_pair(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict)


class Conditional(RootModel[dict[Level, "dict[Name, Factor]"]]):
    """Levels with factors that exist for them only: `{cg: {precond: [none, ilu]}, lu: {}}`."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _from_pairs(cls, value: Any) -> Any:  # noqa: ANN401
        """Accept a mapping or a list of pairs (level, factors); null stands for no factors."""
        pairs = value.items() if isinstance(value, Mapping) else value
        return {level: {} if opened is None else opened for level, opened in pairs}

    @model_serializer(mode="plain", when_used="json")
    def _to_pairs(self) -> Any:  # noqa: ANN401
        """Return pairs if a level is a number, since a key of JSON is always a text."""
        tree = {
            level: {n: f.model_dump(mode="json") if isinstance(f, Conditional) else f
                    for n, f in opened.items()}
            for level, opened in self.root.items()
        }  # fmt: skip
        plain = all(isinstance(level, str) for level in tree)
        return tree if plain else [[level, opened] for level, opened in tree.items()]


Levels = Annotated[
    list[Level],
    BeforeValidator(_to_list),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": ["number", "string"]}},
                {"type": "string", "pattern": r"^\s*(geom|igeom|linspace)\s*\("},
            ]
        }
    ),
]
Factor = Annotated[
    Annotated[Levels, Tag("(levels)")] | Annotated[Conditional, Tag("(opens)")],
    Discriminator(_kind),
]
Sweep = dict[Name, Factor]


Conditional.model_rebuild()


def branches(factor: Any) -> dict[AnyLevel, Mapping[str, Any]]:  # noqa: ANN401
    """Return the levels of a factor, each with the factors that exist for it only."""
    opened = factor.root if isinstance(factor, Conditional) else factor
    return dict(opened) if isinstance(opened, Mapping) else {level: {} for level in opened}


def all_factors(sweep: Mapping[str, Any]) -> dict[str, list[AnyLevel]]:
    """Return every factor, sub-factors included, with all of its levels, in order of appearance.

    A sub-factor that stands under several levels has the levels of all of them.
    """
    found: dict[str, dict[AnyLevel, None]] = {}
    for factor, level in _walk(sweep):
        found.setdefault(factor, {})[level] = None
    return {factor: list(levels) for factor, levels in found.items()}


def _walk(sweep: Mapping[str, Any]) -> Iterator[tuple[str, AnyLevel]]:
    for name, factor in sweep.items():
        opened = branches(factor)
        yield from ((name, level) for level in opened)
        for inner in opened.values():
            yield from _walk(inner)


def expand_cases(
    sweep: Mapping[str, Any], exclude: Sequence[Mapping[str, AnyLevel]] = ()
) -> list[Case]:
    """Return every combination of levels that no item of `exclude` matches.

    The first factor varies slowest. Without factors there is one empty case.
    """
    return [case for case in _cases(sweep) if not any(matches(case, e) for e in exclude)]


def _cases(sweep: Mapping[str, Any]) -> list[Case]:
    parts = [
        [{name: level} | inner for level, opened in branches(factor).items()
         for inner in _cases(opened)]
        for name, factor in sweep.items()
    ]  # fmt: skip
    return [
        {name: level for part in chosen for name, level in part.items()}
        for chosen in itertools.product(*parts)
    ]


def count_cases(sweep: Mapping[str, Any]) -> int:
    """Return the number of combinations of levels, without making them."""
    return math.prod(
        sum(count_cases(opened) for opened in branches(factor).values())
        for factor in sweep.values()
    )


def matches(case: Case, levels: Mapping[str, AnyLevel]) -> bool:
    """Return whether a case has all of the given levels."""
    return all(name in case and case[name] == level for name, level in levels.items())


def check_sweep(sweep: Mapping[str, Any]) -> None:
    """Check that levels of a factor are all numbers or all texts, and no case has a factor twice.

    Raises a ValueError with the first thing that is wrong.
    """
    for name, factor in sweep.items():
        _check_levels(name, factor)
        for opened in branches(factor).values():
            check_sweep(opened)
    seen: dict[str, None] = {}
    for name, factor in sweep.items():
        below = {n for opened in branches(factor).values() for n in all_factors(opened)}
        for found in (name, *sorted(below)):
            if found in seen or (found == name and name in below):
                raise ValueError(f"the factor '{found}' appears twice in one case; rename one")
        seen |= dict.fromkeys((name, *below))
    for name, levels in all_factors(sweep).items():
        if len({isinstance(level, str) for level in levels}) > 1:
            raise ValueError(f"'{name}' mixes numbers and texts; quote the numbers")


def _check_levels(name: str, factor: Any) -> None:  # noqa: ANN401
    levels = list(branches(factor)) if isinstance(factor, Mapping | Conditional) else list(factor)
    if not levels:
        raise ValueError(f"'{name}' has no levels; expected a list of at least one")
    seen: set[AnyLevel] = set()  # 1 and 1.0 are one level
    for level in levels:
        if level in seen:
            raise ValueError(f"'{name}' has the level {level} twice; keep one")
        seen.add(level)


def check_units(units: Mapping[str, str], factors: Collection[str], names: Collection[str]) -> None:
    """Check that every unit is that of a factor.

    Raises a ValueError if one is not. `names` are those of all values: an input states its unit in
    its own entry.
    """
    for name in units:
        if name not in factors:
            of_input = "; state the unit of an input in inputs"
            hint = of_input if name in names else did_you_mean(name, factors)
            raise ValueError(f"units: '{name}' is not a factor{hint}")


def case_identity(case: Case, defaults: Mapping[str, AnyLevel]) -> dict[str, AnyLevel]:
    """Return the levels that identify a case, for ids of samples and names of batches.

    They do not depend on the order of factors. A factor at its level of `defaults` is left out, so
    samples made before the factor was added keep their ids. Numbers are floats, since `1` and
    `1.0` are one level.
    """
    return {
        factor: _canonical(level)
        for factor, level in sorted(case.items())
        if factor not in defaults or _canonical(level) != _canonical(defaults[factor])
    }


def _canonical(level: AnyLevel) -> AnyLevel:
    # whole numbers above 2^53 may have no double of their own: as floats, two levels would be one
    return level if isinstance(level, str) or float(level) != level else float(level)


def case_label(case: Case) -> str:
    """Return a case as text for readers: `mesh=fine, cores=4`."""
    return ", ".join(
        f"{factor}={level:.12g}" if isinstance(level, float) else f"{factor}={level}"
        for factor, level in case.items()
    )
