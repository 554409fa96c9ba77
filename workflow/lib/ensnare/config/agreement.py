"""What must agree between the parts of a study file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ensnare.config.base import show
from ensnare.config.inputs import Saltelli, Table
from ensnare.errors import did_you_mean
from ensnare.expressions import RESERVED, Expression, parse_expression

if TYPE_CHECKING:
    from ensnare.config.study import Study

# placeholders that every sample has
BUILT_IN = frozenset({"sample", "seed", "threads", "study_dir"})

# columns of samples.csv and of data frames, where inputs, factors and outputs stand too
_SAMPLE_COLUMNS = frozenset(
    [
        *("id", "sample_id", "design_row", "status", "exit_code", "elapsed_s", "attempts"),
        *("directory", "message", "block", "group"),
    ]
)
# columns of the tables of analyses, where factors stand too
_ANALYSIS_COLUMNS = frozenset(
    [
        *("output", "position", "input", "index", "statistic", "value", "ci_low", "ci_high"),
        *("n_used", "n_dropped"),
    ]
)


def check_names(study: Study) -> None:
    """Check that names of inputs, derived values, factors and outputs are unique together."""
    kinds = {
        "inputs": [item.name for item in study.inputs],
        "derived": list(study.derived),
        "sweep": list(study.sweep),
        "outputs": [item.name for item in study.model.outputs],
    }
    seen: dict[str, str] = {}
    for kind, names in kinds.items():
        for name in names:
            if name in seen:
                raise ValueError(
                    f"{kind}: the name '{name}' is already used in {seen[name]}; choose another"
                )
            columns = _SAMPLE_COLUMNS | (_ANALYSIS_COLUMNS if kind == "sweep" else frozenset())
            if name in BUILT_IN | RESERVED | columns:
                raise ValueError(f"{kind}: the name '{name}' is taken by Ensnare; choose another")
            seen[name] = kind


def check_design(study: Study) -> None:
    """Check that the design and the inputs fit each other."""
    names = [item.name for item in study.random_inputs]
    if study.design is None:
        if names:
            raise ValueError(
                f"input '{names[0]}' is uncertain but there is no design; add one such as "
                "design: {method: monte_carlo, size: 100}"
            )
        if not study.sweep:
            raise ValueError("found neither a design nor a sweep; add one")
        if study.analyses.sobol or study.analyses.statistics:
            raise ValueError("analyses: statistics and sobol need a design; this study has a sweep")
        return
    if not names:
        raise ValueError("there is a design but no uncertain input; add inputs with distributions")
    if not isinstance(study.design, Table):
        for i, item in enumerate(study.inputs):
            if item.distribution is None and item.value is None:
                raise ValueError(
                    f"inputs[{i}]: '{item.name}' has neither a distribution nor a value; add one"
                )
    if study.analyses.sobol and not isinstance(study.design, Saltelli):
        raise ValueError(f"analyses: sobol needs the design saltelli; found {study.design.method}")


def check_copula(study: Study) -> None:
    """Check that the copula couples inputs that vary, each pair once."""
    if study.copula is None:
        return
    if study.design is not None and study.design.method in ("saltelli", "table"):
        raise ValueError(
            f"copula: the design {study.design.method} takes independent inputs; "
            "remove the copula or choose monte_carlo or sobol"
        )
    names = [item.name for item in study.random_inputs]
    seen: set[frozenset[str]] = set()
    for first, second, value in study.copula.normal.spearman:
        for name in (first, second):
            if name not in names:
                raise ValueError(
                    f"copula: '{name}' is not an uncertain input" + did_you_mean(name, names)
                )
        if first == second:
            raise ValueError(f"copula: found the pair {first}, {second}; expected two inputs")
        if frozenset((first, second)) in seen:
            raise ValueError(f"copula: found the pair {first}, {second} twice; keep one")
        if not -1 < value < 1:
            raise ValueError(
                f"copula: got the correlation {value:g} of {first}, {second}; "
                "expected between -1 and 1"
            )
        seen.add(frozenset((first, second)))


def check_defaults(study: Study) -> None:
    """Check that defaults are of factors, and of the same kind as their levels."""
    for factor, level in study.defaults.items():
        if factor not in study.sweep:
            raise ValueError(
                f"defaults: '{factor}' is not a factor of the sweep"
                + did_you_mean(factor, study.sweep)
            )
        first = study.sweep[factor][0]
        if isinstance(first, str) != isinstance(level, str):
            kind = "a text" if isinstance(first, str) else "a number"
            raise ValueError(f"defaults.{factor}: got {show(level)}; expected {kind} as its levels")


def check_derived(study: Study) -> None:
    """Check that derived values need names that exist, and not each other in a circle."""
    known = {item.name for item in study.inputs} | set(study.derived) | set(study.sweep)
    texts = {f for f, levels in study.sweep.items() if isinstance(levels[0], str)}
    for name, text in study.derived.items():
        try:
            expression = parse_expression(text)
        except ValueError as error:
            raise ValueError(f"derived.{name}: {error}") from None
        for needed in sorted(expression.names):
            if needed not in known:
                raise ValueError(
                    f"derived.{name}: '{needed}' is not an input" + did_you_mean(needed, known)
                )
            if needed in texts:
                raise ValueError(f"derived.{name}: factor '{needed}' is a text, not a number")
    sorted_expressions({k: parse_expression(v) for k, v in study.derived.items()})


def sorted_expressions(expressions: dict[str, Expression]) -> dict[str, Expression]:
    """Order derived values so that each comes after those it needs."""
    done: dict[str, Expression] = {}
    while len(done) < len(expressions):
        ready = [
            name
            for name, expression in expressions.items()
            if name not in done and not (_pending(expression.names, expressions) - set(done))
        ]
        if not ready:
            raise ValueError(f"derived: {_circle(expressions, set(done))}")
        done |= {name: expressions[name] for name in ready}
    return done


def _circle(expressions: dict[str, Expression], done: set[str]) -> str:
    """Return a sentence on the first circle among expressions that cannot be ordered."""
    path = [next(name for name in expressions if name not in done)]
    while True:
        needed = min(_pending(expressions[path[-1]].names, expressions) - done)
        if needed in path:
            break
        path.append(needed)
    circle = path[path.index(needed) :]
    if len(circle) == 1:
        return f"'{needed}' needs itself"
    return f"{', '.join(circle)} need each other in a circle"


def _pending(names: Iterable[str], expressions: dict[str, Expression]) -> set[str]:
    return set(names) & set(expressions)
