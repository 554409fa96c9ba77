"""Density of an aluminium alloy by the rule of mixtures: an example of a Python function.

Mass fractions of what is added to the aluminium; densities of the pure elements at room
temperature from Haynes (2016), CRC Handbook of Chemistry and Physics, 97th ed., section 4.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ALUMINIUM = 2700.0
DENSITIES = {
    "Cr": 7150.0,
    "Cu": 8960.0,
    "Fe": 7870.0,
    "Mg": 1740.0,
    "Mn": 7300.0,
    "Ni": 8900.0,
    "Si": 2330.0,
    "Ti": 4506.0,
    "V": 6000.0,
    "Zn": 7134.0,
    "Zr": 6520.0,
}
"""Density of each element [kg/m^3]."""


def mixture(
    Cr: Array, Cu: Array, Fe: Array, Mg: Array, Mn: Array, Ni: Array, Si: Array, Ti: Array,
    V: Array, Zn: Array, Zr: Array,
) -> dict[str, Array]:  # fmt: skip
    """Return the density of alloys without pores, and the mass fraction of aluminium in them.

    Parameters
    ----------
    Cr, Cu, Fe, Mg, Mn, Ni, Si, Ti, V, Zn, Zr : ndarray of float, shape (n,)
        Mass fractions [-]; the rest is aluminium.

    Returns
    -------
    dict of str to ndarray of float, shape (n,)
        `density` [kg/m^3], the inverse of the sum of fractions over densities, and `Al` [-].
    """
    fractions = dict(zip(DENSITIES, (Cr, Cu, Fe, Mg, Mn, Ni, Si, Ti, V, Zn, Zr), strict=True))
    aluminium = np.ones_like(Zn)
    volume = np.zeros_like(Zn)
    for name, fraction in fractions.items():
        aluminium -= fraction
        volume += fraction / DENSITIES[name]
    return {"density": 1 / (volume + aluminium / ALUMINIUM), "Al": aluminium}
