"""Points of the unit cube, and the designs that are made of them."""

import numpy as np
import openturns as ot
import otmorris
import pytest
from designs_of_studies import MODEL, design_of, ids_of
from hypothesis import given
from hypothesis import strategies as st

from ensnare.design.points import (
    composite_points,
    factorial_points,
    halton_points,
    lhs_points,
    morris_points,
    one_at_a_time_points,
)
from ensnare.evaluate.forecast import growth_note
from ensnare.plan.batches import design_identity, design_rows
from ensnare.plan.identity import digest
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy, parse_study, resolved_tree, write_resolved

DESIGNS = [
    {"method": "halton", "size": 40},
    {"method": "lhs", "size": 40},
    {"method": "lhs", "size": 12, "optimise": "mindist"},
    {"method": "morris", "size": 7},
    {"method": "factorial", "levels": 3},
    {"method": "factorial", "levels": {"a": 2, "b": 3, "c": 1}},
    {"method": "composite"},
    {"method": "one_at_a_time", "levels": 5},
]
IDS = [" ".join(map(str, design.values())) for design in DESIGNS]


def study_of(design, **rest):
    inputs = [{"name": n, "distribution": {"Normal": {"mu": 1, "sigma": 2}}} for n in "bac"]
    tree = {"study": "s", "inputs": inputs, "design": design, "model": MODEL, **rest}
    return LoadedStudy(parse_study(tree), ".", "study.yaml")


def identity(design, **rest):
    return digest(design_identity(study_of(design, **rest)))


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_the_rows_of_a_design_are_known_before_it_is_made(design):
    made = design_of("", 0, design=design)
    assert len(made) == design_rows(study_of(design))
    assert len(np.unique(ids_of(made))) == len(made)
    assert np.isfinite(made.x).all()


@pytest.mark.parametrize("design", DESIGNS, ids=IDS)
def test_the_order_of_inputs_changes_no_sample(design):
    inputs = [
        {"name": n, "distribution": {"Uniform": {"a": i, "b": i + 1}}}
        for i, n in enumerate(["b", "a", "c"])
    ]
    one = design_of("", 0, inputs=inputs, design=design)
    two = design_of("", 0, inputs=inputs[::-1], design=design)
    np.testing.assert_array_equal(ids_of(one), ids_of(two))
    np.testing.assert_array_equal(one.x, two.x[:, ::-1])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["halton", "morris"])
@given(small=st.integers(1, 300), more=st.integers(1, 300), seed=st.integers(0, 3))
def test_a_larger_design_begins_with_the_smaller_one(method, small, more, seed):
    one = design_of(method, small, seed=seed)
    two = design_of(method, small + more, seed=seed)
    np.testing.assert_array_equal(two.x[: len(one)], one.x)
    np.testing.assert_array_equal(ids_of(two)[: len(one)], ids_of(one))
    if method == "morris":
        np.testing.assert_array_equal(two.group[: len(one)], one.group)
    assert identity({"method": method, "size": small}) == identity(
        {"method": method, "size": small + more}
    )


def test_another_size_of_a_latin_hypercube_is_another_design():
    assert identity({"method": "lhs", "size": 8}) != identity({"method": "lhs", "size": 9})
    optimised = {"method": "lhs", "size": 8, "optimise": "c2"}
    assert identity({"method": "lhs", "size": 8}) != identity(optimised)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"method": "morris", "size": 4}, {"method": "morris", "size": 4, "levels": 6}),
        ({"method": "factorial", "levels": 3}, {"method": "factorial", "levels": 4}),
        ({"method": "composite"}, {"method": "composite", "tail": 0.1}),
        ({"method": "one_at_a_time", "levels": 3}, {"method": "one_at_a_time", "levels": 4}),
        ({"method": "halton", "size": 4}, {"method": "sobol", "size": 4}),
    ],
)
def test_options_of_a_design_are_part_of_its_identity(one, two):
    assert identity(one) != identity(two)


def test_a_seed_changes_random_designs_and_no_other():
    for design in DESIGNS:
        is_random = design["method"] in ("lhs", "morris")
        one, two = design_of("", 0, design=design, seed=0), design_of("", 0, design=design, seed=1)
        assert np.array_equal(one.x, two.x) != is_random
        assert (identity(design, seed=0) == identity(design, seed=1)) != is_random


def test_halton_points_are_those_of_openturns():
    np.testing.assert_array_equal(halton_points(32, 5), np.array(ot.HaltonSequence(5).generate(32)))


@pytest.mark.parametrize("optimise", [None, "c2", "phip", "mindist"])
def test_a_latin_hypercube_has_one_point_in_each_slice(optimise):
    u = lhs_points(20, 3, seed=0, optimise=optimise)
    assert 0 < u.min() < u.max() < 1
    for column in u.T:
        np.testing.assert_array_equal(np.sort(np.floor(column * 20)), np.arange(20))
    np.testing.assert_array_equal(u, lhs_points(20, 3, seed=0, optimise=optimise))


@pytest.mark.parametrize(
    ("optimise", "criterion", "better"),
    [
        ("c2", ot.SpaceFillingC2(), -1),
        ("phip", ot.SpaceFillingPhiP(), -1),
        ("mindist", ot.SpaceFillingMinDist(), 1),
    ],
)
def test_an_optimised_hypercube_fills_the_space_better(optimise, criterion, better):
    plain = criterion.evaluate(ot.Sample(lhs_points(30, 2, 1)))
    assert better * (criterion.evaluate(ot.Sample(lhs_points(30, 2, 1, optimise))) - plain) > 0


@given(st.integers(1, 8), st.integers(1, 6), st.sampled_from([2, 4, 6, 10]), st.integers(0, 9))
def test_a_trajectory_moves_each_input_once_by_half_the_levels(size, d, levels, seed):
    u, group = morris_points(size, d, levels, seed)
    np.testing.assert_array_equal(group, np.repeat(np.arange(size), d + 1))
    steps = np.diff(u.reshape(size, d + 1, d), axis=1)
    assert ((steps != 0).sum(axis=2) == 1).all()
    assert ((steps != 0).sum(axis=1) == 1).all()
    np.testing.assert_allclose(np.abs(steps).sum(axis=2), 0.5)
    # stretched to the grid of Morris, 0 to 1, the step is p / (2 (p - 1))
    grid = (u - 0.5 / levels) * levels / (levels - 1)
    np.testing.assert_allclose(grid * (levels - 1), np.round(grid * (levels - 1)), atol=1e-9)
    assert grid.min() > -1e-9
    assert grid.max() < 1 + 1e-9


def test_levels_and_directions_of_trajectories_are_equally_frequent():
    u, _ = morris_points(4000, 2, 4, seed=3)
    for column in u.T:
        share = np.unique(column, return_counts=True)[1] / len(u)
        np.testing.assert_allclose(share, 0.25, atol=0.02)
    up = np.diff(u.reshape(4000, 3, 2), axis=1).sum(axis=1) > 0
    np.testing.assert_allclose(up.mean(axis=0), 0.5, atol=0.03)


def test_trajectories_have_the_structure_of_otmorris():
    experiment = otmorris.MorrisExperimentGrid([4, 4, 4], 10)
    experiment.setJumpStep([2, 2, 2])
    theirs = np.array(experiment.generate())
    ours, _ = morris_points(len(theirs) // 4, 3, 4, 0)
    stretched = (ours - 0.125) * 4 / 3
    np.testing.assert_allclose(np.unique(stretched), np.unique(theirs), atol=1e-9)
    jumps = [np.abs(np.diff(x.reshape(-1, 4, 3), axis=1)).max(axis=2) for x in (stretched, theirs)]
    np.testing.assert_allclose(np.unique(jumps[0].round(9)), np.unique(jumps[1].round(9)))


def test_morris_design_gives_the_exact_effects_of_a_linear_function():
    from ensnare.analyses.estimators.morris import morris_effects

    u, group = morris_points(6, 3, 4, 0)
    effects = morris_effects(u, u @ [1, -2, 0], group)
    np.testing.assert_allclose(effects.mu, [1, -2, 0], atol=1e-12)
    np.testing.assert_allclose(effects.sigma, 0, atol=1e-12)


def test_a_factorial_design_has_every_combination():
    np.testing.assert_allclose(
        factorial_points([2, 3]),
        [[a, b] for a in (0.25, 0.75) for b in (1 / 6, 1 / 2, 5 / 6)],
    )


def test_a_composite_design_has_a_centre_axes_and_corners():
    np.testing.assert_allclose(
        composite_points(2, 0.1),
        [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.1], [0.5, 0.9],
         [0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9]],
    )  # fmt: skip


@pytest.mark.parametrize(("levels", "others"), [(2, [0.25, 0.75]), (3, [1 / 6, 5 / 6])])
def test_one_input_at_a_time_leaves_the_median(levels, others):
    u = one_at_a_time_points(2, levels)
    expected = [[0.5, 0.5], *([o, 0.5] for o in others), *([0.5, o] for o in others)]
    np.testing.assert_allclose(u, expected)


def test_designs_lie_on_the_quantiles_of_the_inputs():
    x = design_of("", 0, design={"method": "one_at_a_time", "levels": 4}).x  # columns b, a, c
    np.testing.assert_allclose(x[0], [1, 0, np.log(2) / 2], atol=1e-12)
    np.testing.assert_allclose(np.unique(x[:, 1]), [-0.75, -0.25, 0, 0.25, 0.75], atol=1e-12)


def test_another_size_of_a_latin_hypercube_is_announced(tmp_path):
    paths = StudyPaths(tmp_path)
    study = study_of({"method": "lhs", "size": 8})
    assert growth_note(study, paths) == ""
    write_resolved(resolved_tree(study), paths.study)
    assert growth_note(study, paths) == ""
    larger = study_of({"method": "lhs", "size": 9})
    assert "cannot grow: its 9 samples differ from the 8" in growth_note(larger, paths)
    assert growth_note(study_of({"method": "halton", "size": 9}), paths) == ""
    paths.study.write_bytes(b"damaged")
    assert growth_note(larger, paths) == ""
