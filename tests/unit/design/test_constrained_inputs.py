"""Designs of points that satisfy constraints: the inputs, given that they do."""

import numpy as np
import pytest
from designs_of_studies import design_of, ids_of
from scipy import stats

from ensnare.errors import ConfigError


def uniform(name, a=0.0, b=1.0):
    return {"name": name, "distribution": {"Uniform": {"a": a, "b": b}}}


def normal(name, mu=0.0, sigma=1.0):
    return {"name": name, "distribution": {"Normal": {"mu": mu, "sigma": sigma}}}


def constrained(inputs, *constraints, size=2000, **rest):
    design = {"method": "constrained", "size": size, "constraints": list(constraints)}
    return design_of("constrained", size, inputs=inputs, design=design, **rest)


PAIR = [uniform("b", 10, 12), uniform("a", -1, 0)]
SMALL = "a + b / 10 <= 0.3", "0.5 <= -a"


@pytest.mark.parametrize("size", [1, 300, 9000])
def test_every_row_satisfies_the_constraints_and_larger_designs_begin_with_smaller(size):
    large = constrained(PAIR, *SMALL, size=9000)
    assert large.names == ("b", "a")
    b, a = large.x.T
    assert (a + b / 10 <= 0.3).all()
    assert (a <= -0.5).all()
    assert len(np.unique(ids_of(large))) == 9000
    np.testing.assert_array_equal(constrained(PAIR, *SMALL, size=size).x, large.x[:size])


def test_uniform_inputs_are_uniform_on_what_is_left():
    b, a = constrained(PAIR, "a + b / 10 >= 1.1", size=20_000).x.T
    # a triangle with its right angle at a = 0, b = 12
    far, near = -a / 0.1, 12 - b
    for side in (far, near, 1 - far - near):
        assert stats.kstest(side, stats.beta(1, 2).cdf).pvalue > 1e-3


@pytest.mark.slow
def test_any_marginals_are_those_given_that_the_constraints_hold():
    x = constrained([normal("x"), normal("y")], "x + y >= 6", "y <= 40", size=4000).x
    tail = stats.norm(scale=np.sqrt(2))
    total = x.sum(axis=1)
    assert total.min() >= 6
    expected = stats.uniform(tail.cdf(6), tail.sf(6))
    assert stats.kstest(tail.cdf(total), expected.cdf).statistic < 0.05
    difference = x[:, 0] - x[:, 1]  # is independent of the sum
    assert stats.kstest(difference, tail.cdf).statistic < 0.05


def test_a_copula_is_conditioned_too():
    copula = {"normal": {"pearson": [["x", "y", 0.8]]}}
    x = constrained([normal("x"), normal("y")], "x + y <= 0", size=20_000, copula=copula).x
    assert (x.sum(axis=1) <= 0).all()
    difference = x[:, 0] - x[:, 1]  # is independent of the sum
    assert stats.kstest(difference, stats.norm(scale=np.sqrt(0.4)).cdf).statistic < 0.02


def test_discrete_inputs_keep_their_bounds():
    poisson = {"name": "k", "distribution": {"Poisson": {"lambda": 3}}}
    k, b = constrained([poisson, uniform("b")], "2 <= k <= 4", "b <= 0.5", size=20_000).x.T
    share = stats.poisson(3).pmf([2, 3, 4])
    counts = np.array([(k == value).sum() for value in (2, 3, 4)])
    assert counts.sum() == 20_000
    assert b.max() <= 0.5
    assert stats.chisquare(counts, 20_000 * share / share.sum()).pvalue > 1e-3


def test_constants_and_derived_values_stand_for_what_they_are():
    inputs = [uniform("a"), uniform("b"), {"name": "c", "value": 2}]
    one = constrained(inputs, "z >= 2.5", derived={"z": "w + b", "w": "a * c"})
    two = constrained(inputs[:2], "a * 2.0 + b >= 2.5")
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(ids_of(one), ids_of(two))


@pytest.mark.slow
def test_order_of_inputs_and_constraints_changes_no_sample():
    shell = ["x**2 + y**2 + z**2 <= 0.04", "x**2 + y**2 + z**2 >= 0.039", "x - y <= z"]
    inputs = [uniform(name, -1, 1) for name in "xyz"]
    one = constrained(inputs, *shell, size=300)
    two = constrained(inputs[::-1], *shell[::-1], size=300)
    np.testing.assert_array_equal(two.x[:, ::-1], one.x)
    other = constrained(inputs, *shell, size=300, seed=1)
    assert not np.isin(other.x, one.x).any()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (
            "a + B <= 1",
            r"constraints\[0\]: 'a \+ B <= 1': unknown 'B' at column 5; did you mean 'b'",
        ),
        ("a + mesh <= 1", "needs the factor 'mesh'; expected inputs"),
        ("c <= 1", "compares constants; expected an uncertain input"),
        ("a + b", "compares nothing"),
        ("__import__('os').getcwd() >= a", "at column 1 is not allowed"),
        ("a + b >= 2.5", r"design.constraints: no feasible point: .* gives 0 <= -0.5"),
        ("sin(a) + cos(a) >= 1.5", "design.constraints: no feasible point found"),
    ],
)
def test_what_cannot_be_a_constraint_is_refused(constraint, message):
    inputs = [uniform("a"), uniform("b"), {"name": "c", "value": 2}]
    with pytest.raises(ConfigError, match=message) as caught:
        constrained(inputs, constraint, sweep={"mesh": [1, 2]})
    assert "\n" not in str(caught.value)


def test_sobol_indices_need_independent_inputs():
    with pytest.raises(ConfigError, match="sobol needs the design saltelli; found constrained"):
        constrained(PAIR, *SMALL, analyses=["sobol"])
    constrained(PAIR, *SMALL, size=10, analyses=["statistics", "correlations", "rank_sobol"])
