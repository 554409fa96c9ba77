import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_studies import prepare, python, shell, study_tree

HEAVY = {"openturns", "pandas", "scipy", "matplotlib", "xarray", "snakemake", "jinja2"}

# what `python -m ensnare evaluate-batch` does, and then tells what it imported, workers too
PROGRAM = """
import os, sys
from ensnare.commands.main import main
import ensnare.evaluate.worker as worker
modules = os.path.abspath('modules.txt')
leave = worker._exit_worker
def tell(code):
    with open(modules, 'a') as file:
        print(*sys.modules, file=file)
    leave(code)
worker._exit_worker = tell
code = main(sys.argv[1:])
with open(modules, 'a') as file:
    print(*sys.modules, file=file)
sys.exit(code)
"""


def imported(tree, tmp_path):
    _, paths, (batch,) = prepare(tree, tmp_path)
    arguments = ["evaluate-batch", paths.study, batch.key, "--threads", "2"]
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=tmp_path, check=True)
    return set((tmp_path / "modules.txt").read_text().split())


@pytest.mark.parametrize("kind", ["command", "function"])
def test_the_evaluation_path_imports_nothing_heavy(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("f = lambda x: x\n")
    model = shell("echo y = ${x}") if kind == "command" else python("model.py:f")
    modules = imported(study_tree(model, size=4), tmp_path)
    assert not HEAVY & {name.partition(".")[0] for name in modules}
    assert {"ensnare.evaluate.tasks", "numpy", "h5py"} <= modules


def test_a_code_that_leaves_nothing_behind_costs_no_psutil(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules = imported(study_tree(shell("echo y = ${x}"), size=4), tmp_path)
    assert "psutil" not in modules
    assert "numpy.ma" not in modules


def test_the_command_line_starts_without_numpy(tmp_path):
    text = "import sys, ensnare.commands.main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=os.environ
    )
    assert not HEAVY & {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("cases", HEAVY | {"numpy", "h5py"}), ("pooled", HEAVY), ("progress", HEAVY)],
)
def test_rules_and_jobs_of_parareal_import_nothing_heavy(module, heavy):
    text = f"import sys, ensnare.parareal.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=os.environ
    )
    assert not heavy & {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", ["analyses.tables", "commands.gather", "report.draw"])
def test_tables_and_figures_import_what_only_some_need_when_they_need_it(module):
    text = f"import sys, ensnare.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert not {"openturns", "scipy.stats", "scipy.optimize", "xarray"} & set(done.stdout.split())


def test_what_rule_files_import_is_light():
    # each process of Snakemake parses them; what stands in functions is for the main one
    rules = Path(__file__).parents[2] / "workflow" / "rules"
    found = set()
    for path in rules.glob("*.smk"):
        text = path.read_text()
        found |= set(re.findall(r"^from (ensnare[\w.]*) import", text, re.M))
        for guarded in re.findall(r"^try:\n(.*?)^except", text, re.M | re.S):
            found |= set(re.findall(r"^    from (ensnare[\w.]*) import", guarded, re.M))
    assert {"ensnare.plan.batches", "ensnare.plan.loops"} <= found
    text = f"import sys, {', '.join(found)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert not (HEAVY | {"numpy", "h5py"}) & set(done.stdout.split())
