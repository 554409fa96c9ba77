"""A farm with otwrapy's Parallelizer and TempWorkDir: `otwrapy_farm.py N WORKERS CODE TEMPLATE`."""

import sys
from pathlib import Path

import openturns as ot
import otwrapy
from pool_farm import evaluate_in, run_farm


class Wrapper(ot.OpenTURNSPythonFunction):
    """The code as otwrapy wants it: prepare, run and parse in a temporary directory."""

    def __init__(self, code: str, template: str) -> None:
        super().__init__(1, 1)
        self.code = code
        self.template = template

    def _exec(self, X):
        with otwrapy.TempWorkDir(dir=str(Path.cwd()), cleanup=True) as directory:
            return [evaluate_in(Path(directory), X[0], self.code, self.template)]


def farm_otwrapy(xs: list[float], workers: int, code: str, template: str) -> list[float]:
    """Return the outputs, from otwrapy's Parallelizer.

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
    model = otwrapy.Parallelizer(
        Wrapper(code, template), backend="multiprocessing", n_cpus=workers, verbosity=False
    )
    return [row[0] for row in model([[x] for x in xs])]


if __name__ == "__main__":
    run_farm(farm_otwrapy, sys.argv[1:])
