"""The resolved study as text."""

from __future__ import annotations

from io import StringIO

from ruamel.yaml import YAML

from ensnare.config import Study


def study_yaml(study: Study) -> str:
    """Return the resolved study as YAML."""
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 100
    text = StringIO()
    tree = study.model_dump(mode="json", by_alias=True, exclude_none=True)
    writer.dump(tree, text)
    return text.getvalue()
