"""Parareal against reference numbers, exact solutions, and what must hold bit by bit."""

import csv
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pytest
from parareal_studies import (
    EULER,
    EXACT,
    RK4,
    ZETAS,
    load,
    parareal_tree,
    problems_of,
    results_paths,
    solve,
    solve_one_by_one,
)

from ensnare.models.oscillator import displacement, slope
from ensnare.parareal.iteration import fine_solve_count, needed_slices
from ensnare.parareal.propagators import STEPS, integrate, step_count
from ensnare.parareal.results import collect_cases
from ensnare.parareal.vectors import Held, Stored

REFERENCE = Path(__file__).parents[2] / "data/parareal-omega1.csv"


def reference():
    """Return zeta to iteration to (maxdif, error against the serial fine solution)."""
    found = defaultdict(dict)
    with REFERENCE.open() as file:
        for row in csv.DictReader(file):
            numbers = float(row["maxdif"] or "nan"), float(row["err_vs_serial_fine"])
            found[float(row["zeta"])][int(row["k"])] = numbers
    return found


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """Return the results of the nine cases of the reference, by zeta."""
    directory = tmp_path_factory.mktemp("omega1")
    tree = parareal_tree(ZETAS, serial=True, exact=EXACT)
    solve(tree, directory)
    cases = collect_cases(load(tree, directory), results_paths(directory))
    return {case.case["zeta"]: case for case in cases}


@pytest.mark.slow
def test_iterations_with_an_euler_step_as_the_coarse_propagator(solved):
    assert [solved[zeta].iterations for zeta in ZETAS] == [15, 15, 15, 15, 14, 14, 13, 13, 11]


@pytest.mark.slow
def test_iterations_with_a_runge_kutta_step_as_the_coarse_propagator(tmp_path):
    assert solve(parareal_tree(ZETAS, coarse=RK4), tmp_path) == [3, 3, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("zeta", ZETAS)
def test_changes_and_errors_of_every_iteration_are_those_of_the_reference(solved, zeta):
    case, expected = solved[zeta], reference()[zeta]
    rows = [expected[k] for k in range(case.iterations + 1)]
    np.testing.assert_allclose(case.maxdif[1:], [row[0] for row in rows[1:]], rtol=1e-9)
    np.testing.assert_allclose(case.errors(case.serial), [row[1] for row in rows], rtol=1e-9)


def test_final_state_trajectory_and_jumps_of_the_tutorial(solved):
    case = solved[0.5]
    np.testing.assert_allclose(case.y[-1, -1], [6.5540880590e-4, -3.0998391586e-4], rtol=1e-9)
    np.testing.assert_allclose(case.serial[-1], [6.6296767024e-4, -3.1156273047e-4], rtol=1e-9)
    assert case.trajectory.shape == case.serial.shape == (1502, 2)
    np.testing.assert_allclose(case.time, np.linspace(0, 15, 1502), atol=1e-12)
    assert case.jumps.shape == (14, 18)
    assert case.jumps[0].max() == pytest.approx(0.295, abs=5e-4)
    assert case.jumps[-1].max() == pytest.approx(1.67e-5, rel=2e-3)
    assert case.fine_solves == 175
    assert case.speedup_bound == 19 / 14


def test_the_exact_solution_is_what_fine_euler_steps_approach(solved):
    for case in solved.values():
        assert case.errors(case.exact)[-1] < 0.02
        # the serial solution is no nearer than first order
        assert case.errors(case.serial)[-1] < 0.1 * np.abs(case.serial - case.exact).max()


def test_after_k_iterations_k_slices_are_exactly_the_serial_solution(solved):
    for case in solved.values():
        serial = case.serial[case.rows]
        for k in range(case.iterations + 1):
            np.testing.assert_array_equal(case.y[k, : k + 1], serial[: k + 1])


def test_an_iteration_that_does_not_converge_ends_when_it_is_exact(tmp_path):
    tree = parareal_tree((0.5,), points=8, serial=True)
    tree["sweep"]["omega0"] = [4]
    assert solve(tree, tmp_path) == [7]
    (case,) = collect_cases(load(tree, tmp_path), results_paths(tmp_path))
    assert not case.converged
    assert case.fine_solves == 7 * 8 // 2
    np.testing.assert_array_equal(case.trajectory, case.serial)
    np.testing.assert_array_equal(case.jumps[-1], 0)


def test_fine_solves_are_needed_from_the_exact_slice_on():
    assert list(needed_slices(1, 3)) == [0, 1, 2]
    assert list(needed_slices(3, 3)) == [2]
    assert [fine_solve_count(k, 19) for k in (0, 1, 14, 15, 19)] == [0, 19, 175, 180, 190]


def files_of(directory):
    """Return every number that a solved study has on record, but for times."""
    found = {}
    for path in sorted((directory / "results").rglob("*.h5")):
        with h5py.File(path, "r") as file:
            for name, data in file.items():
                found[f"{path.relative_to(directory)}:{name}"] = data[:].tobytes()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 3])
def test_the_pool_gives_the_same_bits_as_solves_one_by_one(tmp_path, cores):
    tree = parareal_tree((0.3, 0.9), points=8)
    one, pool = tmp_path / "one", tmp_path / "pool"
    one.mkdir()
    pool.mkdir()
    iterations = [solve_one_by_one(problem) for problem in problems_of(tree, one)]
    assert solve(tree, pool, cores) == iterations
    assert files_of(one) == files_of(pool)


@pytest.mark.slow
def test_a_fine_solve_is_a_file_with_its_attributes(tmp_path):
    tree = parareal_tree()
    solve(tree, tmp_path)
    (problem,) = problems_of(tree, tmp_path)
    with h5py.File(problem.paths.fine_solve(problem.key, 1, 3)) as file:
        assert file["data"].shape == (80, 2)
        assert file["data"].dtype == np.float64
        t0, t1 = problem.slice(3)
        expected = {"t0": t0, "t1": t1, "h": 0.01, "n": 79, "step": (t1 - t0) / 79}
        assert {name: file.attrs[name] for name in expected} == expected
    with h5py.File(problem.paths.iterate(problem.key, 0)) as file:
        first = file["y"][3]
    with h5py.File(problem.paths.fine_solve(problem.key, 1, 3)) as file:
        np.testing.assert_array_equal(file["data"][0], first)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("rk4", 4)])
def test_methods_converge_with_their_order(method, order):
    y0 = np.array([1.0, 0.0])
    exact = displacement(2.0, y0, 1.5, 0.2)

    def error(steps):
        data = integrate(STEPS[method], lambda t, y: slope(t, y, 1.5, 0.2), (0.0, 2.0), y0, steps)
        assert data.shape == (steps + 1, 2)
        return np.abs(data[-1] - exact).max()

    assert np.log2(error(200) / error(400)) == pytest.approx(order, abs=0.05)


def test_a_method_takes_the_time_of_a_right_hand_side_into_account():
    data = integrate(STEPS["rk4"], lambda t, y: np.array([4 * t**3]), (1.0, 2.0), np.zeros(1), 10)
    assert data[-1, 0] == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("longest", "steps"), [(0.1, 8), (0.3, 3), (5.0, 1), (0.8, 1), (0.09999, 9)]
)
def test_a_slice_has_the_fewest_steps_of_which_none_is_too_long(longest, steps):
    assert step_count(0.0, 0.8, longest) == steps
    assert step_count(2.4, 3.2, longest) == steps  # 0.8000000000000003


def test_the_exact_solution_of_the_oscillator_solves_its_equation():
    y0, h = np.array([1.0, -0.3]), 1e-5
    for zeta in (0.0, 0.4, 1.0, 1.7):
        np.testing.assert_allclose(displacement(0.0, y0, 2.0, zeta), y0, atol=1e-12)
        before, now, after = (displacement(t, y0, 2.0, zeta) for t in (0.7 - h, 0.7, 0.7 + h))
        np.testing.assert_allclose(
            (after - before) / (2 * h), slope(0.7, now, 2.0, zeta), atol=1e-8
        )


def test_arithmetic_of_vectors_is_done_when_they_are_reduced(tmp_path):
    path = tmp_path / "later.h5"
    vector = Held(np.array([1.0, 2.0])) + Stored(path, "data", -1) - 2.0 * Stored(path, "data", 0)
    with h5py.File(path, "w") as file:
        file["data"] = [[1.0, 1.0], [0.0, 0.0], [10.0, 20.0]]
    np.testing.assert_array_equal(vector.reduce(), [9.0, 20.0])
    with h5py.File(path, "r+") as file:
        file["data"][-1] = [0.0, 0.0]
    np.testing.assert_array_equal(vector.reduce(), [-1.0, 0.0])


def test_vectors_of_different_shapes_are_refused_when_they_are_reduced():
    vector = Held(np.zeros(2)) + Held(np.zeros(3))
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        vector.reduce()


def test_the_coarse_propagator_changes_nothing_of_an_exact_case(tmp_path):
    one = parareal_tree((0.5,), points=4, coarse=EULER, tolerance=1e-300)
    other = parareal_tree((0.5,), points=4, coarse=RK4, tolerance=1e-300)
    ends = []
    for name, tree in (("one", one), ("other", other)):
        directory = tmp_path / name
        directory.mkdir()
        assert solve(tree, directory) == [3]
        (case,) = collect_cases(load(tree, directory), results_paths(directory))
        ends.append(case.y[-1])
    np.testing.assert_array_equal(*ends)
