"""What runs again when a study changes, and what is parsed again, adopted, or announced."""

import json
import shutil

import h5py
import numpy as np
import pytest
from small_studies import (
    UNIFORM,
    evaluate,
    labels,
    load,
    logged,
    python,
    shell,
    started,
    study_tree,
)

from ensnare.archive.archive import write_archive
from ensnare.archive.results import open_study
from ensnare.commands.gather import deliver
from ensnare.errors import ArchiveError, BatchError, ConfigError
from ensnare.evaluate import forecast as forecast_module
from ensnare.evaluate.adopt import adopt
from ensnare.evaluate.forecast import (
    RERUN_LIMIT_H,
    Forecast,
    count_samples,
    growth_note,
    refuse_expensive_rerun,
)
from ensnare.plan.batches import plan_batches
from ensnare.store.journal import Journal, journal_notes, read_journal
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import accepts_rerun, resolved_tree, write_resolved

Y = {"name": "y", "regex": r"y = (\S+)"}
CUBE = {"name": "cube", "in": "log.run", "regex": r"cube (\S+)"}
WRITES = "echo cube $(echo '${x} * ${x} * ${x}' | bc -l) > log.run;"


def forecast_of(tree, tmp_path):
    study = load(tree, tmp_path)
    return count_samples(study, plan_batches(study), StudyPaths(tmp_path / "results/small"))


def counts(tree, tmp_path, log):
    """Evaluate; return what ran, was parsed again, and was reused, and the arrays."""
    announced = forecast_of(tree, tmp_path)
    before = len(started(log))
    said, arrays = evaluate(tree, tmp_path)
    assert len(started(log)) - before == announced.run
    assert sum(int(line.split()[2]) for line in said if "read again" in line) == announced.reparsed
    assert announced.run + announced.reparsed + announced.reused == len(arrays)
    return (announced.run, announced.reparsed, announced.reused), arrays


def with_outputs(tree, *outputs, **rest):
    return tree | {"model": tree["model"] | {"outputs": list(outputs)} | rest}


def assert_cubes(arrays):
    np.testing.assert_allclose(arrays.y[:, 0], arrays.x[:, 0] ** 2)
    np.testing.assert_allclose(arrays.y[:, 1], arrays.x[:, 0] ** 3)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.mark.parametrize("keep", [{"keep": "all"}, {"keep": "all", "pack": True}])
def test_a_changed_parser_parses_kept_directories_again(tmp_path, log, keep):
    tree = study_tree(logged(log, WRITES), size=6, batch={"size": 4}, **keep)
    first, before = counts(tree, tmp_path, log)
    assert first == (6, 0, 0)
    shifted = with_outputs(tree, {"name": "y", "regex": r"y = 0?(\.\d\d?)"})
    found, after = counts(shifted, tmp_path, log)
    assert found == (0, 6, 0)
    np.testing.assert_allclose(after.y[1:], before.y[1:], atol=0.01)
    assert (after.y != before.y).any()
    for name in ("elapsed_s", "attempts", "exit_code", "origin", "sample_id"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert counts(tree, tmp_path, log)[0] == (0, 0, 6)


def test_parsing_again_leaves_what_was_kept_and_nothing_else(tmp_path, log):
    for pack in (False, True):
        tree = study_tree(logged(log, WRITES), size=4, keep="all", pack=pack, study=f"p{pack}")
        evaluate(tree, tmp_path)
        samples = tmp_path / f"results/p{pack}/samples"
        before = sorted(samples.rglob("*"))
        _, arrays = evaluate(with_outputs(tree, Y, CUBE), tmp_path)
        assert_cubes(arrays)
        assert sorted(samples.rglob("*")) == before


def test_an_output_added_later_needs_only_its_own_file(tmp_path, log):
    tree = study_tree(logged(log, WRITES), size=5, keep={"ok": ["log.*"]})
    counts(tree, tmp_path, log)
    more = with_outputs(tree, Y, CUBE)
    found, arrays = counts(more, tmp_path, log)
    assert found == (0, 5, 0)
    assert_cubes(arrays)
    changed = with_outputs(tree, {"name": "y", "regex": r"y = (.*)"}, CUBE)
    found, arrays = counts(changed, tmp_path, log)  # standard output was not kept
    assert found == (5, 0, 0)
    assert_cubes(arrays)


def test_only_samples_of_which_nothing_was_kept_run(tmp_path, log):
    tree = study_tree(logged(log, WRITES), size=8, keep="all")
    _, arrays = counts(tree, tmp_path, log)
    kept = sorted((tmp_path / "results/small/samples").glob("*/*"))
    shutil.rmtree(kept[0])
    (kept[1] / "log.run").unlink()
    (kept[2] / "log.run").write_text("nothing of that kind")
    more = with_outputs(tree, Y, CUBE)
    found, arrays = counts(more, tmp_path, log)
    assert found == (2, 6, 0)
    assert sorted(labels(arrays)) == ["ok"] * 7 + ["unparsable"]
    assert arrays.sample_id[labels(arrays).index("unparsable")].decode() == kept[2].name


@pytest.mark.slow
def test_what_ended_before_its_outputs_were_read_is_not_run_again(tmp_path, log):
    script = "case ${x} in 0.5) exit 3;; 0.25) sleep 60;; esac;"
    tree = study_tree(logged(log, script), size=4, keep="none", timeout="1 s")
    counts(tree, tmp_path, log)
    found, arrays = counts(with_outputs(tree, Y | {"regex": "y = (.*)"}), tmp_path, log)
    assert found == (2, 0, 2)
    assert sorted(labels(arrays)) == ["failed", "ok", "ok", "timeout"]
    assert "exit code 3" in arrays.messages[labels(arrays).index("failed")]


def test_what_was_unparsable_is_parsed_again_with_a_mended_parser(tmp_path, log):
    bad = study_tree(logged(log), size=4)
    bad = with_outputs(bad, {"name": "y", "regex": r"z = (\S+)"})
    _, arrays = counts(bad, tmp_path, log)
    assert labels(arrays) == ["unparsable"] * 4  # of which directories are kept
    found, arrays = counts(with_outputs(bad, Y), tmp_path, log)
    assert found == (0, 4, 0)
    np.testing.assert_allclose(arrays.y[:, 0], arrays.x[:, 0] ** 2)
    assert arrays.messages == {}


def test_an_output_that_could_not_be_read_and_is_gone_spoils_no_sample(tmp_path, log):
    both = with_outputs(study_tree(logged(log), size=4), Y, {"name": "z", "regex": "z = (.*)"})
    assert labels(counts(both, tmp_path, log)[1]) == ["unparsable"] * 4
    found, arrays = counts(with_outputs(both, Y), tmp_path, log)
    assert found == (0, 4, 0)
    assert labels(arrays) == ["ok"] * 4


def test_signs_of_success_are_looked_for_in_kept_directories(tmp_path, log):
    tree = study_tree(logged(log, WRITES), size=4, keep="all")
    counts(tree, tmp_path, log)
    sign = {"in": "log.run", "regex": r"cube \.125"}
    found, arrays = counts(with_outputs(tree, Y, success=[sign]), tmp_path, log)
    assert found == (0, 4, 0)
    assert sorted(labels(arrays)) == ["ok", *["unsuccessful"] * 3]
    found, arrays = counts(with_outputs(tree, Y, success=[]), tmp_path, log)
    assert found == (0, 0, 4)


def test_a_parser_of_ones_own_needs_a_directory_kept_whole(tmp_path, log):
    (tmp_path / "parse.py").write_text(
        "def f(directory):\n    return len(list(directory.glob('log.*')))\n"
    )
    function = {"name": "logs", "python": "parse.py:f"}
    for keep, wanted in (("all", (0, 4, 0)), ({"ok": ["log.run"]}, (4, 0, 0))):
        name = "whole" if keep == "all" else "part"
        tree = study_tree(logged(log, WRITES + "echo > log.more;"), size=4, keep=keep)
        tree["study"] = name
        before = len(started(log))
        evaluate(tree, tmp_path)
        more = with_outputs(tree, Y, function)
        study = load(more, tmp_path)
        forecast = count_samples(
            study, plan_batches(study), StudyPaths(tmp_path / "results" / name)
        )
        assert (forecast.run, forecast.reparsed, forecast.reused) == wanted
        _, arrays = evaluate(more, tmp_path)
        assert len(started(log)) - before == 4 + wanted[0]
        assert arrays.y[:, 1].tolist() == [2] * 4


LAST = {"name": "last", "table": "post/*/U", "column": 0}


@pytest.mark.parametrize(
    ("patterns", "again"),
    [(["post/**"], 4), (["U"], 4), (["post/1/*"], 0), (["post/*/V", "post/9?/*"], 0)],
)
def test_a_glob_needs_patterns_that_hold_all_it_may_find(tmp_path, log, patterns, again):
    writes = "for t in 1 9 90; do mkdir -p post/$t; echo $t > post/$t/U; done;"
    tree = study_tree(logged(log, writes), size=4, keep={"ok": patterns})
    counts(tree, tmp_path, log)
    found, arrays = counts(with_outputs(tree, Y, LAST), tmp_path, log)
    assert found == (4 - again, again, 0)
    assert arrays.y[:, 1].tolist() == [90] * 4


def test_a_policy_that_changed_within_a_batch_is_not_forgotten(tmp_path, log):
    writes = "for t in 1 90; do mkdir -p post/$t; echo $t > post/$t/U; done;"
    tree = study_tree(logged(log, writes), size=4, keep={"ok": ["post/1/*"]})
    counts(tree, tmp_path, log)
    (journal,) = (tmp_path / "results/small/batches").glob("*.journal")
    for file in journal.parent.glob("*.h5"):
        file.unlink()
    evaluate(tree | {"keep": "all"}, tmp_path)  # nothing runs, and nothing more is kept
    assert len(set(journal_notes(journal))) == 2
    assert forecast_of(with_outputs(tree, Y, LAST), tmp_path).run == 4


def test_a_pack_with_links_subdirectories_and_globs_is_parsed_again(tmp_path, log):
    writes = "mkdir -p post/1 post/90; echo 1 > post/1/U; echo 90 > post/90/U; ln post/1/U hard;"
    tree = study_tree(logged(log, writes), size=5, keep="all", pack=True, batch={"size": 2})
    counts(tree, tmp_path, log)
    hard = {"name": "hard", "table": "hard", "column": 0}
    found, arrays = counts(with_outputs(tree, Y, LAST, hard), tmp_path, log)
    assert found == (0, 5, 0)
    assert arrays.y[:, 1:].tolist() == [[90, 1]] * 5


def test_a_damaged_pack_costs_its_samples(tmp_path, log):
    tree = study_tree(logged(log), size=4, keep="all", pack=True)
    counts(tree, tmp_path, log)
    (pack,) = (tmp_path / "results/small/samples").glob("*.tar")
    pack.write_bytes(b"no tar file")
    changed = with_outputs(tree, Y | {"regex": "y = (.*)"})
    assert counts(changed, tmp_path, log)[0] == (4, 0, 0)


def test_arrays_and_their_axes_are_parsed_again(tmp_path, log):
    rows = 'for i in $(seq 3); do echo $i $(echo "${x} * $i" | bc -l); done > u.txt;'
    tree = study_tree(logged(log, rows), size=4, keep="all")
    counts(tree, tmp_path, log)
    array = {"name": "a", "table": "u.txt", "column": 1, "shape": [3]}
    for axis in ({}, {"axis": {"name": "s", "column": 0}}):
        found, arrays = counts(with_outputs(tree, Y, array | axis), tmp_path, log)
        assert found == (0, 4, 0)
        np.testing.assert_allclose(arrays.y[:, 1:], arrays.x * [1, 2, 3])
        np.testing.assert_allclose(arrays.y[:, 0], arrays.x[:, 0] ** 2)


def test_growing_and_adding_an_output_parses_the_old_samples_and_runs_the_new(tmp_path, log):
    tree = study_tree(logged(log, WRITES), size=6, keep="all")
    counts(tree, tmp_path, log)
    more = with_outputs(tree | {"design": tree["design"] | {"size": 10}}, Y, CUBE)
    found, arrays = counts(more, tmp_path, log)
    assert found == (4, 6, 0)
    assert_cubes(arrays)


def test_a_function_that_gains_an_output_runs(tmp_path):
    (tmp_path / "model.py").write_text("f = lambda x: {'y': x, 'z': 2 * x}\n")
    evaluate(study_tree(python("model.py:f"), size=4, keep="all"), tmp_path)
    more = study_tree(python("model.py:f", "y", "z"), size=4, keep="all")
    forecast = forecast_of(more, tmp_path)
    assert (forecast.run, forecast.reparsed) == (4, 0)


def test_a_new_factor_with_a_default_runs_only_the_new_levels(tmp_path, log):
    tree = study_tree(logged(log), size=5)
    assert counts(tree, tmp_path, log)[0] == (5, 0, 0)
    tree["model"]["environment"] = {"set": {"N": "${n}"}}
    tree |= {"sweep": {"n": [1, 2, 3]}, "defaults": {"n": 2}}
    assert counts(tree, tmp_path, log)[0] == (10, 0, 5)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("k", {"inputs": [{"name": "x", "distribution": UNIFORM}, {"name": "k", "value": 3}]}),
        ("h", {"derived": {"h": "k * 3"}}),
        ("seed", {"seed": 1}),
    ],
)
def test_a_value_that_only_the_environment_hands_over_runs_samples_again(
    tmp_path, log, name, change
):
    tree = study_tree(logged(log), size=3, derived={"h": "k * 2"})
    tree["inputs"].append({"name": "k", "value": 2})
    tree["model"]["environment"] = {"set": {"A": "1", "V": f"${{{name}}}"}}
    assert counts(tree, tmp_path, log)[0] == (3, 0, 0)
    tree["model"]["environment"]["set"]["A"] = "2"  # how it is run, not what
    assert counts(tree, tmp_path, log)[0] == (0, 0, 3)
    assert counts(tree | change, tmp_path, log)[0] == (3, 0, 0)


def test_a_larger_pick_freeze_design_runs_exactly_the_new_rows(tmp_path, log):
    tree = study_tree(logged(log, ": ${b};"), inputs=("x", "b"))
    sizes = [4, 8]
    trees = [tree | {"design": {"method": "saltelli", "size": n}} for n in sizes]
    assert [counts(t, tmp_path, log)[0] for t in trees] == [(16, 0, 0), (16, 0, 16)]


def test_rows_added_to_a_table_run_alone(tmp_path, log):
    table = tmp_path / "points.csv"
    table.write_text("x\n0.1\n0.2\n")
    tree = study_tree(logged(log), design={"method": "table", "file": "points.csv"})
    assert counts(tree, tmp_path, log)[0] == (2, 0, 0)
    table.write_text("x\n0.3\n0.2\n0.1\n")
    assert counts(tree, tmp_path, log)[0] == (1, 0, 2)


def test_another_library_runs_nothing(tmp_path, log, monkeypatch):
    tree = study_tree(logged(log), size=3)
    counts(tree, tmp_path, log)
    for module in ("evaluate.batchfile", "plan.samples", "archive.archive"):
        monkeypatch.setattr(f"ensnare.{module}.package_versions", lambda: {"ensnare": "99"})
    assert counts(tree, tmp_path, log)[0] == (0, 0, 3)


def test_a_changed_copy_runs_all(tmp_path, log):
    (tmp_path / "data").write_text("1\n")
    tree = study_tree(logged(log, files=[{"copy": "data"}]), size=3)
    assert counts(tree, tmp_path, log)[0] == (3, 0, 0)
    (tmp_path / "data").write_text("2\n")
    assert counts(tree, tmp_path, log)[0] == (3, 0, 0)


def take_longer(tmp_path, elapsed_s):
    """Let the samples on record have taken so long."""
    for path in (tmp_path / "results/small/batches").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            rows = file["rows"][:]
            rows["elapsed_s"] = elapsed_s
            file["rows"][...] = rows


def changed(tree, log):
    """Return a study whose command is another one that does the same."""
    return tree | {"model": logged(log, ": changed;")}


def test_the_cost_is_announced_where_it_is_known(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    assert str(forecast_of(tree, tmp_path)) == "samples: 4 to run, 0 reused"
    counts(tree, tmp_path, log)
    take_longer(tmp_path, 900)
    larger = tree | {"design": tree["design"] | {"size": 12}}
    assert str(forecast_of(larger, tmp_path)) == "samples: 8 to run, 4 reused; about 2 core-hours"
    assert forecast_of(larger, tmp_path).rerun == 0
    # a batch of its own, whose samples no older batch has
    whole = larger | {"design": larger["design"] | {"size": 8}, "batch": {"size": 4}}
    assert forecast_of(whole, tmp_path).cost_h == pytest.approx(1)
    wide = changed(tree, log) | {"resources": {"threads": 3}}
    assert forecast_of(wide, tmp_path) == Forecast(4, 0, 0, cost_h=3.0, rerun=4, rerun_h=3.0)
    assert str(forecast_of(tree, tmp_path)) == "samples: 0 to run, 4 reused"


def test_what_nobody_runs_again_costs_nothing_to_count(tmp_path, log, monkeypatch):
    tree = study_tree(logged(log), size=4)
    counts(tree, tmp_path, log)

    def refuse(*_):
        raise AssertionError("a file was read although nothing changed")

    for name in ("OlderBatches", "planned_runs", "mean_elapsed_s"):
        monkeypatch.setattr(forecast_module, name, refuse)
    assert forecast_of(tree, tmp_path) == Forecast(0, 0, 4)


def test_a_rerun_of_expensive_samples_is_refused_unless_accepted(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    counts(tree, tmp_path, log)
    study = load(changed(tree, log), tmp_path)
    take_longer(tmp_path, 3600 * RERUN_LIMIT_H / 4)
    refuse_expensive_rerun(study, forecast_of(changed(tree, log), tmp_path), accepted=False)
    take_longer(tmp_path, 3601 * RERUN_LIMIT_H / 4)
    forecast = forecast_of(changed(tree, log), tmp_path)
    with pytest.raises(BatchError, match="4 finished samples, 100 core-hours") as caught:
        refuse_expensive_rerun(study, forecast, accepted=False)
    assert "--config accept_rerun=true" in str(caught.value)
    assert "ensnare adopt study.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    refuse_expensive_rerun(study, forecast, accepted=True)
    # new samples throw nothing away, whatever they cost
    larger = tree | {"design": tree["design"] | {"size": 64}}
    forecast = forecast_of(larger, tmp_path)
    assert forecast.cost_h > RERUN_LIMIT_H
    refuse_expensive_rerun(study, forecast, accepted=False)


def test_an_answer_on_the_command_line_is_true_or_false():
    assert accepts_rerun({"accept_rerun": True})
    assert accepts_rerun({"accept_rerun": "true"})  # as Snakemake reads it
    assert not accepts_rerun({"accept_rerun": False})
    assert not accepts_rerun({})
    with pytest.raises(ConfigError, match="accept_rerun: got maybe; expected true or false"):
        accepts_rerun({"accept_rerun": "maybe"})


def adopt_all(tree, tmp_path):
    return adopt(load(tree, tmp_path), StudyPaths(tmp_path / "results/small"))


def test_adopted_samples_are_not_run_and_say_so(tmp_path, log):
    tree = study_tree(logged(log), size=6)
    _, before = counts(tree, tmp_path, log)
    other = changed(tree, log)
    assert forecast_of(other, tmp_path).run == 6
    assert adopt_all(other, tmp_path) == 6
    found, after = counts(other, tmp_path, log)
    assert found == (0, 0, 6)
    for name in ("y", "origin", "elapsed_s", "attempts", "status"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    (note,) = after.adopted
    assert (note["samples"], note["batches"]) == (6, [before.origin[0].decode()])
    assert "@" in note["who"]
    assert note["when"].startswith("20")
    paths = StudyPaths(tmp_path / "results/small")
    write_archive(paths.archive, load(other, tmp_path), after)
    assert open_study(paths.root).attributes["adopted"] == [note]
    with h5py.File(paths.archive) as file:
        np.testing.assert_array_equal(file["origin"][:], before.origin)
    deliver(load(other, tmp_path), paths, partial=False)
    said = "6 samples that ran an older version of the study, declared valid by " + note["who"]
    assert said in paths.report.read_text()


def test_adopted_samples_stay_adopted_when_a_study_grows_or_shrinks(tmp_path, log):
    tree = study_tree(logged(log), size=6)
    counts(tree, tmp_path, log)
    other = changed(tree, log)
    adopt_all(other, tmp_path)
    for size, wanted in ((9, (3, 0, 6)), (12, (3, 0, 9)), (4, (0, 0, 4))):
        found, arrays = counts(other | {"design": other["design"] | {"size": size}}, tmp_path, log)
        assert found == wanted
        assert arrays.adopted[0]["samples"] == min(6, size)


def test_another_change_after_an_adoption_is_a_change(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    counts(tree, tmp_path, log)
    adopt_all(changed(tree, log), tmp_path)
    third = tree | {"model": logged(log, ": third;")}
    found, arrays = counts(third, tmp_path, log)
    assert found == (4, 0, 0)
    assert arrays.adopted == []
    found, arrays = counts(tree, tmp_path, log)  # as it was: its own results
    assert found == (0, 0, 4)
    assert arrays.adopted == []


def test_adopted_samples_are_parsed_again_for_an_output_added_with_the_change(tmp_path, log):
    tree = study_tree(logged(log, WRITES), size=5, keep="all")
    counts(tree, tmp_path, log)
    other = with_outputs(tree | {"model": logged(log, WRITES + ": changed;")}, Y, CUBE)
    assert adopt_all(other, tmp_path) == 5
    found, arrays = counts(other, tmp_path, log)
    assert found == (0, 5, 0)
    assert_cubes(arrays)
    assert arrays.adopted[0]["samples"] == 5


def test_failures_and_their_messages_are_adopted_too(tmp_path, log):
    tree = study_tree(logged(log, "case ${x} in 0.5) exit 3;; esac;"), size=4)
    counts(tree, tmp_path, log)
    other = tree | {"model": logged(log, "case ${x} in 0.5) exit 4;; esac;")}
    assert adopt_all(other, tmp_path) == 4
    _, arrays = counts(other, tmp_path, log)
    i = labels(arrays).index("failed")
    assert arrays.exit_code[i] == 3
    assert "exit code 3" in arrays.messages[i]


def test_functions_are_adopted_as_well(tmp_path):
    (tmp_path / "model.py").write_text("f = lambda x: x\n")
    tree = study_tree(python("model.py:f", vectorized=True), size=8)
    evaluate(tree, tmp_path)
    (tmp_path / "model.py").write_text("f = lambda x: 2 * x\n")
    assert adopt_all(tree, tmp_path) == 8
    _, arrays = evaluate(tree, tmp_path)
    np.testing.assert_array_equal(arrays.y, arrays.x)


def test_nothing_to_adopt_is_one_line(tmp_path, log):
    tree = study_tree(logged(log), size=4)
    for _ in range(2):  # without any results, and with those of the study itself
        with pytest.raises(ArchiveError, match="there is nothing to adopt") as caught:
            adopt_all(tree, tmp_path)
        assert "\n" not in str(caught.value)
        counts(tree, tmp_path, log)
    other = changed(tree, log)
    adopt_all(other, tmp_path)
    with pytest.raises(ArchiveError, match="there is nothing to adopt"):
        adopt_all(other, tmp_path)


DESIGNS = {
    "lhs": ({"size": 4}, {"size": 8}),
    "optimised": ({"method": "lhs", "size": 4}, {"method": "lhs", "size": 4, "optimise": "c2"}),
    "morris": ({"size": 2, "levels": 4}, {"size": 2, "levels": 6}),
    "factorial": ({"levels": 2}, {"levels": 3}),
    "one_at_a_time": ({"levels": 2}, {"levels": 4}),
    "composite": ({}, {"tail": 0.1}),
}
GROW = {
    "monte_carlo": ({"size": 4}, {"size": 8}),
    "sobol": ({"size": 4}, {"size": 8}),
    "halton": ({"size": 4}, {"size": 8}),
    "saltelli": ({"size": 4}, {"size": 8}),
    "morris": ({"size": 2, "levels": 4}, {"size": 3, "levels": 4}),
}


def note_of(method, old, new, tmp_path):
    paths = StudyPaths(tmp_path / "results/small")
    trees = [
        study_tree(shell("echo y = ${x}"), design={"method": method, **design})
        for design in (old, new)
    ]
    write_resolved(resolved_tree(load(trees[0], tmp_path)), paths.study)
    assert growth_note(load(trees[0], tmp_path), paths) == ""
    return growth_note(load(trees[1], tmp_path), paths)


@pytest.mark.parametrize("method", DESIGNS)
def test_a_design_that_cannot_grow_says_so(tmp_path, method):
    note = note_of(method, *DESIGNS[method], tmp_path)
    assert "cannot grow: its" in note
    assert "\n" not in note


@pytest.mark.parametrize("method", GROW)
def test_a_design_that_grows_says_nothing_and_keeps_its_samples(tmp_path, method):
    old, new = GROW[method]
    assert note_of(method, old, new, tmp_path) == ""
    tree = study_tree(shell("echo y = ${x}"), design={"method": method, **old})
    _, arrays = evaluate(tree, tmp_path)
    forecast = forecast_of(tree | {"design": {"method": method, **new}}, tmp_path)
    assert forecast.reused == len(arrays)


def test_journals_of_an_older_version_say_nothing_of_what_was_kept(tmp_path, log):
    writes = "mkdir -p post/90; echo 90 > post/90/U;"
    tree = study_tree(logged(log, writes), size=3, keep="all")
    counts(tree, tmp_path, log)
    (journal,) = (tmp_path / "results/small/batches").glob("*.journal")
    notes = [json.loads(text) for text in journal_notes(journal)]
    finished = read_journal(journal, 1)
    journal.unlink()
    older = Journal(journal, 1, json.dumps(notes[0][:2]))
    older.append_rows(finished.rows, finished.messages)
    older.close()
    assert forecast_of(with_outputs(tree, Y, LAST), tmp_path).run == 3
    for file in journal.parent.glob("*.h5"):  # the journal alone still counts
        file.unlink()
    forecast = forecast_of(tree | {"batch": {"size": 2}}, tmp_path)
    assert (forecast.run, forecast.reused) == (0, 3)
