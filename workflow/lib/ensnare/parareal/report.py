"""The report of a parareal study: the content of its page, from archive, table and figures."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ensnare.report.names import FigureName, drawn_cases, figure_names
from ensnare.report.page import ReportData, ReportFigure, ReportTable, render_report
from ensnare.report.sections import provenance, study_yaml
from ensnare.report.text import format_duration
from ensnare.store.paths import write_whole
from ensnare.study.parareal import Function, Integrator, Propagator

if TYPE_CHECKING:
    from ensnare.parareal.archive import PararealResults


MOST_NUMBERS = 8  # of an initial state that is a list
_CONVERGENCE, _SPEEDUP = "Convergence", "Speed-up"
_SECTION = {
    "iterations": _CONVERGENCE,
    "maxdif": _CONVERGENCE,
    "iterates": "Trajectories",
    "speedup": _SPEEDUP,
}
_CAPTIONS = {
    "iterations": "Iterations until no component of the state changes by the tolerance at any "
    "point, or until the solution is exact.",
    "maxdif": "Largest change of a component at any point, by iteration.",
    "iterates": "Fine trajectory of each iteration of the case {case}, its slices joined; below, "
    "its largest error.",
    "speedup": "Speed-up by the times of the solves, with one process for each slice, against the "
    "largest one that so many iterations allow. A case that needs as many iterations as there "
    "are slices gains nothing.",
}
_SPEEDUP_COLUMNS = ["speedup_bound", "speedup_measured", "speedup_wall"]


def write_parareal_report(results: PararealResults, table: Path) -> None:
    """Write the report of a parareal study; its figures must have been drawn."""
    page = render_report(parareal_report(results, table))
    write_whole(results.paths.report, lambda part: part.write_text(page, encoding="utf-8"))


def parareal_report(results: PararealResults, table: Path) -> ReportData:
    """Return the content of the report; `table` is the table of cases, `parareal.csv`."""
    study = results.study
    made = datetime.datetime.fromtimestamp(results.paths.archive.stat().st_mtime, datetime.UTC)
    return ReportData(
        name=study.study,
        title=study.title,
        description=study.description,
        date=f"{made:%Y-%m-%d %H:%M} UTC",
        design=_what_was_run(results),
        factors={study.shown_factor(name): levels for name, levels in study.factors.items()},
        tables=_tables(results, table),
        figures=_figures(results),
        provenance=provenance(results.attributes),
        config=study_yaml(study),
    )


def _what_was_run(results: PararealResults) -> dict[str, object]:
    parareal = results.study.parareal
    assert parareal is not None
    start, end = parareal.interval
    solves = sum(case.fine_solves for case in results.cases)
    fine_s = sum(float(pd.Series(case.fine_s.ravel()).sum()) for case in results.cases)
    unit = f" {parareal.unit}" if parareal.unit else ""
    shown = {
        "interval": f"{start:g} to {end:g}{unit}, in {parareal.slices} slices",
        "initial state": ", ".join(f"{n} = {_initial_text(v)}" for n, v in parareal.state.items()),
        "coarse propagator": _propagator_text(parareal.coarse, parareal.rhs),
        "fine propagator": _propagator_text(parareal.fine, parareal.rhs),
        "tolerance": parareal.tolerance,
        "driver": parareal.driver,
        "cases": len(results.cases),
        "fine solves": f"{solves}, which took {format_duration(fine_s)} together",
    }
    return shown


def _initial_text(value: float | list[float] | str) -> str:
    """Return an initial value as text; of a long list the first numbers."""
    if isinstance(value, list):
        more = ", …" if len(value) > MOST_NUMBERS else ""
        return f"[{', '.join(f'{v:g}' for v in value[:MOST_NUMBERS])}{more}]"
    return value if isinstance(value, str) else f"{value:g}"


def _propagator_text(propagator: Propagator, rhs: Function | None) -> str:
    """Return a propagator as text, such as `euler, 1 step in a slice, of osc.py:slope`."""
    if not isinstance(propagator, Integrator):
        model = propagator.model
        if model.python:
            return f"Python function {model.python.call}"
        return "; ".join(" ".join(step) for step in model.steps)
    if propagator.steps is None:
        size = f"steps of {propagator.step:g} at most"
    else:
        size = f"{propagator.steps} step{'s' if propagator.steps > 1 else ''} in a slice"
    return f"{propagator.method}, {size}, of {rhs.call if rhs else ''}"


def _tables(results: PararealResults, table: Path) -> list[ReportTable]:
    frame = pd.read_csv(table)
    has_values = [column for column in frame.columns if frame[column].notna().any()]
    convergence = [column for column in has_values if column not in _SPEEDUP_COLUMNS]
    speedup = [
        column
        for column in has_values
        if column in (*results.factors, "iterations", *_SPEEDUP_COLUMNS)
    ]
    exact = len(frame) - int(frame["converged"].sum())
    note = f"{exact} of {len(frame)} cases ended only when they were exact." if exact else ""
    return [
        ReportTable(_CONVERGENCE, frame[convergence], note=note, csv=table.name),
        ReportTable(_SPEEDUP, frame[speedup], csv=table.name),
    ]


def _figures(results: PararealResults) -> list[ReportFigure]:
    found = []
    for name in figure_names(results.study):
        stem = results.paths.figures / str(name)
        svg, png = Path(f"{stem}.svg").read_text(), Path(f"{stem}.png").read_bytes()
        found.append(ReportFigure(svg, png, _caption(results, name), _SECTION[name.kind]))
    return found


def _caption(results: PararealResults, name: FigureName) -> str:
    case = results.cases[drawn_cases(len(results.cases))[name.number]]
    return _CAPTIONS[name.kind].format(case=case.label or "without factors")
