"""The report of a study: one self-contained HTML page, from data in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from ensnare.report.svg import inline_figure
from ensnare.report.tables import (
    format_duration,
    format_range,
    format_value,
    interval_view,
    sobol_notes,
    sobol_view,
)

LONG_TABLE = 60  # rows; longer ones go into a box
SECTIONS = ("coverage", "statistics", "sobol")


@dataclass(frozen=True)
class ReportInput:
    """An uncertain input; `distribution` is its text, such as `Normal(mu=0, sigma=1)`."""

    name: str
    distribution: str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class ReportOutput:
    """An output and the range outside of which a value counts as a failure."""

    name: str
    unit: str = ""
    range: tuple[float | None, float | None] | None = None
    shape: tuple[int, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class ReportFigure:
    """A figure as its two files; `section` is coverage, statistics, sobol or a heading."""

    svg: str
    png: bytes
    caption: str
    section: str


@dataclass(frozen=True)
class ReportTable:
    """A further table under the heading `section`; `csv` says where the whole of it is."""

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
    elapsed_s : ndarray of float, shape (n,)
        Wall-clock time of each sample [s]; NaN where it is unknown.
    cores : ndarray of int, shape (n,), or int
        Cores of each sample, for the core time.
    failures : DataFrame, optional
        Columns `status`, `exit_code`, `count`, `message`, `directory` (of an example).
    statistics, sobol : DataFrame, optional
        As in statistics.csv and sobol_indices.csv, with a column for each factor.
    statistics_csv, sobol_csv : str
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
    elapsed_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    cores: NDArray[np.int64] | int = 1
    failures: pd.DataFrame | None = None
    statistics: pd.DataFrame | None = None
    statistics_csv: str = "statistics.csv"
    sobol: pd.DataFrame | None = None
    sobol_csv: str = "sobol_indices.csv"
    figures: Sequence[ReportFigure] = ()
    tables: Sequence[ReportTable] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    config: str = ""


def coverage(data: ReportData) -> list[tuple[str, str]]:
    """Return names and values of the summary of what ran."""
    total = sum(data.status_counts.values())
    lines = [("samples", str(total))] if total else []
    for status, n in data.status_counts.items():
        if n:
            lines.append((status, f"{n} ({100 * n / total:.3g} %)"))
    known = np.isfinite(data.elapsed_s)
    if known.any():
        cores = np.broadcast_to(data.cores, data.elapsed_s.shape)
        core_time_s = float(np.sum(data.elapsed_s[known] * cores[known]))
        median_s = float(np.median(data.elapsed_s[known]))
        lines.append(("core time, all samples", format_duration(core_time_s)))
        lines.append(("time per sample, median", format_duration(median_s)))
    return lines


def _figures_by_section(data: ReportData) -> dict[str, list[dict[str, object]]]:
    sections: dict[str, list[dict[str, object]]] = {}
    for number, figure in enumerate(data.figures, start=1):
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
        "intervals": interval_view,
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
    figures, tables = _figures_by_section(data), _tables_by_section(data)
    indices = data.sobol if data.sobol is not None and len(data.sobol) else None
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            coverage=coverage(data),
            n_failed=sum(data.status_counts.values()) - data.status_counts.get("ok", 0),
            sobol=None if indices is None else sobol_view(indices),
            sobol_notes=[] if indices is None else sobol_notes(indices),
            figures=figures,
            tables=tables,
            others=[s for s in dict.fromkeys([*tables, *figures]) if s not in SECTIONS],
            long_table=LONG_TABLE,
        )
    )
