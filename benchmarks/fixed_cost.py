"""Fixed cost of a run: a study of one batch, and which processes its time went to.

The study is Ishigami's function at 320 points, which costs nothing: what is left is the start of
Snakemake and of each step. The fastest round counts, since a busy machine only ever adds.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from contenders import REPOSITORY

STEPS = ("make_design", "evaluate-batch", "gather", "write_samples", "compute_tables")
STEPS += ("write_report",)
PERIOD_S = 0.02


@dataclass
class Seen:
    """A process of the run: when it was first and last there, and its CPU time [s]."""

    name: str
    start_s: float
    end_s: float
    cpu_s: float


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: expected more than 0")
    return options


def step_of(command: list[str]) -> str:
    """Return the step that a process belongs to; nothing for a shell."""
    text = " ".join(command)
    if "python" not in text.split(" ")[0]:
        return ""
    return next((step for step in STEPS if step in text), "snakemake")


def timeline(command: list[str]) -> tuple[float, list[Seen]]:
    """Run a command; return its time [s] and its processes."""
    start, seen = time.time(), {}
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        for part in [process, *process.children(recursive=True)]:
            try:
                name, cpu = step_of(part.cmdline()), part.cpu_times()
                now_s = time.time() - start
                item = seen.setdefault((part.pid, name), Seen(name, now_s, now_s, 0.0))
                item.end_s, item.cpu_s = now_s, cpu.user + cpu.system
            except psutil.Error:  # it ended meanwhile
                continue
        time.sleep(PERIOD_S)
    elapsed_s = time.time() - start
    if process.returncode:
        sys.exit(process.stderr.read())
    return elapsed_s, [item for item in seen.values() if item.name]


def run_study(directory: Path) -> tuple[float, list[Seen]]:
    """Run the study from nothing in a directory."""
    study = REPOSITORY / "config/studies/ishigami.yaml"
    command = ["snakemake", "--profile", "local", "--cores", "2", "--configfile", str(study)]
    command += ["--config", "design={size: 64}", "--directory", str(directory)]
    return timeline(command)


def print_steps(elapsed_s: float, seen: list[Seen]) -> None:
    """Print when each step began and ended, and what it cost."""
    print(f"{'':16}{'from [s]':>10}{'to [s]':>10}{'CPU [s]':>10}")
    rows = {}
    for item in seen:
        row = rows.setdefault(item.name, [item.start_s, 0.0, 0.0])
        row[0], row[1] = min(row[0], item.start_s), max(row[1], item.end_s)
        row[2] += item.cpu_s
    for name, (begin, end, cpu) in sorted(rows.items(), key=lambda row: row[1][0]):
        print(f"{name:16}{begin:10.2f}{end:10.2f}{cpu:10.2f}")
    jobs = [row for name, row in rows.items() if name != "snakemake"]
    first, last = min(row[0] for row in jobs), max(row[1] for row in jobs)
    print(f"before the first step {first:.2f} s, after the last {elapsed_s - last:.2f} s")


def main() -> None:
    """Run the rounds and print the fastest."""
    rounds = []
    for _ in range(parse_arguments().rounds):
        with tempfile.TemporaryDirectory() as directory:
            rounds.append(run_study(Path(directory)))
    rounds.sort(key=lambda one: one[0])
    print("a run with one batch: " + ", ".join(f"{elapsed:.2f}" for elapsed, _ in rounds) + " s")
    print_steps(*rounds[0])


if __name__ == "__main__":
    main()
