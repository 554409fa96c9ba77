from pathlib import Path

import pytest
from good_study import FOR_SALTELLI, FOR_TABLE, GOOD, changed, loaded, with_python, write_study
from hypothesis import given
from hypothesis import strategies as st
from snakemake.common.configfile import load_configfile

from ensnare.errors import ConfigError
from ensnare.study.loading import load_study, parse_study, study_from_snakemake
from ensnare.study.values import to_bytes, to_integer, to_number, to_seconds
from ensnare.study.yaml12 import merge, read_yaml, retype, typed

ROOT = Path(__file__).parents[3]
STUDIES = [
    ROOT / "config/config.yaml",
    *(ROOT / f"config/studies/{name}.yaml" for name in ("flood", "ishigami")),
]
SMALL = {
    "study": "small",
    "inputs": [{"name": "x", "distribution": {"Uniform": {"a": 0, "b": 1}}}],
    "design": {"method": "sobol", "size": 4},
    "model": {"command": ["true"], "outputs": [{"name": "y", "regex": "(.*)"}]},
}
TRAPS = """\
study: traps
inputs:
  - {name: E, distribution: {Uniform: {a: 65e9, b: 7.5e+10}}}
  - {name: nu, distribution: {Uniform: {a: 1e-5, b: .3}}}
  - {name: k, value: 012}
design: {method: monte_carlo, size: 1e3}
sweep: {switch: [on, off, no], code: ["012", "1e3"], n: [1e3, 2_000]}
model:
  command: [echo, no, "${switch}", "${code}", "${n}", "${E}", "${nu}", "${k}"]
  outputs: [{name: y, regex: "(.*)"}]
"""


def outcome(function, argument):
    """Return what a function returns, or the line that it refuses its argument with."""
    try:
        return function(argument), None
    except (ConfigError, ValueError) as error:
        (line,) = str(error).splitlines()
        return None, line


def test_what_a_study_leaves_out_has_its_default():
    study = parse_study(SMALL)
    assert study.seed == 0
    assert study.timeout is None
    assert study.keep == "failed"
    assert study.batch.size == "auto"
    assert study.resources.threads == 1
    assert study.model.stdout == "stdout.txt"
    assert study.model.stderr == "stderr.txt"
    assert study.model.outputs[0].in_ is None
    assert study.sweep == study.derived == study.constants == study.defaults == {}


@pytest.mark.parametrize(
    ("method", "names"),
    [("monte_carlo", {"statistics"}), ("saltelli", {"statistics", "sobol"})],
)
def test_the_analyses_follow_from_the_design(method, names):
    study = parse_study(SMALL | {"design": {"method": method, "size": 4}})
    found = {name for name in ("statistics", "sobol") if getattr(study.analyses, name)}
    assert found == names


def test_a_sweep_alone_has_no_analyses():
    study = parse_study(
        {"study": "s", "sweep": {"n": [1, 2]}, "model": SMALL["model"] | {"command": ["a", "${n}"]}}
    )
    assert study.analyses.statistics is None
    assert study.analyses.sobol is None


def test_analyses_are_a_list_of_names_with_or_without_options():
    saltelli = SMALL | {"design": {"method": "saltelli", "size": 4}}
    study = parse_study(saltelli | {"analyses": ["statistics", {"sobol": {"confidence": 0.9}}]})
    assert study.analyses.statistics.confidence == 0.95
    assert study.analyses.sobol.confidence == 0.9
    assert parse_study(saltelli | {"analyses": []}).analyses.sobol is None


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_survives_being_written_and_read(path):
    study = load_study(path).config
    assert parse_study(study.model_dump(mode="json", by_alias=True)) == study


@pytest.mark.parametrize(
    "text",
    [GOOD, changed(*FOR_SALTELLI), changed(*FOR_TABLE), with_python()],
    ids=["command", "saltelli", "table", "python"],
)
def test_a_study_survives_being_written_and_read(tmp_path, text):
    study = load_study(write_study(tmp_path, text)).config
    assert parse_study(study.model_dump(mode="json", by_alias=True)) == study


def test_numbers_are_those_of_yaml_1_2(tmp_path):
    study = load_study(write_study(tmp_path, TRAPS)).config
    assert study.inputs[0].distribution == {"Uniform": {"a": 65e9, "b": 75e9}}
    assert study.inputs[1].distribution == {"Uniform": {"a": 1e-5, "b": 0.3}}
    assert study.constants == {"k": 12}
    assert study.design.size == 1000
    assert study.sweep == {
        "switch": ["on", "off", "no"],
        "code": ["012", "1e3"],
        "n": [1000.0, 2000],
    }
    assert study.model.steps == [
        ["echo", "no", "${switch}", "${code}", "${n}", "${E}", "${nu}", "${k}"]
    ]


def test_what_snakemake_read_as_yaml_1_1_is_read_again(tmp_path):
    path = write_study(tmp_path, TRAPS)
    config = load_configfile(str(path))
    assert config["inputs"][0]["distribution"]["Uniform"]["a"] == "65e9"  # the trap
    assert config["sweep"]["switch"] == [True, False, False]
    study = study_from_snakemake(config, {}, [path])
    assert study.config == load_study(path).config
    assert study.directory == tmp_path
    assert study.source == str(path)


def test_overrides_of_the_command_line_get_their_types(tmp_path):
    path = write_study(tmp_path, TRAPS)
    overrides = {"design": {"size": "7"}, "seed": 3, "keep": "none"}
    config = merge(load_configfile(str(path)), overrides)
    study = study_from_snakemake(config, overrides, [path]).config
    assert study.design.size == 7
    assert study.seed == 3
    assert study.keep == "none"
    assert study.sweep["switch"] == ["on", "off", "no"]


def test_later_files_replace_values_of_earlier_ones(tmp_path):
    first = write_study(tmp_path, TRAPS)
    second = tmp_path / "there/more.yaml"
    second.parent.mkdir()
    second.write_text("seed: 5\nsweep: {switch: [no]}\n")
    config = merge(load_configfile(str(first)), load_configfile(str(second)))
    study = study_from_snakemake(config, {}, [first, second])
    assert study.config.sweep["switch"] == ["no"]
    assert study.config.sweep["code"] == ["012", "1e3"]
    assert study.config.seed == 5
    assert study.directory == second.parent


def test_a_part_handed_to_a_module_is_found_in_its_file(tmp_path):
    inner = "".join(f"    {line}\n" for line in TRAPS.splitlines())
    path = tmp_path / "all.yaml"
    path.write_text(f"other: {{a: no}}\nstudies:\n  traps:\n{inner}")
    config = load_configfile(str(path))["studies"]["traps"]
    study = study_from_snakemake(config, {}, [path])
    assert study.config.sweep["switch"] == ["on", "off", "no"]
    assert study.config.inputs[0].distribution == {"Uniform": {"a": 65e9, "b": 75e9}}
    assert study.directory == tmp_path


def test_a_mapping_made_in_a_snakefile_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_study(tmp_path, GOOD)
    study = study_from_snakemake(SMALL, {}, [path])
    assert study.config.study == "small"
    assert study.directory == Path()
    assert study.source == "config"
    assert study_from_snakemake(SMALL, {}, []).config == study.config


def test_a_study_below_the_working_directory_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    path = write_study(tmp_path / "config", GOOD)
    study = study_from_snakemake(load_configfile(str(path)), {}, [path])
    assert study.source == "config/study.yaml"
    assert study.path("in.txt") == tmp_path / "config/in.txt"


def test_only_the_command_line_is_retyped():
    assert typed({"a": "65e9", "b": ["no", "1", "~"], "c": "[1]", "d": "a: b", "e": 2}) == {
        "a": 65e9,
        "b": ["no", 1, None],
        "c": "[1]",
        "d": "a: b",
        "e": 2,
    }
    assert retype({"a": "65e9"}, {"a": "65e9"}, []) == ({"a": 65e9}, None)
    assert retype({"a": "65e9"}, {}, []) == ({"a": "65e9"}, None)


def test_merging_replaces_lists_and_updates_mappings():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    over = {"a": {"c": [3]}, "d": {"e": 1}}
    assert merge(base, over) == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_relative_paths_start_at_the_study_file(tmp_path, monkeypatch):
    write_study(tmp_path, GOOD)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    study = load_study(Path("../study.yaml"))
    assert study.path("in.txt").is_file()
    assert study.path("/etc/passwd") == Path("/etc/passwd")


def test_a_step_is_a_list_and_a_command_a_step_or_a_list_of_steps(tmp_path):
    words = 'command: [bin/code.sh, in.txt, "${mesh}"]'
    one = loaded(tmp_path, (words, "command: [a, 1, 2.5, -v]")).config
    assert one.model.steps == [["a", "1", "2.5", "-v"]]
    two = loaded(tmp_path, (words, "command: [[a, 1], [b]]")).config
    assert two.model.steps == [["a", "1"], ["b"]]


def test_derived_values_are_ordered_by_need(tmp_path):
    study = loaded(tmp_path, ("{z: x * c}", "{z: w * u, w: x + u, u: c * 2}")).config
    assert list(study.expressions) == ["u", "w", "z"]
    assert study.value_names >= {"x", "y", "c", "z", "w", "u", "mesh", "sample", "seed"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (30, 30.0),
        (0.5, 0.5),
        ("30", 30.0),
        ("30 s", 30.0),
        ("30s", 30.0),
        ("500 ms", 0.5),
        ("5 min", 300.0),
        ("5 m", 300.0),
        ("1.5 h", 5400.0),
        ("1 d", 86400.0),
        ("1e3 s", 1000.0),
        (".5 h", 1800.0),
    ],
)
def test_durations_have_units(text, seconds):
    assert to_seconds(text) == seconds


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_same_as_a_text(value):
    assert to_number(repr(value)) == to_number(value) == value


@given(st.integers(-(2**63), 2**63))
def test_whole_numbers_stay_exact(value):
    assert to_integer(value) == value


@given(st.text())
def test_a_text_is_a_number_or_refused(text):
    for convert in (to_number, to_integer, to_seconds):
        value, refusal = outcome(convert, text)
        assert refusal or abs(value) < float("inf")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(key=st.sampled_from([*SMALL, "sweep", "derived", "copula", "analyses", "seed"]), value=json)
def test_any_value_of_any_key_is_taken_or_refused_in_one_line(key, value):
    _, refusal = outcome(parse_study, SMALL | {key: value})
    assert refusal is None or refusal.startswith("config: ")


@given(st.text(max_size=30))
def test_any_text_is_a_study_or_refused_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    tree, refusal = outcome(read_yaml, path)
    assert refusal or isinstance(tree, dict)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1 GB", 10**9), ("500MB", 5 * 10**8), ("1.5 kB", 1500), (2e9, 2 * 10**9), (7, 7)],
)
def test_a_size_is_a_number_of_bytes(text, size):
    assert to_bytes(text) == size
