"""A farm in plain Python: `pool_farm.py N WORKERS CODE TEMPLATE`.

Evaluates x = (i + 0.5) / N for i = 0 .. N - 1 as loop.c does, in the current directory, and
writes results.txt, one y a line.
"""

import multiprocessing
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

Farm = Callable[[list[float], int, str, str], list[float]]


def evaluate_in(directory: Path, x: float, code: str, template: str) -> float:
    """Return the output of the code, run in a directory that exists.

    Parameters
    ----------
    directory : Path
        Where the files go.
    x : float
        Input.
    code : str
        Program.
    template : str
        Text of the input file, with `@x@`.

    Returns
    -------
    float
        Output y.
    """
    (directory / "input.txt").write_text(template.replace("@x@", f"{x:.14g}"))
    with open(directory / "log.txt", "wb") as log:
        command = [code, "input.txt", "output.txt"]
        subprocess.run(command, cwd=directory, stdout=log, stderr=log, check=True)
    found = re.search(r"y = (\S+)", (directory / "output.txt").read_text())
    if found is None:
        raise ValueError(f"{directory}/output.txt: found no y")
    return float(found[1])


def evaluate(task: tuple[int, float], code: str, template: str) -> float:
    """Return the output of the code, run in a directory of its own.

    Parameters
    ----------
    task : tuple of int and float
        Number of the sample and input.
    code : str
        Program.
    template : str
        Text of the input file, with `@x@`.

    Returns
    -------
    float
        Output y.
    """
    directory = Path(f"run-{task[0]}")
    directory.mkdir()
    y = evaluate_in(directory, task[1], code, template)
    shutil.rmtree(directory)
    return y


def farm_pool(xs: list[float], workers: int, code: str, template: str) -> list[float]:
    """Return the outputs, from a bare `multiprocessing.Pool`.

    Parameters
    ----------
    xs : list of float
        Inputs.
    workers : int
        Processes.
    code : str
        Program.
    template : str
        Text of the input file, with `@x@`.

    Returns
    -------
    list of float
        Outputs.
    """
    with multiprocessing.Pool(workers) as pool:
        return list(pool.imap(partial(evaluate, code=code, template=template), enumerate(xs)))


def run_farm(farm: Farm, arguments: list[str]) -> None:
    """Run a farm and write its outputs to results.txt.

    Parameters
    ----------
    farm : callable
        From inputs, workers, program and text of the input file to outputs.
    arguments : list of str
        N, WORKERS, CODE and TEMPLATE.
    """
    n, workers, code, template = arguments
    xs = [(i + 0.5) / int(n) for i in range(int(n))]
    ys = farm(xs, int(workers), code, Path(template).read_text())
    Path("results.txt").write_text("".join(f"{y!r}\n" for y in ys))


if __name__ == "__main__":
    run_farm(farm_pool, sys.argv[1:])
