"""Running the samples of an external code: each in a directory of its own, or on where it was."""

from __future__ import annotations

import errno
import os
import signal
import time
import traceback

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ChangedFileError, EnsnareError
from ensnare.evaluate.interrupted import Interrupted, InterruptedSamples
from ensnare.model.command import CommandModel, Values
from ensnare.model.directories import enter_empty, is_full
from ensnare.model.environment import GPUS_OF_STEP, gpus_of_worker
from ensnare.model.function import PythonModel
from ensnare.model.keep import Keeper
from ensnare.model.process import MACHINE_TROUBLE
from ensnare.plan.samples import Samples
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status

# how a code ends that is told to, or killed; by a shell above it
_STOP_CODES = (-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM)
_PAUSE_S, _PAUSE_SHARE = 1.0, 0.05


class SampleRuns:
    """The runs of an external code.

    Parameters
    ----------
    samples : Samples
        The samples of a batch.
    keeper : Keeper
        Their working directories.
    legs : InterruptedSamples
        Those that are under way, if the model can go on with them.
    running : ndarray of uint8, shape (n,)
        Which of these run now: 1; in memory shared with the process that keeps their legs.
    """

    def __init__(
        self,
        samples: Samples,
        keeper: Keeper,
        interrupted: InterruptedSamples,
        running: NDArray[np.uint8],
    ) -> None:
        self._samples, self._keeper, self._interrupted = samples, keeper, interrupted
        self._running = running

    def run(self, model: CommandModel, i: int, attempts: int) -> tuple[Outcome, str]:
        """Run a sample; return how it ended, and the identity of what it ran; then `settle` it.

        Parameters
        ----------
        model : CommandModel
            The code.
        i : int
            The sample.
        attempts : int
            How often it was started, this time included.

        Raises
        ------
        OSError
            If the machine is exhausted; all that is the sample's own affair is an outcome.
        """
        directory = self._keeper.directory(self._samples.ids[i])
        no_outputs = [float("nan")] * model.width
        run_key = ""
        try:
            values = self._samples.values(i)
            run_key = model.identity(values)
            if model.resume:
                outcome = self._start_or_continue(
                    model, values, i, Interrupted(run_key, attempts, 0.0)
                )
            else:
                enter_empty(directory)
                model.prepare(values)
                outcome = model.run(values, directory)
        except ChangedFileError:  # no sample's own affair
            raise
        except OSError as error:
            if error.errno in MACHINE_TROUBLE:
                raise OSError(error.errno, error.strerror, directory) from None
            text = f"{error.strerror}: {error.filename}"
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, text)
        except (ValueError, EnsnareError) as error:  # such as no module for its level of a factor
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, str(error))
        except Exception:  # a bug of ours in one sample must not end the batch
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, traceback.format_exc())
        if pause_s := _pause_s(outcome):
            time.sleep(pause_s)
        # whatever the status: a code may not notice that its output was cut short
        if is_full(self._keeper.root):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), directory)
        self._running[i] = 0
        return outcome, run_key

    def settle(self, model: CommandModel, i: int, outcome: Outcome) -> None:
        """Deal with the directory of a sample that has been run.

        Parameters
        ----------
        model : CommandModel
            The code.
        i : int
            The sample.
        end : Outcome
            How it ended.
        """
        if model.resume:  # before its directory is
            self._interrupted.end(self._samples.ids[i].decode())
        self._keeper.finish_sample(self._samples.ids[i], ok=outcome.status is Status.OK)

    def _start_or_continue(
        self, model: CommandModel, values: Values, i: int, current: Interrupted
    ) -> Outcome:
        """Run a sample, or the rest of one that was under way when its job or worker ended."""
        name = self._samples.ids[i].decode()
        directory = self._keeper.directory(self._samples.ids[i])
        previous = self._interrupted.find(name)
        goes_on = (
            previous is not None
            and previous.run_key == current.run_key
            and os.path.isdir(directory)
            and not os.path.islink(directory)
        )
        if previous is not None and goes_on:
            os.chdir(directory)
            current = Interrupted(current.run_key, current.attempts, previous.spent_s)
        else:
            self._interrupted.end(name)  # before the directory it is about
            enter_empty(directory)
            model.prepare(values)
        self._interrupted.begin(name, current)
        self._running[i] = 1  # not before: the last heartbeat tells how long the leg before was
        return model.run(values, directory, current.spent_s, goes_on=goes_on)


def _pause_s(outcome: Outcome) -> float:
    """Return how long to wait before the end of a sample is believed [s].

    A scheduler that ends a job tells all of its processes, the code perhaps before us. One that
    tidies up ends by itself, with any exit code; such a wait is short beside what it ran.
    """
    if outcome.status in (Status.OK, Status.TIMEOUT, Status.ERROR):
        return 0.0
    if outcome.exit_code in _STOP_CODES:
        return _PAUSE_S
    return min(_PAUSE_S, _PAUSE_SHARE * max(0.0, outcome.elapsed_s))


def show_gpus(model: CommandModel | PythonModel, slot: int, count: int) -> None:
    """Let a worker, and what it starts, see GPUs of its own.

    Parameters
    ----------
    model : CommandModel or PythonModel
        What it runs.
    slot : int
        Which of the workers of the job it is, from 0.
    count : int
        GPUs of one sample.
    """
    own = gpus_of_worker(slot, count, os.environ)
    if isinstance(model, CommandModel):
        if count and model.launcher and model.launcher.by_slurm:
            own = {GPUS_OF_STEP: str(count)}
        model.environment.set_variables(own)
    os.environ.update(own)
