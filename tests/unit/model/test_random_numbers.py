"""Functions that draw from the generators of Python and numpy, in forked workers."""

import numpy as np
import pytest
from small_studies import evaluate, python, study_tree

# imported before the workers are forked, as by any use of scipy
DRAWS = """
import random, time
import numpy as np
from numpy.random import random_sample
def f(x):
    time.sleep({pause})
    shape = np.shape(x)
    by_python = random.random() if not shape else np.array([random.random() for _ in x])
    return {{"y": random_sample(shape), "z": by_python, "w": np.random.default_rng().random(shape)}}
"""


def draws(directory, workers, *, vectorized=False, size=24, pause=0.02):
    directory.mkdir()
    (directory / "model.py").write_text(DRAWS.format(pause=pause))
    model = python("model.py:f", "y", "z", "w", vectorized=vectorized)
    return evaluate(study_tree(model, size=size), directory, workers)[1].y


def test_samples_side_by_side_draw_numbers_of_their_own_and_the_same_again(tmp_path):
    y = draws(tmp_path / "two", 2)
    assert all(len(np.unique(column)) == len(y) for column in y.T)
    again = draws(tmp_path / "one", 1, pause=0)
    np.testing.assert_array_equal(y[:, :2], again[:, :2])


@pytest.mark.parametrize("workers", [1, 2])
def test_vectorised_calls_side_by_side_draw_numbers_of_their_own(tmp_path, workers):
    y = draws(tmp_path / "many", workers, vectorized=True, size=20000)
    assert all(len(np.unique(column)) == len(y) for column in y.T)
