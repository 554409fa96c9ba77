"""A propagator that is a code, or a Python function: run as a sample is run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.evaluate.interrupted import InterruptedSamples
from ensnare.evaluate.sample_runs import SampleRuns, show_gpus
from ensnare.model.command import CommandModel, compile_model
from ensnare.model.function import PythonModel, load_python_model
from ensnare.model.keep import Keeper
from ensnare.parareal.cases import PararealCase, parareal_of, with_model
from ensnare.parareal.propagators import Solve, SolveError, check_finite
from ensnare.plan.samples import Samples, known_values
from ensnare.store.outcome import Outcome, Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.parareal import Parareal, Solver

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelPropagator:
    """A code, or a Python function, run as a sample is run: the state in, the state out."""

    study: LoadedStudy
    case: PararealCase
    model: CommandModel | PythonModel
    keeper: Keeper
    legs: InterruptedSamples
    parareal: Parareal
    order: tuple[int, ...]

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Run it once; see `Propagator`. Of the slice it gives both ends."""
        samples = self._samples(name, times, y)
        end = self._run(samples, attempt)
        if end.status is not Status.OK:
            where = ""
            if isinstance(self.model, CommandModel):
                directory = self.keeper.directory(samples.ids[0])
                where = f"; see {os.path.relpath(directory)}" if os.path.isdir(directory) else ""
            raise SolveError(end.status, end.message + where)
        data = np.array([y, np.asarray(end.outputs)[list(self.order)]])
        check_finite(data, times)
        return Solve(data, times[1] - times[0], end.elapsed_s)

    def _run(self, samples: Samples, attempt: int) -> Outcome:
        if isinstance(self.model, PythonModel):
            return self.model.run(samples.values(0))
        with _staying_here():
            runs = SampleRuns(samples, self.keeper, self.legs, np.zeros(1, np.uint8))
            end, _ = runs.run(self.model, 0, attempt)
        runs.finish(self.model, 0, end)
        return end

    def _samples(self, name: str, times: tuple[float, float], y: Array) -> Samples:
        """Return one sample with the state among its values; a list is text, a line a number."""
        numbers: dict[str, float] = {"t0": times[0], "t1": times[1]}
        texts: dict[str, Any] = {}
        start = 0
        for component, value in self.parareal.state.items():
            part = y[start : start + self.parareal.width(component)]
            start += len(part)
            if isinstance(value, list):
                is_python = isinstance(self.model, PythonModel)
                texts[component] = part if is_python else "\n".join(f"{v:.17g}" for v in part)
            else:
                numbers[component] = float(part[0])
        return Samples(
            ids=np.array([name.encode()]),
            x=np.array([list(numbers.values())]),
            names=tuple(numbers),
            case=np.zeros(1, np.int64),
            cases=[{**self.case.case, **texts}],
            row=np.zeros(1, np.int64),
            common=[known_values(self.study, self.case.case)],
            expressions=self.study.config.expressions,
            seed=self.study.config.seed,
        )

    @property
    def stops_itself(self) -> bool:
        """Whether it is a code, which is ended at its time limit; a function is not."""
        return isinstance(self.model, CommandModel)

    def make_ready(self) -> None:
        """Load the environment of a code."""
        if isinstance(self.model, CommandModel):
            self.model.make_ready([known_values(self.study, self.case.case) | self.case.case])

    def begin(self, slot: int) -> None:
        """Show a worker GPUs of its own."""
        show_gpus(self.model, slot, self.study.config.resources_of(self.case.case).gpus)

    def finish(self) -> None:
        """Pack what was kept, if it is to be packed."""
        self.keeper.finish()


def load_code(
    study: LoadedStudy, case: PararealCase, solver: Solver, paths: StudyPaths
) -> ModelPropagator:
    """Return the code of a propagator, ready to run.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    case : PararealCase
        The case.
    solver : Solver
        What the study says of it.
    paths : StudyPaths
        The files of the study.

    Raises
    ------
    ConfigError
        If a function, template or program is wrong.
    """
    inner = with_model(study, solver.model)
    needs = study.config.resources_of(case.case)
    is_python = solver.model.python is not None
    return ModelPropagator(
        inner,
        case,
        load_python_model(inner) if is_python else compile_model(inner, needs.threads),
        Keeper(inner, case.key, paths),
        InterruptedSamples(paths.under_way(case.key)),
        parareal_of(study),
        _order(parareal_of(study), solver),
    )


def _order(parareal: Parareal, solver: Solver) -> tuple[int, ...]:
    """Return where the components of the state stand among the outputs of a solver."""
    at: dict[str, range] = {}
    start = 0
    for output in solver.model.outputs:
        at[output.name] = range(start, start + output.size)
        start += output.size
    return tuple(j for component in parareal.state for j in at[component])


@contextmanager
def _staying_here() -> Iterator[None]:
    """Come back to the current directory, which a sample leaves for its own."""
    here = os.getcwd()
    try:
        yield
    finally:
        os.chdir(here)
