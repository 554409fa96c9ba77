"""What the report says of a study, collected from its results."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ruamel.yaml import YAML

from ensnare.analyses.failures import failure_warnings
from ensnare.analyses.tables import read_table
from ensnare.archive.results import StudyResults
from ensnare.report.names import FigureName, figure_names
from ensnare.report.page import ReportData, ReportFigure, ReportInput, ReportOutput
from ensnare.report.scaling_section import FIGURES, SECTION, scaling_section
from ensnare.report.section_tables import (
    copula_text,
    distribution_text,
    jobs_table,
    not_reached,
    round_tables,
    until_text,
)
from ensnare.store.outcome import Status
from ensnare.study.designs import Constrained
from ensnare.study.outputs import OutputBase
from ensnare.study.study import Study


def study_yaml(study: Study) -> str:
    """Return the resolved study as YAML."""
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 100
    text = StringIO()
    tree = study.model_dump(mode="json", by_alias=True, exclude_none=True)
    writer.dump(tree, text)
    return text.getvalue()


_RESPONSE = "Response"
_POINTS = "Points of the design"
_SECTION = {
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
    **dict.fromkeys(FIGURES, SECTION),
}
_CAPTIONS = {
    "sobol": "Sobol' indices of {output}: the share of its variance that each input explains alone "
    "(first order) and with all interactions (total), with {confidence:.0%} intervals.",
    "second": "Second-order Sobol' indices of {output}: the share of its variance that is due to "
    "two inputs together and to neither alone, with {confidence:.0%} intervals.",
    "ranksobol": "First-order Sobol' indices of {output} from the ranks of one sample, with "
    "{confidence:.0%} intervals.",
    "morris": "Elementary effects on {output}: mu* says how much an input matters, sigma how far "
    "its effect depends on where it is, with {confidence:.0%} intervals.",
    "correlations": "Correlations of the inputs with {output}, with {confidence:.0%} intervals.",
    "exceedance": "Probability that {output} is beyond a threshold, with its {confidence:.0%} "
    "interval.",
    "distribution": "Distribution of {output}.",
    "curves": "{output} along its axis: median, and bands that hold shares of the samples.",
    "scatter": "{output} against each input; samples that failed, if any, are marked at the edge.",
    "design": "The points of the design, which satisfy its constraints: each pair of inputs, and "
    "each input alone.",
    "sweep": "{output} over the levels of the sweep.",
    "regimes": "{output} over the first two factors of the sweep, a panel for each level of the "
    "others.",
    "rounds": "Widest confidence interval of a total Sobol' index of each output, against samples.",
    "status": "Samples by status.",
    "failures": "Test of each input: how probable its values in the failed samples are if failures "
    "are random.",
    "cost": "Wall-clock time of a sample.",
    **FIGURES,
}
_ORDER = ("coverage", _POINTS, "statistics", "exceedance", "sobol", "second_order", "rank_sobol",
          "morris", "correlations", SECTION, _RESPONSE, "Sweep")  # fmt: skip


def collect_report(results: StudyResults, tables: Mapping[str, Path], samples: Path) -> ReportData:
    """Return what the report of a study says.

    Parameters
    ----------
    results : StudyResults
        The archive.
    tables : mapping of str to Path
        The tables of its analyses by name: statistics, sobol_indices.
    samples : Path
        samples.csv, for the messages of failures.
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
        outputs=[
            ReportOutput(
                o.name,
                o.unit,
                o.range,
                shape=tuple(o.shape or ()),
                axis=_axis(o),
                description=o.description,
            )
            for o in study.model.outputs
        ],
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
        warnings=[*failure_warnings(results), *not_reached(results)],
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
    """Return how many cores each sample had."""
    cores = np.empty(len(results), np.int64)
    for case, rows in results.by_case():
        cores[rows] = results.study.resources_of(case).cores
    return cores


def _axis(output: OutputBase) -> str:
    """Return the axis of an array output as a reader sees it: `x [m]`."""
    if output.axis is None:
        return ""
    return f"{output.axis.name} [{output.axis.unit}]" if output.axis.unit else output.axis.name


def _design(study: Study, results: StudyResults) -> dict[str, Any]:
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
    """Return how many samples were to be run again, and how many of them are ok now."""
    if "redone" not in results.columns:
        return ""
    again = results.columns["redone"] > 0
    return f"{again.sum()}, of which {(again & (results.status == Status.OK)).sum()} are ok now"


def failures_by_cause(results: StudyResults, samples: Path) -> pd.DataFrame | None:
    """Group the samples that failed by status, exit code and message.

    Parameters
    ----------
    results : StudyResults
        The archive.
    samples : Path
        samples.csv.

    Returns
    -------
    DataFrame or None
        status, exit_code, count, message and directory of the first, or its id if it had none,
        most frequent first.
    """
    if not results.status.any():
        return None
    columns = ["id", "status", "exit_code", "message", "directory"]
    texts = dict.fromkeys(("id", "message", "directory"), str)
    frame = pd.read_csv(samples, usecols=columns, dtype=texts)
    idle = [Status.OK.label] + ([Status.NOT_RUN.label] if results.study.scaling else [])
    bad = frame[~frame["status"].isin(idle)].fillna({"message": "", "directory": ""})
    bad["directory"] = bad["directory"].where(bad["directory"] != "", "sample " + bad["id"])
    if results.study.model.python:  # a function has none
        bad["exit_code"] = "\N{EN DASH}"
    # numbers in messages differ from sample to sample; the cause does not
    cause = bad["message"].str.replace(r"[-+]?\d[\d.eE+-]*", "#", regex=True)
    grouped = bad.groupby(["status", "exit_code", cause], sort=False)
    table = grouped.agg(count=("status", "size"), message_=("message", "first"),
                        directory=("directory", "first"))  # fmt: skip
    table = table.reset_index().drop(columns="message").rename(columns={"message_": "message"})
    return table.sort_values("count", ascending=False, kind="stable")[
        ["status", "exit_code", "count", "message", "directory"]
    ]


def _figures(results: StudyResults) -> list[ReportFigure]:
    study = results.study
    labels = {o.name: f"{o.name} [{o.unit}]" if o.unit else o.name for o in study.model.outputs}
    found = []
    for name in figure_names(study):
        if name.kind == "failures" and not results.status.any():
            continue  # nothing to say
        caption = _CAPTIONS[name.kind].format(
            output=labels.get(name.output, name.output),
            confidence=_confidence(study, name),
            factor=study.scaling.factor if study.scaling else "",
        )
        stem = results.paths.figures / str(name)
        svg, png = Path(f"{stem}.svg").read_text(), Path(f"{stem}.png").read_bytes()
        section = _SECTION.get(name.kind, "coverage")
        if section == "statistics" and not study.analyses.statistics:
            section = _RESPONSE
        found.append(ReportFigure(svg, png, caption, section))
    # numbered as they appear
    return sorted(found, key=lambda f: _ORDER.index(f.section))


def _confidence(study: Study, name: FigureName) -> float:
    """Return the level of the intervals of a figure."""
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


def provenance(attributes: Mapping[str, Any]) -> dict[str, object]:
    """Return what the report says of where and with what a study was run.

    Parameters
    ----------
    attributes : mapping
        Those of the archive: seed, host, versions, git, and who adopted older samples.
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
    """Return which samples ran with other versions than the archive was made with."""
    now, said = attributes["versions"], []
    for job in attributes.get("ran_with", ()):
        then = job["versions"]
        others = [f"{n} {then[n]}" for n in now if n in then and then[n] != now[n]]
        if others:
            said.append(f"{job['samples']} samples: {', '.join(others)}")
    return "; ".join(said)
