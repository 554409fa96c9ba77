"""The sampler against exact points, exact volumes, and sets that it has to refuse."""

import math

import numpy as np
import pytest
from constrained_sets import (
    LOG_VOLUME,
    SETS,
    exact_points,
    is_inside,
    largest_ks_distance,
    same_neighbours,
)

from ensnare.design.constrained.bounds import bounding_box
from ensnare.design.constrained.chains import effective_sample_size, potential_scale_reduction
from ensnare.design.constrained.inputfile import read_set
from ensnare.design.constrained.intervals import contract
from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.problem import unit_cube
from ensnare.design.constrained.sampler import draw
from ensnare.errors import EnsnareError, NoFeasiblePointError
from ensnare.study.constraints import parse_constraints

N = 20_000
CHAINS = ("Gibbs", "Metropolis", "AdaptiveMetropolis")


def processes(seed=0):
    return Processes(Team(), Streams(seed))


def problem_of(d, *texts):
    names = [f"x[{i}]" for i in range(d)]
    return unit_cube(names, [c for t in texts for c in parse_constraints(t, names, indexed=True)])


def simplex(d):
    return problem_of(d, " + ".join(f"x[{i}]" for i in range(d)) + " <= 1")


@pytest.fixture(scope="module")
def exact():
    found = {}

    def points(name):
        if name not in found:
            found[name] = exact_points(name, 200_000)
        return found[name]

    return points


def check_uniform(name, x, exact):
    assert x.shape == (N, exact.shape[1])
    assert is_inside(name, x).all()
    assert len(np.unique(x, axis=0)) == N
    assert largest_ks_distance(x, exact) <= 0.02
    np.testing.assert_allclose(x.std(axis=0), exact.std(axis=0), rtol=0.03)
    assert 0.48 <= same_neighbours(x, exact) <= 0.52


@pytest.mark.slow
@pytest.mark.parametrize("name", LOG_VOLUME)
@pytest.mark.parametrize("method", ["auto", "SMC"])
def test_points_are_uniform_and_their_volume_is_known(name, method, exact):
    drawn = draw(read_set(SETS / f"{name}.txt").problem, N, method, processes())
    check_uniform(name, drawn.x, exact(name))
    assert drawn.log_volume == pytest.approx(LOG_VOLUME[name], abs=0.25)
    assert drawn.method == ("SMC" if method == "SMC" else "rejection from a box")
    assert drawn.ess > 0.9 * N


@pytest.mark.full
@pytest.mark.parametrize("name", LOG_VOLUME)
@pytest.mark.parametrize("method", ["auto", "SMC"])
def test_five_seeds_are_uniform_and_agree_on_the_volume(name, method, exact):
    errors = []
    for seed in range(1, 6):
        drawn = draw(read_set(SETS / f"{name}.txt").problem, N, method, processes(seed))
        check_uniform(name, drawn.x, exact(name))
        errors.append(drawn.log_volume - LOG_VOLUME[name])
    assert max(map(abs, errors)) <= 0.25
    assert abs(np.mean(errors)) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("method", CHAINS)
def test_chains_are_right_where_they_mix(method, exact):
    described = read_set(SETS / "example.txt")
    drawn = draw(described.problem, N, method, processes(), start=described.start)
    assert is_inside("example", drawn.x).all()
    assert largest_ks_distance(drawn.x, exact("example")) <= 0.02
    assert drawn.r_hat == pytest.approx(1, abs=0.02)
    assert drawn.ess > N / 2


@pytest.mark.slow
def test_a_random_walk_fails_on_sides_of_different_length_and_says_so(exact):
    described = read_set(SETS / "alloy.txt")
    drawn = draw(described.problem, N, "Metropolis", processes(), start=described.start)
    assert is_inside("alloy", drawn.x).all()
    assert largest_ks_distance(drawn.x, exact("alloy")) > 0.1
    assert drawn.r_hat > 1.1
    assert drawn.ess < N / 10


@pytest.mark.slow
@pytest.mark.parametrize("d", [11, 16])
def test_a_simplex_too_small_for_its_box_is_sampled_by_hit_and_run(d):
    drawn = draw(simplex(d), 4000, "auto", processes())
    assert drawn.method == "hit-and-run"
    assert (drawn.x.sum(axis=1) < 1).all()
    # a coordinate of a uniform point of the simplex is Beta(1, d)
    error = math.sqrt(d / (d + 2) / 4000) / (d + 1)
    np.testing.assert_allclose(drawn.x.mean(axis=0), 1 / (d + 1), atol=5 * error)
    exact_std = math.sqrt(d / (d + 2)) / (d + 1)
    np.testing.assert_allclose(drawn.x.std(axis=0), exact_std, rtol=0.1)
    # the sum has the distribution u^(1 / d)
    assert np.mean(drawn.x.sum(axis=1) ** d) == pytest.approx(0.5, abs=0.03)


def test_a_thin_shell_that_no_box_fits_is_sampled_by_smc_in_a_box():
    d = 6
    squares = " + ".join(f"(x[{i}] - 0.5)**2" for i in range(d))
    drawn = draw(problem_of(d, f"0.0396 <= {squares} <= 0.04"), 4000, "auto", processes())
    assert drawn.method == "SMC"
    assert drawn.log_volume == pytest.approx(
        math.log(math.pi**3 / 6 * (0.04**3 - 0.0396**3)), abs=0.25
    )
    np.testing.assert_allclose(drawn.x.mean(axis=0), 0.5, atol=0.01)


def test_parts_that_do_not_meet_get_their_shares():
    # a quarter of the square each: what is found at the levels stays
    drawn = draw(problem_of(2, "(x[0] - 0.5) * (x[1] - 0.5) >= 0.2"), 4000, "SMC", processes())
    low = (drawn.x < 0.5).all(axis=1)
    assert low.mean() == pytest.approx(0.5, abs=0.06)
    assert ((drawn.x > 0.5).all(axis=1) ^ low).all()


@pytest.mark.slow
def test_particles_in_parts_that_do_not_meet_count_as_few():
    problem = problem_of(2, "sin(20 * x[0]) * sin(20 * x[1]) >= 0.99")
    draws = [draw(problem, 2000, "SMC", processes(seed)) for seed in range(30)]
    means = [drawn.x[:, 0].mean() for drawn in draws]
    true = draws[0].x[:, 0].var() / np.var(means)  # of 30 means: known to about a quarter
    assert true / 2.5 < draws[0].ess < 2.5 * true


@pytest.mark.slow
def test_more_points_of_the_same_particles_begin_with_the_fewer():
    for problem in (simplex(12), problem_of(2, "(x[0] - 0.5)**2 + (x[1] - 0.5)**2 <= 1e-4")):
        few = draw(problem, 500, "auto", processes(3), particles=1024)
        many = draw(problem, 3000, "auto", processes(3), particles=1024)
        np.testing.assert_array_equal(many.x[:500], few.x)
        assert len(np.unique(many.x, axis=0)) == 3000


def test_seeds_differ_and_repeat():
    problem = problem_of(2, "x[0] + x[1] <= 1")
    one, again, other = (draw(problem, 100, "SMC", processes(seed)).x for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.isin(other, one).any()


EMPTY = {
    "linear": (
        ["x[0] + x[1] <= 0.5", "x[1] + x[2] >= 0.5", "x[0] >= x[2] + 0.1"],
        "gives 0 <= -0.1",
    ),
    "fraction": (["x[0] / x[1] >= 2", "x[0] <= 0.4", "x[1] >= 0.3"], "gives 0 <= -0.2"),
    "flat": (["x[0] + x[1] + x[2] >= 3"], "leaves no volume"),
    "curved": (["x[0]**2 + x[1]**2 <= 0.5", "x[0] * x[1] >= 0.9"], "by interval arithmetic"),
    "never": (["x[0] - x[0] >= 1"], "gives 0 <="),
}


@pytest.mark.parametrize("method", ["auto", "SMC"])
@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_set_is_refused_with_the_proof(case, method):
    texts, proof = EMPTY[case]
    with pytest.raises(NoFeasiblePointError, match=r"^no feasible point: ") as caught:
        draw(problem_of(3, *texts), 1000, method, processes())
    assert proof in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_set_that_only_looks_as_if_it_were_empty_is_not_called_so_without_a_word():
    # each of the two can be 1: nothing is proved, and nothing is found
    problem = problem_of(2, "sin(40 * x[0]) + cos(40 * x[0]) >= 1.5")
    with pytest.raises(
        NoFeasiblePointError, match=r"no feasible point found: .*no proof.*violates"
    ):
        draw(problem, 1000, "SMC", processes())


@pytest.mark.parametrize("method", ["auto", "SMC"])
@pytest.mark.parametrize("text", ["x[0] / (x[1] - x[1]) <= 0.5", "1e200 * 1e200 * x[0] <= 0"])
def test_what_has_no_value_is_satisfied_nowhere(method, text):
    with pytest.raises(NoFeasiblePointError, match="no feasible point"):
        draw(problem_of(2, text), 100, method, processes())


@pytest.mark.parametrize("seeds", [(-1, 2**64 - 2), (2**63, 2**63 + 1)])
def test_seeds_beyond_63_bits_differ(seeds):
    one, other = (
        draw(problem_of(2, "x[0] <= 0.5"), 10, processes=processes(seed)).x for seed in seeds
    )
    assert not np.isin(other, one).any()


@pytest.mark.parametrize("method", CHAINS)
def test_chains_without_a_feasible_start_are_refused(method):
    problem = problem_of(2, "x[0] + x[1] <= 1")
    with pytest.raises(EnsnareError, match=r"violates x\[0\] \+ x\[1\] <= 1; give one"):
        draw(problem, 100, method, processes(), start=np.array([0.9, 0.9]))
    with pytest.raises(EnsnareError, match="none was given"):
        draw(problem, 100, method, processes())


def test_bounds_lose_no_point():
    rng = np.random.default_rng(1)
    for name in LOG_VOLUME:
        problem = read_set(SETS / f"{name}.txt").problem
        low, high = bounding_box(problem)
        x = exact_points(name, 1000)
        assert ((low <= x) & (x <= high)).all()
    texts = ["x[0] * x[1] - x[2]**2 <= 0.1", "sqrt(x[0]) >= exp(-x[1])", "abs(x[2] - 0.5) <= 0.2"]
    problem = problem_of(3, *texts, "x[0] / (x[1] - 0.5) >= 0.7", "-x[2] + log(x[0]) >= -2")
    u = rng.random((3, 100_000))
    inside = u[:, problem.feasible(u)]
    low, high = bounding_box(problem)
    assert inside.shape[1] > 1000
    assert ((low[:, None] <= inside) & (inside <= high[:, None])).all()
    assert high[2] <= 0.71
    assert low[2] >= 0.29


def test_bounds_follow_from_one_constraint_after_the_other():
    problem = problem_of(2, "x[0] >= 0.25", "x[1] / x[0] >= 2", "x[0] + x[1] <= 0.9")
    bounds, emptied = contract(problem.constraints, {"x[0]": (0.0, 1.0), "x[1]": (0.0, 1.0)})
    assert not emptied
    assert bounds["x[0]"] == pytest.approx((0.25, 0.325), abs=1e-12)
    assert bounds["x[1]"] == pytest.approx((0.5, 0.65), abs=1e-12)


def test_r_hat_and_effective_size_of_known_chains():
    rng = np.random.default_rng(5)
    phi = 0.9
    noise = rng.normal(size=(4000, 1, 8))
    chain = np.empty_like(noise)
    chain[0] = noise[0] / math.sqrt(1 - phi**2)
    for i in range(1, len(chain)):
        chain[i] = phi * chain[i - 1] + noise[i]
    assert potential_scale_reduction(chain)[0] == pytest.approx(1, abs=0.01)
    # an autoregression has an autocorrelation time of (1 + phi) / (1 - phi)
    assert effective_sample_size(chain)[0] == pytest.approx(32_000 / 19, rel=0.15)
    assert effective_sample_size(noise)[0] == pytest.approx(32_000, rel=0.1)
    apart = noise + 3 * (np.arange(8) % 2)
    assert potential_scale_reduction(apart)[0] == pytest.approx(
        math.sqrt(1 + 2.25 * 8 / 7), rel=0.1
    )
