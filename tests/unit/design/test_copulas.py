"""Copulas by name: measured against the rank correlation that they are known to have."""

import numpy as np
import openturns as ot
import pytest
from designs_of_studies import INPUTS, design_of, ids_of
from scipy import stats

from ensnare.errors import ConfigError

AB = {"inputs": ["a", "b"]}
# name, parameters, Kendall's tau by the literature (Nelsen 2006, chapter 5)
KNOWN = [
    ("ClaytonCopula", {"theta": 2}, 0.5),
    ("ClaytonCopula", {"theta": -0.5}, -1 / 3),
    ("GumbelCopula", {"theta": 2}, 0.5),
    ("FrankCopula", {"theta": 5}, 0.4567),
    ("PlackettCopula", {"theta": 5}, 0.3455),
    ("AliMikhailHaqCopula", {"theta": 0.5}, 0.1288),
    ("FarlieGumbelMorgensternCopula", {"theta": 0.9}, 0.2),
    ("GalambosCopula", {"theta": 1}, 0.4184),
    ("JoeCopula", {"theta": 0.5, "psi1": 1, "psi2": 1}, None),
    ("MinCopula", {}, 1),
    ("MarshallOlkinCopula", {"alpha": 0.4, "beta": 0.7}, 0.28 / 0.82),
    ("MarshallOlkinCopula", {"alpha": 0, "beta": 0.7}, 0),
    ("MarshallOlkinCopula", {"alpha": 1, "beta": 1}, 1),
    ("StudentCopula", {"nu": 4, "correlations": [["a", "b", 0.5]]}, 1 / 3),
]


def tau(x, first="a", second="b"):
    columns = ("b", "a", "c")
    return stats.kendalltau(x[:, columns.index(first)], x[:, columns.index(second)])[0]


@pytest.mark.parametrize(("name", "parameters", "expected"), KNOWN)
def test_a_copula_has_its_rank_correlation_and_keeps_the_marginals(name, parameters, expected):
    x = design_of("sobol", 2**12 - 1, copula={name: AB | parameters}).x
    if expected is None:
        expected = getattr(ot, name)(*parameters.values()).getKendallTau()[0, 1]
    assert tau(x) == pytest.approx(expected, abs=0.01)
    assert tau(x, "a", "c") == pytest.approx(0, abs=0.01)
    assert stats.kstest(x[:, 0], stats.norm(1, 2).cdf).pvalue > 0.01
    assert stats.kstest(x[:, 1], stats.uniform(-1, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize(("name", "parameters", "expected"), KNOWN)
@pytest.mark.parametrize("method", ["monte_carlo", "halton"])
def test_a_coupled_design_grows(method, name, parameters, expected):
    one = design_of(method, 100, copula={name: AB | parameters})
    two = design_of(method, 1500, copula={name: AB | parameters})
    np.testing.assert_array_equal(ids_of(two)[:100], ids_of(one))


def test_marshall_and_olkin_is_that_of_openturns():
    parameters = {"alpha": 0.4, "beta": 0.7}
    x = design_of("sobol", 2**13 - 1, copula={"MarshallOlkinCopula": AB | parameters}).x
    u = np.column_stack([stats.uniform(-1, 2).cdf(x[:, 1]), stats.norm(1, 2).cdf(x[:, 0])])
    law = ot.MarshallOlkinCopula(0.4, 0.7)
    for corner in ([0.2, 0.7], [0.5, 0.5], [0.9, 0.3], [0.6, 0.8]):
        assert np.mean((u <= corner).all(axis=1)) == pytest.approx(law.computeCDF(corner), abs=3e-3)


@pytest.mark.parametrize("kind", ["spearman", "kendall", "pearson"])
def test_a_normal_copula_has_the_correlation_that_is_asked_for(kind):
    x = design_of("sobol", 2**13 - 1, copula={"normal": {kind: [["a", "b", -0.4]]}}).x
    scores = stats.norm.ppf([stats.norm(1, 2).cdf(x[:, 0]), stats.uniform(-1, 2).cdf(x[:, 1])])
    measured = {
        "spearman": stats.spearmanr(x[:, 0], x[:, 1])[0],
        "kendall": tau(x),
        "pearson": np.corrcoef(scores)[0, 1],
    }
    assert measured[kind] == pytest.approx(-0.4, abs=0.005)


def test_a_student_copula_couples_three_inputs():
    pairs = [["a", "b", 0.5], ["a", "c", 0.2], ["c", "b", -0.3]]
    block = {"inputs": ["a", "b", "c"], "nu": 4, "correlations": pairs}
    x = design_of("sobol", 2**13 - 1, copula={"StudentCopula": block}).x
    for first, second, r in pairs:
        assert tau(x, first, second) == pytest.approx(2 / np.pi * np.arcsin(r), abs=0.01)


def test_copulas_of_several_blocks_leave_the_blocks_independent():
    inputs = [*INPUTS, {"name": "d", "distribution": {"Uniform": {"a": 0, "b": 1}}}]
    copula = [{"ClaytonCopula": AB | {"theta": 2}}, {"normal": {"kendall": [["c", "d", -0.5]]}}]
    x = design_of("sobol", 2**12 - 1, inputs=inputs, copula=copula).x  # b, a, c, d
    rank = [[stats.kendalltau(p, q)[0] for p in x.T] for q in x.T]
    expected = [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]]
    np.testing.assert_allclose(rank, expected, atol=0.015)
    turned = design_of("sobol", 2**12 - 1, inputs=inputs[::-1], copula=copula[::-1])
    np.testing.assert_array_equal(turned.x[:, ::-1], x)


def test_inputs_outside_a_copula_keep_their_values():
    coupled = design_of("sobol", 64, copula={"ClaytonCopula": AB | {"theta": 2}})
    np.testing.assert_array_equal(coupled.x[:, 2], design_of("sobol", 64).x[:, 2])


@pytest.mark.parametrize(
    ("copula", "reason"),
    [
        ({"ClaytonCopula": AB | {"theta": -3}}, "copula.ClaytonCopula: "),
        ({"GumbelCopula": AB | {"theta": 0.5}}, "copula.GumbelCopula: "),
        ({"ClaytonCopula": AB | {"teta": 2}}, "unknown key 'teta'; did you mean 'theta'"),
        ({"ClaytonCopula": {"inputs": ["a"], "theta": 2}}, "expected at least"),
        ({"ClaytonCopula": {"inputs": ["a", "k"], "theta": 2}}, "'k' is not an uncertain input"),
        ({"MinCopula": {"inputs": ["a", "a"]}}, "copula.MinCopula: found an input twice"),
        ([{"MinCopula": AB}, {"normal": {"kendall": [["a", "c", 0.1]]}}], "'a' is in two copulas"),
        ({"MinCopula": AB, "FrankCopula": AB | {"theta": 1}}, "found FrankCopula and MinCopula"),
        ({"normal": {"kendall": [["a", "b", 0.1]], "spearman": [["a", "b", 0.1]]}}, "found spear"),
        (
            {"StudentCopula": AB | {"nu": 3, "correlations": [["a", "c", 0.1]]}},
            "found the pair a, c; expected pairs of a, b",
        ),
    ],
)
def test_a_wrong_copula_is_refused(copula, reason):
    with pytest.raises(ConfigError, match=reason):
        design_of("sobol", 8, copula=copula)
