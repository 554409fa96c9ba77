"""What the tests of whole studies share."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
