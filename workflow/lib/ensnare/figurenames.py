"""Which figures a study has; known before anything ran, and without a plotting library."""

from __future__ import annotations

from ensnare.config import Study


def figure_names(study: Study) -> list[str]:
    """Return the stems of the figure files of a study, in the order of the report.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    list of str
        `<kind>_<output>`, `status` and `cost`.
    """
    kinds = []
    if study.analyses.sobol:
        kinds.append("sobol")
    if study.random_inputs:
        kinds += ["distribution", "scatter"]
    else:
        kinds.append("sweep")
    named = [f"{kind}_{output.name}" for output in study.model.outputs for kind in kinds]
    return [*named, "status", "cost"]
