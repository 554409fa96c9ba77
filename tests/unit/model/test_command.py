import errno
import os
import stat
from pathlib import Path

import pytest
from small_studies import evaluate, load, shell, study_tree

from ensnare.errors import BatchError, ConfigError
from ensnare.model.command import CommandModel, compile_model
from ensnare.plan.samples import known_values
from ensnare.store.outcome import Status


def compiled(tmp_path, model, **rest):
    study = load(study_tree(model, **rest), tmp_path / "study")
    return compile_model(study), {"x": 0.25, "sample": "abc", "seed": 7} | known_values(study)


@pytest.fixture
def study_dir(tmp_path):
    directory = tmp_path / "study"
    directory.mkdir()
    return directory


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory of a sample."""
    directory = tmp_path / "sample"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def prepared(tmp_path, files, **rest):
    model, values = compiled(tmp_path, shell("true", files=files, **rest))
    model.prepare(values)


def run(tmp_path, here, model, **rest):
    compiled_model, values = compiled(tmp_path, model, **rest)
    compiled_model.prepare(values)
    return compiled_model.run(values, str(here))


def test_a_template_is_rendered_and_keeps_its_permissions(tmp_path, study_dir, here):
    (study_dir / "in.txt").write_text("x = @x@\n")
    (study_dir / "run.sh").write_text("#!/bin/sh\necho y = ${x}\n")
    (study_dir / "run.sh").chmod(0o755)
    files = [
        {"template": "in.txt", "delimiters": ["@", "@"], "to": "sub/in.txt"},
        {"template": "run.sh"},
    ]
    prepared(tmp_path, files)
    assert Path("sub/in.txt").read_text() == "x = 0.25\n"
    assert os.access("run.sh", os.X_OK)
    assert not os.access("sub/in.txt", os.X_OK)


def test_a_read_only_template_can_be_rendered_and_overlaid(tmp_path, study_dir, here):
    (study_dir / "in.txt").write_text("${x}")
    (study_dir / "in.txt").chmod(0o444)
    prepared(tmp_path, [{"template": "in.txt"}, {"template": "in.txt"}])
    assert Path("in.txt").read_text() == "0.25"
    assert os.stat("in.txt").st_mode & stat.S_IWUSR


def test_a_copy_keeps_its_mode_and_a_link_points_to_the_file(tmp_path, study_dir, here):
    (study_dir / "tool").write_text("#!/bin/sh\n")
    (study_dir / "tool").chmod(0o750)
    (study_dir / "mesh.msh").write_text("mesh")
    prepared(tmp_path, [{"copy": "tool"}, {"link": "mesh.msh", "to": "in/mesh"}])
    assert stat.S_IMODE(os.stat("tool").st_mode) == 0o750
    assert Path("in/mesh").is_symlink()
    assert Path("in/mesh").resolve() == study_dir / "mesh.msh"


def test_a_tree_is_copied_but_for_its_exceptions_and_overlaid_by_later_entries(
    tmp_path, study_dir, here
):
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "processor0/big", "sub/x.bak"):
        (study_dir / "case" / name).parent.mkdir(parents=True, exist_ok=True)
        (study_dir / "case" / name).write_text(name)
    (study_dir / "b.tpl").write_text("x ${x}")
    prepared(
        tmp_path,
        [
            {"tree": "case", "except": ["processor*", "*.bak"]},
            {"template": "b.tpl", "to": "sub/b.txt"},
        ],
    )
    found = sorted(str(p.relative_to(here)) for p in here.rglob("*") if p.is_file())
    assert found == ["a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert Path("sub/b.txt").read_text() == "x 0.25"
    assert Path("a.txt").read_text() == "a.txt"


@pytest.mark.parametrize("kind", ["template", "copy", "link"])
def test_a_file_that_overlays_a_link_is_not_written_through_it(tmp_path, study_dir, here, kind):
    (study_dir / "data").write_text("precious")
    (study_dir / "new").write_text("new ${x}")
    prepared(tmp_path, [{"link": "data", "to": "in"}, {kind: "new", "to": "in"}])
    assert (study_dir / "data").read_text() == "precious"
    assert Path("in").read_text() in ("new 0.25", "new ${x}")


@pytest.mark.parametrize(
    ("files", "rest"),
    [
        ([{"link": "data", "to": "in"}, {"copy": "new", "to": "in/new"}], {}),
        ([{"copy": "new", "to": "in/sub/new"}, {"link": "data", "to": "in"}], {}),
        ([{"link": "data", "to": "in"}], {"stdout": "in/log"}),
        ([{"copy": "new", "to": "in"}, {"copy": "new", "to": "in/new"}], {}),
        ([{"link": "new", "to": "stdout.txt"}], {}),
        ([{"link": "new", "to": "sub/../err"}], {"stderr": "./err"}),
    ],
)
def test_a_file_below_a_link_is_refused_in_one_line(tmp_path, study_dir, here, files, rest):
    (study_dir / "data").mkdir()
    (study_dir / "new").write_text("new")
    with pytest.raises(ConfigError, match=r"model\.files: '.*' (lies inside|is a link)") as error:
        compiled(tmp_path, shell("true", files=files, **rest))
    assert "\n" not in str(error.value)


def test_steps_run_in_the_directory_one_after_the_other(tmp_path, study_dir, here):
    model = {
        "command": [["sh", "-c", "pwd; echo 2 > n"], ["sh", "-c", "echo y = $(cat n)"]],
        "outputs": [{"name": "y", "regex": r"y = (\S+)"}],
    }
    end = run(tmp_path, here, model)
    assert (end.status, end.exit_code, end.outputs, end.message) == (Status.OK, 0, [2.0], "")
    assert end.elapsed_s > 0
    assert Path("stdout.txt").read_text() == f"{here}\ny = 2\n"


def test_steps_stop_at_the_first_that_fails(tmp_path, study_dir, here):
    model = shell("true")
    model["command"] = [["true"], ["sh", "-c", "echo why >&2; exit 3"], ["touch", "late"]]
    end = run(tmp_path, here, model)
    assert (end.status, end.exit_code) == (Status.FAILED, 3)
    assert end.message == "step 2 ended with exit code 3\nwhy"
    assert not Path("late").exists()


def test_a_step_ended_by_a_signal_has_a_negative_exit_code(tmp_path, study_dir, here):
    end = run(tmp_path, here, shell("kill -9 $$"))
    assert (end.status, end.exit_code) == (Status.FAILED, -9)


def test_the_time_limit_is_of_all_steps_together(tmp_path, study_dir, here):
    model = shell("true")
    model["command"] = [["sleep", "0.2"], ["sleep", "300"]]
    end = run(tmp_path, here, model, timeout="300 ms")
    assert end.status == Status.TIMEOUT
    assert end.exit_code == -15
    assert end.message == "step 2 passed the time limit of 0.3 s"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no_such_program"], "cannot start no_such_program: no such program on PATH"),
        (["./none"], "cannot start ./none: No such file or directory"),
        (["bin/none"], "bin/none: No such file or directory"),
        ([["sh", "-c", 'rmdir "$PWD"; rm -rf "$PWD"'], ["true"]], "its working directory is gone"),
    ],
)
def test_a_program_that_cannot_be_started_is_a_failure(tmp_path, study_dir, here, command, message):
    end = run(tmp_path, here, shell("true") | {"command": command})
    assert (end.status, end.exit_code) == (Status.FAILED, 127)
    assert message in end.message


def test_programs_are_found_beside_the_study_in_the_sample_or_on_the_path(
    tmp_path, study_dir, here
):
    script = study_dir / "bin" / "code"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho y = 1\n")
    script.chmod(0o755)
    own = {"files": [{"copy": "bin/code", "to": "mine"}]}
    for command, rest in (
        ("bin/code", {}),
        ("./mine", own),
        ("${study_dir}/bin/code", {}),
        ("code", {"environment": {"set": {"PATH": f"{script.parent}:/usr/bin:/bin"}}}),
    ):
        end = run(tmp_path, here, shell("true") | {"command": [command], **rest})
        assert end.outputs == [1.0], (command, end.message)


def test_success_needs_its_evidence(tmp_path, study_dir, here):
    success = [{"regex": "^End"}, {"in": "log", "regex": "converged"}]
    good = "echo y = 1; echo End; echo converged > log"
    assert run(tmp_path, here, shell(good, success=success)).status == Status.OK
    end = run(tmp_path, here, shell("echo y = 1; echo The End", success=success))
    assert (end.status, end.exit_code) == (Status.UNSUCCESSFUL, 0)
    assert end.message.startswith("'stdout.txt': nothing matches '^End'")
    Path("log").unlink()
    end = run(tmp_path, here, shell("echo y = 1; echo End", success=success))
    assert "the code left no file 'log'" in end.message


@pytest.mark.parametrize(
    "script", ["exit 0", "echo y = none", "echo y = nan", 'rm -rf "$PWD"', "exec >&- 2>&-"]
)
def test_a_code_that_leaves_no_output_is_unparsable(tmp_path, study_dir, here, script):
    end = run(tmp_path, here, shell(script))
    assert (end.status, end.exit_code) == (Status.UNPARSABLE, 0)
    assert len(end.outputs) == 1
    assert end.outputs[0] != end.outputs[0]


def test_a_message_ends_with_the_tail_of_the_error_stream(tmp_path, study_dir, here):
    end = run(tmp_path, here, shell("seq 1 100000 >&2; printf 'a\\0b\\377' >&2; exit 1"))
    assert len(end.message) < 2100
    assert end.message.endswith("a\0b\ufffd")
    end = run(tmp_path, here, shell("echo on stdout; exit 1"))
    assert end.message.endswith("\non stdout")


def test_the_environment_surrounds_the_command_only(tmp_path, study_dir, here):
    (study_dir / "env.sh").write_text("export FROM_FILE='two\nlines'; echo noise\n")
    environment = {"source": "env.sh", "set": {"X": "x is ${x}", "N": 3, "T": "${threads}"}}
    script = 'echo "$FROM_FILE|$X|$N|$T|$OMP_NUM_THREADS" > env; echo y = 1'
    before = dict(os.environ)
    rest = {"resources": {"threads": 2}}
    assert run(tmp_path, here, shell(script, environment=environment), **rest).status == Status.OK
    omp = os.environ.get("OMP_NUM_THREADS", "2")
    assert Path("env").read_text() == f"two\nlines|x is 0.25|3|2|{omp}\n"
    assert dict(os.environ) == before


def test_the_working_directory_of_ours_is_not_said_to_be_that_of_the_code(
    tmp_path, study_dir, here, monkeypatch
):
    monkeypatch.setenv("PWD", "/wrong")
    (study_dir / "env.sh").write_text("cd /\n")
    for environment in ({}, {"source": "env.sh"}):
        model = {**shell("true", environment=environment), "command": ["env"]}
        run(tmp_path, here, model)
        assert "PWD=" not in Path("stdout.txt").read_text()


@pytest.mark.parametrize("text", ["exit 3", "false", "echo why >&2; return 1"])
def test_a_file_to_source_that_ends_badly_is_said_before_anything_runs(tmp_path, study_dir, text):
    (study_dir / "env.sh").write_text(text)
    with pytest.raises(ConfigError, match=r"model\.environment\.source: .*env\.sh") as error:
        compiled(tmp_path, shell("true", environment={"source": "env.sh"}))
    assert "\n" not in str(error.value)


def test_a_run_knows_where_the_study_is(tmp_path, study_dir, here):
    (study_dir / "value").write_text("4")
    assert run(tmp_path, here, shell("echo y = $(cat ${study_dir}/value)")).outputs == [4.0]


def identity(tmp_path, model, values=(), **rest):
    compiled_model, known = compiled(tmp_path, model, **rest)
    return compiled_model.identity(known | dict(values))


def test_the_identity_of_a_run_is_what_it_computes_and_not_how(tmp_path, study_dir):
    (study_dir / "in").write_text("${x} ${threads} ${study_dir}")
    (study_dir / "copied").write_text("1")
    (study_dir / "linked").write_text("1")
    files = [{"template": "in"}, {"copy": "copied"}, {"link": "linked"}]
    model = shell("code -n ${threads} ${study_dir} ${x}", files=files)
    first = identity(tmp_path, model)
    (study_dir / "linked").write_text("2")
    same = [
        identity(tmp_path, model, resources={"threads": 4}, timeout=3, keep="all"),
        identity(tmp_path, model, {"study_dir": "/elsewhere"}),
        identity(tmp_path, model | {"environment": {"set": {"A": 1}}}),
        identity(tmp_path, model | {"stdout": "log"}),
    ]
    assert {first} == set(same)
    (study_dir / "copied").write_text("2")
    others = [
        identity(tmp_path, model),
        identity(tmp_path, model, {"x": 0.5}),
        identity(tmp_path, model | {"command": ["code"]}),
        identity(tmp_path, model | {"files": files[1:]}),
        identity(tmp_path, model | {"files": [{"template": "in", "to": "b"}, *files[1:]]}),
    ]
    assert len({first, *others}) == 1 + len(others)


def test_values_that_are_not_printed_do_not_count(tmp_path, study_dir):
    # a comment in a template that renders to the same bytes is another matter: see reuse
    model = shell("code ${x:.2f}")
    assert identity(tmp_path, model, {"x": 0.251}) == identity(tmp_path, model, {"x": 0.249})


def test_a_value_that_cannot_be_an_argument_is_an_error_of_the_sample(tmp_path, study_dir, here):
    model, values = compiled(tmp_path, shell("echo ${sample}"))
    with pytest.raises(ValueError, match="null byte"):
        model.run(values | {"sample": "a\0b"}, str(here))


CHANGES = "cat data.txt; [ -e ${study_dir}/once ] || { touch ${study_dir}/once; %s; }; : ${x}"


@pytest.mark.parametrize("kind", ["copy", "tree"])
def test_a_copied_file_that_changes_under_way_stops_its_batch(tmp_path, kind):
    (tmp_path / "case").mkdir()
    data = tmp_path / "case/data.txt"
    data.write_text("y = 1\n")
    entry = {"copy": "case/data.txt"} if kind == "copy" else {"tree": "case"}
    script = CHANGES % "echo y = 2 > ${study_dir}/case/data.txt"
    tree = study_tree(shell(script, files=[entry]), size=3)
    with pytest.raises(BatchError, match=r"it changed while samples ran: \S+/case/data\.txt"):
        evaluate(tree, tmp_path, workers=1)
    _, arrays = evaluate(tree, tmp_path)
    assert arrays.y.tolist() == [[2.0]] * 3


def test_a_stale_handle_in_a_sample_is_its_own_affair(tmp_path, monkeypatch):
    def run(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle", "out")

    monkeypatch.setattr(CommandModel, "run", run)
    _, arrays = evaluate(study_tree(shell("echo y = ${x}"), size=2), tmp_path, workers=1)
    assert (arrays.status == Status.ERROR).all()


def test_a_copied_file_that_is_written_again_as_it_was_stops_nothing(tmp_path):
    (tmp_path / "data.txt").write_text("y = 1\n")
    script = CHANGES % "touch -d 2001-01-01 ${study_dir}/data.txt"
    tree = study_tree(shell(script, files=[{"copy": "data.txt"}]), size=3)
    assert evaluate(tree, tmp_path, workers=1)[1].y.tolist() == [[1.0]] * 3
