"""Ishigami's function: an example of a model that is a vectorised Python callable."""

import numpy as np
import numpy.typing as npt

A = 7.0
B = 0.1
Value = float | npt.NDArray[np.float64]


def ishigami(x1: Value, x2: Value, x3: Value) -> dict[str, Value]:
    """Return Ishigami's function, the usual test of variance-based sensitivity indices.

    Parameters
    ----------
    x1, x2, x3 : float or ndarray of float, shape (n,)
        Inputs [-], uniform on [-pi, pi] in the test.

    Returns
    -------
    dict of str to float or ndarray of float, shape (n,)
        y = sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 [-].

    References
    ----------
    Ishigami and Homma (1990), Proc. ISUMA '90, 398-403, doi:10.1109/ISUMA.1990.151285
    """
    y: Value = np.sin(x1) + A * np.sin(x2) ** 2 + B * x3**4 * np.sin(x1)
    return {"y": y}
