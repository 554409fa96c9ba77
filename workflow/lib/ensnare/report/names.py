"""Which figures a study has: known from its configuration, without a plotting library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ensnare.store.paths import StudyPaths
from ensnare.study.designs import REPRESENT, Constrained, Saltelli
from ensnare.study.outputs import Output
from ensnare.study.study import Study

SCALING_FIGURES = ("time", "speedup", "efficiency")  # their kinds
MOST_CASES_DRAWN = 4  # cases with a figure of their own; the tables have all cases


@dataclass(frozen=True)
class FigureName:
    """A figure of a study; as text it is the stem of its files."""

    kind: str  # also the stem of its caption in `workflow/report`
    output: str = ""  # empty if it is not about a single output
    number: int = 0  # of the case, or of the threshold among those of the output

    def __str__(self) -> str:
        """Return the stem of its files: `sobol_y`, `exceedance_y-2`, `status`."""
        name = f"{self.kind}_{self.output}" if self.output else self.kind
        return f"{name}-{self.number + 1}" if self.number else name


def figure_names(study: Study) -> list[FigureName]:
    """Return the figures of a study, in the order of the report."""
    if study.parareal is not None:
        return _of_parareal(study)
    scaling = [FigureName(kind) for kind in SCALING_FIGURES] if study.scaling else []
    outputs = [figure for output in study.model.outputs for figure in _of_output(study, output)]
    failures = [FigureName("failures")] if study.random_inputs else []
    design = [FigureName("design")] if isinstance(study.design, Constrained) else []
    growing = isinstance(study.design, Saltelli) and study.design.until is not None
    rounds = [FigureName("rounds")] if growing else []
    return [
        *design,
        *scaling,
        *outputs,
        *rounds,
        FigureName("status"),
        *failures,
        FigureName("cost"),
    ]


def drawn_cases(cases: int) -> list[int]:
    """Return the numbers of the cases that have a figure of their own.

    Of more than `MOST_CASES_DRAWN` cases these are the first, the last, and some in between.
    """
    drawn = min(cases, MOST_CASES_DRAWN)
    return [round(k * (cases - 1) / max(1, drawn - 1)) for k in range(drawn)]


def _of_parareal(study: Study) -> list[FigureName]:
    """Return the figures of a parareal study."""
    cases = len(study.cases())
    iterations = [FigureName("iterations")] if study.factors else []
    single = [FigureName("iterates", number=number) for number in range(len(drawn_cases(cases)))]
    return [*iterations, FigureName("maxdif"), *single, FigureName("speedup")]


def _of_output(study: Study, output: Output) -> Iterator[FigureName]:
    """Yield the figures of an output."""
    is_array, name = output.shape is not None, output.name
    cases = min(len(study.cases()), MOST_CASES_DRAWN)
    for kind in _estimates(study):
        for number in range(cases if is_array else 1):
            yield FigureName(kind, name, number)
    items = [item for item in study.analyses.exceedance or [] if item.output == name]
    for number in range(len(items)):
        yield FigureName("exceedance", name, number)
    for kind in _views(study, output):
        yield FigureName(kind, name)


def _estimates(study: Study) -> list[str]:
    """Return the kinds of figures that show an estimate for each input."""
    analyses, design = study.analyses, study.design
    second = isinstance(design, Saltelli) and design.second_order and analyses.sobol
    wanted = {
        "sobol": analyses.sobol,
        "second": second,
        "ranksobol": analyses.rank_sobol,
        "morris": analyses.morris,
        "correlations": analyses.correlations,
    }
    return [kind for kind, analysis in wanted.items() if analysis]


def _views(study: Study, output: Output) -> list[str]:
    """Return the kinds of figures that show the values of an output."""
    if output.shape is not None:
        return ["curves"]
    if study.scaling is not None:  # the time that is measured has the figures of scaling
        return ["sweep"] if output.name != study.scaling.time else []
    if study.design is None:
        diagram = ["regimes"] if len(study.factors) > 1 else []
        return diagram if diagram and output.labels else ["sweep", *diagram]
    represents = study.design.method in REPRESENT
    return [*(["distribution"] if represents else []), "scatter"]


def figure_files(study: Study, paths: StudyPaths) -> list[Path]:
    """Return the files (SVG and PNG) of all figures of a study."""
    stems = [paths.figures / str(name) for name in figure_names(study)]
    return [stem.with_name(f"{stem.name}.{kind}") for stem in stems for kind in ("svg", "png")]
