"""What the report says about a study, collected from its archive and its tables."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from ensnare.analyses.failures import failure_warnings
from ensnare.analyses.tables import read_table
from ensnare.archive.results import StudyResults
from ensnare.report.names import FigureName, figure_names
from ensnare.report.page import ReportData, ReportFigure, ReportInput, ReportOutput
from ensnare.report.scaling_section import SCALING, SCALING_CAPTIONS, scaling_section
from ensnare.report.section_tables import (
    copula_text,
    distribution_text,
    failures_by_cause,
    jobs_table,
    round_tables,
    round_warnings,
    until_text,
)
from ensnare.store.outcome import Status
from ensnare.study.designs import Constrained
from ensnare.study.outputs import OutputBase
from ensnare.study.study import Study

_RESPONSE = "Response"  # figures of outputs without a section of statistics
_POINTS = "Points of the design"
_SECTIONS = {  # of a figure by its kind; all others are under coverage
    "sobol": "sobol",
    "second": "second_order",
    "ranksobol": "rank_sobol",
    "morris": "morris",
    "correlations": "correlations",
    "exceedance": "exceedance",
    "distribution": "statistics",
    "scatter": "statistics",
    "curves": "statistics",
    "design": _POINTS,
    "sweep": "Sweep",
    "regimes": "Sweep",
    **dict.fromkeys(SCALING_CAPTIONS, SCALING),
}
_CAPTIONS = {
    "sobol": "Sobol' indices of {output}: the share of its variance that each input explains alone "
    "(first order) and with all interactions (total), with {confidence:.0%} intervals.",
    "second": "Second-order Sobol' indices of {output}: the share of its variance that is due to "
    "two inputs together and to neither alone, with {confidence:.0%} intervals.",
    "ranksobol": "First-order Sobol' indices of {output} from the ranks of one sample, with "
    "{confidence:.0%} intervals.",
    "morris": "Elementary effects on {output}: mu* measures how much an input matters, sigma how "
    "much its effect depends on the values of the inputs, with {confidence:.0%} intervals.",
    "correlations": "Correlations of the inputs with {output}, with {confidence:.0%} intervals.",
    "exceedance": "Probability that {output} is beyond a threshold, with its {confidence:.0%} "
    "interval.",
    "distribution": "Distribution of {output}.",
    "curves": "{output} along its axis: the median, and bands that contain 50 % or 90 % of the "
    "samples.",
    "scatter": "{output} against each input; samples that failed, if any, are marked at the edge.",
    "design": "The points of the design, which satisfy its constraints: each pair of inputs, and "
    "each input alone.",
    "sweep": "{output} over the levels of the sweep.",
    "regimes": "{output} over the first two factors of the sweep, with a panel for each level of "
    "the others.",
    "rounds": "Widest confidence interval of a total Sobol' index of each output, against the "
    "number of samples.",
    "status": "Number of samples by status.",
    "failures": "Test of each input: the p-value of its values in the failed samples if failures "
    "are random.",
    "cost": "Wall-clock time of a sample.",
    **SCALING_CAPTIONS,
}
_ORDER = ("coverage", _POINTS, "statistics", "exceedance", "sobol", "second_order", "rank_sobol",
          "morris", "correlations", SCALING, _RESPONSE, "Sweep")  # fmt: skip


def collect_report(results: StudyResults, tables: Mapping[str, Path], samples: Path) -> ReportData:
    """Return the content of the report of a study, whose figures must be drawn already.

    `tables` maps the names of the tables of its analyses (statistics, sobol_indices) to their CSV
    files; `samples` is samples.csv, which holds the messages of failures.
    """
    study = results.study
    frames = {name: read_table(path, study.factors) for name, path in tables.items()}
    archive = results.paths.archive
    made = datetime.datetime.fromtimestamp(archive.stat().st_mtime, datetime.UTC)
    return ReportData(
        name=study.study,
        title=study.title,
        description=study.description,
        date=f"{made:%Y-%m-%d %H:%M} UTC",
        inputs=[
            ReportInput(i.name, distribution_text(i), i.unit, i.description) for i in study.inputs
        ],
        design=_design(study, results),
        factors={study.shown_factor(name): levels for name, levels in study.factors.items()},
        command=_command(study),
        outputs=list(map(_output, study.model.outputs)),
        status_counts=status_counts(results),
        redone=_redone(results),
        elapsed_s=results.columns["elapsed_s"],
        cores=_cores(results),
        failures=failures_by_cause(results, samples),
        statistics=frames.get("statistics"),
        sobol=frames.get("sobol_indices"),
        rank_sobol=frames.get("rank_sobol_indices"),
        exceedance=frames.get("exceedance"),
        morris=frames.get("morris"),
        correlations=frames.get("correlations"),
        warnings=[*failure_warnings(results), *round_warnings(results)],
        tables=[
            *round_tables(results, frames),
            *(scaling_section(study, frames) if study.scaling else ()),
            *jobs_table(results.paths.table("jobs")),
        ],
        figures=_figures(results),
        provenance=provenance(results.attributes),
        config=study_yaml(study),
    )


def _cores(results: StudyResults) -> NDArray[np.int64]:
    """Return the cores of each sample."""
    cores = np.empty(len(results), np.int64)
    for case, rows in results.by_case():
        cores[rows] = results.study.resources_of(case).cores
    return cores


def _output(output: OutputBase) -> ReportOutput:
    """Return an output as the report lists it."""
    shape, axis = tuple(output.shape or ()), _axis(output)
    return ReportOutput(
        output.name, output.unit, output.range, shape, description=output.description, axis=axis
    )


def _axis(output: OutputBase) -> str:
    """Return the axis of an array output as text: `x [m]`."""
    if output.axis is None:
        return ""
    return f"{output.axis.name} [{output.axis.unit}]" if output.axis.unit else output.axis.name


def _design(study: Study, results: StudyResults) -> dict[str, Any]:
    """Return the properties of the design by name, as the report lists them."""
    if study.design is None:
        return {}
    shown = study.design.model_dump(exclude_none=True)
    rows = len(results) // max(1, len(results.by_case()))
    shown |= {"rows": rows, "seed": study.seed}
    if "until" in shown:
        shown["until"] = until_text(shown["until"])
    if isinstance(study.design, Constrained):
        shown["constraints"] = "; ".join(study.design.constraints)
    if study.copulas:
        shown["copula"] = "; ".join(map(copula_text, study.copulas))
    return shown


def _command(study: Study) -> str:
    """Return the steps of the command, one on each line, or the name of the Python function."""
    model = study.model
    if model.python:
        kind = "vectorised, " if model.python.vectorized else ""
        return f"Python function ({kind}{model.python.call})"
    return "\n".join(" ".join(step) for step in model.steps)


def status_counts(results: StudyResults) -> dict[str, int]:
    """Return the number of samples by status; statuses that do not occur are left out."""
    counts = np.bincount(results.status, minlength=len(Status))
    return {s.label: int(counts[s]) for s in Status if counts[s] or s is Status.OK}


def _redone(results: StudyResults) -> str:
    """Return how many samples `ensnare redo` ran again, and how many of them are ok now."""
    if "redone" not in results.columns:
        return ""
    again = results.columns["redone"] > 0
    return f"{again.sum()}, of which {(again & (results.status == Status.OK)).sum()} are ok now"


def _figures(results: StudyResults) -> list[ReportFigure]:
    """Return the figures with their captions, in the order of the page."""
    study = results.study
    labels = {o.name: f"{o.name} [{o.unit}]" if o.unit else o.name for o in study.model.outputs}
    found = []
    for name in figure_names(study):
        if name.kind == "failures" and not results.status.any():
            continue  # no sample failed
        caption = _CAPTIONS[name.kind].format(
            output=labels.get(name.output, name.output),
            confidence=_confidence(study, name),
            factor=study.scaling.factor if study.scaling else "",
        )
        stem = results.paths.figures / str(name)
        svg, png = Path(f"{stem}.svg").read_text(), Path(f"{stem}.png").read_bytes()
        section = _SECTIONS.get(name.kind, "coverage")
        if section == "statistics" and not study.analyses.statistics:
            section = _RESPONSE
        found.append(ReportFigure(svg, png, caption, section))
    # the report numbers its figures in this order
    return sorted(found, key=lambda f: _ORDER.index(f.section))


def _confidence(study: Study, name: FigureName) -> float:
    """Return the confidence level of the intervals in a figure."""
    analyses = study.analyses
    items = [i for i in analyses.exceedance or [] if i.output == name.output]
    analysis = {
        "sobol": analyses.sobol,
        "second": analyses.sobol,
        "ranksobol": analyses.rank_sobol,
        "morris": analyses.morris,
        "correlations": analyses.correlations,
        "exceedance": items[name.number] if name.number < len(items) else None,
    }.get(name.kind)
    return analysis.confidence if analysis else 0.95


def study_yaml(study: Study) -> str:
    """Return the resolved study as YAML."""
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 100
    text = StringIO()
    tree = study.model_dump(mode="json", by_alias=True, exclude_none=True)
    writer.dump(tree, text)
    return text.getvalue()


def provenance(attributes: Mapping[str, Any]) -> dict[str, object]:
    """Return where and with which versions a study was run, by name.

    `attributes` are those of the archive: seed, host, versions, git state, and who declared the
    results of an older version of the study valid.
    """
    versions = ", ".join(f"{name} {version}" for name, version in attributes["versions"].items())
    shown: dict[str, object] = {
        "seed": attributes["seed"],
        "host": f"{attributes['host']['host']} ({attributes['host']['platform']})",
        "versions": versions,
    }
    if attributes["git"]:
        shown["git"] = attributes["git"]
    if others := _other_versions(attributes):
        shown["run with other versions"] = others
    if attributes.get("adopted"):
        shown["adopted"] = "; ".join(
            f"{note['samples']} samples that ran an older version of the study, declared valid by "
            f"{note['who']} on {note['when']}"
            for note in attributes["adopted"]
        )
    return shown


def _other_versions(attributes: Mapping[str, Any]) -> str:
    """Return which samples ran with other versions than those that made the archive."""
    now, found = attributes["versions"], []
    for job in attributes.get("ran_with", ()):
        then = job["versions"]
        others = [f"{n} {then[n]}" for n in now if n in then and then[n] != now[n]]
        if others:
            found.append(f"{job['samples']} samples: {', '.join(others)}")
    return "; ".join(found)
