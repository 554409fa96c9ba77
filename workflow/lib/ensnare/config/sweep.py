"""Factors, their levels and sub-factors, as the study file says them; and the cases they make."""

from __future__ import annotations

import itertools
import math
import re
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

from ensnare.config.base import Level, Name, show, to_integer, to_number
from ensnare.errors import did_you_mean

AnyLevel = str | int | float
Case = dict[str, AnyLevel]
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")
_RULES = ("geom", "igeom", "linspace")
_MOST_LEVELS = 100_000
MOST_CASES = 10**7  # they are listed in memory


def parse_levels(text: str) -> list[AnyLevel]:
    """Return the levels of a rule such as `geom(1, 100, 5)`; nothing is evaluated.

    Parameters
    ----------
    text : str
        `linspace`, `geom` or `igeom` of the first level, the last level and their number.

    Returns
    -------
    list of float, or of int for igeom
        Values to 12 digits, so that they read well and do not depend on the machine; igeom
        rounds to whole numbers and drops repeated ones.

    Raises
    ------
    ValueError
        If it is no such rule.
    """
    match = _CALL.fullmatch(text)
    if not match:
        raise ValueError(
            f"got {show(text)}; expected a list of levels, or one of geom(first, last, number), "
            "igeom(...), linspace(...)"
        )
    rule, words = match[1], match[2].split(",")
    if rule not in _RULES:
        raise ValueError(f"unknown rule '{rule}' in {show(text)}{did_you_mean(rule, _RULES)}")
    if len(words) != 3:
        raise ValueError(f"got {show(text)}; expected {rule}(first, last, number)")
    first, last, number = to_number(words[0]), to_number(words[1]), to_integer(words[2])
    if not 1 <= number <= _MOST_LEVELS:
        raise ValueError(f"got {show(text)}; expected 1 to {_MOST_LEVELS} levels")
    if rule != "linspace" and (first <= 0 or last <= 0):
        raise ValueError(f"got {show(text)}; expected {rule} of numbers above 0")
    shares = [i / max(1, number - 1) for i in range(number)]
    if rule == "linspace":
        return [float(f"{first + (last - first) * s:.12g}") for s in shares]
    values = [float(f"{first * (last / first) ** s:.12g}") for s in shares]
    return [*dict.fromkeys(map(round, values))] if rule == "igeom" else [*values]


def _to_list(value: Any) -> Any:  # noqa: ANN401
    return parse_levels(value) if isinstance(value, str) else value


def _kind(value: Any) -> str:  # noqa: ANN401
    pairs = isinstance(value, list) and value and all(map(_is_pair, value))
    return "(opens)" if pairs or isinstance(value, Mapping | Conditional) else "(levels)"


def _is_pair(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict)


class Conditional(RootModel[dict[Level, "dict[Name, Factor]"]]):
    """Levels that open factors of their own: `{cg: {precond: [none, ilu]}, lu: {}}`."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _from_pairs(cls, value: Any) -> Any:  # noqa: ANN401
        """Accept pairs, which keep the type of a level, and nothing for no sub-factors."""
        pairs = value.items() if isinstance(value, Mapping) else value
        return {level: {} if opened is None else opened for level, opened in pairs}

    @model_serializer(mode="plain", when_used="json")
    def _to_pairs(self) -> Any:  # noqa: ANN401
        """Return pairs when a level is a number: JSON would make it a text."""
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
    """Return the levels of a factor, each with the factors that it opens."""
    opened = factor.root if isinstance(factor, Conditional) else factor
    return dict(opened) if isinstance(opened, Mapping) else {level: {} for level in opened}


def all_factors(sweep: Mapping[str, Any]) -> dict[str, list[AnyLevel]]:
    """Return every factor, also those that some level opens, with all of its levels.

    Factors come in order of appearance; levels of a name that several levels open are joined.
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
    """Return every combination of levels that is not excluded.

    Parameters
    ----------
    sweep : mapping
        Factor to levels, or to a mapping from level to the factors that it opens. The first
        factor varies slowest.
    exclude : sequence of mapping
        Combinations to leave out, by some of their factors.

    Returns
    -------
    list of dict
        Factor to level; one empty case when there is no factor.
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
    """Return the number of combinations, without making them."""
    return math.prod(
        sum(count_cases(opened) for opened in branches(factor).values())
        for factor in sweep.values()
    )


def matches(case: Case, levels: Mapping[str, AnyLevel]) -> bool:
    """Return whether a case has all of some levels."""
    return all(name in case and case[name] == level for name, level in levels.items())


def check_sweep(sweep: Mapping[str, Any]) -> None:
    """Check that factors have levels of one kind, and that no case has a factor twice.

    Raises
    ------
    ValueError
        With the first thing that is wrong.
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
                raise ValueError(f"the factor '{found}' is there twice in one case; rename one")
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

    Raises
    ------
    ValueError
        If one is not; an input, one of `names`, has its unit beside its own name.
    """
    for name in units:
        if name not in factors:
            own = "; the unit of an input stands beside its name"
            hint = own if name in names else did_you_mean(name, factors)
            raise ValueError(f"units: '{name}' is not a factor{hint}")
