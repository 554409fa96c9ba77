"""How a checkout of Ensnare is built: names, lines, chains of imports, modules of a batch job.

`python benchmarks/structure.py [CHECKOUT ...]` prints a column for each checkout.
Nothing of a checkout is changed: its batch job runs in a temporary directory.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[1]
SMALL = 75  # lines of a module that could be part of another
STUDY = """
study: tiny
inputs: [{name: x, distribution: {Uniform: {a: 0, b: 1}}}]
design: {method: monte_carlo, size: 4}
model: {command: [echo, "y = ${x}"], outputs: [{name: y, regex: "y = (.*)"}]}
"""


class Library:
    """The modules of a checkout: what they import of each other, and how many lines they have."""

    def __init__(self, checkout: Path) -> None:
        self.root = checkout / "workflow/lib/ensnare"
        if not self.root.is_dir():
            sys.exit(f"structure: {checkout}: found no workflow/lib/ensnare; expected a checkout")
        self.files = {self._name(path): path for path in sorted(self.root.rglob("*.py"))}
        self.trees = {name: ast.parse(path.read_text()) for name, path in self.files.items()}
        self.lines = {n: len(path.read_text().splitlines()) for n, path in self.files.items()}
        self.needs = {name: self._imported(name) - {name} for name in self.files}

    def _name(self, path: Path) -> str:
        return ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")

    def _imported(self, name: str) -> set[str]:
        """Return the modules that a module imports, but for those that only its types need."""
        found, todo = set(), [self.trees[name]]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ensnare."):
                package = node.module.removeprefix("ensnare.")
                below = {f"{package}.{alias.name}" for alias in node.names} & set(self.files)
                found |= below or ({package} & set(self.files))
            elif isinstance(node, ast.ImportFrom) and node.module == "ensnare":
                found |= {alias.name for alias in node.names} & set(self.files)
            todo += ast.iter_child_nodes(node)
        return found

    def top_names(self) -> tuple[int, int]:
        """Return how many modules and packages stand directly below the library."""
        names = {n.partition(".")[0] for n in self.files} - {"__init__", "__main__"}
        packages = {name for name in names if (self.root / name).is_dir()}
        return len(names - packages), len(packages)

    def chain(self, inside: set[str]) -> list[str]:
        """Return the longest chain of imports among modules."""

        @cache
        def below(name: str) -> tuple[str, ...]:
            further = [below(n) for n in sorted(self.needs[name] & inside)]
            return (name, *max(further, key=len, default=()))

        return list(max((below(name) for name in sorted(inside)), key=len))

    def import_lines(self) -> int:
        """Return how many lines import statements take."""
        return sum(
            node.end_lineno - node.lineno + 1
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        )

    def docstring_lines(self) -> int:
        """Return how many lines docstrings take."""
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        return sum(
            node.body[0].end_lineno - node.body[0].lineno + 1
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, kinds) and ast.get_docstring(node) is not None
        )

    def with_one_importer(self) -> int:
        """Return how many modules only one other module imports."""
        importers = {name: [n for n in self.needs if name in self.needs[n]] for name in self.files}
        return sum(len(found) == 1 for found in importers.values())


def loaded_by_a_batch_job(checkout: Path) -> int:
    """Return how many modules of the library the job of a batch loads, its workers included."""
    variables = {**os.environ, "PYTHONPATH": str(checkout / "workflow/lib")}
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "study.yaml").write_text(STUDY)
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(checkout / "Snakefile")]
        options = ["--profile", str(checkout / "profiles/local"), "--configfile", "study.yaml"]
        asked = {"cwd": root, "env": variables, "capture_output": True, "text": True, "check": True}
        subprocess.run([*snakemake, *options], **asked)
        batches = Path(root) / "results/tiny/batches"
        key = next(batches.glob("*.h5")).stem
        for path in batches.glob(f"{key}*"):
            path.unlink()
        job = ["-m", "ensnare", "evaluate-batch", "results/tiny/study.json", key, "--threads", "2"]
        done = subprocess.run([sys.executable, "-X", "importtime", *job], **asked)
    return len(set(re.findall(r"\|\s+(ensnare[\w.]*)$", done.stderr, re.M)))


def measures(checkout: Path) -> dict[str, str]:
    """Return what is measured of a checkout, by its name."""
    library = Library(checkout)
    modules, packages = library.top_names()
    names = {n for n in library.files if n.partition(".")[0] != "models"}
    kinds = {name.partition(".")[0] for name in names}
    chains = {k: library.chain({n for n in names if n.partition(".")[0] == k}) for k in kinds}
    total = sum(library.lines.values())
    return {
        "modules, packages directly below ensnare/": f"{modules}, {packages}",
        "files": str(len(library.files)),
        "lines": str(total),
        "lines of docstrings": str(library.docstring_lines()),
        "lines of imports": f"{library.import_lines()} ({library.import_lines() / total:.1%})",
        "longest chain of imports, over all [modules]": str(len(library.chain(names))),
        "longest chain inside a package [modules]": str(max(map(len, chains.values()))),
        "modules with one importer": str(library.with_one_importer()),
        f"modules of at most {SMALL} lines": str(sum(n <= SMALL for n in library.lines.values())),
        "largest module [lines]": str(max(library.lines.values())),
        "modules that a batch job loads": str(loaded_by_a_batch_job(checkout)),
    }


def main() -> None:
    """Print a line for each measure, a column for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkouts", nargs="*", type=Path, default=[HERE], metavar="CHECKOUT")
    found = [measures(path.absolute()) for path in parser.parse_args().checkouts]
    for name in found[0]:
        print(f"{name:<46}" + "".join(f"{one[name]:>16}" for one in found))


if __name__ == "__main__":
    main()
