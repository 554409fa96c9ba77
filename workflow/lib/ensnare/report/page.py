"""The report of a study: one self-contained HTML page, rendered from data in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from ensnare.report.svg import inline_figure
from ensnare.report.text import (
    MAX_PAIRS,
    correlation_view,
    dropped_notes,
    format_duration,
    format_range,
    format_value,
    is_array,
    morris_view,
    second_order_view,
    sobol_view,
    views,
)

LONG_TABLE = 60  # rows; a longer table is folded into a box
MAX_NOTES = 12  # on dropped samples, in a section
RESULTS = {
    "statistics": "Statistics",
    "exceedance": "Probability of exceeding a threshold",
    "sobol": "Sobol' indices",
    "second_order": "Second-order Sobol' indices",
    "rank_sobol": "First-order Sobol' indices by ranks",
    "morris": "Elementary effects of Morris",
    "correlations": "Correlations",
}
SECTIONS = ("coverage", *RESULTS)
ESTIMATE_LEAD = "Each cell: the estimate and its confidence interval"
ARRAY_LEAD = "; for an array output the smallest and largest estimate over its positions"


@dataclass(frozen=True)
class ReportInput:
    """An uncertain input; `distribution` is text, such as `Normal(mu=0, sigma=1)`."""

    name: str
    distribution: str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class ReportOutput:
    """An output, and the range outside of which a value counts as a failure."""

    name: str
    unit: str = ""
    range: tuple[float | None, float | None] | None = None
    shape: tuple[int, ...] = ()
    description: str = ""
    axis: str = ""  # label of the axis of an array, such as `x [m]`


@dataclass(frozen=True)
class ReportFigure:
    """A figure as the content of its two files, with its caption."""

    svg: str
    png: bytes
    caption: str
    section: str  # one of `SECTIONS`, or a heading of its own


@dataclass(frozen=True)
class ReportTable:
    """A further table; `csv` is the file that holds all of it."""

    section: str  # as for a figure
    frame: pd.DataFrame
    note: str = ""
    csv: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """The content of a report. Parts that are left at their default do not appear."""

    name: str
    title: str = ""
    description: str = ""
    date: str = ""  # set by the caller, so that the same data makes the same page
    inputs: Sequence[ReportInput] = ()
    design: Mapping[str, object] = field(default_factory=dict)  # method, size, seed, ...
    factors: Mapping[str, Sequence[object]] = field(default_factory=dict)  # levels by name
    command: str = ""  # what runs for one sample
    outputs: Sequence[ReportOutput] = ()
    status_counts: Mapping[str, int] = field(default_factory=dict)  # samples by status
    redone: str = ""  # how many samples `ensnare redo` ran again, and how many are ok now
    # wall-clock time of each sample [s], NaN where it is unknown, and its cores
    elapsed_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    cores: NDArray[np.int64] | int = 1
    # columns status, exit_code, count, message, directory (of one sample of the group)
    failures: pd.DataFrame | None = None
    # such as failures that are not random; under coverage, and in every section of results
    warnings: Sequence[str] = ()
    # Tables as in the CSV files, with a column for each factor. Rows of `sobol` with the index
    # `second` have a section of their own. An array output has several values of `position`.
    statistics: pd.DataFrame | None = None
    statistics_csv: str = "statistics.csv"
    exceedance: pd.DataFrame | None = None
    exceedance_csv: str = "exceedance.csv"
    sobol: pd.DataFrame | None = None
    sobol_csv: str = "sobol_indices.csv"
    rank_sobol: pd.DataFrame | None = None
    rank_sobol_csv: str = "rank_sobol_indices.csv"
    morris: pd.DataFrame | None = None
    morris_csv: str = "morris.csv"
    correlations: pd.DataFrame | None = None
    correlations_csv: str = "correlations.csv"
    figures: Sequence[ReportFigure] = ()
    tables: Sequence[ReportTable] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)  # versions, host, git state, ...
    config: str = ""  # the resolved study file


@dataclass(frozen=True)
class _Section:
    """The tables of one analysis, ready to show."""

    name: str
    heading: str
    lead: str = ""
    notes: Sequence[str] = ()
    views: Sequence[pd.DataFrame] = ()
    csv: str = ""


def coverage(data: ReportData) -> list[tuple[str, str]]:
    """Return names and values that sum up which samples ran and what they cost."""
    total = sum(data.status_counts.values())
    lines = [("samples", str(total))] if total else []
    for status, n in data.status_counts.items():
        if n:
            lines.append((status, f"{n} ({100 * n / total:.3g} %)"))
    if data.redone:
        lines.append(("run again by ensnare redo", data.redone))
    known = np.isfinite(data.elapsed_s)
    if known.any():
        cores = np.broadcast_to(data.cores, data.elapsed_s.shape)
        core_time_s = float(np.sum(data.elapsed_s[known] * cores[known]))
        median_s = float(np.median(data.elapsed_s[known]))
        lines.append(("core time, all samples", format_duration(core_time_s)))
        lines.append(("time per sample, median", format_duration(median_s)))
    return lines


def _estimates(data: ReportData, name: str) -> _Section:
    """Return a section of estimates as text, with one row for each input."""
    indices = data.sobol if data.sobol is not None else pd.DataFrame({"index": []})
    second = indices["index"] == "second"
    table, view, what, csv = {
        "sobol": (indices[~second], sobol_view, "base rows", data.sobol_csv),
        "second_order": (indices[second], second_order_view, "base rows", data.sobol_csv),
        "rank_sobol": (data.rank_sobol, sobol_view, "samples", data.rank_sobol_csv),
        "morris": (data.morris, morris_view, "elementary effects", data.morris_csv),
        "correlations": (data.correlations, correlation_view, "samples", data.correlations_csv),
    }[name]
    if table is None or not len(table):
        return _Section(name, RESULTS[name])
    lead = ESTIMATE_LEAD + (ARRAY_LEAD if is_array(table).any() else "")
    lead += f"; the {MAX_PAIRS} largest of each output." if name == "second_order" else "."
    return _Section(name, RESULTS[name], lead, dropped_notes(table, what), [view(table)], csv)


def _results(data: ReportData) -> list[_Section]:
    """Return the sections of results; those without a table have no views."""
    plain = {
        "statistics": (data.statistics, data.statistics_csv),
        "exceedance": (data.exceedance, data.exceedance_csv),
    }
    found = []
    for name, (table, csv) in plain.items():
        # the notes in this column are among the warnings at the head of the section
        rows = None if table is None else table.drop(columns="note", errors="ignore")
        shown = views(rows) if rows is not None and len(rows) else []
        found.append(_Section(name, RESULTS[name], "", [], shown, csv))
    return [*found, *(_estimates(data, name) for name in RESULTS if name not in plain)]


def _figures_by_section(data: ReportData, order: Sequence[str]) -> dict[str, list[Any]]:
    """Return the figures of each section, numbered as they appear on the page."""
    sections: dict[str, list[Any]] = {}
    figures = sorted(data.figures, key=lambda figure: order.index(figure.section))
    for number, figure in enumerate(figures, start=1):
        html = Markup(inline_figure(figure.svg, figure.png, number, figure.caption))
        entry = {"number": number, "html": html, "caption": figure.caption}
        sections.setdefault(figure.section, []).append(entry)
    return sections


def _tables_by_section(data: ReportData) -> dict[str, list[ReportTable]]:
    """Return the further tables of each section."""
    sections: dict[str, list[ReportTable]] = {}
    for table in data.tables:
        sections.setdefault(table.section, []).append(table)
    return sections


def _environment() -> Environment:
    """Return the Jinja environment, which escapes all text."""
    environment = Environment(
        loader=PackageLoader("ensnare.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "value": format_value,
        "limits": format_range,
        "views": views,
    }
    return environment


def render_report(data: ReportData) -> str:
    """Return the report of a study as one HTML page that loads no other file.

    All text in the data is escaped. Raises ValueError if a figure is not SVG.
    """
    tables = _tables_by_section(data)
    order = list(dict.fromkeys([*SECTIONS, *(f.section for f in data.figures), *tables]))
    figures = _figures_by_section(data, order)
    shown = [p for p in _results(data) if p.views or p.name in tables or p.name in figures]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            coverage=coverage(data),
            n_failed=sum(n for s, n in data.status_counts.items() if s not in ("ok", "not_run")),
            n_not_run=data.status_counts.get("not_run", 0),
            results=shown,
            figures=figures,
            tables=tables,
            others=[name for name in order if name not in SECTIONS],
            long_table=LONG_TABLE,
            max_notes=MAX_NOTES,
        )
    )
