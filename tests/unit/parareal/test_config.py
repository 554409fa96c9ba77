"""What a user reads when a parareal study is wrong, and what decides which files it has."""

import copy

import pytest
from parareal_studies import EXACT, RK4, load, parareal_tree, solve
from ruamel.yaml import YAML

from ensnare.archive.results import open_study
from ensnare.commands.main import main
from ensnare.errors import ArchiveError, EnsnareError
from ensnare.parareal.cases import plan_cases, solved_digest
from ensnare.parareal.check import check_parareal
from ensnare.plan.batches import plan_batches
from ensnare.study.loading import parse_study

CODE = {"command": ["solver", "${q}", "${h}"], "outputs": [{"name": "q", "regex": "(.*)"}]}


def tree_with(**changes):
    """Return a good study with changes below `parareal`, or `study__key` of the study itself."""
    tree = parareal_tree(serial=True, exact=EXACT)
    for key, value in changes.items():
        where = tree if key.startswith("study__") else tree["parareal"]
        where[key.removeprefix("study__")] = value
    return tree


BAD = {
    "no size of steps": ({"fine": {"method": "euler"}},
        "parareal.fine: found neither of steps and step; expected one"),
    "two sizes of steps": ({"fine": {"method": "euler", "steps": 3, "step": 0.1}},
        "parareal.fine: found both of steps and step; expected one"),
    "an unknown method": ({"coarse": {"method": "rk5", "steps": 1}},
        "parareal.coarse.method: got 'rk5'; expected 'euler' or 'rk4'"),
    "a misspelled key": ({"fine": {"method": "rk4", "stpes": 1}},
        "parareal.fine: unknown key 'stpes'; did you mean 'steps'?"),
    "neither kind": ({"fine": {"steps": 1}},
        "parareal.fine: found none; expected a mapping with one of the keys method, model"),
    "both kinds": ({"fine": {"method": "rk4", "steps": 1, "model": CODE}},
        "parareal.fine: found both 'method' and 'model'; keep one"),
    "a misspelled key of a code": ({"fine": {"model": {"comand": []}}},
        "parareal.fine.model: unknown key 'comand'; did you mean 'command'?"),
    "an output that is missing": ({"fine": {"model": CODE}},
        "parareal: fine.model.outputs: no output 'p', which the state has; add it"),
    "an output of another size": ({"state": {"q": [1, 2]}, "fine": {"model": CODE}},
        "parareal: fine.model.outputs: 'q' has another size; expected shape: [2]"),
    "a misspelled tolerance": ({"tolerence": 1},
        "parareal: unknown key 'tolerence'; did you mean 'tolerance'?"),
    "a tolerance of zero": ({"tolerance": 0}, "parareal.tolerance: got 0.0; expected more than 0"),
    "one point": ({"points": 1}, "parareal.points: got 1; expected at least 2"),
    "time that runs backwards": ({"interval": [1, 0]},
        "parareal: interval: found [1, 0]; expected start < end"),
    "no state": ({"state": {}}, "parareal.state: found nothing; expected at least one entry"),
    "an unknown name in the state": ({"state": {"q": "zetta", "p": 0}},
        "parareal.state.q: 'zetta' is neither a factor nor a constant; did you mean 'zeta'?"),
    "a component named as a time": ({"state": {"t0": 1}},
        "parareal.state: the name 't0' is taken by Ensnare; choose another"),
    "a component named as a factor": ({"state": {"zeta": 1}},
        "parareal.state: the name 'zeta' is already used in sweep; choose another"),
    "a component of a mapping": ({"state": {"q": {"a": 1}}},
        "parareal.state.q: got a mapping; expected a number, a list of numbers, or an expression"),
    "no right-hand side": ({"rhs": None},
        "parareal: missing key 'rhs', the right-hand side to integrate; add it"),
    "an unknown driver": ({"driver": "dask"},
        "parareal.driver: got 'dask'; expected 'rules' or 'pool'"),
    "a model": ({"study__model": CODE},
        "found both 'model' and 'parareal'; remove one; a code to run goes to parareal.fine.model"),
    "a design": ({"study__design": {"method": "monte_carlo", "size": 3}},
        "found both 'design' and 'parareal'; remove one"),
    "a scaling study": ({"study__scaling": {"threads": [1, 2]}},
        "found both 'scaling' and 'parareal'; remove one"),
    "analyses": ({"study__analyses": ["statistics"]},
        "found both 'analyses' and 'parareal'; remove one"),
    "an uncertain input": (
        {"study__inputs": [{"name": "x", "distribution": {"Normal": {"mu": 0, "sigma": 1}}}]},
        "input 'x' is uncertain; a parareal study takes constants (value) and the factors of a "
        "sweep"),
    "an end by shares of failures": ({"study__on_failure": {"stop_after": "5 %"}},
        "on_failure.stop_after: a parareal study ends with the first failed solve; remove it"),
    "a size of batches": ({"study__batch": {"size": 4}},
        "batch: a parareal study has no batches; found a size; remove it"),
    "a range of an output": (
        {"state": {"q": 1}, "fine": {"model": {**CODE, "outputs": [
            {"name": "q", "regex": "(.*)", "range": [0, 1]}]}}},
        "parareal: fine.model.outputs: 'q' has a range, which parareal does not check; remove it"),
    "needs of one case in one job": (
        {"study__overrides": [{"when": {"zeta": 0.5}, "resources": {"threads": 2}}]},
        "overrides: the driver pool runs all cases in one job; state what any of them needs in "
        "resources, or take the driver rules"),
}  # fmt: skip
FOUND_BY_CHECK = {
    "no such file": ({"rhs": {"call": "no.py:f"}}, "parareal.rhs.call: no file"),
    "no such function": ({"rhs": {"call": "own.py:slop"}},
        "has no function 'slop'; did you mean 'slope'?"),
    "a parameter without a value": ({"rhs": {"call": "own.py:needs_k"}},
        "parareal.rhs.call: the function takes 'k', which the study does not have"),
    "a slope of another shape": ({"rhs": {"call": "own.py:short"}},
        "parareal.rhs: ValueError: rhs returned the shape (1,); expected (2,)"),
    "too few parameters": ({"rhs": {"call": "own.py:only_t"}},
        "parareal.rhs.call: the function takes too few arguments; expected t, y"),
    "an exact solution of another shape": ({"exact": {"call": "own.py:only_t"}},
        "parareal.exact: a state of shape (); expected (2,)"),
    "a factor that nothing uses": ({"study__sweep": {"omega0": [1], "zeta": [1], "mu": [1]}},
        "factor 'mu' is used by neither propagator; use it or remove it"),
    "a parameter named as a missing factor": ({"study__sweep": {"zeta": [1]}},
        "parareal.rhs.call: the function takes 'omega0', which the study does not have"),
    "a program that does not exist": (
        {"fine": {"model": {"command": ["no-such-solver", "${q}", "${p}"],
                  "outputs": [{"name": n, "regex": "(.*)"} for n in "qp"]}}},
        "parareal.fine.model.command: no program 'no-such-solver' on PATH"),
    "a misspelled placeholder": (
        {"fine": {"model": {"command": ["echo", "${qq}"],
                  "outputs": [{"name": n, "regex": "(.*)"} for n in "qp"]}}},
        "parareal.fine.model.command: unknown placeholder 'qq'; did you mean 'q'?"),
    "an initial value that is no number": (
        {"state": {"q": "1 / (zeta - 0.5)", "p": 0}},
        "parareal.state.q: case omega0=1, zeta=0.5:"),
}  # fmt: skip
OWN = """
def slope(t, y, omega0, zeta): return y
def needs_k(t, y, k): return y
def short(t, y, omega0, zeta): return y[:1]
def only_t(t): return t
"""


@pytest.mark.parametrize("kind", BAD)
def test_a_wrong_parareal_study_is_refused_in_one_line(kind):
    changes, expected = BAD[kind]
    with pytest.raises(EnsnareError) as caught:
        parse_study(tree_with(**changes), source="study.yaml")
    assert str(caught.value) == f"study.yaml: {expected}"


@pytest.mark.parametrize("kind", FOUND_BY_CHECK)
def test_mistakes_that_only_a_check_of_files_and_functions_finds_are_one_line_too(tmp_path, kind):
    changes, expected = FOUND_BY_CHECK[kind]
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(EnsnareError) as caught:
        check_parareal(load(tree_with(**changes), tmp_path))
    assert str(caught.value).startswith("study.yaml: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_without_a_model_is_told_so():
    with pytest.raises(EnsnareError, match=r"^study.yaml: missing key 'model'; add it$"):
        parse_study({"study": "x", "sweep": {"a": [1]}}, source="study.yaml")


def test_the_resolved_study_is_the_same_study():
    study = parse_study(tree_with())
    assert parse_study(study.model_dump(mode="json", by_alias=True)) == study


def test_a_constant_may_be_used_by_one_propagator_alone(tmp_path):
    tree = tree_with(
        coarse=RK4,
        fine={
            "model": {
                "command": ["echo", "${q}", "${p}", "${h}"],
                "outputs": [{"name": n, "regex": "(.*)"} for n in "qp"],
            }
        },
        study__inputs=[{"name": "step", "value": 0.1}],
        study__derived={"h": "step / 2"},
    )
    assert check_parareal(load(tree, tmp_path)) == 1


SAME = {
    "the tolerance": {"tolerance": 1e-9},
    "the driver": {"driver": "rules", "slices_per_job": 3},
    "the solutions it is compared with": {"serial": False, "exact": None},
    "its unit": {"unit": "s"},
    "a time limit": {"study__timeout": 3},
    "a title": {"study__title": "other"},
}
OTHER = {
    "the points": {"points": 21},
    "the interval": {"interval": [0, 16]},
    "the initial state": {"state": {"q": 1, "p": 1}},
    "the coarse propagator": {"coarse": RK4},
    "the fine propagator": {"fine": {"method": "euler", "steps": 79}},
    "a constant": {"study__inputs": [{"name": "k", "value": 1}]},
}


def keys(tree, directory):
    return [case.key for case in plan_cases(load(tree, directory))]


@pytest.mark.parametrize("change", SAME)
def test_the_files_of_a_case_stay_with_another_choice_of(tmp_path, change):
    assert keys(tree_with(**SAME[change]), tmp_path) == keys(tree_with(), tmp_path)


@pytest.mark.parametrize("change", OTHER)
def test_a_case_has_other_files_with_another_choice_of(tmp_path, change):
    assert keys(tree_with(**OTHER[change]), tmp_path) != keys(tree_with(), tmp_path)


def test_comments_in_a_right_hand_side_make_no_other_files_and_code_does(tmp_path):
    def with_text(text):
        (tmp_path / "own.py").write_text(text)
        return keys(tree_with(rhs={"call": "own.py:f"}), tmp_path)

    first = with_text("def f(t, y):\n    return -y\n")
    assert with_text("# a comment\ndef f(t, y):\n    return -y  # decay\n") == first
    assert with_text("def f(t, y):\n    return y\n") != first


def test_levels_in_another_order_are_the_same_cases(tmp_path):
    one = tree_with(study__sweep={"omega0": [1, 2], "zeta": [0.1, 0.5]})
    other = tree_with(study__sweep={"zeta": [0.5, 0.1], "omega0": [2, 1.0]})
    assert sorted(keys(one, tmp_path)) == sorted(keys(other, tmp_path))


def test_what_is_to_be_solved_has_another_name_for_another_tolerance(tmp_path):
    digests = {
        solved_digest(load(tree_with(**change), tmp_path))
        for change in ({}, {"tolerance": 1e-9}, {"serial": False}, {"points": 3})
    }
    assert len(digests) == 4


def write(tree, directory):
    path = directory / "study.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(copy.deepcopy(tree), file)
    return str(path)


def test_check_counts_the_cases(tmp_path, capsys):
    path = write(tree_with(study__sweep={"omega0": [1, 2], "zeta": [0.1, 0.5]}), tmp_path)
    assert main(["check", path]) == 0
    assert capsys.readouterr().out == f"{path}: 4 cases\n"


@pytest.mark.parametrize(
    "words",
    [["eval"], ["path", "0"], ["prepare"], ["adopt"], ["collect", "x"],
     ["gather"], ["redo", "--failed"], ["skip", "--reason", "x"]],
)  # fmt: skip
def test_commands_on_samples_say_that_there_are_none(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    path = write(tree_with(), tmp_path)
    from ensnare.study.loading import resolved_tree, write_resolved

    write_resolved(resolved_tree(load(tree_with(), tmp_path)), tmp_path / "results/osc/study.json")
    assert main([words[0], path, *words[1:]]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a parareal study has no samples; after snakemake its results are in results/osc" in said


def test_the_archive_of_samples_is_not_taken_for_one_of_cases(tmp_path):
    from ensnare.parareal.archive import open_parareal, write_parareal_archive
    from ensnare.parareal.results import collect_cases
    from ensnare.store.paths import StudyPaths

    tree = parareal_tree(points=3)
    solve(tree, tmp_path)
    paths, study = StudyPaths(tmp_path / "results/osc"), load(tree, tmp_path)
    with pytest.raises(ArchiveError, match="there is no archive; run snakemake first"):
        open_parareal(paths.root)
    write_parareal_archive(paths.archive, study, ("q", "p"), collect_cases(study, paths))
    with pytest.raises(ArchiveError, match=r"holds parareal; open it with ensnare\.open_parareal"):
        open_study(paths.root)
    assert open_parareal(paths.root).components == ("q", "p")


def test_a_parareal_study_cannot_be_planned_as_batches(tmp_path):
    with pytest.raises(EnsnareError, match="has no samples"):
        plan_batches(load(tree_with(), tmp_path))
