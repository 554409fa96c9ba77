import pytest
from good_study import GOOD, changed, loaded, with_python

from ensnare.errors import ConfigError
from ensnare.model import checks


@pytest.fixture
def counted(monkeypatch):
    """Return the list of studies that were checked in full."""
    seen = []
    whole = checks.check_study
    monkeypatch.setattr(checks, "check_study", lambda study: (seen.append(study), whole(study)))
    return seen


def test_a_study_that_passed_is_not_checked_again(tmp_path, counted):
    for _ in range(3):
        checks.check_once(loaded(tmp_path), tmp_path / "cache")
    assert len(counted) == 1
    checks.check_once(
        loaded(tmp_path, files={"in.txt": "${x}${y}${z}${cores}"}), tmp_path / "cache"
    )
    checks.check_once(loaded(tmp_path, ("sigma: 1", "sigma: 2")), tmp_path / "cache")
    assert len(counted) == 3


@pytest.mark.slow
def test_a_study_that_did_not_pass_is_checked_again(tmp_path, counted):
    for _ in range(2):
        with pytest.raises(ConfigError, match="unknown 'Norml'"):
            checks.check_once(loaded(tmp_path, ("Normal:", "Norml:")), tmp_path / "cache")
    assert len(counted) == 2


def test_a_program_that_went_away_is_missed_though_the_study_passed(tmp_path):
    checks.check_once(loaded(tmp_path), tmp_path / "cache")
    study = loaded(tmp_path)
    (tmp_path / "bin/code.sh").chmod(0o644)
    with pytest.raises(ConfigError, match=r"^\S+study.yaml: model.command: \S+ is not executable"):
        checks.check_once(study, tmp_path / "cache")
    (tmp_path / "bin/code.sh").unlink()
    with pytest.raises(ConfigError, match="no program"):
        checks.check_once(study, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "cache").write_text("a file")
    checks.check_once(loaded(tmp_path), tmp_path / "cache")


@pytest.mark.parametrize(
    "change",
    [
        ("bin/code.sh", '"${study_dir}/bin/code.sh"'),
        ("bin/code.sh", "sh, bin/code.sh"),
        ("[bin/code.sh, in.txt, ", "[./in.txt, "),
        ("[bin/code.sh, in.txt, ", "[./data.bin, "),
        ('[bin/code.sh, in.txt, "${mesh}"]', '[[sh, -c, "make it"], [./it, "${mesh}"]]'),
        ("bin/code.sh", '"${mesh}"'),
        ("  success", "  environment: {set: {A: '${seed} ${sample} ${threads}'}}\n  success"),
        ("{template: in.txt}", "{template: in.txt, to: a/b/in.txt}"),
        ("  success", "  stdout: logs/out\n  stderr: logs/out\n  success"),
        ('"${mesh}"', '"${mesh}", "${cores:.2f}", "${x:.3e}"'),
    ],
    ids=lambda change: change[1][:40],
)
def test_what_is_allowed_is_not_refused(tmp_path, change):
    checks.check_study(loaded(tmp_path, change))


def test_a_program_may_come_from_the_environment_file(tmp_path):
    change = ("  success", "  environment: {source: env.sh}\n  success")
    text = changed(("bin/code.sh", "plain.sh"), change)
    env = 'export PATH="$PWD/bin:$PATH"\nchmod +x bin/plain.sh\n'
    checks.check_study(loaded(tmp_path, text=text, files={"env.sh": env}))


def test_a_value_that_only_another_needs_is_used(tmp_path):
    text = changed(("{z: x * c}", "{z: w * 2, w: x * c}"))
    checks.check_study(loaded(tmp_path, text=text))


def test_a_function_of_any_parameters_takes_all(tmp_path):
    code = "def f(**values):\n    return 0\n"
    checks.check_study(loaded(tmp_path, text=with_python(), files={"model.py": code}))


def test_a_dry_check_changes_no_file(tmp_path):
    study = loaded(tmp_path, text=GOOD)
    before = sorted(tmp_path.rglob("*"))
    checks.check_study(study)
    assert sorted(tmp_path.rglob("*")) == before


CONDITIONAL = ("cores: [1, 2]", "solver: {cg: {cores: [1, 2]}, lu: {}}")


def test_a_placeholder_of_a_factor_that_a_case_lacks_is_refused(tmp_path):
    files = {"in.txt": "${x} ${y} ${z} ${cores} ${solver}\n"}
    with pytest.raises(ConfigError, match="factor 'cores' does not exist in the case mesh=coarse,"):
        checks.check_study(loaded(tmp_path, CONDITIONAL, files=files))
    excluded = ("timeout", "exclude: [{solver: lu}]\ntimeout")
    checks.check_study(loaded(tmp_path, CONDITIONAL, excluded, files=files))


def test_a_function_has_a_default_for_a_factor_that_a_case_lacks(tmp_path):
    text = with_python(text=changed(CONDITIONAL))
    needs = {"model.py": "def f(x, y, z, mesh, solver, cores):\n    return z\n"}
    with pytest.raises(ConfigError, match="needs 'cores', which does not exist in the case"):
        checks.check_study(loaded(tmp_path, text=text, files=needs))
    takes = {"model.py": "def f(x, y, z, mesh, solver, cores=1):\n    return z\n"}
    checks.check_study(loaded(tmp_path, text=text, files=takes))
