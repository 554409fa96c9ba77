import math

import h5py
import numpy as np
import openturns as ot
import pytest
from designs_of_studies import INPUTS, MODEL, PLAIN, design_of, ids_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ensnare.design.marginals import _known, build_distribution
from ensnare.design.points import pick_freeze, random_points, sobol_points
from ensnare.design.table import make_design
from ensnare.design.tables import read_table
from ensnare.errors import ConfigError
from ensnare.study.inputs import Input
from ensnare.study.loading import LoadedStudy, parse_study

METHODS = ["monte_carlo", "sobol", "saltelli"]


def distribution(**described):
    return build_distribution(Input.model_validate({"name": "x", **described}), "inputs[0]")


@pytest.mark.parametrize("method", METHODS)
@given(small=st.integers(1, 2500), more=st.integers(1, 1500))
def test_a_larger_design_begins_with_the_smaller_one(method, small, more):
    one, two = design_of(method, small), design_of(method, small + more)
    n = len(one)
    np.testing.assert_array_equal(two.x[:n], one.x)
    np.testing.assert_array_equal(two.words[:n], one.words)
    np.testing.assert_array_equal(two.occurrence[:n], one.occurrence)
    if method == "saltelli":
        np.testing.assert_array_equal(two.block[:n], one.block)
        np.testing.assert_array_equal(two.group[:n], one.group)
    assert len(np.unique(ids_of(two))) == len(two)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 2, 3, 0]])
def test_the_order_of_inputs_orders_columns_and_changes_no_sample(method, order):
    inputs = [INPUTS[i] for i in order]
    one, two = design_of(method, 300), design_of(method, 300, inputs=inputs)
    assert one.names == ("b", "a", "c")
    assert two.names == tuple(i["name"] for i in inputs if i["name"] != "k")
    for name in one.names:
        column = two.x[:, two.names.index(name)]
        np.testing.assert_array_equal(column, one.x[:, one.names.index(name)])
    np.testing.assert_array_equal(ids_of(two), ids_of(one))
    if method == "saltelli":  # blocks are numbered like the columns
        for block, name in enumerate(two.names, start=2):
            expected = one.block == 2 + one.names.index(name)
            np.testing.assert_array_equal(two.block == block, expected)


@pytest.mark.parametrize("method", METHODS)
def test_constants_and_units_change_no_sample(method):
    inputs = [{**item, "unit": "m", "description": "d"} for item in INPUTS if item["name"] != "k"]
    np.testing.assert_array_equal(
        ids_of(design_of(method, 50, inputs=inputs)), ids_of(design_of(method, 50))
    )


def test_a_seed_changes_random_points_and_no_sequence():
    for method in METHODS:
        one, two = design_of(method, 20, seed=0), design_of(method, 20, seed=1)
        assert np.array_equal(one.x, two.x) == (method != "monte_carlo")
    np.testing.assert_array_equal(design_of("monte_carlo", 20).x, design_of("monte_carlo", 20).x)


def test_random_points_are_uniform_independent_and_inside_the_open_cube():
    u = random_points(20_000, 3, seed=5)
    assert u.min() > 0
    assert u.max() < 1
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u.T) - np.eye(3)).max() < 0.03
    # blocks are not copies of each other
    assert len(np.unique(u)) == u.size


def test_sobol_points_are_those_of_openturns():
    expected = np.array(ot.SobolSequence(4).generate(64))
    np.testing.assert_array_equal(sobol_points(64, 4), expected)
    # every quarter of the interval gets a quarter of 2^k - 1 points, nearly
    counts = np.histogram(sobol_points(1023, 2)[:, 0], bins=4, range=(0, 1))[0]
    assert set(counts) <= {255, 256}


def test_values_are_the_quantiles_of_the_points():
    u = sobol_points(100, 3)  # dimensions follow the sorted names: a, b, c
    x = design_of("sobol", 100).x
    np.testing.assert_allclose(x[:, 0], stats.norm(1, 2).ppf(u[:, 1]), rtol=1e-9)
    np.testing.assert_allclose(x[:, 1], 2 * u[:, 0] - 1, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(x[:, 2], -np.log1p(-u[:, 2]) / 2, rtol=1e-12)


def test_truncation_rescales_the_probabilities():
    u = np.linspace(0.001, 0.999, 101)
    normal = stats.norm(30, 8)
    for bounds in ([15, None], [None, 40], [20, 40]):
        made = distribution(distribution={"Normal": {"mu": 30, "sigma": 8}}, truncate=bounds)
        low = -math.inf if bounds[0] is None else bounds[0]
        high = math.inf if bounds[1] is None else bounds[1]
        p = normal.cdf(low) + u * (normal.cdf(high) - normal.cdf(low))
        got = np.array(made.computeQuantile(ot.Point(u)))[:, 0]
        np.testing.assert_allclose(got, normal.ppf(p), rtol=1e-8)
        assert got.min() >= low
        assert got.max() <= high


@pytest.mark.parametrize(
    ("name", "parameters", "mean", "deviation"),
    [
        ("LogNormalMuSigma", {"mu": 30e3, "sigma": 9e3, "gamma": 15e3}, 30e3, 9e3),
        ("LogNormalMuSigma", {"mu": 300, "sigma": 30}, 300, 30),
        ("LogNormalMuSigmaOverMu", {"mu": 2, "sigmaOverMu": 0.1, "gamma": 0}, 2, 0.2),
        ("BetaMuSigma", {"mu": 0.4, "sigma": 0.1, "a": 0, "b": 1}, 0.4, 0.1),
        ("GammaMuSigma", {"mu": 2, "sigma": 0.5, "gamma": 0}, 2, 0.5),
        ("GumbelMuSigma", {"mu": 1, "sigma": 0.5}, 1, 0.5),
        ("UniformMuSigma", {"mu": 1, "sigma": 0.5}, 1, 0.5),
        ("WeibullMinMuSigma", {"mu": 1, "sigma": 0.5, "gamma": 0}, 1, 0.5),
    ],
)
def test_distributions_are_given_by_mean_and_deviation(name, parameters, mean, deviation):
    made = distribution(distribution={name: parameters})
    assert made.getMean()[0] == pytest.approx(mean, rel=1e-6)
    assert made.getStandardDeviation()[0] == pytest.approx(deviation, rel=1e-6)


MADE_OF_LISTS = {"Histogram", "FiniteDiscreteDistribution"}
# its default parameters contradict each other in OpenTURNS 1.27
NO_DEFAULT = {"LogNormalMuErrorFactor"}
KNOWN = _known()
BY_NAME = sorted(set(KNOWN) - MADE_OF_LISTS - NO_DEFAULT)


def test_every_univariate_distribution_has_a_name():
    assert len(BY_NAME) >= 46
    assert {
        "Normal",
        "Uniform",
        "LogNormal",
        "Beta",
        "Gumbel",
        "Triangular",
        "Gamma",
        "Student",
        "WeibullMin",
        "Binomial",
        "Poisson",
        "VonMises",
        "Epanechnikov",
    } <= set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_distribution_is_built_by_name_with_named_parameters(name):
    default = getattr(ot, name)()
    by_moments = isinstance(default, ot.DistributionParametersImplementation)
    values = default.getValues() if by_moments else default.getParameter()
    expected = default.getDistribution() if by_moments else default
    shuffled = dict(sorted(zip(KNOWN[name], values, strict=True), reverse=True))
    made = distribution(distribution={name: shuffled})
    for p in (0.1, 0.5, 0.9):
        assert made.computeQuantile(p)[0] == pytest.approx(expected.computeQuantile(p)[0])


def test_distributions_made_of_lists():
    made = distribution(
        distribution={"FiniteDiscreteDistribution": {"x": [1, 2, 5], "p": [0.5, 0.25, 0.25]}}
    )
    assert [made.computeQuantile(p)[0] for p in (0.3, 0.6, 0.9)] == [1, 2, 5]
    made = distribution(distribution={"Histogram": {"first": 0, "width": [1, 1], "height": [3, 1]}})
    assert made.computeQuantile(0.75)[0] == pytest.approx(1)


def test_an_error_factor_is_the_ratio_of_quantiles():
    parameters = {"muLog": 2, "EF": 3, "gamma": 0}
    made = distribution(distribution={"LogNormalMuErrorFactor": parameters})
    median = made.computeQuantile(0.5)[0]
    assert made.computeQuantile(0.95)[0] / median == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize("method", ["sobol", "monte_carlo"])
def test_a_copula_gives_the_rank_correlation_and_keeps_the_marginals(method):
    pairs = [["a", "b", 0.7], ["b", "c", -0.4]]
    x = design_of(method, 2**13, copula={"normal": {"spearman": pairs}}).x
    rank = stats.spearmanr(x).statistic  # columns b, a, c
    tolerance = 0.01 if method == "sobol" else 0.03
    assert rank[0, 1] == pytest.approx(0.7, abs=tolerance)
    assert rank[0, 2] == pytest.approx(-0.4, abs=tolerance)
    assert rank[1, 2] == pytest.approx(0, abs=tolerance)
    assert stats.kstest(x[:, 0], stats.norm(1, 2).cdf).pvalue > 1e-3


def test_the_copula_does_not_depend_on_the_order_of_inputs_or_pairs():
    pairs = [["a", "b", 0.7], ["b", "c", -0.4]]
    one = design_of("sobol", 64, copula={"normal": {"spearman": pairs}})
    turned = [["c", "b", -0.4], ["b", "a", 0.7]]
    two = design_of("sobol", 64, inputs=INPUTS[::-1], copula={"normal": {"spearman": turned}})
    np.testing.assert_array_equal(ids_of(one), ids_of(two))


def test_a_correlation_of_nothing_is_independence():
    one = design_of("sobol", 64, copula={"normal": {"spearman": [["a", "b", 0]]}})
    np.testing.assert_allclose(one.x, design_of("sobol", 64).x, rtol=1e-7, atol=1e-12)


def test_pick_freeze_rows_are_those_of_openturns():
    d, n = 3, 64
    law = ot.JointDistribution(
        [distribution(distribution=i["distribution"]) for i in (INPUTS[1], INPUTS[0], INPUTS[3])]
    )  # a, b, c
    points = ot.LowDiscrepancyExperiment(ot.SobolSequence(), law, n)
    expected = np.array(ot.SobolIndicesExperiment(points, False).generate())
    design = design_of("saltelli", n)
    got = np.empty((d + 2, n, d))
    got[design.block, design.group] = design.x[:, [1, 0, 2]]
    order = [0, 1, 3, 2, 4]  # blocks follow the file: b, a, c
    np.testing.assert_allclose(got[order].reshape(-1, d), expected, rtol=1e-12, atol=1e-15)


def test_a_pick_freeze_row_takes_one_input_of_b_and_the_rest_of_a():
    design = design_of("saltelli", 16)
    n, d = 16, 3
    assert len(design) == n * (d + 2)
    rows = np.empty((d + 2, n, d))
    rows[design.block, design.group] = design.x
    for i in range(d):
        np.testing.assert_array_equal(rows[2 + i][:, i], rows[1][:, i])
        others = [j for j in range(d) if j != i]
        np.testing.assert_array_equal(rows[2 + i][:, others], rows[0][:, others])
    # the rows of a group follow each other
    np.testing.assert_array_equal(design.group, np.repeat(np.arange(n), d + 2))


@given(st.integers(1, 20), st.integers(1, 6), st.booleans())
def test_pick_freeze_has_a_row_per_group_and_block(n, d, second_order):
    m = 2 * d + 2 if second_order else d + 2
    u = sobol_points(n, 2 * d)
    points, block, group = pick_freeze(u, m)
    assert points.shape == (n * m, d)
    assert len(set(zip(block.tolist(), group.tolist(), strict=True))) == n * m
    a, b = u[group, :d], u[group, d:]
    of_b = (block == 1)[:, None] | (np.arange(d) == block[:, None] - 2)
    of_b |= (block >= 2 + d)[:, None] & (np.arange(d) != block[:, None] - 2 - d)
    np.testing.assert_array_equal(points, np.where(of_b, b, a))


def test_second_order_blocks_are_those_of_openturns():
    design = design_of("", 0, design={"method": "saltelli", "size": 32, "second_order": True})
    law = ot.JointDistribution(
        [distribution(distribution=i["distribution"]) for i in (INPUTS[1], INPUTS[0], INPUTS[3])]
    )  # a, b, c
    points = ot.LowDiscrepancyExperiment(ot.SobolSequence(), law, 32)
    expected = np.array(ot.SobolIndicesExperiment(points, True).generate())
    got = np.empty((8, 32, 3))
    got[design.block, design.group] = design.x[:, [1, 0, 2]]
    order = [0, 1, 3, 2, 4, 6, 5, 7]  # blocks follow the file: b, a, c
    np.testing.assert_allclose(got[order].reshape(-1, 3), expected, rtol=1e-12, atol=1e-15)


def test_a_sweep_alone_has_one_row_and_no_inputs():
    tree = {"study": "s", "sweep": {"n": [1, 2]}, "model": MODEL}
    design = make_design(LoadedStudy(parse_study(tree), ".", "study.yaml"))
    assert design.x.shape == (1, 0)
    assert len(ids_of(design)) == 1


CSV = {
    "commas": "a,b,note\n1,2,x\n3,4e0,y\n",
    "semicolons": "a;b\n1;2\n3;4\n",
    "tabs": "a\tb\n1\t2\n3\t4\n",
    "blanks": "  a    b\n  1    2\n  3    4\n",
    "quotes": '"a", "b"\r\n"1","2"\r\n3,4\r\n',
    "comments": "# from elsewhere\na,b\n\n# more\n1,2\n3,4\n\n",
    "a mark at the start": "\ufeffa,b\n1,2\n3,4",
    "other columns": "x,b,y,a\n9,2,9,1\n9,4,9,3\n",
}


@pytest.mark.parametrize("kind", CSV)
def test_a_table_is_read_by_the_names_of_its_columns(tmp_path, kind):
    path = tmp_path / "t.csv"
    path.write_text(CSV[kind], encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_table(path, ["b", "a"]), [[2, 1], [4, 3]])
    table = {"method": "table", "file": "t.csv"}
    design = design_of("", 0, tmp_path, inputs=PLAIN, design=table)
    np.testing.assert_array_equal(design.x, [[2, 1], [4, 3]])
    assert design.names == ("b", "a")
    first = design_of("", 0, tmp_path, inputs=PLAIN, design={**table, "size": 1})
    np.testing.assert_array_equal(first.x, [[2, 1]])


def test_a_table_is_read_from_hdf5(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = [1.0, 3.0], np.array([2, 4])
        file["deep/a"], file["deep/b"] = [5.0], [6.0]
        file["rows"] = np.array([(1.0, 2.0), (3.0, 4.0)], [("a", float), ("b", float)])
        file["ragged/a"], file["ragged/b"] = [1.0], [1.0, 2.0]
        file["texts/a"], file["texts/b"] = ["x"], [1.0]
    np.testing.assert_array_equal(read_table(path, ["b", "a"]), [[2, 1], [4, 3]])
    np.testing.assert_array_equal(read_table(path, ["b", "a"], "deep"), [[6, 5]])
    np.testing.assert_array_equal(read_table(path, ["b", "a"], "rows"), [[2, 1], [4, 3]])
    for dataset, reason in [
        ("deap", r"has no 'deap'; did you mean 'deep'\?"),
        ("ragged", "the columns differ in shape"),
        ("texts", "expected columns of numbers"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            read_table(path, ["b", "a"], dataset)


def test_equal_rows_of_a_table_are_different_samples(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2\n1,2\n")
    design = design_of("", 0, tmp_path, inputs=PLAIN, design={"method": "table", "file": "t.csv"})
    assert len(np.unique(ids_of(design))) == 3


def test_a_distribution_whose_tail_overflows_is_refused():
    pareto = {"Pareto": {"beta": 1, "alpha": 0.001, "gamma": 0}}
    inputs = [{"name": "x", "distribution": pareto}]
    with pytest.raises(ConfigError, match=r"'x' is inf in row \d+ of the design; truncate its di"):
        design_of("sobol", 1000, inputs=inputs)
