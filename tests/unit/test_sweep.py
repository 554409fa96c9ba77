from hypothesis import given
from hypothesis import strategies as st

from ensnare.sweep import case_identity, case_label, expand_cases

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
