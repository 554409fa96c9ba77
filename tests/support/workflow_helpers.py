"""What the tests of whole studies share."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
# first and total Sobol' indices of the default study
BEAM = {
    "E": (0.04492, 0.04552),
    "F": (0.70534, 0.70825),
    "L": (0.08131, 0.08237),
    "I": (0.16517, 0.16712),
}


@dataclass
class Finished:
    """A Snakemake run that ended."""

    code: int
    text: str

    def job_counts(self) -> dict[str, int]:
        """Return the number of jobs per rule, from the table that Snakemake prints."""
        lines = self.text.split("Job stats:")[-1].splitlines() if "Job stats:" in self.text else []
        pairs = (line.split() for line in lines)
        return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}


def environment(home: Path) -> dict[str, str]:
    """Return an environment with the Python of the tests first on PATH and an empty home."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}


def make_clone(target: Path) -> Path:
    """Copy the working tree as `git clone` would make it of the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if os.path.lexists(ROOT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


def awk_study(size: int = 20, **changes) -> dict:
    """Return a small study of an external program: y = 3 a + b."""
    study = {
        "study": "small",
        "inputs": [
            {"name": "a", "distribution": {"Uniform": {"a": 0, "b": 1}}},
            {"name": "b", "distribution": {"Uniform": {"a": 0, "b": 1}}},
        ],
        "design": {"method": "monte_carlo", "size": size},
        "model": {
            "command": ["awk", "BEGIN {print 3 * ${a} + ${b}}"],
            "outputs": [{"name": "y", "unit": "m", "regex": "(.*)"}],
        },
    }
    return study | changes


def indices(path, **where):
    table = pd.read_csv(path / "sobol_indices.csv")
    for column, value in where.items():
        table = table[table[column] == value]
    return table.set_index(["input", "index"])


def announced(text: str) -> tuple[int, int]:
    """Return how many samples Snakemake says it runs, and reuses."""
    found = re.search(r"samples: (\d+) to run, (\d+) reused", text)
    assert found, text
    return int(found[1]), int(found[2])
