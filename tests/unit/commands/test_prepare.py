import csv
import json
import os
import subprocess

import numpy as np
import pytest
from small_studies import evaluate, labels, prepare, python, shell, study_tree
from waiting import wait_until

from ensnare.commands import main as cli
from ensnare.commands import prepare as prepare_module
from ensnare.evaluate import claim as claim_module
from ensnare.evaluate.forecast import count_samples
from ensnare.store.pickles import read_pickle

SWEEP = {"mesh": ["coarse", "fine"], "level": [1, 2.5]}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line on a study, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "raise_on_signals", lambda: None)  # they belong to pytest

    def main(tree, command, *words):
        (tmp_path / "study.yaml").write_text(json.dumps(tree))
        code = cli.main([command, "study.yaml", *map(str, words)])
        return code, *capsys.readouterr()

    return main


def model(**rest):
    return shell("test ${x} != 0.5 && echo y = ${x}${level} > out ${mesh}", {
        "name": "y", "regex": r"y = (\S+)", "in": "out"}, **rest)  # fmt: skip


@pytest.mark.parametrize("pack", [False, True])
def test_a_kept_directory_is_found_by_row_and_case(tmp_path, run, pack):
    tree = study_tree(model(), size=4, sweep=SWEEP, keep="all", pack=pack)
    _, arrays = evaluate(tree, tmp_path)
    for i in range(len(arrays)):
        case, row = arrays.cases[arrays.case[i]], arrays.design_row[i]
        words = [f"mesh={case['mesh']}", row, f"level={case['level']}"]
        code, out, _ = run(tree, "path", *words)
        assert code == 0
        assert os.path.basename(out.strip()) == arrays.sample_id[i].decode()
        assert os.path.isfile(os.path.join(out.strip(), "stdout.txt"))
    code, out, _ = run(tree, "path", arrays.sample_id[0].decode())
    assert (code, os.path.isdir(out.strip())) == (0, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["1"], "4 cases are meant, such as "),
        (["mesh=fine", "1"], "2 cases are meant, such as "),
        (["mesh=rough", "1"], "there is no case with mesh=rough"),
        (["mash=fine", "1"], "'mash' is not a factor; did you mean 'mesh'?"),
        (["mesh=fine", "level=1", "9"], "got '9'; the design has the rows 0 to 3"),
        (["mesh=fine", "level=1", "x"], "got 'x'; expected a row"),
        (["mesh=fine", "level=1"], "expected one row"),
        (["mesh=fine", "level=1", "0"], "nothing was kept of the sample"),
    ],
)
def test_what_no_directory_is_kept_of_is_said(tmp_path, run, words, reason):
    tree = study_tree(model(), size=4, sweep=SWEEP, keep="none")
    evaluate(tree, tmp_path)
    code, out, err = run(tree, "path", *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert reason in err


def test_a_point_is_dumped_as_otwrapy_does(tmp_path, run):
    output = {"name": "u", "json": "stdout.txt", "key": "u", "shape": [2]}
    number = {"name": "y", "json": "stdout.txt", "key": "y", "range": [0, 5]}
    model = shell('echo \'{"u": [${x}, ${b}], "y": ${k}}\'', output, number)
    tree = study_tree(model, inputs=("x", "b"))
    tree["inputs"].append({"name": "k", "value": 4})
    code, out, _ = run(tree, "eval", "-X", 0.25, 0.5, "--dump")
    assert code == 0
    assert json.loads(out)["outputs"] == {"u": [0.25, 0.5], "y": 4}
    np.testing.assert_array_equal(read_pickle(tmp_path / "InputSample.pklz"), [[0.25, 0.5]])
    np.testing.assert_array_equal(read_pickle(tmp_path / "OutputSample.pklz"), [[0.25, 0.5, 4]])
    code, out, _ = run(tree, "eval", "-X", 0.25, 0.5, "k=9", "--dump")
    assert (code, json.loads(out)["status"]) == (2, "out_of_range")
    assert np.isnan(read_pickle(tmp_path / "OutputSample.pklz")).tolist() == [[True] * 3]


def test_samples_are_prepared_run_elsewhere_and_collected(tmp_path, run):
    (tmp_path / "in.txt").write_text("${x} ${name}\n".replace("${name}", "${mesh}"))
    (tmp_path / "env.sh").write_text("export SCALE=2\n")
    steps = [["sh", "-c", "cat in.txt; echo $SCALE $ADD"], ["sh", "-c", "test ${x} != 0.5"]]
    command = {
        "files": [{"template": "in.txt"}],
        "command": steps,
        "environment": {"source": "env.sh", "set": {"ADD": "it's ${level}"}},
        "outputs": [
            {"name": "y", "regex": r"^(\S+) (?:coarse|fine)"},
            {"name": "a", "regex": "it's (.*)"},
        ],
    }
    tree = study_tree(command, size=4, sweep=SWEEP)
    code, out, _ = run(tree, "prepare", "--directory", "jobs")
    assert (code, out) == (0, "jobs/samples.csv: 16 samples, each with run.sh\n")
    with open("jobs/samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == 16
    assert {row["level"] for row in rows} == {"1", "2.5"}
    for row in rows[:-2]:
        subprocess.run([f"jobs/{row['directory']}/run.sh"], check=False)
    code, out, _ = run(tree, "collect", "jobs")
    assert (code, out.split(": ")[1][:54]) == (
        0,
        "14 samples taken over, 0 known before, 2 not run yet, ",
    )
    assert "0 taken over, 14 known" in run(tree, "collect", "jobs")[1].replace(" samples", "")
    study, paths, batches = prepare(tree, tmp_path)
    announced = count_samples(study, batches, paths)
    assert (announced.run, announced.reused) == (2, 14)
    said, arrays = evaluate(tree, tmp_path)
    assert any("14 of 16 samples are in its journal" in line for line in said)
    assert labels(arrays).count("failed") == 4
    good = arrays.status == 0
    np.testing.assert_allclose(arrays.y[good, 0], arrays.x[good, 0])
    np.testing.assert_array_equal(arrays.y[good, 1], arrays.levels("level")[good])
    assert "0 samples, each" in run(tree, "prepare", "--directory", "more")[1]


def test_a_run_without_the_script_counts_when_its_outputs_are_there(tmp_path, run):
    tree = study_tree(model(), size=4, sweep={"mesh": ["a"], "level": [1]})
    run(tree, "prepare")
    jobs = tmp_path / "results/small/prepared"
    with (jobs / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (jobs / rows[0]["directory"] / "out").write_text("y = 7\n")
    (jobs / rows[1]["directory"] / "run.done").write_text("0 1.5")  # half written
    (jobs / rows[2]["directory"] / "run.done").write_text("0 1.5 2.5\n")  # and no output
    assert "2 samples taken over" in run(tree, "collect", jobs)[1]
    tree["model"]["command"][2] += "; true"  # another model
    assert "4 of another version" in run(tree, "collect", jobs)[1]


def test_what_a_run_elsewhere_has_written_so_far_is_no_result(tmp_path, run):
    script = "echo y = 1; while [ ! -e ../go ]; do sleep 0.05; done; echo y = 2"
    tree = study_tree(shell(f"{script}; : ${{x}}"), size=1)
    run(tree, "prepare", "--directory", "jobs")
    (place,) = tmp_path.glob("jobs/*/")
    started = subprocess.Popen([place / "run.sh"])
    try:
        wait_until(lambda: (place / "stdout.txt").exists() and (place / "stdout.txt").read_text())
        assert "0 samples taken over, 0 known before, 1 not run" in run(tree, "collect", "jobs")[1]
    finally:
        (tmp_path / "jobs/go").touch()
        started.wait()
    assert "1 samples taken over" in run(tree, "collect", "jobs")[1]
    assert evaluate(tree, tmp_path)[1].y.tolist() == [[2.0]]


def test_preparing_again_leaves_what_has_begun_elsewhere(tmp_path, run):
    tree = study_tree(model(), size=4, sweep={"mesh": ["a"], "level": [1]})
    run(tree, "prepare", "--directory", "jobs")
    with (tmp_path / "jobs/samples.csv").open(newline="") as file:
        places = [tmp_path / "jobs" / row["directory"] for row in csv.DictReader(file)]
    subprocess.run([places[0] / "run.sh"], check=False)
    (places[1] / "out").write_text("y = 7\n")  # run otherwise
    (places[2] / "run.begun").touch()
    tree["design"]["size"] = 6
    assert "6 samples, each" in run(tree, "prepare", "--directory", "jobs")[1]
    assert (places[0] / "run.done").exists()
    assert (places[2] / "run.begun").exists()
    assert "2 samples taken over, 0 known before, 4 not run" in run(tree, "collect", "jobs")[1]
    tree["model"]["command"][2] += "; true"  # what ran is nothing to this one
    run(tree, "prepare", "--directory", "jobs")
    assert not (places[0] / "run.done").exists()


def test_what_cannot_be_prepared_or_collected_is_said(tmp_path, run):
    (tmp_path / "model.py").write_text("f = lambda x: x\n")
    code, _, err = run(study_tree(python("model.py:f")), "prepare")
    assert (code, err.count("\n")) == (1, 1)
    assert "has no directories to prepare" in err
    code, _, err = run(study_tree(shell("echo y = ${x}")), "collect", "nowhere")
    assert (code, err.count("\n")) == (1, 1)
    assert "run ensnare prepare first" in err


def collect_with(tmp_path, run, monkeypatch, meanwhile, renew_s=0.01):
    """Collect four samples; before each one is read, `meanwhile` gets the claim of the batch."""
    tree = study_tree(model(), size=4, sweep={"mesh": ["a"], "level": [1]})
    run(tree, "prepare")
    jobs = tmp_path / "results/small/prepared"
    for script in jobs.glob("*/run.sh"):
        subprocess.run([script], check=False)
    read = prepare_module.outcome_of

    def slowly(*found):
        (claim,) = (tmp_path / "results/small/batches").glob("*.owner")
        meanwhile(claim)
        return read(*found)

    monkeypatch.setattr(prepare_module, "outcome_of", slowly)
    monkeypatch.setattr(claim_module, "_RENEW_S", renew_s)
    return run(tree, "collect", jobs)


def test_the_claim_is_renewed_while_an_output_is_read_for_long(tmp_path, run, monkeypatch):
    def wait_for_renewal(claim):
        os.utime(claim, (1, 1))
        wait_until(lambda: claim.stat().st_mtime > 1, "a renewal of the claim")

    assert "4 samples taken over" in collect_with(tmp_path, run, monkeypatch, wait_for_renewal)[1]


def test_to_collect_stops_when_another_job_took_the_batch_over(tmp_path, run, monkeypatch):
    code, out, err = collect_with(tmp_path, run, monkeypatch, lambda c: c.unlink(), renew_s=0.0)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "another job took it over; collect again when it ended" in err
