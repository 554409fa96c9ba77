"""Settings of all unit tests."""

import numpy as np
import pytest
from hypothesis import settings

# the same examples every time, and no limit on how long one may take
settings.register_profile("ensnare", deadline=None, derandomize=True, database=None)
settings.load_profile("ensnare")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
