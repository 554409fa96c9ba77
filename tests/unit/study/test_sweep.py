import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensnare.errors import ConfigError
from ensnare.study.loading import parse_study
from ensnare.study.sweep import case_identity, case_label, count_cases, expand_cases
from ensnare.study.values import parse_levels

levels = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
sweeps = st.dictionaries(st.sampled_from("abcde"), levels, max_size=4)


def test_every_combination_is_a_case_and_the_first_factor_varies_slowest():
    cases = expand_cases({"mesh": ["coarse", "fine"], "cores": [1, 2, 4]})
    assert [tuple(case.values()) for case in cases] == [
        ("coarse", 1),
        ("coarse", 2),
        ("coarse", 4),
        ("fine", 1),
        ("fine", 2),
        ("fine", 4),
    ]


def test_no_factor_is_one_empty_case():
    assert expand_cases({}) == [{}]


@given(sweeps)
def test_there_are_as_many_cases_as_combinations_and_no_two_are_equal(sweep):
    cases = expand_cases(sweep)
    product = 1
    for found in sweep.values():
        product *= len(found)
    assert len({tuple(sorted(case.items())) for case in cases}) == len(cases) == product


@given(sweeps, st.randoms())
def test_the_identity_of_a_case_does_not_depend_on_the_order_of_factors(sweep, random):
    names = list(sweep)
    random.shuffle(names)
    one = {tuple(case_identity(c, {}).items()) for c in expand_cases(sweep)}
    other = {
        tuple(case_identity(c, {}).items()) for c in expand_cases({n: sweep[n] for n in names})
    }
    assert one == other


def test_a_number_is_the_same_level_however_it_is_written():
    assert case_identity({"n": 1}, {}) == case_identity({"n": 1.0}, {})
    assert case_identity({"n": 1}, {}) != case_identity({"n": "1"}, {})


def test_a_factor_at_its_default_is_left_out():
    defaults = {"turbulence": "kOmegaSST", "n": 1}
    assert case_identity({"turbulence": "kOmegaSST", "n": 1.0, "mesh": "fine"}, defaults) == {
        "mesh": "fine"
    }
    assert case_identity({"turbulence": "kEpsilon"}, defaults) == {"turbulence": "kEpsilon"}


def test_a_case_has_a_label():
    assert case_label({"mesh": "fine", "cores": 4}) == "mesh=fine, cores=4"
    assert case_label({}) == ""


SOLVERS = {"cg": {"precond": ["none", "ilu"], "tol": [1e-3, 1e-6]}, "lu": {}}


def study_of(sweep, **rest):
    model = {"command": ["true"], "outputs": [{"name": "r", "regex": "(.*)"}]}
    return parse_study({"study": "s", "sweep": sweep, "model": model, **rest})


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("geom(1, 100, 5)", [1, 3.16227766017, 10, 31.6227766017, 100]),
        ("geom(100, 1e6, 9)", [100, *[10 ** (2 + i / 2) for i in range(1, 8)], 1e6]),
        ("igeom(1, 16, 5)", [1, 2, 4, 8, 16]),
        ("igeom(1, 4, 10)", [1, 2, 3, 4]),
        (" linspace( 0,1, 5 )", [0, 0.25, 0.5, 0.75, 1]),
        ("linspace(1, 0, 11)", [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0]),
        ("linspace(3, 3, 1)", [3]),
    ],
)
def test_levels_are_given_by_a_rule(text, levels):
    np.testing.assert_allclose(parse_levels(text), levels, rtol=1e-11)
    assert study_of({"n": text}).sweep["n"] == parse_levels(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os')", "unknown rule '__import__'"),
        ("1 + 1", "expected a list of levels, or one of geom"),
        ("geometric(1, 2, 3)", "unknown rule 'geometric' in .*did you mean 'geom'"),
        ("geom(1, 2)", "expected geom"),
        ("geom(0, 2, 3)", "expected geom of numbers above 0"),
        ("linspace(0, 1, 2.5)", "expected a whole number"),
        ("linspace(0, 1, 0)", "expected 1 to 100000 levels"),
        ("linspace(0, one, 5)", "got ' one'; expected a number"),
        ("linspace(0, 1, 1e9)", "expected 1 to 100000 levels"),
    ],
)
def test_a_rule_is_read_and_never_evaluated(text, reason):
    with pytest.raises(ConfigError, match=f"^config: sweep.n: .*{reason}"):
        study_of({"n": text})


def test_a_sub_factor_exists_for_its_level_only():
    study = study_of({"solver": SOLVERS, "n": [1, 2]})
    cases = expand_cases(study.sweep)
    assert [case_label(case) for case in cases[:3]] == [
        "solver=cg, precond=none, tol=0.001, n=1",
        "solver=cg, precond=none, tol=0.001, n=2",
        "solver=cg, precond=none, tol=1e-06, n=1",
    ]
    assert [case for case in cases if case["solver"] == "lu"] == [
        {"solver": "lu", "n": 1},
        {"solver": "lu", "n": 2},
    ]
    assert len(cases) == 10
    assert list(study.factors) == ["solver", "precond", "tol", "n"]


def test_sub_factors_nest_and_may_be_shared_between_levels():
    sweep = {"a": {"x": {"b": {"y": {"c": [1, 2]}, "z": {}}}, "w": {"c": "linspace(2, 3, 2)"}}}
    study = study_of(sweep)
    assert [tuple(case.values()) for case in expand_cases(study.sweep)] == [
        ("x", "y", 1), ("x", "y", 2), ("x", "z"), ("w", 2), ("w", 3)]  # fmt: skip
    assert study.factors == {"a": ["x", "w"], "b": ["y", "z"], "c": [1, 2, 3]}
    assert {"a", "b", "c"} <= study.value_names


@pytest.mark.parametrize(
    "sweep",
    [{"solver": SOLVERS}, {"n": {1: {"m": {2.5: None, 3: {"k": [1]}}}, 2: {}}}, {"n": [1, 2]}],
)
def test_a_sweep_survives_being_written_as_json(sweep):
    study = study_of(sweep)
    tree = json.loads(json.dumps(study.model_dump(mode="json", by_alias=True)))
    assert expand_cases(parse_study(tree).sweep) == expand_cases(study.sweep)


@pytest.mark.parametrize(
    ("sweep", "reason"),
    [
        ({"a": {"x": {"a": [1]}}}, "the factor 'a' appears twice in one case"),
        ({"a": {"x": {"b": [1]}}, "b": [2]}, "the factor 'b' appears twice in one case"),
        ({"a": {"x": {"b": [1]}, "y": {"b": ["t"]}}}, "'b' mixes numbers and texts"),
        ({"a": {"x": {"b": []}}}, "'b' has no levels"),
        ({"a": {}}, "'a' has no levels"),
        ({"a": {"x": {"b": [True]}}}, r"sweep.a.x.b\[0\]: got true; expected a number or a text"),
        ({"a": {"x": [1]}}, "sweep.a.x: got a list; expected a mapping"),
        ({"a": {True: {}}}, "sweep.a: .*got true; expected a number or a text"),
        ({"a": {"x": {"2b": [1]}}}, "sweep.a.x: found the key '2b'; expected letters"),
    ],
)
def test_a_wrong_sub_factor_is_refused(sweep, reason):
    with pytest.raises(ConfigError, match=reason):
        study_of(sweep)


def test_cases_are_counted_before_they_are_made():
    sweep = study_of({"solver": SOLVERS, "n": "linspace(0, 1, 7)"}).sweep
    assert count_cases(sweep) == len(expand_cases(sweep)) == 35
    with pytest.raises(ConfigError, match=r"sweep: found 1e\+10 cases; expected 1e\+07 at most"):
        study_of({"a": "linspace(0, 1, 1e5)", "b": "linspace(0, 1, 1e5)"})


def test_excluded_cases_are_left_out():
    study = study_of(
        {"mesh": ["coarse", "fine"], "cores": [1, 2, 4]},
        exclude=[{"mesh": "fine", "cores": 1}, {"cores": 4.0}],
    )
    cases = expand_cases(study.sweep, study.exclude)
    assert [tuple(c.values()) for c in cases] == [("coarse", 1), ("coarse", 2), ("fine", 2)]


@pytest.mark.parametrize(
    ("exclude", "reason"),
    [
        ([{"mush": 1}], r"exclude\[0\]: 'mush' is not a factor of the sweep; did you mean 'mesh'?"),
        ([{"n": 1}, {"mesh": "fin"}], r"exclude\[1\].mesh: no level 'fin'; did you mean 'fine'?"),
        ([{"n": 7}], r"exclude\[0\].n: no level 7; expected one of 1, 2"),
        ([{"mesh": "fine", "k": 1}], r"exclude\[0\]: no case has all of these levels"),
        ([{"n": 1}, {"n": 2}], "exclude: found no case that is left"),
        ([{}], r"exclude\[0\]: found no factor"),
    ],
)
def test_an_exclusion_that_excludes_nothing_or_all_is_refused(exclude, reason):
    sweep = {"mesh": {"coarse": {"k": [1]}, "fine": {}}, "n": [1, 2]}
    with pytest.raises(ConfigError, match=reason):
        study_of(sweep, exclude=exclude)


def test_a_derived_value_needs_a_factor_of_every_case():
    with pytest.raises(ConfigError, match=r"derived\.z: factor 'tol' does not exist in the case"):
        study_of({"solver": SOLVERS}, derived={"z": "2 * tol"})
    study_of({"solver": SOLVERS}, derived={"z": "2 * tol"}, exclude=[{"solver": "lu"}])


def test_whole_numbers_that_no_double_holds_are_levels_of_their_own():
    levels = [2**53, 2**53 + 1, 2**63 - 1, 2**63]
    found = [case_identity({"n": level}, {}) for level in levels]
    assert found[0] == {"n": 2.0**53}
    assert all(one != other for one, other in itertools.combinations(found, 2))
