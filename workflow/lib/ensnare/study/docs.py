"""Write the JSON schema and config/README.md from the study model: `make docs`.

Docstrings of the models and `description` of their fields are what users read there.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ensnare.study.analyses import (
    Analyses,
    CorrelationsAnalysis,
    Exceedance,
    MorrisAnalysis,
    RankSobolAnalysis,
    SobolAnalysis,
    StatisticsAnalysis,
)
from ensnare.study.designs import (
    Composite,
    Constrained,
    Factorial,
    Halton,
    Lhs,
    MonteCarlo,
    Morris,
    OneAtATime,
    Saltelli,
    Sobol,
    Table,
    Until,
)
from ensnare.study.failures import OnFailure
from ensnare.study.inputs import (
    ComonotonicBlock,
    Copula,
    DataFit,
    Input,
    JoePair,
    MarshallOlkinPair,
    NormalCopula,
    StudentBlock,
    ThetaCopula,
)
from ensnare.study.model import (
    CopyFile,
    Environment,
    Keep,
    LinkFile,
    Model,
    PythonFunction,
    Success,
    TemplateFile,
    TreeFile,
)
from ensnare.study.outputs import (
    AfterOutput,
    Axis,
    Hdf5Output,
    JsonOutput,
    NetcdfOutput,
    OutputBase,
    PythonOutput,
    RegexOutput,
    TableOutput,
    XmlOutput,
)
from ensnare.study.parareal import Function, Integrator, Parareal, Solver
from ensnare.study.resources import Batch, Override, ResourceChanges, Resources
from ensnare.study.scaling import Scaling
from ensnare.study.study import Study

_ROOT = Path(__file__).parents[4]
_SCHEMA = _ROOT / "workflow" / "schemas" / "study.schema.json"
_README = _ROOT / "config" / "README.md"
_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The study", Study),
    ("`inputs`: a list of", Input),
    ("`inputs`: `data` of an input", DataFit),
    ("`copula`", Copula),
    ("`copula.normal`", NormalCopula),
    ("`copula`: of two inputs and one parameter", ThetaCopula),
    ("`copula.JoeCopula`", JoePair),
    ("`copula.MarshallOlkinCopula`", MarshallOlkinPair),
    ("`copula.MinCopula`", ComonotonicBlock),
    ("`copula.StudentCopula`", StudentBlock),
    ("`design`, `method: monte_carlo`", MonteCarlo),
    ("`design`, `method: sobol`", Sobol),
    ("`design`, `method: halton`", Halton),
    ("`design`, `method: lhs`", Lhs),
    ("`design`, `method: saltelli`", Saltelli),
    ("`design`, `method: saltelli`: `until`", Until),
    ("`design`, `method: morris`", Morris),
    ("`design`, `method: factorial`", Factorial),
    ("`design`, `method: composite`", Composite),
    ("`design`, `method: one_at_a_time`", OneAtATime),
    ("`design`, `method: constrained`", Constrained),
    ("`design`, `method: table`", Table),
    ("`scaling`", Scaling),
    ("`model`", Model),
    ("`model.files`: a template", TemplateFile),
    ("`model.files`: a copy", CopyFile),
    ("`model.files`: a link", LinkFile),
    ("`model.files`: a tree", TreeFile),
    ("`model.environment`", Environment),
    ("`model.python`", PythonFunction),
    ("`model.success`: a list of", Success),
    ("`model.outputs`: every output has", OutputBase),
    ("`model.outputs`: from JSON", JsonOutput),
    ("`model.outputs`: from XML", XmlOutput),
    ("`model.outputs`: from a table", TableOutput),
    ("`model.outputs`: from a text", RegexOutput),
    ("`model.outputs`: from a text, by what stands before", AfterOutput),
    ("`model.outputs`: from HDF5", Hdf5Output),
    ("`model.outputs`: from netCDF", NetcdfOutput),
    ("`model.outputs`: from a Python function", PythonOutput),
    ("`model.outputs`: `axis` of an array", Axis),
    ("`parareal`", Parareal),
    ("`parareal.coarse`, `parareal.fine`: an integrator", Integrator),
    ("`parareal.coarse`, `parareal.fine`: a code", Solver),
    ("`parareal.rhs`, `parareal.exact`", Function),
    ("`on_failure`", OnFailure),
    ("`keep`, as a mapping", Keep),
    ("`resources`", Resources),
    ("`overrides`: a list of", Override),
    ("`overrides`: `resources`", ResourceChanges),
    ("`batch`", Batch),
    ("`analyses`", Analyses),
    ("`analyses`: statistics", StatisticsAnalysis),
    ("`analyses`: exceedance", Exceedance),
    ("`analyses`: sobol", SobolAnalysis),
    ("`analyses`: rank_sobol", RankSobolAnalysis),
    ("`analyses`: morris", MorrisAnalysis),
    ("`analyses`: correlations", CorrelationsAnalysis),
)
_HEAD = """\
# Study files

<!-- Written by `make docs` from the study model in workflow/lib/ensnare/study; do not edit. -->

A study is one YAML file. `config.yaml` here is the default study; others are in `studies/`:

    snakemake --profile local --configfile config/studies/flood.yaml

A small one, which runs a code for 100 random loads:

```yaml
study: beam
inputs:
  - {name: F, unit: N, distribution: {Normal: {mu: 300, sigma: 30}}}
  - {name: L, unit: m, value: 2.55}
design: {method: monte_carlo, size: 100}
model:
  files: [{template: beam.in}]           # has ${F} and ${L}
  command: [beam, beam.in]
  outputs:
    - {name: deviation, unit: m, after: "deviation ="}
```

- **Keys**: the sections below list all of them; an unknown key is an error. With the first line
  `# yaml-language-server: $schema=<path to>/workflow/schemas/study.schema.json` an editor
  completes keys and shows what they mean.
- **Values** are read as YAML 1.2: `65e9` and `1e-5` are numbers, `no` is a text, and a value in
  quotes is a text.
- **Paths** are relative to the directory of the study file. Results go to `results/<study>/` in
  the working directory.
- **Placeholders** `${name}` stand in templates, in words of the command and in values of
  environment variables. Names are those of inputs, derived values and factors, and `sample` (id of
  the sample), `seed` (a seed for each sample, below 2^31), `threads`, `ranks` and `study_dir` (the
  directory of the study file). Numbers are written in the format `.14g`, which has 20 characters
  at most; `${name:.3e}` states another one.
- **Python functions** as the model take these values as arguments by name. Before each sample,
  `random` and `numpy.random` are seeded with its `seed`. Make a generator of your own, and open
  files, inside the function: what a module makes when it is imported is the same in all workers,
  states of generators and positions in files included.
- **Derived values** are arithmetic (`b * h**3 / 12`): numbers, names, + - * / **, parentheses,
  `pi`, and sqrt exp log log10 log2 sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh floor
  ceil minimum maximum abs.
"""


def schema() -> str:
    """Return the JSON schema of a study file."""
    tree = Study.model_json_schema(by_alias=True, mode="validation")
    _accept_lists(tree)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Ensnare study"}
    return json.dumps({**tree, **head}, indent=2) + "\n"


def _accept_lists(tree: dict[str, Any]) -> None:
    """Add the list form of `analyses`, which a validator of the model turns into a mapping."""
    names = sorted(tree["$defs"]["Analyses"]["properties"])
    field = tree["properties"]["analyses"]
    described = {key: field.pop(key) for key in ("description", "default") if key in field}
    item = {"anyOf": [{"enum": names}, {"$ref": "#/$defs/Analyses"}]}
    form = {"anyOf": [{"type": "array", "items": item}, {"$ref": "#/$defs/Analyses"}]}
    tree["properties"]["analyses"] = form | described


def readme() -> str:
    """Return the text of config/README.md."""
    parts = [_HEAD]
    for title, model in _SECTIONS:
        parts += [f"\n## {title}\n", _doc(model), "\n| key | default | meaning |\n|---|---|---|"]
        parts += list(_rows(model))
    return "\n".join(parts) + "\n"


def _doc(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _rows(model: type[BaseModel]) -> Iterator[str]:
    inherited = set(OutputBase.model_fields) if issubclass(model, OutputBase) else set()
    for name, field in model.model_fields.items():
        if model is OutputBase or name not in inherited:
            text = (field.description or _only_value(field)).replace("|", "\\|")
            yield f"| `{field.alias or name}` | {_default(field)} | {text} |"


def _only_value(field: FieldInfo) -> str:
    return " or ".join(f"`{value}`" for value in get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if default is None or default in ("", [], {}) or isinstance(default, BaseModel):
        return ""
    value = list(default) if isinstance(default, tuple) else default
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`".replace("|", "\\|")


def main() -> int:
    """Write the files, or check that they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for path, text in ((_SCHEMA, schema()), (_README, readme())):
        if not path.exists() or path.read_text() != text:
            stale.append(path.relative_to(_ROOT))
            if not check:
                path.write_text(text)
    if check and stale:
        print(f"{', '.join(map(str, stale))}: not what the study model says; run: make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
