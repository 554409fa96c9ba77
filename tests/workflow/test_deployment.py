"""Software that Snakemake itself brings: it wraps the job of a batch, not only the command."""

import pandas as pd
import pytest
from environment_modules import INIT, write_modules
from workflow_helpers import ROOT, awk_study

SNAKEFILE = """
module study:
    snakefile: "{root}/workflow/Snakefile"
    config: config

use rule * from study

use rule evaluate from study as evaluate with:
    {directive}

rule whole:
    default_target: True
    input: rules.all.input
"""


def study_of():
    model = {"command": ["solver", "${a}"], "outputs": [{"name": "y", "regex": r"y = (\S+)"}]}
    study = awk_study(3, model=model)
    return study | {"inputs": study["inputs"][:1]}


def test_the_command_finds_its_program_and_the_worker_its_python(tmp_path, monkeypatch, snakemake):
    # as an environment of conda does it: programs and another Python come first on PATH
    for name, value in write_modules(tmp_path, poison=False).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BASH_ENV", str(INIT))  # as a site has it, or `module` is unknown to bash
    (tmp_path / "Snakefile").write_text(
        SNAKEFILE.format(root=ROOT, directive='envmodules: "solver/2"')
    )
    study = study_of()
    study["model"]["command"] = ["sh", "-c", "! python3 && solver ${a}"]
    done = snakemake("--sdm", "env-modules", study=study, snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    table = pd.read_csv(tmp_path / "results/small/samples.csv")
    assert table["status"].tolist() == ["ok"] * 3
    assert table["y"].astype(str).str.startswith("20.").all()


@pytest.mark.parametrize("directive", ['conda: "solver.yaml"', 'container: "solver.sif"'])
def test_the_rule_takes_an_environment_or_a_container(tmp_path, snakemake, directive):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(root=ROOT, directive=directive))
    (tmp_path / "solver.yaml").write_text("channels: [conda-forge]\ndependencies: [gmsh]\n")
    study = study_of() | {"model": awk_study()["model"]}
    study["model"]["command"] = ["echo", "${a}"]
    done = snakemake("-n", study=study, snakefile=tmp_path / "Snakefile")
    assert done.code == 0, done.text
    assert done.job_counts()["evaluate"] == 1
