"""Uniform points of the alloy set: Ensnare's sampler and hopsy's hit-and-run in one run.

Every contender draws the same number of points of the same polytope, one after the other in this
process, and its points are compared with independent ones, drawn by rejection from bounds that are
written here by hand.
"""

import argparse
import importlib.metadata
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
SET = REPOSITORY / "config/data/sets/alloy.txt"
# CPU time of a published sampler (sequential Monte Carlo with relaxed constraints) on one core
# [s], measured once; 20,000 points of this set
REFERENCE_S, REFERENCE_POINTS = 737.0, 20_000


@dataclass
class Measured:
    """What a contender drew, shape (n, d), and the CPU time that it took [s]."""

    name: str
    points: np.ndarray
    elapsed_s: float


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--points", type=int, default=REFERENCE_POINTS)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of them counts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if min(options.points, options.rounds) < 1:
        parser.error("--points, --rounds: expected more than 0")
    return options


def ensnare_contender(method: str) -> Callable[[int, int], np.ndarray]:
    """Return what draws points by a method of Ensnare's."""
    from ensnare.design.constrained.inputfile import read_set
    from ensnare.design.constrained.parallel import Streams, Team
    from ensnare.design.constrained.particles import Processes
    from ensnare.design.constrained.sampler import draw

    def points(n: int, seed: int) -> np.ndarray:
        return draw(read_set(SET).problem, n, method, Processes(Team(), Streams(seed))).x

    return points


def hit_and_run_contender() -> Callable[[int, int], np.ndarray]:
    """Return what draws points by Ensnare's hit-and-run, which this set is too easy for."""
    from ensnare.design.constrained.bounds import bounding_box, polytope
    from ensnare.design.constrained.hit_and_run import HitAndRun
    from ensnare.design.constrained.inputfile import read_set
    from ensnare.design.constrained.linear import chebyshev_centre
    from ensnare.design.constrained.parallel import Streams, Team
    from ensnare.design.constrained.particles import Processes

    def points(n: int, seed: int) -> np.ndarray:
        problem = read_set(SET).problem
        box = problem.zoomed(*bounding_box(problem))
        spaces, _, _, _ = polytope(box)
        walk = HitAndRun(
            box, spaces, chebyshev_centre(spaces)[0], n, Processes(Team(), Streams(seed))
        )
        walk.spread()
        return box.values(walk.u).T

    return points


def half_spaces() -> tuple[np.ndarray, np.ndarray]:
    """Return A and b of the alloy set, A x <= b."""
    from ensnare.design.constrained import linear
    from ensnare.design.constrained.inputfile import read_set

    problem = read_set(SET).problem
    spaces, complete = linear.half_spaces(
        problem.constraints, problem.names, problem.low, problem.high
    )
    assert complete
    return spaces.a, spaces.b


def hopsy_contender() -> Callable[[int, int], np.ndarray] | None:
    """Return what draws points by hopsy; None where it is not installed."""
    try:
        import hopsy
    except ImportError:
        return None
    a, b = half_spaces()

    def points(n: int, seed: int) -> np.ndarray:
        problem = hopsy.round(hopsy.Problem(a, b))
        start = hopsy.compute_chebyshev_center(problem)
        chain = hopsy.MarkovChain(problem, hopsy.UniformHitAndRunProposal, starting_point=start)
        # some d steps of a rounded body forget where they began
        steps = 4 * a.shape[1]
        _, drawn = hopsy.sample(chain, hopsy.RandomNumberGenerator(seed), n, thinning=steps)
        return np.asarray(drawn).reshape(n, -1)

    return points


def exact_points(n: int, seed: int) -> np.ndarray:
    """Return independent uniform points of the set, shape (n, 11)."""
    low = [4e-4, 4e-4, 8e-4, 1e-3, 2e-4, 3e-4, 6e-4, 1e-4, 5e-4, 8e-3, 3e-4]
    high = [3.5e-3, 2.8e-2, 1.4e-2, 3.7e-2, 8e-3, 1.6e-3, 5e-3, 2e-3, 1e-3, 0.12, 5e-3]
    x = np.random.default_rng(seed).uniform(low, high, (int(1.2 * n) + 1000, 11))
    total = x.sum(axis=1)
    return x[(total >= 0.0162) & (total <= 0.1732)][:n]


def largest_ks_distance(x: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest Kolmogorov distance of a coordinate."""
    from scipy.stats import ks_2samp

    pairs = zip(x.T, exact.T, strict=True)
    return max(ks_2samp(one, other, method="asymp").statistic for one, other in pairs)


def measure(options: argparse.Namespace) -> list[Measured]:
    """Run every contender in turn, as often as asked for; return the fastest run of each."""
    contenders = {
        "ensnare auto": ensnare_contender("auto"),
        "ensnare hit-and-run": hit_and_run_contender(),
        "ensnare SMC": ensnare_contender("SMC"),
        "hopsy": hopsy_contender(),
    }
    best: dict[str, Measured] = {}
    for _ in range(options.rounds):
        for name, points in contenders.items():
            if points is None:
                continue
            began = time.process_time()
            drawn = points(options.points, options.seed)
            found = Measured(name, drawn, time.process_time() - began)
            if name not in best or found.elapsed_s < best[name].elapsed_s:
                best[name] = found
    if contenders["hopsy"] is None:
        print("hopsy is not installed (pip install hopsy): left out", file=sys.stderr)
    return list(best.values())


def main() -> None:
    """Measure, and print a table."""
    options = parse_arguments()
    exact = exact_points(200_000, options.seed + 1)
    found = measure(options)
    first = found[0].elapsed_s
    original_s = REFERENCE_S * options.points / REFERENCE_POINTS
    chance = 1.0 / options.points**0.5
    print(f"{options.points} points of {SET.name}; KS of independent points is {chance:.4f}")
    print(f"{'':20}{'CPU [s]':>9}{'ratio':>9}{'original /':>12}{'KS':>9}")
    for item in found:
        ks = largest_ks_distance(item.points, exact)
        print(
            f"{item.name:20}{item.elapsed_s:9.3f}{item.elapsed_s / first:9.1f}"
            f"{original_s / item.elapsed_s:12.0f}{ks:9.4f}"
        )
    for package in ("numpy", "hopsy"):
        try:
            print(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            continue


if __name__ == "__main__":
    main()
