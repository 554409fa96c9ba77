"""The report of a study: one self-contained HTML page, from data in memory."""

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

LONG_TABLE = 60  # rows; longer ones go into a box
MAX_NOTES = 12
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
ARRAY_LEAD = "; of an array output the smallest and largest estimate over its positions"


@dataclass(frozen=True)
class ReportInput:
    """An uncertain input; `distribution` is its text, such as `Normal(mu=0, sigma=1)`."""

    name: str
    distribution: str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class ReportOutput:
    """An output and the range outside of which a value counts as a failure.

    `axis` is the label of the axis of an array, with its unit, such as `x [m]`.
    """

    name: str
    unit: str = ""
    range: tuple[float | None, float | None] | None = None
    shape: tuple[int, ...] = ()
    description: str = ""
    axis: str = ""


@dataclass(frozen=True)
class ReportFigure:
    """A figure as its two files; `section` is one of `SECTIONS` or a heading of its own."""

    svg: str
    png: bytes
    caption: str
    section: str


@dataclass(frozen=True)
class ReportTable:
    """A further table; `section` as for a figure, `csv` says where the whole of it is."""

    section: str
    frame: pd.DataFrame
    note: str = ""
    csv: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the report of a study says. Parts left at their default do not appear.

    Attributes
    ----------
    name, title, description, date : str
        Of the study; the date is the caller's, so that the same data makes the same page.
    inputs, design : sequence of ReportInput, mapping
        The design is shown as it is: method, size, seed, ...
    factors : mapping of str to sequence
        Levels of each factor of the sweep.
    command : str
        What runs for one sample.
    outputs : sequence of ReportOutput
    status_counts : mapping of str to int
        Samples by status; `ok` has results.
    redone : str
        How many samples were run again by hand, and what came of it.
    elapsed_s : ndarray of float, shape (n,)
        Wall-clock time of each sample [s]; NaN where it is unknown.
    cores : ndarray of int, shape (n,), or int
        Cores of each sample, for the core time.
    failures : DataFrame, optional
        Columns `status`, `exit_code`, `count`, `message`, `directory` (of an example).
    warnings : sequence of str
        What a reader must know of the results, such as failures that are not random: first
        under coverage, and a note in every section of results.
    statistics, exceedance, sobol, rank_sobol, morris, correlations : DataFrame, optional
        As in the CSV files, with a column for each factor. Rows of `sobol` with the index
        `second` have a section of their own. Array outputs, which have several values of
        `position`, are shown as ranges.
    statistics_csv, exceedance_csv, sobol_csv, rank_sobol_csv, morris_csv, correlations_csv : str
        Where these files are.
    figures, tables : sequence of ReportFigure, ReportTable
    provenance : mapping of str to str
        Versions, host, git state, seed, ...
    config : str
        The resolved study file.
    """

    name: str
    title: str = ""
    description: str = ""
    date: str = ""
    inputs: Sequence[ReportInput] = ()
    design: Mapping[str, object] = field(default_factory=dict)
    factors: Mapping[str, Sequence[object]] = field(default_factory=dict)
    command: str = ""
    outputs: Sequence[ReportOutput] = ()
    status_counts: Mapping[str, int] = field(default_factory=dict)
    redone: str = ""
    elapsed_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    cores: NDArray[np.int64] | int = 1
    failures: pd.DataFrame | None = None
    warnings: Sequence[str] = ()
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
    provenance: Mapping[str, object] = field(default_factory=dict)
    config: str = ""


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
    """Return names and values of the summary of what ran."""
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
    """Return a section of results as text, one row an input."""
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
        # what the column says stands above the section
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
    sections: dict[str, list[ReportTable]] = {}
    for table in data.tables:
        sections.setdefault(table.section, []).append(table)
    return sections


def _environment() -> Environment:
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
    """Return the report of a study as one HTML page that loads nothing from elsewhere.

    Parameters
    ----------
    data : ReportData
        What to say. All text in it is escaped.

    Returns
    -------
    str
        The page.

    Raises
    ------
    ValueError
        If a figure is not SVG.
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
