"""Checks between the parts of a study file: names, cases, derived values, MPI ranks.

Each check raises a ValueError with the first thing that is wrong. `design_checks` has those of
designs and inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ensnare.errors import did_you_mean
from ensnare.study.expressions import RESERVED, Expression, parse_expression
from ensnare.study.model import Model
from ensnare.study.sweep import Case, all_factors, expand_cases, matches
from ensnare.study.values import show

if TYPE_CHECKING:
    from ensnare.study.study import Study

# placeholders that every sample has
BUILT_IN = frozenset({"sample", "seed", "threads", "ranks", "study_dir"})
# columns of samples.csv and of data frames, which also have a column for each input, factor and
# output
_SAMPLE_COLUMNS = frozenset(
    [
        *("id", "sample_id", "design_row", "status", "exit_code", "elapsed_s", "attempts"),
        *("redone", "directory", "message", "block", "group"),
    ]
)
# columns of the tables of analyses, which also have a column for each factor
_ANALYSIS_COLUMNS = frozenset(
    [
        *("output", "position", "input", "index", "statistic", "value", "ci_low", "ci_high"),
        *("n_used", "n_dropped", "note", "coefficient", "threshold", "event"),
        *("mu", "mu_star", "sigma", "p_value", "n_failed"),
    ]
)
# columns of the tables of scaling studies, which also have a column for each factor
_SCALING_COLUMNS = frozenset(
    [
        *("count", "cores", "time_s", "time_low_s", "time_high_s", "level", "reference", "reason"),
        *("speedup", "speedup_low", "speedup_high", "efficiency", "efficiency_low"),
        *("efficiency_high", "serial_fraction", "n_ok", "n_failed", "n_not_run", "fit"),
        *("parameter", "deviation", "max_rss_mb", "cpu_time_s", "io_in_mb", "io_out_mb"),
        *("mean_load", "slurm_job", "slurm_elapsed_s", "slurm_cpu_s", "slurm_max_rss_mb"),
    ]
)
# columns of parareal.csv, and names of arguments of the functions and templates of such a study
_PARAREAL_COLUMNS = frozenset(
    [
        *("case", "iterations", "converged", "maxdif", "fine_solves", "speedup_bound"),
        *("speedup_measured", "speedup_wall", "error_serial", "error_exact", "jump"),
        *("t", "t0", "t1", "y", "y0"),
    ]
)


def check_names(study: Study) -> None:
    """Check that names of inputs, derived values, factors and outputs are unique together."""
    kinds = {
        "inputs": [item.name for item in study.inputs],
        "derived": list(study.derived),
        "sweep": list(all_factors(study.sweep)),
    }
    if study.parareal is None:
        kinds["outputs"] = [item.name for item in study.model.outputs]
    else:
        kinds["parareal.state"] = list(study.parareal.state)
    scaling = study.scaling
    seen = dict.fromkeys(scaling.factors, "scaling") if scaling else {}
    for kind, names in kinds.items():
        for name in names:
            if name in seen:
                raise ValueError(
                    f"{kind}: the name '{name}' is already used in {seen[name]}; choose another"
                )
            columns = _columns(study, kind)
            if name in BUILT_IN | RESERVED | columns:
                raise ValueError(f"{kind}: the name '{name}' is taken by Ensnare; choose another")
            seen[name] = kind


def _columns(study: Study, kind: str) -> frozenset[str]:
    """Return the names of the other columns in tables with a column for each name of a kind."""
    if study.parareal is not None:
        return _PARAREAL_COLUMNS
    if kind != "sweep":
        return _SAMPLE_COLUMNS
    return (
        _SAMPLE_COLUMNS | _ANALYSIS_COLUMNS | (_SCALING_COLUMNS if study.scaling else frozenset())
    )


def check_defaults(study: Study) -> None:
    """Check that `defaults` names factors, with a text or a number as their levels are."""
    factors = study.factors
    for factor, level in study.defaults.items():
        if factor not in factors:
            raise ValueError(
                f"defaults: '{factor}' is not a factor of the sweep" + did_you_mean(factor, factors)
            )
        first = factors[factor][0]
        if isinstance(first, str) != isinstance(level, str):
            kind = "a text" if isinstance(first, str) else "a number"
            raise ValueError(f"defaults.{factor}: got {show(level)}; expected {kind} as its levels")


def check_exclude(study: Study) -> None:
    """Check that every exclusion matches some case, and that some case is left."""
    if not study.exclude:
        return
    _check_cases(study, {f"exclude[{i}]": levels for i, levels in enumerate(study.exclude)})
    if not study.cases():
        raise ValueError("exclude: found no case that is left; remove an exclusion")


def check_overrides(study: Study) -> None:
    """Check that every override matches some case, and changes some resource."""
    if not study.overrides:
        return
    for i, override in enumerate(study.overrides):
        if not override.resources.model_dump(exclude_none=True):
            raise ValueError(
                f"overrides[{i}].resources: found nothing; expected some, such as {{runtime: 6 h}}"
            )
    _check_cases(study, {f"overrides[{i}].when": o.when for i, o in enumerate(study.overrides)})


def _check_cases(study: Study, selections: Mapping[str, Mapping[str, str | int | float]]) -> None:
    """Check that selections of cases, each by its place in the file, match some case."""
    factors, cases = study.factors, expand_cases(study.whole_sweep)
    for where, levels in selections.items():
        if not levels:
            raise ValueError(f"{where}: found no factor; expected some, such as {{mesh: fine}}")
        for name, level in levels.items():
            if name not in factors:
                raise ValueError(
                    f"{where}: '{name}' is not a factor of the sweep" + did_you_mean(name, factors)
                )
            if level not in factors[name]:
                known = [str(known) for known in factors[name]]
                raise ValueError(
                    f"{where}.{name}: no level {show(level)}" + did_you_mean(str(level), known)
                )
        if not any(matches(case, levels) for case in cases):
            raise ValueError(f"{where}: no case has all of these levels; remove it or change it")


def check_derived(study: Study) -> None:
    """Check that derived values use numbers that exist in every case, without a circle."""
    factors = study.factors
    known = {item.name for item in study.inputs} | set(study.derived) | set(factors)
    texts = {f for f, levels in factors.items() if isinstance(levels[0], str)}
    cases = study.cases() if study.derived else []
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
            if needed in factors and (case := missing_in(needed, cases)):
                raise ValueError(f"derived.{name}: factor '{needed}' does not exist in {case}")
    sorted_expressions({k: parse_expression(v) for k, v in study.derived.items()})


def missing_in(factor: str, cases: Sequence[Case]) -> str:
    """Return the first case without a factor as `the case mesh=fine`; empty if all have it."""
    case = next((case for case in cases if factor not in case), None)
    if case is None:
        return ""
    return "the case " + ", ".join(f"{name}={level}" for name, level in case.items())


def sorted_expressions(expressions: dict[str, Expression]) -> dict[str, Expression]:
    """Return derived values so ordered that each comes after those it needs.

    Raises a ValueError if some need each other in a circle.
    """
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
    """Return a message that names the expressions of the first circle."""
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


def check_ranks(study: Study) -> None:
    """Check `ranks` where it names a factor, and that `serial` names programs of steps."""
    ranks, factors = study.resources.ranks, study.factors
    overrides = [o.resources.ranks for o in study.overrides]
    if ranks is None and any(overrides):
        raise ValueError("overrides: found ranks; expected resources.ranks too, such as 1")
    for where, model in study.models.items():
        _check_serial(model, where, ranks)
    if not isinstance(ranks, str):
        return
    if ranks not in factors:
        raise ValueError(
            f"resources.ranks: '{ranks}' is not a factor of the sweep"
            + did_you_mean(ranks, factors)
        )
    for level in factors[ranks]:
        if not isinstance(level, int) or level < 1:
            raise ValueError(
                f"resources.ranks: '{ranks}' has the level {show(level)}; "
                "expected whole numbers above 0"
            )
    if case := missing_in(ranks, study.cases()):
        raise ValueError(f"resources.ranks: factor '{ranks}' does not exist in {case}")


def _check_serial(model: Model, where: str, ranks: int | str | None) -> None:
    """Check `serial` and `python` of a model, at `where` in the study file, against `ranks`."""
    if model.serial and ranks is None:
        raise ValueError(f"{where}.serial: no launcher starts the steps; add resources.ranks")
    if ranks is not None and model.python:
        raise ValueError("resources.ranks: a Python function is not started as MPI ranks")
    programs = [str(step[0]) for step in (*model.steps, *model.resume)]
    for name in () if model.serial == "all" else model.serial:
        if name not in programs:
            raise ValueError(
                f"{where}.serial: '{name}' is not the program of a step"
                + did_you_mean(name, programs)
            )
