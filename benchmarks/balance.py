"""Balance of load: samples whose durations span two decades, by Ensnare and by static splits.

Every way runs the same durations. A worker is idle when no code of its own runs: at the end, when
the other one still has work, and between two samples. The codes sleep and record when they began
and ended, so neither start-up nor a busy machine counts.
"""

import argparse
import itertools
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from contenders import REPOSITORY
from overhead import compile_program

STUDY = """\
study: balance
inputs:
  - {{name: t, distribution: {{Uniform: {{a: 0, b: 1e6}}}}}}
design: {{method: table, file: "{table}"}}
model:
  command: ["{nap}", "${{t}}", "{log}"]
  outputs:
    - {{name: y, regex: 'y = (\\S+)'}}
keep: none
"""


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--median", type=float, default=0.05, help="median duration [s]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3, help="number of sets of durations")
    options = parser.parse_args()
    if min(options.samples, options.workers, options.seeds) < 1 or options.median <= 0:
        parser.error("--samples, --workers, --seeds and --median: expected more than 0")
    return options


def draw_durations(n: int, median_s: float, seed: int) -> list[float]:
    """Return lognormal durations, 95 % of them within two decades.

    Parameters
    ----------
    n : int
        How many.
    median_s : float
        Their median [s].
    seed : int
        Seed.

    Returns
    -------
    list of float
        Durations [s].
    """
    chance = random.Random(seed)
    return [median_s * math.exp(chance.gauss(0, math.log(100) / (2 * 1.96))) for _ in range(n)]


def split_blocks(durations: list[float], workers: int) -> list[list[float]]:
    """Return equal numbers of consecutive samples for each worker, as MPI programs scatter them."""
    bounds = [round(k * len(durations) / workers) for k in range(workers + 1)]
    return [durations[a:b] for a, b in itertools.pairwise(bounds)]


def split_in_turn(durations: list[float], workers: int) -> list[list[float]]:
    """Return every second sample for each of two workers, and so on."""
    return [durations[k::workers] for k in range(workers)]


def run_split(
    split: Callable[[list[float], int], list[list[float]]],
) -> Callable[[list[float], int, Path, Path], Path]:
    """Return the function that runs each part in a process of its own, sample after sample."""

    def run(durations: list[float], workers: int, nap: Path, root: Path) -> Path:
        log = root / "log"
        children = []
        for part in split(durations, workers):
            child = os.fork()
            if not child:
                for seconds in part:
                    command = [str(nap), f"{seconds:.9g}", str(log)]
                    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                os._exit(0)
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            sys.exit("balance: a part of a static split failed")
        return log

    return run


def run_ensnare(durations: list[float], workers: int, nap: Path, root: Path) -> Path:
    """Run a study of one batch; return the log of the codes."""
    log, table, study = root / "log", root / "durations.csv", root / "study.yaml"
    table.write_text("\n".join(["t", *(f"{seconds:.9g}" for seconds in durations)]) + "\n")
    study.write_text(STUDY.format(table=table, nap=nap, log=log))
    command = [sys.executable, "-m", "snakemake", "results/balance/archive.h5"]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--configfile", study]
    command += ["--profile", REPOSITORY / "profiles" / "local", "--cores", workers]
    done = subprocess.run([*map(str, command)], cwd=root, capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"balance: Ensnare: exit code {done.returncode}; expected 0\n{done.stderr[-2000:]}"
        )
    return log


CONTENDERS = {
    "static split, blocks": run_split(split_blocks),
    "static split, in turn": run_split(split_in_turn),
    "Ensnare": run_ensnare,
}


def idle_share(log: Path, n: int, workers: int) -> float:
    """Return the share of the workers' time in which no code ran.

    Parameters
    ----------
    log : Path
        Start and end of each code [s].
    n : int
        Number of samples.
    workers : int
        Number of workers.

    Returns
    -------
    float
        From the first start to the last end [-].

    Raises
    ------
    ValueError
        If a sample is missing, or ran twice.
    """
    spans = [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
    if len(spans) != n:
        raise ValueError(f"found {len(spans)} samples; expected {n}")
    whole_s = max(end for _, end in spans) - min(start for start, _ in spans)
    return 1 - sum(end - start for start, end in spans) / (workers * whole_s)


def main() -> None:
    """Run the benchmark and print its table."""
    options = parse_arguments()
    rows: dict[str, list[float]] = {title: [] for title in CONTENDERS}
    with tempfile.TemporaryDirectory(prefix="balance-") as temporary:
        nap = compile_program("nap", Path(temporary).resolve())
        for seed in range(options.seeds):
            durations = draw_durations(options.samples, options.median, seed)
            for title, run in CONTENDERS.items():
                root = nap.parent / f"{seed} {title}".replace(" ", "-").replace(",", "")
                root.mkdir()
                log = run(durations, options.workers, nap, root)
                rows[title].append(idle_share(log, options.samples, options.workers))
    print(f"\nidle time of {options.workers} workers, {options.samples} samples of two decades\n")
    print(f"{'':<24}{'mean':>8}{'single sets of durations':>32}")
    for title, shares in rows.items():
        single = "  ".join(f"{share:.1%}" for share in shares)
        print(f"{title:<24}{sum(shares) / len(shares):>8.1%}{single:>32}")


if __name__ == "__main__":
    main()
