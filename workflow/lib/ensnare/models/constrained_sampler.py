#!/usr/bin/env python3
"""Uniform points of the part of the unit cube that constraints leave.

    python -m ensnare.models.constrained_sampler alloy.txt alloy.out 20000
    mpirun -n 2 python -m ensnare.models.constrained_sampler alloy.txt alloy.out 20000 SMC --seed 1

The input file has the dimension, a starting point, and one constraint on a line, such as
`0.1 <= x[3] / (x[0] + x[1]) <= 0.15`; `#` starts a comment. Each row of the output is a point. The
time that sampling took goes to `comp_time.log`; method, acceptance, effective sample size and so on
to standard output. Exit codes: 0; 1 for an input that cannot be used, or a set without points;
2 for a wrong call.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ensnare.design.constrained.inputfile import read_set
from ensnare.design.constrained.parallel import Streams, Team, find_team
from ensnare.design.constrained.particles import Processes
from ensnare.design.constrained.sampler import METHODS, Draw, draw
from ensnare.errors import EnsnareError, did_you_mean, os_error_line
from ensnare.store.paths import write_whole

TIME_FILE = "comp_time.log"


def _method(text: str) -> str:
    known = {method.lower(): method for method in METHODS}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"unknown method '{text}'{did_you_mean(text, METHODS)}")
    return known[text.lower()]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"got {text}; expected a number of points, at least 1")
    return int(text)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="constrained_sampler", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("input", type=Path, help="the set")
    parser.add_argument("output", type=Path, help="the points, one on a line")
    parser.add_argument("points", type=_count, help="how many")
    parser.add_argument(
        "method", nargs="?", type=_method, default="auto", help=f"one of {', '.join(METHODS)}"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def write_points(path: Path, x: np.ndarray) -> None:
    """Write points, shape (n, d), each number with all significant digits."""
    text = "\n".join(" ".join(map(repr, row)) for row in x.tolist())
    write_whole(path, lambda part: part.write_text(text + "\n"))


def report(drawn: Draw, elapsed_s: float) -> str:
    """Return the lines about a draw for standard output, `key = value` and notes after `#`."""
    n, d = drawn.x.shape
    distinct = len(np.unique(drawn.x, axis=0))
    lines = [
        f"points = {n}",
        f"dimension = {d}",
        f"method = {drawn.method}",
        f"distinct = {distinct}",
        f"acceptance = {drawn.acceptance:.4g}",
        f"effective_sample_size = {drawn.ess:.0f}",
        f"evaluations = {drawn.evaluations}",
    ]
    if drawn.r_hat is not None:
        lines.append(f"r_hat = {drawn.r_hat:.4f}")
    if drawn.log_volume is not None:
        lines.append(f"log_volume = {drawn.log_volume:.5f}")
    lines.append(f"elapsed_s = {elapsed_s:.4f}")
    return "\n".join(lines + [f"# {note}" for note in drawn.notes])


def run(options: argparse.Namespace, team: Team) -> None:
    """Draw points, and write the output, the time and the report from the first rank."""
    began = time.perf_counter()
    described = read_set(options.input)
    processes = Processes(team, Streams(options.seed))
    drawn = draw(
        described.problem, options.points, options.method, processes, start=described.start
    )
    elapsed_s = time.perf_counter() - began
    if team.rank == 0:
        write_points(options.output, drawn.x)
        Path(TIME_FILE).write_text(f"{elapsed_s:.6f} seconds\n")
        print(report(drawn, elapsed_s))


def main() -> int:
    """Run the program; return its exit code."""
    options = parse_arguments()
    team = Team()
    try:
        team = find_team()
        run(options, team)
    except (EnsnareError, OSError) as error:
        line = os_error_line(error) if isinstance(error, OSError) else str(error)
        if team.rank == 0:
            print(f"constrained_sampler: {line}", file=sys.stderr)
        return 1
    except BaseException:
        if team.size > 1:  # the others would wait for this rank forever
            import traceback

            traceback.print_exc()
            team.abort()
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
