"""Figures and tables of earlier versions: found, mentioned, removed on request; nothing else is."""

import json

import pytest
from parareal_studies import load as load_parareal
from parareal_studies import parareal_tree, results_paths, solve
from small_studies import evaluate, load, python, shell, study_tree

from ensnare.archive.archive import write_archive
from ensnare.commands import main as cli
from ensnare.commands.clean import leftovers_note
from ensnare.parareal.cases import plan_cases, solved_digest
from ensnare.parareal.pooled import write_solved
from ensnare.parareal.schedule import end_digest
from ensnare.plan.rounds import Growth
from ensnare.report.names import figure_files
from ensnare.store.derived import note_derived
from ensnare.store.locks import try_run_lock
from ensnare.store.paths import StudyPaths
from ensnare.study.analyses import wanted_tables
from ensnare.study.loading import resolved_tree, write_resolved


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "raise_on_signals", lambda: None)  # they belong to pytest

    def main(*words):
        code = cli.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return main


def files_of(root):
    """Return every file below a directory with its content, but for the lock of a run."""
    found = [p for p in root.rglob("*") if p.is_file() and p.name != "run.lock"]
    return {str(p.relative_to(root)): p.read_bytes() for p in found}


def gathered(tmp_path, *outputs, **changes):
    """Evaluate a study of one input with these outputs, and write what its report would have."""
    text = ", ".join(f"'{name}': {k} + x" for k, name in enumerate(outputs))
    (tmp_path / "m.py").write_text(f"def f(x):\n    return {{{text}}}\n")
    tree = study_tree(python("m.py:f", *outputs), **changes)
    _, arrays = evaluate(tree, tmp_path)
    study, paths = load(tree, tmp_path), StudyPaths(tmp_path / "results/small")
    write_archive(paths.archive, study, arrays)
    paths.figures.mkdir(exist_ok=True)
    files = [*figure_files(study.config, paths), *map(paths.table, wanted_tables(study.config))]
    for path in files:
        path.write_text(f"of {outputs}")
    note_derived(paths, files)
    return study, paths


def test_every_figure_and_table_that_is_written_is_noted(tmp_path, run):
    tree = study_tree(shell("echo y = ${x}"), size=4)
    evaluate(tree, tmp_path)
    assert run("gather", "results/small")[0] == 0
    paths = StudyPaths(tmp_path / "results/small")
    figures = {f"figures/{path.name}" for path in paths.figures.iterdir()}
    tables = {path.name for path in paths.root.glob("*.csv")} - {"samples.csv", "jobs.csv"}
    assert set(json.loads(paths.derived.read_text())) == figures | tables
    assert {"figures/scatter_y.png", "statistics.csv", "failures.csv"} < figures | tables


def test_figures_and_tables_of_an_earlier_version_are_removed_and_nothing_else(tmp_path, run):
    both = {"analyses": ["statistics", "correlations"]}
    _, paths = gathered(tmp_path, "y", "z", **both)
    # of a user, by names that might be ours; and what the user changed or put in their place
    mine = [paths.figures / "scatter_mine.png", paths.table("morris"), paths.root / "STOP.old"]
    for path in mine:
        path.write_text("mine")
    paths.table("correlations").write_text("with a remark of mine")
    study, _ = gathered(tmp_path, "y", analyses=["statistics"])
    before = files_of(paths.root)
    kinds = ("correlations_y", "correlations_z", "distribution_z", "scatter_z")
    stale = {f"figures/{kind}.{suffix}" for kind in kinds for suffix in ("svg", "png")}
    assert stale < set(before)

    code, out, err = run("clean", "results/small", "--list")
    assert (code, set(out.splitlines())) == (0, {f"results/small/{name}" for name in stale})
    assert "correlations.csv: changed after it was written; it stays" in err
    assert "8 files of earlier versions can be removed" in err
    assert files_of(paths.root) == before
    note = leftovers_note(study, StudyPaths.of("small"))
    assert note.startswith("8 files of figures and tables are left of earlier versions")
    assert note in run("status", "results/small")[1]

    code, out, err = run("clean", "results/small")
    assert (code, len(out.splitlines())) == (0, 8)
    assert "8 files of earlier versions removed" in err
    after = files_of(paths.root)
    assert set(before) - set(after) == stale
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"derived.json"}  # it does not name them any more
    assert run("clean", "results/small")[:2] == (0, "")
    assert leftovers_note(study, StudyPaths.of("small")) == ""


def test_what_belongs_to_the_archive_stays_until_there_is_a_new_one(tmp_path, run):
    _, paths = gathered(tmp_path, "y", "z")
    before = files_of(paths.root)
    one = study_tree(python("m.py:f", "y"))
    write_resolved(resolved_tree(load(one, tmp_path)), paths.study)  # a run that was interrupted
    assert run("clean", "results/small")[:2] == (0, "")
    assert set(files_of(paths.root)) == set(before)
    paths.archive.unlink()  # then they are all there is
    assert run("clean", "results/small")[:2] == (0, "")
    paths.archive.write_text("damaged")
    code, _, err = run("clean", "results/small")
    assert (code, err.count("\n")) == (1, 1)
    assert "archive.h5" in err
    assert leftovers_note(load(one, tmp_path), paths) == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"../../secret": "x"}'])
def test_without_a_note_of_it_no_file_is_ours(tmp_path, run, text):
    _, paths = gathered(tmp_path, "y", "z")
    gathered(tmp_path, "y")
    (tmp_path / "secret").write_text("")
    paths.derived.write_text(text)
    before = set(files_of(tmp_path))
    assert run("clean", "results/small")[:2] == (0, "")
    assert set(files_of(tmp_path)) == before


def test_nothing_is_removed_while_the_study_runs(tmp_path, run):
    _, paths = gathered(tmp_path, "y", "z")
    gathered(tmp_path, "y")
    before = set(files_of(paths.root))
    with try_run_lock(paths.lock):
        code, _, err = run("clean", "results/small")
    assert (code, err.count("\n")) == (1, 1)
    assert "a run of this study is under way" in err
    assert set(files_of(paths.root)) == before


def test_ends_of_earlier_criteria_go_and_rounds_stay(tmp_path, run):
    (tmp_path / "m.py").write_text("def f(x):\n    return x\n")
    keys = []
    for width in (0.3, 0.2, 0.1):
        until = {"width": width, "budget": 1000}
        tree = study_tree(python("m.py:f"), analyses=["sobol"])
        tree["design"] = {"method": "saltelli", "size": 16, "until": until}
        study, paths = load(tree, tmp_path), StudyPaths(tmp_path / "results/small")
        keys.append(Growth(study).end_key)
        paths.rounds_end(keys[-1]).parent.mkdir(parents=True, exist_ok=True)
        paths.rounds_end(keys[-1]).touch()
    mine = paths.rounds_end("mine.of.old")
    mine.touch()
    paths.round(keys[0]).write_text("{}")
    write_resolved(resolved_tree(study), paths.study)
    assert run("clean", "results/small")[1].splitlines() == sorted(
        f"results/small/rounds/{key}.end" for key in keys[:2]
    )
    left = {path.name for path in paths.rounds_end("").parent.iterdir()}
    assert left == {f"{keys[2]}.end", mine.name, f"{keys[0]}.json"}


def test_ends_of_earlier_tolerances_go_and_solves_stay(tmp_path, run):
    paths = results_paths(tmp_path)
    digests = []
    for tolerance in (1e-1, 1e-2, 1e-4):
        tree = parareal_tree(points=4, tolerance=tolerance)
        last = solve(tree, tmp_path)
        study = load_parareal(tree, tmp_path)
        (case,) = plan_cases(study)
        write_solved(paths.solved(solved_digest(study)), {case.key: last[0]})
        paths.case_end(case.key, end_digest(study)).write_text("{}")
        digests.append((solved_digest(study), end_digest(study)))
    write_resolved(resolved_tree(study), paths.study)
    before = set(files_of(paths.root))
    code, out, _ = run("clean", "results/osc")
    gone = {f"parareal/solved-{solved}.json" for solved, _ in digests[:2]}
    gone |= {f"parareal/{case.key}/end-{end}.json" for _, end in digests[:2]}
    assert (code, before - set(files_of(paths.root))) == (0, gone)
    assert {f"results/osc/{name}" for name in gone} == set(out.splitlines())


def test_a_note_of_a_file_that_is_gone_or_a_link_is_no_reason(tmp_path, run):
    _, paths = gathered(tmp_path, "y", "z")
    gathered(tmp_path, "y")
    svg, png = paths.figures / "scatter_z.svg", paths.figures / "scatter_z.png"
    svg.unlink()
    kept = tmp_path / "kept.png"
    png.rename(kept)
    png.symlink_to(kept)
    out = run("clean", "results/small")[1]
    assert "scatter_z" not in out
    assert "distribution_z.png" in out
    assert kept.exists()
    assert png.is_symlink()
    assert "figures/distribution_z.png" not in json.loads(paths.derived.read_text())
