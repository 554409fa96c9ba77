import re

import numpy as np
import pytest
from small_studies import evaluate, labels, load, python, study_tree

from ensnare.errors import ConfigError
from ensnare.model.function import load_python_model
from ensnare.plan.samples import varying_names
from ensnare.store.outcome import Status

VALUES = {"x": 0.25, "z": 4.0, "seed": 3, "sample": "abc", "threads": 1}


def loaded(tmp_path, text, *names, call="model.py:f", vectorized=False, inputs=("x", "z"), **rest):
    (tmp_path / "model.py").write_text(text)
    model = python(call, *names, vectorized=vectorized)
    return load_python_model(load(study_tree(model, inputs=inputs, **rest), tmp_path))


def outcome(tmp_path, text, *names, **options):
    return loaded(tmp_path, text, *names, **options).run(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "f = lambda x, z: x * z",
        "def f(x, z): return {'y': x * z, 'more': 'text'}",
        "def f(x, z): return [x * z]",
        "def f(x, **others): return x * others['z']",
        "def f(*, x, z=0, other=3): return (x * z,)",
        "class F:\n    def __call__(self, x, z): return x * z\nf = F()",
        "import numpy as np\ndef f(x, z): return np.array([x * z])",
        "import numpy as np\ndef f(x, z): return np.float32(x * z)",
        "from decimal import Decimal\ndef f(x, z): return Decimal(x * z)",
    ],
)
def test_a_function_returns_its_output_in_one_of_many_ways(tmp_path, text):
    end = outcome(tmp_path, text)
    assert (end.status, end.exit_code, end.outputs, end.message) == (Status.OK, -1, [1.0], "")


def test_several_outputs_come_by_name_or_in_order(tmp_path):
    by_name = outcome(tmp_path, "f = lambda x, z: {'b': z, 'a': x}", "a", "b")
    in_order = outcome(tmp_path, "f = lambda x, z: (x, z)", "a", "b")
    assert by_name.outputs == in_order.outputs == [0.25, 4.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {'a': 1, 'bb': 2}", "returned no 'b'; did you mean 'bb'?"),
        ("return (1,)", "returned a tuple; expected a mapping with the keys a, b"),
        ("return 1.0", "returned a float"),
        ("return None", "returned a NoneType"),
        ("return [1, [2, 3]]", r"output 'b' has shape \(2,\); expected a number"),
        ("return [1, 'two']", "could not convert string to float"),
        ("return [1, 2j]", "got complex numbers; expected real ones"),
        ("import numpy as np; return [1, np.array([2j])]", "got complex numbers"),
        ("return 1 / 0, 2", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise SystemExit", "SystemExit"),
        ("return f(x, z)", "RecursionError"),
        ("assert False, 'why'", "AssertionError: why"),
    ],
)
def test_what_a_function_does_wrong_is_an_error_with_its_traceback(tmp_path, body, message):
    end = outcome(tmp_path, f"def f(x, z):\n    {body}", "a", "b")
    assert (end.status, end.exit_code) == (Status.ERROR, -1)
    assert "Traceback" in end.message
    assert re.search(message, end.message), end.message


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "None", "np.ma.masked_all(1)"])
def test_an_output_that_is_no_finite_number_is_unparsable(tmp_path, value):
    end = outcome(tmp_path, f"import numpy as np\nf = lambda x, z: (1, {value})", "a", "b")
    assert end.status == Status.UNPARSABLE
    assert end.message == "output 'b' is not a finite number"
    assert np.isnan(end.outputs).all()


def test_a_vectorised_function_takes_arrays_for_what_varies_and_scalars_for_the_rest(tmp_path):
    text = (
        "import numpy as np\n"
        "table = {'fine': 2.0}\n"
        "def f(x, z, area, half, mesh, cores, seed):\n"
        "    assert x.shape == z.shape == area.shape == seed.shape\n"
        "    assert isinstance(half, float) and isinstance(cores, int)\n"
        "    return table[mesh] * area + half + 0 * seed\n"
    )
    model = loaded(
        tmp_path,
        text,
        vectorized=True,
        derived={"area": "x * z", "half": "cores / 2"},
        sweep={"mesh": ["fine"], "cores": [1, 2]},
    )
    rest = {"half": 0.5, "mesh": "fine", "cores": 1}
    bulk = {"x": np.array([1.0, 2.0]), "z": np.ones(2), "area": np.array([1.0, 2.0])}
    many = model.call(bulk | rest | {"seed": np.zeros(2)}, 2)
    np.testing.assert_array_equal(many, [[2.5], [4.5]])
    one = model.run(VALUES | rest | {"area": 1.0})
    assert (one.status, one.outputs) == (Status.OK, [2.5]), one.message


def test_what_varies_is_inputs_what_follows_from_them_and_seeds(tmp_path):
    tree = study_tree(python("m.py:f"), inputs=("x",), sweep={"n": [1, 2]})
    tree["derived"] = {"a": "n + 1", "b": "a * x", "c": "b + 1", "d": "a"}
    tree["inputs"].append({"name": "k", "value": 3.0})
    assert varying_names(load(tree, tmp_path)) == {"x", "b", "c", "sample", "seed"}


@pytest.mark.parametrize("value", ["x[:1]", "1.0", "np.ones((2, len(x)))", "x[:, None]"])
def test_a_vectorised_function_returns_one_value_for_each_sample(tmp_path, value):
    model = loaded(tmp_path, f"import numpy as np\nf = lambda x, z: {value}", vectorized=True)
    arrays = {"x": np.arange(3.0), "z": np.ones(3)}
    with pytest.raises(ValueError, match=r"output 'y' has shape .*; expected \(3,\)"):
        model.call(arrays, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "importing .*model.py raises ModuleNotFoundError: No module"),
        ("raise SystemExit('bye')", "importing .*model.py raises SystemExit: bye"),
        ("def g(x): return x", "has no function 'f'"),
        ("f = 3", "has no function 'f'"),
        ("def f(x, zz): return x", "takes 'zz', which the study does not have; did you mean 'z'?"),
        ("def f(x, /): return x", "'x' must be taken by name"),
        ("def f(*values): return 1", "'values' must be taken by name"),
        ("def f(x:", "raises SyntaxError"),
    ],
)
def test_a_function_that_cannot_be_called_is_said_in_one_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        loaded(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_model_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour_of_the_model.py").write_text("factor = 2.0")
    text = "from neighbour_of_the_model import factor\nf = lambda x, z: factor * x"
    assert outcome(tmp_path, text).outputs == [0.5]


def test_the_identity_changes_with_the_code_and_not_with_comments(tmp_path):
    text = "def f(x, z):\n    return x\n"
    first = loaded(tmp_path, text).run_key
    assert loaded(tmp_path, "# a comment\n" + text.replace("    ", "\t")).run_key == first
    assert loaded(tmp_path, text.replace("return x", "return z")).run_key != first
    assert loaded(tmp_path, text, seed=1).run_key != first
    assert loaded(tmp_path, text, timeout=3, keep="all").run_key == first


@pytest.mark.parametrize("size", [3, 7, 64])
def test_outputs_sample_by_sample_are_not_taken_for_outputs_one_by_one(tmp_path, size):
    (tmp_path / "model.py").write_text("def f(x): return [(a, 100 * a) for a in x]\n")
    model = python("model.py:f", "y", "z", vectorized=True)
    _, arrays = evaluate(study_tree(model, size=size), tmp_path)
    assert set(labels(arrays)) == {"error"}
    assert "returned a list; expected a mapping with the keys y, z" in arrays.messages[0]


@pytest.mark.parametrize("turned", [True, False])
def test_arrays_that_are_turned_are_not_taken_for_arrays(tmp_path, turned):
    (tmp_path / "model.py").write_text(
        "import numpy as np\n"
        f"def f(x):\n    u = x[:, None] + np.arange(8)\n    return u{'.T' * turned}\n"
    )
    model = python("model.py:f", "u", vectorized=True)
    model["outputs"][0]["shape"] = [8]
    _, arrays = evaluate(study_tree(model, size=64), tmp_path)  # halved, to 8 samples too
    assert set(labels(arrays)) == {"unparsable" if turned else "ok"}


def test_outputs_one_by_one_may_come_as_a_list(tmp_path):
    (tmp_path / "model.py").write_text(
        "def f(x):\n    assert 0.3 < x.min() or len(x) == 1\n    return [x, list(100 * x)]\n"
    )
    model = python("model.py:f", "y", "z", vectorized=True)
    _, arrays = evaluate(study_tree(model, size=64), tmp_path)  # also of two samples
    assert set(labels(arrays)) == {"ok"}
    np.testing.assert_allclose(arrays.y, arrays.x * [1, 100])
