"""The report of a study: one self-contained HTML page."""

from ensnare.report.page import (
    ReportData,
    ReportFigure,
    ReportInput,
    ReportOutput,
    ReportTable,
    render_report,
)

__all__ = [
    "ReportData",
    "ReportFigure",
    "ReportInput",
    "ReportOutput",
    "ReportTable",
    "render_report",
]
