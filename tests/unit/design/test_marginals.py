"""Inputs that are given by data."""

import gzip
import pickle

import numpy as np
import pytest
from designs_of_studies import MODEL, PLAIN, design_of, ids_of
from scipy import stats

from ensnare.design.table import joint_distribution
from ensnare.design.tables import read_table
from ensnare.errors import ConfigError
from ensnare.model.checks import check_study
from ensnare.plan.batches import design_identity, design_rows
from ensnare.study.loading import LoadedStudy, parse_study

VALUES = np.random.default_rng(0).normal(70e9, 2e9, 400)
SOBOL = {"method": "sobol", "size": 1023}


def write_data(path, values=VALUES, note="measured", weights=None):
    weights = np.ones(len(values)) if weights is None else weights
    rows = "".join(f"{note},{v!r},{w}\n" for v, w in zip(values.tolist(), weights, strict=True))
    (path / "young.csv").write_text(f"note,E,w\n{rows}")


def inputs_of(truncate=None, **data):
    return [{"name": "E", "data": {"file": "young.csv"} | data, "truncate": truncate}]


def study_of(path, design=SOBOL, inputs=None, **data):
    tree = {"study": "s", "inputs": inputs or inputs_of(**data), "design": design, "model": MODEL}
    return LoadedStudy(parse_study(tree), path, "study.yaml")


def x_of(path, **data):
    return design_of("", 0, path, inputs=inputs_of(**data), design=SOBOL).x[:, 0]


@pytest.mark.parametrize("fit", ["kernel", "histogram", "discrete"])
def test_a_fit_follows_the_data(tmp_path, fit):
    write_data(tmp_path)
    x = x_of(tmp_path, fit=fit)
    assert x.mean() == pytest.approx(VALUES.mean(), rel=0.002)
    assert x.std() == pytest.approx(VALUES.std(), rel=0.15)
    assert stats.ks_2samp(x, VALUES).statistic < 0.05


def test_discrete_values_come_with_their_shares(tmp_path):
    write_data(tmp_path, np.array([1.0, 2, 2, 5]))
    x = x_of(tmp_path, fit="discrete")
    known, count = np.unique(x, return_counts=True)
    np.testing.assert_array_equal(known, [1, 2, 5])
    np.testing.assert_allclose(count / len(x), [0.25, 0.5, 0.25], atol=0.01)
    write_data(tmp_path, np.array([1.0, 2, 5]), weights=[1, 0, 3])
    x = x_of(tmp_path, fit="discrete", weights="w")
    assert set(x) == {1, 5}
    assert np.mean(x == 5) == pytest.approx(0.75, abs=0.01)


def test_a_value_far_off_does_not_ask_for_a_million_bars(tmp_path):
    write_data(tmp_path, np.append(VALUES, 1e6 * VALUES.max()))
    with pytest.raises(ConfigError, match=r"inputs\[0\]\.data: .* bars, since .* lies far from"):
        x_of(tmp_path, fit="histogram")
    assert np.isfinite(x_of(tmp_path, fit="histogram", bins=20)).all()


def test_a_histogram_of_values_that_are_mostly_equal_is_refused(tmp_path):
    write_data(tmp_path, np.append(np.ones(400), [2.0, 3.0]))
    with pytest.raises(ConfigError, match=r"more than half of the values are 1, .* give bins"):
        x_of(tmp_path, fit="histogram")
    assert np.mean(x_of(tmp_path, fit="histogram", bins=20)) == pytest.approx(1.05, abs=0.02)


@pytest.mark.parametrize("unit", [1e12, 1e3, 1e-6, 1e-9])
def test_a_fit_does_not_depend_on_the_unit_of_the_data(tmp_path, unit):
    write_data(tmp_path, VALUES / 1e9 * unit)
    x = x_of(tmp_path, fit="kernel") / unit
    assert x.std() == pytest.approx(VALUES.std() / 1e9, rel=0.15)


@pytest.mark.parametrize("unit", [1e-12, 1e-18])
def test_a_distribution_of_which_openturns_has_wrong_quantiles_is_refused(tmp_path, unit):
    write_data(tmp_path, VALUES / 1e9 * unit)
    line = r"inputs\[0\]: OpenTURNS is wrong about quantiles .* another unit"
    with pytest.raises(ConfigError, match=line):
        x_of(tmp_path, fit="kernel")
    inputs = [{"name": "E", "distribution": {"InverseNormal": {"mu": unit, "lambda": 10 * unit}}}]
    study = study_of(tmp_path, inputs=inputs)
    with pytest.raises(ConfigError, match=line):
        joint_distribution(study, ["E"])


@pytest.mark.parametrize(
    "distribution",
    [
        {"Normal": {"mu": 1e17, "sigma": 10}},  # between two doubles lies a share of 0.3
        {"Gamma": {"k": 1e-3, "lambda": 1, "gamma": 0}},  # half of it below the smallest double
        {"Uniform": {"a": 0, "b": 1e-300}},
        {"Beta": {"alpha": 0.01, "beta": 0.01, "a": -1, "b": 1}},
    ],
)
def test_a_distribution_is_not_wrong_since_doubles_are_few(tmp_path, distribution):
    study = study_of(tmp_path, inputs=[{"name": "E", "distribution": distribution}])
    assert len(joint_distribution(study, ["E"])[0]) == 1


def test_a_histogram_has_the_bars_that_are_asked_for(tmp_path):
    write_data(tmp_path, np.array([0.0, 0.5, 0.9, 4.0]))
    x = x_of(tmp_path, fit="histogram", bins=2)
    assert np.mean(x < 2) == pytest.approx(0.75, abs=0.01)
    assert (x.min() > 0, x.max() < 4) == (True, True)


def test_a_fit_can_be_truncated_and_the_column_defaults_to_the_name(tmp_path):
    write_data(tmp_path)
    x = x_of(tmp_path, truncate=[69e9, None])
    assert x.min() >= 69e9


def test_the_numbers_of_the_column_decide_the_identity(tmp_path):
    write_data(tmp_path)
    one = design_identity(study_of(tmp_path))
    write_data(tmp_path, note="again")
    assert design_identity(study_of(tmp_path)) == one
    assert design_identity(study_of(tmp_path, fit="histogram")) != one
    write_data(tmp_path, VALUES + 1)
    assert design_identity(study_of(tmp_path)) != one


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"file": "old.csv"}, "study.yaml: inputs[0].data.file: no file "),
        ({"column": "e"}, "no column 'e'"),
        ({"column": "note"}, "row 1, column 'note': got 'measured'; expected a number"),
        ({"weights": "v", "fit": "discrete"}, "no column 'v'"),
        ({"weights": "w"}, "weights go with the fit histogram or discrete; found kernel"),
        ({"bins": 3}, "bins go with a histogram; found the fit kernel"),
        ({"fit": "normal"}, "got 'normal'; expected 'kernel', 'histogram' or 'discrete'"),
        ({"truncate": [1, 2]}, "leaves nothing of the distribution"),
    ],
)
def test_wrong_data_is_refused(tmp_path, data, reason):
    write_data(tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_study(study_of(tmp_path, **data))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([1.0], "found 1 values; expected at least 2"), ([2.0, 2.0], "all values are 2;")],
)
def test_too_few_values_are_refused(tmp_path, values, reason):
    write_data(tmp_path, np.array(values))
    with pytest.raises(ConfigError, match=reason):
        check_study(study_of(tmp_path))


def test_an_input_is_one_of_distribution_data_and_value(tmp_path):
    inputs = [{**inputs_of()[0], "value": 3}]
    with pytest.raises(ConfigError, match="'E' has both data and a value; keep one"):
        study_of(tmp_path, inputs=inputs)


X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
PICKLES = {
    "otwrapy's sample": X,
    "a list of points": X.tolist(),
    "our archive": {"input_names": ["a", "b"], "inputs": X[:, ::-1], "outputs": X},
    "columns by name": {"a": X[:, 1], "b": X[:, 0]},
}


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("suffix", [".pkl", ".pklz"])
def test_a_table_is_read_from_a_pickle(tmp_path, kind, suffix):
    path = tmp_path / f"InputSample{suffix}"
    content = pickle.dumps(PICKLES[kind], protocol=2)
    path.write_bytes(gzip.compress(content) if suffix == ".pklz" else content)
    design = {"method": "table", "file": path.name}
    made = design_of("", 0, tmp_path, inputs=PLAIN, design=design)  # inputs b, a
    np.testing.assert_array_equal(made.x, X)
    assert design_rows(study_of(tmp_path, design, PLAIN)) == len(X)
    assert len(ids_of(made)) == 3


def test_the_columns_of_a_bare_array_follow_the_inputs(tmp_path):
    (tmp_path / "t.pkl").write_bytes(pickle.dumps(X))
    design = {"method": "table", "file": "t.pkl"}
    one, two = study_of(tmp_path, design, PLAIN), study_of(tmp_path, design, PLAIN[::-1])
    assert design_identity(one) != design_identity(two)
    np.testing.assert_array_equal(
        design_of("", 0, tmp_path, inputs=PLAIN[::-1], design=design).x, X
    )


def test_data_may_be_a_pickled_array(tmp_path):
    (tmp_path / "E.pkl").write_bytes(pickle.dumps(VALUES))
    assert x_of(tmp_path, file="E.pkl").mean() == pytest.approx(VALUES.mean(), rel=0.002)


class Evil:
    def __reduce__(self):
        return print, ("evil",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Evil(), "refused: it asks for"),
        (np.ones((3, 5)), r"found an array of shape \(3, 5\); expected \(n, 2\)"),
        (np.ones(3), r"found an array of shape \(3,\); expected \(n, 2\)"),
        ({"input_names": ["a", "c"], "inputs": X}, "no column 'b'"),
        ("text", "expected an array of numbers"),
        (X * np.nan, "row 1, column 'b': got nan; expected a finite number"),
    ],
)
def test_a_pickle_that_is_no_table_is_refused(tmp_path, capsys, content, reason):
    path = tmp_path / "t.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ConfigError, match=f"design.file: .*{reason}"):
        read_table(path, ["b", "a"])
    assert capsys.readouterr().out == ""
