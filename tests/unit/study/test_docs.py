import json
import re
from pathlib import Path

import jsonschema
import pytest

from ensnare.store.outcome import Status
from ensnare.study import docs
from ensnare.study.loading import load_study
from ensnare.study.study import Study
from ensnare.study.yaml12 import read_yaml

ROOT = Path(__file__).parents[3]
STUDIES = [ROOT / "config/config.yaml", *sorted((ROOT / "config/studies").glob("*.yaml"))]


def test_schema_and_key_reference_are_what_the_study_model_says():
    assert (ROOT / "workflow/schemas/study.schema.json").read_text() == docs.schema()
    assert (ROOT / "config/README.md").read_text() == docs.readme()


def test_the_example_of_the_key_reference_is_a_study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", docs.readme(), re.DOTALL)[1])
    study = load_study(path).config
    assert (study.design.size, study.constants) == (100, {"L": 2.55})


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_shipped_studies_satisfy_the_schema_and_name_it_on_their_first_line(path):
    validator = jsonschema.Draft202012Validator(json.loads(docs.schema()))
    validator.validate(read_yaml(path))
    load_study(path)
    first = path.read_text().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(.*)", first)[1]
    assert (path.parent / named).resolve() == ROOT / "workflow/schemas/study.schema.json"


def test_the_schema_refuses_an_unknown_key():
    tree = read_yaml(STUDIES[0]) | {"inptus": []}
    validator = jsonschema.Draft202012Validator(json.loads(docs.schema()))
    assert not validator.is_valid(tree)


def test_the_key_reference_has_every_key():
    text = docs.readme()
    for name, field in Study.model_fields.items():
        assert f"| `{field.alias or name}` |" in text


def test_the_archive_page_lists_every_status():
    page = (ROOT / "docs/archive.md").read_text()
    for status in Status:
        assert f"| {int(status)} | {status.label} |" in page


def test_every_figure_and_table_has_a_caption():
    named = re.findall(
        r'"\.\./report/([a-z_]+)\.rst"', (ROOT / "workflow/rules/analyse.smk").read_text()
    )
    kinds = ["sobol", "distribution", "scatter", "sweep", "status", "cost", *named]
    for kind in kinds:
        assert (ROOT / f"workflow/report/{kind}.rst").read_text().strip()
