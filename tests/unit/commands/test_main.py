import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from good_study import FOR_SALTELLI, FOR_TABLE, GOOD, changed, with_python, write_study
from small_studies import evaluate

from ensnare.commands import main as cli
from ensnare.design.table import make_design
from ensnare.evaluate.forecast import namesake_note
from ensnare.plan.batches import plan_batches
from ensnare.plan.samples import samples_of
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import load_study, resolved_tree, write_resolved

ANY = (", range: [0, 100]", "")
POINT = ["x=1.5", "y=0.5", "mesh=fine", "cores=2"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line in this process, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "raise_on_signals", lambda: None)  # they belong to pytest
    write_study(tmp_path)

    def main(*words):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return main


def answer(run, *words):
    code, out, err = run("eval", *words)
    assert err == ""
    assert out.count("\n") == 1
    result = json.loads(out)
    assert {"status", "outputs", "elapsed_s", "directory"} <= set(result)
    return code, result


def refusal(run, *words):
    code, out, err = run(*words)
    assert code == 1
    assert out == ""
    assert err.startswith("ensnare")
    assert err.count("\n") == 1
    return err.strip()


def test_a_point_is_evaluated_by_names(run, tmp_path):
    code, result = answer(run, "study.yaml", *POINT)
    assert code == 0
    assert result["status"] == "ok"
    assert result["outputs"] == {"r": 3.0, "s": 2.0}
    assert result["elapsed_s"] > 0
    assert "message" not in result
    directory = tmp_path / result["directory"]
    assert (directory / "in.txt").read_text() == "1.5 0.5 3 2\n"
    assert (directory / "data.bin").read_bytes() == b"\xff\x00"


def test_a_point_is_evaluated_by_the_order_of_the_file(run):
    named = answer(run, "study.yaml", *POINT)[1]
    ordered = answer(run, "study.yaml", "mesh=fine", "cores=2", "-X", 1.5, 0.5)[1]
    behind = answer(run, "study.yaml", "-X", 1.5, 0.5, "mesh=fine", "cores=2")[1]
    assert named["outputs"] == ordered["outputs"] == behind["outputs"]
    assert named["directory"] == ordered["directory"]


def test_negative_numbers_and_exponents_are_values(run, tmp_path):
    write_study(tmp_path, changed(ANY))
    words = ["study.yaml", "-X", "-1e-5", "-.5", "mesh=fine", "cores=1"]
    assert answer(run, *words)[1]["outputs"] == {"r": -2e-5, "s": 1.0}


def test_a_constant_can_be_given(run):
    assert answer(run, "study.yaml", *POINT, "c=10")[1]["outputs"]["r"] == 15


def test_a_factor_that_a_level_opens_is_given_for_that_level_only(run, tmp_path):
    files = {
        "in.txt": "${x} ${y} ${z} ${mesh}\n",
        "model.py": "def f(x, y, z, mesh, cores=7):\n    return cores\n",
    }
    opened = changed(
        ("{mesh: [coarse, fine], cores: [1, 2]}", "{mesh: {coarse: {}, fine: {cores: [1, 2]}}}")
    )
    write_study(tmp_path, with_python(text=opened), files)
    point = ["study.yaml", "x=1", "y=0.5"]
    assert answer(run, *point, "mesh=coarse")[1]["outputs"] == {"r": 7.0}
    assert answer(run, *point, "mesh=fine", "cores=2")[1]["outputs"] == {"r": 2.0}
    assert "no value for the factor 'cores'" in refusal(run, "eval", *point, "mesh=fine")
    assert "'cores' does not exist where mesh=coarse" in refusal(
        run, "eval", *point, "mesh=coarse", "cores=2"
    )


def test_a_factor_of_one_level_has_it(run, tmp_path):
    one = changed(("[coarse, fine]", "[fine]"), ("[1, 2]", "[2]"))
    write_study(tmp_path, one)
    assert answer(run, "study.yaml", "x=1", "y=0.5")[1]["outputs"] == {"r": 2.0, "s": 2.0}


@pytest.mark.parametrize(
    "changes", [(), FOR_SALTELLI, FOR_TABLE], ids=["random", "saltelli", "table"]
)
def test_a_row_of_the_design_is_the_sample_of_the_workflow(run, tmp_path, changes):
    path = write_study(tmp_path, changed(ANY, *changes))
    study = load_study(path)
    design = make_design(study)
    code, result = answer(run, path, "--sample", 1, "mesh=coarse", "cores=2")
    assert code == 0
    assert result["outputs"]["r"] == pytest.approx(2 * design.x[1, 0], rel=1e-12)
    segments = [s for batch in plan_batches(study) for s in batch.segments]
    samples = samples_of(study, segments, design)
    here = [
        i
        for i in range(len(samples))
        if samples.row[i] == 1 and samples.cases[samples.case[i]] == {"mesh": "coarse", "cores": 2}
    ]
    assert result["directory"].endswith(samples.ids[here[0]].decode())


def test_files_can_be_prepared_and_nothing_run(run, tmp_path):
    code, result = answer(run, "study.yaml", *POINT, "--prepare-only")
    assert code == 0
    assert result["status"] == "prepared"
    assert result["outputs"] == {"r": None, "s": None}
    names = sorted(p.name for p in (tmp_path / result["directory"]).iterdir())
    assert names == ["data.bin", "in.txt"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (
            ("range: [0, 100]", "range: [0, 2]"),
            "out_of_range",
            "output 'r' = 3; its range is [0, 2]",
        ),
        (("regex: done", "regex: DONE"), "unsuccessful", "'stdout.txt': nothing matches 'DONE'"),
        (("key: r", "key: q"), "unparsable", "'out.json': no 'q' of 'q'"),
        (
            ("command: [bin/code.sh", "command: [sh, -c, 'echo no >&2; exit 3'"),
            "failed",
            "step 1 ended with exit code 3\nno",
        ),
        (
            ("{template: in.txt}", "{template: in.txt, width: 2}"),
            "error",
            "'x' = 1.5 takes 3 characters; expected 2 at most; give a shorter format or a larger "
            "width",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_sample_that_fails_is_an_answer_with_exit_code_2(run, tmp_path, change, status, message):
    write_study(tmp_path, changed(change))
    code, result = answer(run, "study.yaml", *POINT)
    assert code == 2
    assert result["status"] == status
    assert result["outputs"] == {"r": None, "s": None}
    assert result["message"].startswith(message)


def test_a_python_function_is_evaluated_and_what_it_prints_does_not_mix(tmp_path):
    code = "def f(x, y, z, mesh, cores):\n    print('hello')\n    return {'r': z}\n"
    write_study(tmp_path, with_python(), {"model.py": code})
    words = [sys.executable, "-m", "ensnare", "eval", "study.yaml", *POINT]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["outputs"] == {"r": 3.0}
    assert done.stderr == "hello\n"


def test_an_exception_of_a_python_function_is_kept(run, tmp_path):
    code = "def f(x, y, z, mesh, cores):\n    return 1 / 0\n"
    write_study(tmp_path, with_python(), {"model.py": code})
    code, result = answer(run, "study.yaml", *POINT)
    assert code == 2
    assert result["status"] == "error"
    assert "ZeroDivisionError" in result["message"]
    assert "return 1 / 0" in result["message"]


def test_the_study_may_be_a_directory_of_results(run, tmp_path, monkeypatch):
    study = load_study(tmp_path / "study.yaml")
    write_resolved(resolved_tree(study), tmp_path / "results/good/study.json")
    assert answer(run, "results/good", *POINT)[1]["outputs"] == {"r": 3.0, "s": 2.0}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert answer(run, tmp_path / "results/good", *POINT)[1]["outputs"] == {"r": 3.0, "s": 2.0}


def test_a_study_with_results_here_is_found_by_its_name(run, tmp_path):
    code, _, err = run("status", "good")
    assert (code, "good: cannot read the study file" in err) == (1, True)
    tree = resolved_tree(load_study(tmp_path / "study.yaml"))
    write_resolved(tree, tmp_path / "results/good/study.json")
    code, out, _ = run("status", "good")
    assert (code, "study good: " in out) == (0, True)
    assert answer(run, "good", *POINT)[1]["outputs"] == {"r": 3.0, "s": 2.0}
    (tmp_path / "good").write_text("a file of that name")
    assert "found a text" in refusal(run, "status", "good")


def test_results_of_another_file_of_the_same_name_are_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = StudyPaths.of("good")
    study = load_study(write_study(tmp_path))
    assert namesake_note(study, paths) == ""
    write_resolved(resolved_tree(study), paths.study)
    assert namesake_note(study, paths) == ""
    second = tmp_path / "second.yaml"
    second.write_text(changed(("size: 10", "size: 20")))
    note = namesake_note(load_study(second), paths)
    assert note.startswith(f"results/good has the results of {tmp_path}/study.yaml, which has the")
    (tmp_path / "study.yaml").unlink()  # the file was moved, not copied
    assert namesake_note(load_study(second), paths) == ""


@pytest.mark.slow
def test_a_reader_that_wants_no_more_lines_is_no_error(tmp_path):
    """Both ends of the pipe are closed before the first line, as `| head -0` would."""
    path = write_study(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ensnare", "check", str(path)]
    for unbuffered in ("", "1"):
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(
            command, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, "")
    os.close(writing)


BAD = {
    "no study": (
        ["none.yaml", *POINT],
        "none.yaml: cannot read the study file: No such file or dir",
    ),
    "a directory without results": (
        ["bin", *POINT],
        "bin/study.json: No such file or directory; run",
    ),
    "no values": (["study.yaml"], "no value for x, y; add x=VALUE"),
    "a factor without a level": (
        ["study.yaml", "x=1", "y=1"],
        "no value for the factor 'mesh'; add mesh=coarse",
    ),
    "an input without a value": (
        ["study.yaml", "x=1", "mesh=fine", "cores=1"],
        "no value for y; add y=VALUE",
    ),
    "an unknown name": (["study.yaml", *POINT, "xx=1"], "'xx' is not an input or factor; did you"),
    "no equals sign": (["study.yaml", "1.5"], "got '1.5'; expected NAME=VALUE"),
    "a text for a number": (["study.yaml", *POINT, "x=one"], "x: got 'one'; expected a number"),
    "nan": (["study.yaml", *POINT, "x=nan"], "x: got 'nan'; expected a number"),
    "a text for a numeric factor": (["study.yaml", *POINT, "cores=two"], "cores: got 'two'; exp"),
    "too few values": (["study.yaml", "-X", 1], "-X: got 1 values; expected 2: x y"),
    "a word in -X": (["study.yaml", "-X", 1, "a", *POINT[2:]], "y: got 'a'; expected a number"),
    "a row and values": (
        ["study.yaml", "-X", 1, 2, "--sample", 0],
        "found both -X and --sample; give one",
    ),
    "a row too far": (
        ["study.yaml", "--sample", 10, *POINT[2:]],
        "--sample: got 10; the design has the rows 0 to 9",
    ),
    "a negative row": (["study.yaml", "--sample", -1, *POINT[2:]], "--sample: got -1; the design"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_said_in_one_line(run, case):
    words, expected = BAD[case]
    assert refusal(run, "eval", *words).startswith(f"ensnare: {expected}")


def test_a_derived_value_that_is_no_number_is_said(run, tmp_path):
    write_study(tmp_path, changed(("x * c", "c / x")))
    line = refusal(run, "eval", "study.yaml", "x=0", *POINT[1:])
    assert line.startswith("ensnare: derived.z: 'c / x' cannot be evaluated: ")


def test_a_study_that_is_wrong_is_said_before_anything_runs(run, tmp_path):
    write_study(tmp_path, GOOD, {"in.txt": "${x} ${y} ${z} ${cors}"})
    line = refusal(run, "eval", "study.yaml", *POINT)
    assert line.endswith("in.txt: unknown placeholder 'cors'; did you mean 'cores'?")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "words", [[], ["evil"], ["eval"], ["eval", "study.yaml", "--sample", "x"], ["check", "--no"]]
)
def test_a_wrong_command_line_is_said_in_one_line(run, words):
    assert refusal(run, *words).endswith("--help")


def test_a_study_is_checked(run, tmp_path):
    code, out, _ = run("check", "study.yaml")
    assert (code, out) == (0, "study.yaml: 40 samples in 1 batch\n")
    write_study(tmp_path, changed(("bin/code.sh", "bin/no.sh")))
    assert "model.command: no program" in refusal(run, "check", "study.yaml")
    write_study(tmp_path, changed(("timeout:", "timout:")))
    assert refusal(run, "check", "study.yaml").endswith("did you mean 'timeout'?")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"directory": ".", "source": "s"}', "\0"])
def test_a_resolved_study_that_is_none_is_said_in_one_line(run, tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    line = refusal(run, "evaluate-batch", "study.json", "0" * 16)
    assert line == "ensnare: study.json: not a resolved study; run snakemake first"


def test_the_installed_command_does_the_same(tmp_path):
    path = write_study(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "ensnare", "eval", str(path), *POINT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["outputs"] == {"r": 3.0, "s": 2.0}
    assert done.stderr == ""


def test_help_is_no_mistake(run):
    for words in (["--help"], ["eval", "--help"]):
        code, out, err = run(*words)
        assert code == 0
        assert "usage: ensnare" in out
        assert err == ""


def test_every_row_of_a_design_gives_what_the_design_says(run, tmp_path):
    write_study(tmp_path, with_python())
    design = make_design(load_study(tmp_path / "study.yaml"))
    got = [
        answer(run, "study.yaml", "--sample", row, "mesh=fine", "cores=1")[1]["outputs"]["r"]
        for row in range(3)
    ]
    np.testing.assert_array_equal(got, 2 * design.x[:3, 0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("import os; os._exit(0)", "killed"),
        ("import time; time.sleep(300)", "timeout"),
        ("raise SystemExit(0)", "error"),
    ],
)
def test_a_python_function_that_does_not_return_is_an_answer(tmp_path, body, status):
    (tmp_path / "model.py").write_text(f"def f(x):\n    {body}\n")
    study = "study: s\ninputs: [{name: x, distribution: {Uniform: {a: 0, b: 1}}}]\n"
    study += "design: {method: sobol, size: 2}\ntimeout: 0.5 s\n"
    study += "model: {python: {call: 'model.py:f'}, outputs: [{name: y}]}\n"
    (tmp_path / "s.yaml").write_text(study)
    words = [sys.executable, "-m", "ensnare", "eval", "s.yaml", "x=0.5"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["status"] == status
    done = subprocess.run([*words, "--prepare-only"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no files to prepare" in done.stderr


# --- commands on results ------------------------------------------------------------------


@pytest.fixture
def results(run, tmp_path):
    """Return a function that runs the command line on results of 40 samples, of which ten fail."""
    code = '#!/bin/sh\nset -- $(cat in.txt)\n[ "$4" = 1 ] && echo bad >&2 && exit 3\n'
    code += 'echo "{\\"r\\": $3}" > out.json\necho "s = $4"\necho done\n'
    small = [ANY, ("sweep: {mesh: [coarse, fine]", "sweep: {mesh: [coarse, fine, finer, finest]")]
    small.append(("cores: [1, 2]", "cores: [1]"))
    write_study(tmp_path, changed(*small), {"bin/code.sh": code.replace('"$4" = 1', '"$5" = fine')})
    (tmp_path / "in.txt").write_text("${x} ${y} ${z} ${cores} ${mesh}\n")
    study = load_study(tmp_path / "study.yaml")
    evaluate({**study.config.model_dump(mode="json", by_alias=True)}, tmp_path)
    return run


def test_samples_are_listed_run_again_and_skipped_by_commands(results, tmp_path):
    where = ["--where", "mesh == 'fine' and x > 0"]
    code, out, err = results("redo", "results/good", *where, "--list")
    lines = out.splitlines()
    assert (code, err) == (0, f"{len(lines)} samples\n")
    assert 0 < len(lines) < 10
    first = re.fullmatch(r"([0-9a-f]{20})  failed  mesh=fine, cores=1, x=.*  .*3.*: bad", lines[0])
    assert not (tmp_path / "results/good/amendments.json").exists()
    reason = ["--reason", "singular"]
    code, out, _ = results("skip", "study.yaml", first[1], *reason)
    assert (code, out) == (0, "1 samples are skipped; run snakemake\n")
    code, out, _ = results("redo", "study.yaml", *where, "--failed")
    assert (code, out) == (0, f"{len(lines) - 1} samples in 1 batch run again; run snakemake\n")
    code, out, _ = results("redo", "study.yaml", *where, "--failed")
    assert (code, out) == (0, "no sample that ended is meant; nothing is to be run again\n")
    code, out, _ = results("redo", "study.yaml", "--where", "status == 'skipped'", "--list")
    assert out.startswith(f"{first[1]}  skipped  mesh=fine, cores=1, x=")
    assert out.endswith("  singular\n")


@pytest.mark.slow
def test_what_there_is_is_shown_and_gathered_by_commands(results, tmp_path):
    code, out, _ = results("status", "results/good")
    assert code == 0
    assert out.splitlines()[-1] == "study good: [####################] 40/40 done, 10 failed"
    batch = next((tmp_path / "results/good/batches").glob("*.h5"))
    batch.unlink()
    assert "1 of 1 batches are not complete" in refusal(results, "gather", "study.yaml")
    code, out, _ = results("gather", "--partial", "study.yaml")
    assert (code, out) == (
        0,
        "results/good/archive.h5: 40 samples, 30 ok, 10 failed; report: results/good/report.html\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    {
        ("redo", "results/good"): "no samples are meant; give --failed, --where or sample ids",
        ("skip", "results/good", "--where", "x > 0"): "skip: no reason; give --reason TEXT",
        ("skip", "results/good", "--reason", "r"): "no samples are meant; give --where or",
        ("redo", "results/good", "--where", "status = 'ok'"): "write == for equal",
        ("redo", "results/good", "--where", "w > 1"): "'w' is nothing that a sample has",
        ("redo", "results/good", "0123"): "'0123' is no sample of the study",
        ("redo", "results/other", "--failed"): "results/other",
        ("status", "nothing.yaml"): "nothing.yaml",
    }.items(),
)
def test_bad_requests_about_results_are_one_line(results, words, said):
    assert said in refusal(results, *words)


def test_commands_on_results_need_results(run):
    for words in (("status",), ("gather", "--partial"), ("redo", "--failed")):
        message = refusal(run, words[0], "study.yaml", *words[1:])
        assert "results/good/study.json" in message
        assert "run snakemake first" in message


def test_an_error_of_a_library_is_a_line_and_its_traceback_is_in_the_log(tmp_path):
    (tmp_path / "damaged.h5").write_text("no HDF5")
    text = "import h5py\nfrom ensnare.commands.job import logged\n"
    text += "with logged('job.log'):\n    h5py.File('damaged.h5')\n"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "file signature not found" in done.stderr
    assert "Traceback" in (tmp_path / "job.log").read_text()
