"""Cost of one sample: the same code of 1 ms, run n times by Ensnare and by its alternatives.

The cost is the slope of the wall-clock time between two n, so start-up does not count. Contenders
take turns in each round, and the fastest round of each counts: noise only ever adds.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contenders import CONTENDERS, HERE, Contender, Setup

FEW = (100, 200)  # samples, for the contenders that are slow


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, nargs=2, default=(1000, 5000), metavar=("N1", "N2"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="NAME",
                        help=f"contenders to run, of {', '.join(CONTENDERS)}")  # fmt: skip
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if not 0 < options.samples[0] < options.samples[1]:
        parser.error("--samples: expected 0 < N1 < N2")
    if options.rounds < 1 or options.workers < 1:
        parser.error("--rounds and --workers: expected at least 1")
    return options


def compile_program(name: str, directory: Path) -> Path:
    """Compile a C file that lies beside this one.

    Parameters
    ----------
    name : str
        File name without `.c`.
    directory : Path
        Where the program goes.

    Returns
    -------
    Path
        The program.
    """
    program = directory / name
    if shutil.which("cc") is None:
        sys.exit("overhead: found no C compiler; expected `cc` on the PATH")
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / f"{name}.c")], check=True)
    return program


def write_template(path: Path) -> Path:
    """Write an input file of about 1 kB, with `@x@`."""
    others = [f"parameter_{i:02d} = {1.5 * i:.6f}   # without effect" for i in range(23)]
    path.write_text("\n".join(["# input of the code", "x = @x@", *others]) + "\n")
    return path


def check_outputs(title: str, outputs: list[float], n: int) -> None:
    """Raise if a contender lost or mixed up samples.

    Parameters
    ----------
    title : str
        The contender.
    outputs : list of float
        What it returned.
    n : int
        Number of samples.

    Raises
    ------
    ValueError
        If there are not n outputs, or their mean is not that of 2 x + 1 for x uniform on [0, 1].
    """
    if len(outputs) != n:
        raise ValueError(f"{title}: found {len(outputs)} outputs; expected {n}")
    mean = statistics.fmean(outputs)
    if not abs(mean - 2) < 2 / n + 0.01:
        raise ValueError(f"{title}: the mean of the outputs is {mean:g}; expected 2")


def measure_run(contender: Contender, setup: Setup, n: int, root: Path) -> float:
    """Return the wall-clock time of a contender [s].

    Parameters
    ----------
    contender : Contender
        What to run.
    setup : Setup
        The programs.
    n : int
        Number of samples.
    root : Path
        Directory to make, use and remove.

    Returns
    -------
    float
        Time of its command, start to end [s].
    """
    root.mkdir()
    command = contender.prepare(setup, n, root)
    log = root / "overhead.log"
    with open(log, "w") as file:
        start = time.perf_counter()
        done = subprocess.run(command, cwd=root, stdout=file, stderr=file, check=False)
        elapsed_s = time.perf_counter() - start
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-15:])
        sys.exit(f"overhead: {contender.title}: exit code {done.returncode}; expected 0\n{tail}")
    check_outputs(contender.title, contender.collect(root), n)
    shutil.rmtree(root)
    return elapsed_s


def measure_rounds(
    names: list[str], setup: Setup, samples: tuple[int, int], rounds: int, root: Path
) -> dict[str, list[tuple[float, float]]]:
    """Return the times of each contender in each round.

    Parameters
    ----------
    names : list of str
        Contenders.
    setup : Setup
        The programs.
    samples : tuple of int
        The two numbers of samples.
    rounds : int
        How often each contender runs.
    root : Path
        Directory for the runs.

    Returns
    -------
    dict of str to list of tuple of float, shape (rounds, 2)
        Times for both numbers of samples [s].
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for r in range(rounds):
        # every other round backwards, so that a drift of the machine favours nobody
        for name in names if r % 2 == 0 else names[::-1]:
            contender = CONTENDERS[name]
            small, large = numbers(contender, samples)
            pair = tuple(measure_run(contender, setup, n, root / name) for n in (small, large))
            times[name].append((pair[0], pair[1]))
            print(f"round {r + 1}: {contender.title}: {small} in {pair[0]:.2f} s, "
                  f"{large} in {pair[1]:.2f} s", file=sys.stderr)  # fmt: skip
    return times


def numbers(contender: Contender, samples: tuple[int, int]) -> tuple[int, int]:
    """Return the two numbers of samples for a contender."""
    return FEW if contender.few and samples[1] > FEW[1] else samples


def cost_ms(pairs: list[tuple[float, float]], samples: tuple[int, int]) -> list[float]:
    """Return the cost of a sample.

    Parameters
    ----------
    pairs : list of tuple of float, shape (rounds, 2)
        Times for both numbers of samples [s].
    samples : tuple of int
        The two numbers of samples.

    Returns
    -------
    list of float
        Slope between the fastest times, least and largest slope of a round [ms].
    """
    fastest = tuple(min(column) for column in zip(*pairs, strict=True))
    step = samples[1] - samples[0]
    slopes = [1e3 * (large - small) / step for small, large in [fastest, *pairs]]
    return [slopes[0], min(slopes[1:]), max(slopes[1:])]


def format_table(costs: dict[str, list[float]], samples: tuple[int, int]) -> str:
    """Return the table.

    Parameters
    ----------
    costs : dict of str to list of float
        What `cost_ms` returns, by contender.
    samples : tuple of int
        The two numbers of samples.

    Returns
    -------
    str
        A line for each contender; the ratio is to the loop in C.
    """
    rows = [("contender", "samples", "ms per sample", "single rounds", "ratio")]
    for name, (cost, least, largest) in costs.items():
        small, large = numbers(CONTENDERS[name], samples)
        ratio = f"{cost / costs['loop'][0]:.2f}" if "loop" in costs else "-"
        spread = f"{least:.2f} .. {largest:.2f}"
        rows.append((CONTENDERS[name].title, f"{small}, {large}", f"{cost:.3f}", spread, ratio))
    lines = [f"{row[0]:<26}{row[1]:>13}{row[2]:>15}{row[3]:>17}{row[4]:>8}" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark and print its table."""
    options = parse_arguments()
    samples = (options.samples[0], options.samples[1])
    chosen = [name for name in CONTENDERS if name in (options.only or CONTENDERS)]
    reasons = {name: CONTENDERS[name].missing() for name in chosen}
    names = [name for name in chosen if not reasons[name]]
    with tempfile.TemporaryDirectory(prefix="overhead-") as temporary:
        root = Path(temporary).resolve()
        loop, code = (compile_program(name, root) for name in ("loop", "code"))
        setup = Setup(loop, code, write_template(root / "input.tpl"), options.workers)
        (root / "runs").mkdir()
        try:
            times = measure_rounds(names, setup, samples, options.rounds, root / "runs")
        except ValueError as error:
            sys.exit(f"overhead: {error}")
    costs = {name: cost_ms(times[name], numbers(CONTENDERS[name], samples)) for name in names}
    print(f"\nwall-clock time per sample with {options.workers} workers: slope between two")
    print(f"numbers of samples, each the fastest of {options.rounds} rounds\n")
    print(format_table(costs, samples))
    for name in chosen:
        if reasons[name]:
            print(f"{CONTENDERS[name].title}: skipped: {reasons[name]}")


if __name__ == "__main__":
    main()
