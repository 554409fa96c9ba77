import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensnare.store.ids import (
    ID_LENGTH,
    find_ids,
    id_keys,
    occurrences,
    row_words,
    sample_ids,
    sample_seed,
)
from ensnare.study.sweep import case_identity


def ids_of(x, names, case=None):
    words = row_words(np.asarray(x, float), names)
    return sample_ids(words, occurrences(words), case or {})


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_ids_do_not_depend_on_the_order_of_columns_or_rows(rng):
    x = rng.random((100, 4))
    ids = ids_of(x, list("abcd"))
    columns, rows = [2, 0, 3, 1], rng.permutation(100)
    np.testing.assert_array_equal(ids_of(x[:, columns], [*"cadb"]), ids)
    np.testing.assert_array_equal(ids_of(x[rows], list("abcd")), ids[rows])


def test_ids_do_depend_on_names_values_and_their_columns(rng):
    x = rng.random((10, 2))
    every = [
        ids_of(x, ["a", "b"]),
        ids_of(x, ["a", "c"]),
        ids_of(x, ["b", "a"]),  # the same numbers, the other way round
        ids_of(np.nextafter(x, 2), ["a", "b"]),
        ids_of(x[:, :1], ["a"]),
        ids_of(x, ["a", "b"], {"mesh": "fine"}),
        ids_of(x, ["a", "b"], {"mesh": "coarse"}),
        ids_of(x, ["a", "b"], {"cores": 1.0}),
        ids_of(x, ["a", "b"], {"cores": "1"}),
    ]
    assert len(np.unique(np.concatenate(every))) == 10 * len(every)


def test_minus_zero_is_zero():
    np.testing.assert_array_equal(ids_of([[-0.0, 1.0]], "ab"), ids_of([[0.0, 1.0]], "ab"))


def test_equal_rows_are_told_apart_by_their_occurrence():
    x = np.array([[1.0], [2.0], [1.0], [1.0], [2.0]])
    words = row_words(x, ["a"])
    np.testing.assert_array_equal(occurrences(words), [0, 0, 1, 2, 1])
    ids = ids_of(x, ["a"])
    assert len(set(ids)) == 5
    # what comes first of equal rows has the id it would have alone
    np.testing.assert_array_equal(ids[:2], [ids_of([[1.0]], "a")[0], ids_of([[2.0]], "a")[0]])


def test_rows_added_at_the_end_change_no_id(rng):
    x = rng.integers(0, 3, (200, 2)).astype(float)
    np.testing.assert_array_equal(ids_of(x, "ab")[:120], ids_of(x[:120], "ab"))


@given(st.lists(st.integers(0, 3), max_size=50))
def test_occurrences_count_what_came_before(values):
    expected = [values[:i].count(value) for i, value in enumerate(values)]
    words = row_words(np.array(values, float).reshape(-1, 1), ["a"])
    assert occurrences(words).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "grid", "equal"])
def test_a_million_samples_do_not_collide(rng, kind):
    grid = np.stack(np.meshgrid(np.arange(1000.0), np.arange(1000.0)), axis=-1).reshape(-1, 2)
    x = {"random": rng.random((10**6, 2)), "grid": grid, "equal": np.ones((10**6, 2))}[kind]
    assert len(np.unique(ids_of(x, ["a", "b"]))) == 10**6


def test_ids_are_hexadecimal_and_of_one_length(rng):
    ids = ids_of(rng.random((100, 1)), "a")
    assert ids.dtype == f"S{ID_LENGTH}"
    assert all(int(i, 16) >= 0 and len(i) == ID_LENGTH for i in ids)


def test_ids_are_what_they_were_in_the_first_release():
    ids = ids_of([[1.5, -2.0], [0.0, 1e300]], ["a", "b"], {"cores": 4.0, "mesh": "fine"})
    assert ids.tolist() == FIRST_RELEASE


FIRST_RELEASE = [b"b9095451575302c7fb36", b"29c7ec95e5d0d8f70978"]


def test_a_pure_sweep_has_one_id_per_case():
    cases = [{"n": 1}, {"n": 2}, {"n": 1, "m": "a"}]
    ids = {bytes(ids_of(np.empty((1, 0)), [], case_identity(case, {}))[0]) for case in cases}
    assert len(ids) == 3


def test_seeds_differ_and_fit_31_bits(rng):
    ids = [i.decode() for i in ids_of(rng.random((5000, 1)), "a")]
    seeds = [sample_seed(i, 0) for i in ids]
    assert len(set(seeds)) == 5000
    assert min(seeds) >= 0
    assert max(seeds) < 2**31
    assert max(seeds) > 2**30
    assert sample_seed(ids[0], 0) == seeds[0]
    assert sample_seed(ids[0], 1) != seeds[0]


def test_ids_are_found_wherever_they_stand(rng):
    known = hex_ids(rng, 5000)
    wanted = np.concatenate([known[rng.permutation(5000)[:700]], hex_ids(rng, 300)])
    place = find_ids(wanted, known)
    np.testing.assert_array_equal(known[place[:700]], wanted[:700])
    assert (place[700:] == -1).all()
    assert (find_ids(wanted, known[:0]) == -1).all()
    assert len(find_ids(known[:0], known)) == 0


@pytest.mark.parametrize("order", ["as they are", "shuffled", "in blocks"])
@pytest.mark.parametrize("known_of", [slice(0, 900), slice(0, 500), slice(200, 900)])
def test_ids_are_found_in_every_order(rng, order, known_of):
    ids = hex_ids(rng, 800)
    blocks = np.arange(800).reshape(8, 100)
    here = {
        "as they are": np.arange(800),
        "shuffled": rng.permutation(800),
        "in blocks": blocks[rng.permutation(8)].ravel(),
    }[order]
    there = np.concatenate([ids, hex_ids(rng, 100)])[known_of]
    at = {name: i for i, name in enumerate(there.tolist())}
    expected = [at.get(name, -1) for name in ids[here].tolist()]
    assert find_ids(ids[here], there).tolist() == expected


def test_ids_have_words_of_their_own(rng):
    ids = np.concatenate([hex_ids(rng, 20000), [b"%020x" % i for i in range(20000)]])
    assert len(np.unique(id_keys(ids))) == len(ids)
    rows = np.zeros(len(ids), [("a", "u1"), ("id", "S20"), ("b", "f8")])  # as in a journal
    rows["id"] = ids
    np.testing.assert_array_equal(id_keys(rows["id"]), id_keys(ids))


def test_two_ids_with_one_key_are_told_apart(rng, monkeypatch):
    monkeypatch.setattr("ensnare.store.ids.id_keys", lambda ids: np.zeros(len(ids), np.uint64))
    known = hex_ids(rng, 50)
    order = rng.permutation(50)
    np.testing.assert_array_equal(find_ids(known[order], known), order)
    assert (find_ids(hex_ids(rng, 5), known) == -1).all()


def hex_ids(rng, n):
    return np.array([rng.bytes(10).hex().encode() for _ in range(n)], "S20")
