"""The propagator that runs a model: an external code or a Python function, like a sample."""

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
    """A model that gets the state at the start of a slice and returns the state at its end.

    Each solve is run as a sample whose values are the components of the state, `t0` and `t1`, so
    files, environment, time limit, `resume` and `keep` work as in a study of samples.
    """

    study: LoadedStudy  # its model is the one of this propagator
    case: PararealCase
    model: CommandModel | PythonModel
    keeper: Keeper
    interrupted: InterruptedSamples
    parareal: Parareal
    order: tuple[int, ...]  # for each component of the state, its place among the outputs

    def solve(self, name: str, times: tuple[float, float], y: Array, attempt: int) -> Solve:
        """Run the model once; see `Propagator`. The solution has only both ends of the slice."""
        samples = self._samples(name, times, y)
        outcome = self._run(samples, attempt)
        if outcome.status is not Status.OK:
            where = ""
            if isinstance(self.model, CommandModel):
                directory = self.keeper.directory(samples.ids[0])
                where = f"; see {os.path.relpath(directory)}" if os.path.isdir(directory) else ""
            raise SolveError(outcome.status, outcome.message + where)
        data = np.array([y, np.asarray(outcome.outputs)[list(self.order)]])
        check_finite(data, times)
        return Solve(data, times[1] - times[0], outcome.elapsed_s)

    def _run(self, samples: Samples, attempt: int) -> Outcome:
        if isinstance(self.model, PythonModel):
            return self.model.run(samples.values(0))
        with _restored_directory():
            runs = SampleRuns(samples, self.keeper, self.interrupted, np.zeros(1, np.uint8))
            outcome, _ = runs.run(self.model, 0, attempt)
        runs.finish(self.model, 0, outcome)
        return outcome

    def _samples(self, name: str, times: tuple[float, float], y: Array) -> Samples:
        """Return one sample with the components of the state among its values.

        A component that is a list is an array for a Python function, and for an external code a
        text with one number per line.
        """
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
        """Whether it is an external code, which is ended at its time limit; a function is not."""
        return isinstance(self.model, CommandModel)

    def make_ready(self) -> None:
        """Load the environment of an external code, such as its modules."""
        if isinstance(self.model, CommandModel):
            self.model.make_ready([known_values(self.study, self.case.case) | self.case.case])

    def begin(self, slot: int) -> None:
        """Give a worker GPUs of its own."""
        show_gpus(self.model, slot, self.study.config.resources_of(self.case.case).gpus)

    def finish(self) -> None:
        """Pack the directories that are kept, if the study says so."""
        self.keeper.finish()


def load_code(
    study: LoadedStudy, case: PararealCase, solver: Solver, paths: StudyPaths
) -> ModelPropagator:
    """Return the propagator for a section `model` of the study file.

    Raises ConfigError if a function, template or program is wrong.
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
    """Return the place of each component of the state among the outputs of a solver.

    The study file may list the outputs in another order than the state.
    """
    at: dict[str, range] = {}
    start = 0
    for output in solver.model.outputs:
        at[output.name] = range(start, start + output.size)
        start += output.size
    return tuple(j for component in parareal.state for j in at[component])


@contextmanager
def _restored_directory() -> Iterator[None]:
    """Return to the current directory after a block that changes it, as each sample does."""
    here = os.getcwd()
    try:
        yield
    finally:
        os.chdir(here)
