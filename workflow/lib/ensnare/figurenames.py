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
    named = [
        f"{kind}_{output.name}"
        for output in study.model.outputs
        for kind in _kinds(study, is_array=output.shape is not None)
    ]
    return [*named, "status", "cost"]


def _kinds(study: Study, *, is_array: bool) -> list[str]:
    """Return the kinds of figures of an output."""
    kinds = []
    if study.analyses.sobol:
        kinds.append("sobolcurves" if is_array else "sobol")
    if is_array:
        return [*kinds, "curves"]
    return [*kinds, *(["distribution", "scatter"] if study.random_inputs else ["sweep"])]
