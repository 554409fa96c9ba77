"""Five ways to sample a set: what each says of itself, and how far it is from independent points.

    python docs/constrained_methods.py [SET.txt] [FIGURE]

The independent points are drawn by rejection, with another seed. The figure, without its suffix,
shows SMC and the random walk over each other.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp

from ensnare.design.constrained.inputfile import read_set
from ensnare.design.constrained.parallel import Streams, Team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.sampler import METHODS, Draw, draw
from ensnare.report.figures.design import plot_pairs
from ensnare.report.figures.style import save

POINTS, INDEPENDENT = 20_000, 200_000
ALLOY = Path(__file__).parents[1] / "config/data/sets/alloy.txt"
NAMES = ["Cr", "Cu", "Fe", "Mg", "Mn", "Ni", "Si", "Ti", "V", "Zn", "Zr"]
SHOWN = ("Cu", "Fe", "Mg", "Zn")


def largest_distance(x: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest Kolmogorov distance of a coordinate."""
    pairs = zip(x.T, exact.T, strict=True)
    return max(ks_2samp(one, other, method="asymp").statistic for one, other in pairs)


def compare(path: Path) -> dict[str, Draw]:
    """Print a line for each method; return what each drew."""
    exact = draw(read_set(path).problem, INDEPENDENT, "auto", Processes(Team(), Streams(99))).x
    print(f"{'method':18} {'distance':>8} {'ess':>6} {'R-hat':>6} {'distinct':>8} {'CPU [s]':>8}")
    drawn = {}
    for method in METHODS:
        described = read_set(path)
        began = time.process_time()
        found = draw(
            described.problem, POINTS, method, Processes(Team(), Streams(0)), start=described.start
        )
        elapsed_s = time.process_time() - began
        r_hat = "" if found.r_hat is None else f"{found.r_hat:.3f}"
        distinct = len(np.unique(found.x, axis=0))
        distance = largest_distance(found.x, exact)
        print(
            f"{method:18} {distance:8.4f} {found.ess:6.0f} {r_hat:>6} {distinct:8} {elapsed_s:8.2f}"
        )
        drawn[method] = found
    return drawn


def main() -> None:
    """Compare, and draw the figure if it is asked for."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ALLOY
    drawn = compare(path)
    if len(sys.argv) > 2:
        d = drawn["SMC"].x.shape[1]
        names = NAMES if path == ALLOY or path.name == ALLOY.name else [f"x{i}" for i in range(d)]
        shown = [name for name in names if name in SHOWN] or names
        groups = {
            method: {name: drawn[method].x[:, names.index(name)] for name in shown}
            for method in ("SMC", "Metropolis")
        }
        save(plot_pairs(groups), sys.argv[2])


if __name__ == "__main__":
    main()
