"""Designs of small studies, for the tests of designs."""

from ensnare.design.table import make_design
from ensnare.store.ids import sample_ids
from ensnare.study.loading import LoadedStudy, parse_study

MODEL = {"command": ["true"], "outputs": [{"name": "out", "regex": "(.*)"}]}


NORMAL = {"Normal": {"mu": 1, "sigma": 2}}


INPUTS = [
    {"name": "b", "distribution": NORMAL},
    {"name": "a", "distribution": {"Uniform": {"a": -1, "b": 1}}},
    {"name": "k", "value": 3},
    {"name": "c", "distribution": {"Exponential": {"lambda": 2}}},
]


def design_of(method, size, tmp_path=".", inputs=INPUTS, **rest):
    if "copula" in rest and rest["copula"] is None:
        rest.pop("copula")
    design = rest.pop("design", {"method": method, "size": size})
    tree = {"study": "s", "inputs": inputs, "design": design, "model": MODEL, **rest}
    return make_design(LoadedStudy(parse_study(tree), tmp_path, "study.yaml"))


def ids_of(design):
    return sample_ids(design.words, design.occurrence, {})


PLAIN = [{"name": "b"}, {"name": "a"}]


MODEL = {"command": ["true"], "outputs": [{"name": "out", "regex": "(.*)"}]}
