"""Runs of single samples of an external code, each in its own directory, new or resumed."""

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

# exit codes of a code that was terminated or killed, or of a shell that ran it
_STOP_CODES = (-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM)
_PAUSE_S, _PAUSE_SHARE = 1.0, 0.05  # share of the run time


class SampleRuns:
    """Runs samples of an external code.

    `interrupted` records the samples that a later job could resume, if the model can. `running`, of
    shape (n,), is 1 for samples that run now, in memory shared with the parent process, which
    renews those records.
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
        """Run sample `i`; return its outcome and the identity of what it ran. `finish` comes next.

        `attempts` is how often it was started, this time included. Errors of the sample become its
        outcome. Raises OSError if the machine is exhausted or a file of the model changed, so that
        no result can be trusted.
        """
        directory = self._keeper.directory(self._samples.ids[i])
        no_outputs = [float("nan")] * model.width
        run_key = ""
        try:
            values = self._samples.values(i)
            run_key = model.identity(values)
            if model.resume:
                current = Interrupted(run_key, attempts, 0.0)
                outcome = self._start_or_continue(model, values, i, current)
            else:
                enter_empty(directory)
                model.prepare(values)
                outcome = model.run(values, directory)
        except ChangedFileError:  # it concerns all samples
            raise
        except OSError as error:
            if error.errno in MACHINE_TROUBLE:
                raise OSError(error.errno, error.strerror, directory) from None
            text = f"{error.strerror}: {error.filename}"
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, text)
        except (ValueError, EnsnareError) as error:  # for example no module for a level of a factor
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, str(error))
        except Exception:  # a bug of this library in one sample must not end the batch
            outcome = Outcome(Status.ERROR, NO_EXIT_CODE, 0.0, no_outputs, traceback.format_exc())
        if pause_s := _pause_s(outcome):
            time.sleep(pause_s)
        # whatever the status: a code may not notice that its output is incomplete
        if is_full(self._keeper.root):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), directory)
        self._running[i] = 0
        return outcome, run_key

    def under_way(self) -> list[str]:
        """Return the ids of samples that run now and that another job could resume."""
        ids = self._samples.ids[self._running == 1]
        return [sample_id.decode() for sample_id in ids.tolist()]

    def finish(self, model: CommandModel, i: int, outcome: Outcome) -> None:
        """Keep or remove the directory of a sample that has ended, as `keep` says."""
        if model.resume:  # a record must not outlive its directory
            self._interrupted.end(self._samples.ids[i].decode())
        self._keeper.finish_sample(self._samples.ids[i], ok=outcome.status is Status.OK)

    def _start_or_continue(
        self, model: CommandModel, values: Values, i: int, current: Interrupted
    ) -> Outcome:
        """Run a sample, or resume one that was interrupted when its job or worker ended."""
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
            self._interrupted.end(name)  # a record must not outlive its directory
            enter_empty(directory)
            model.prepare(values)
        self._interrupted.begin(name, current)
        self._running[i] = 1  # not before: the old record must keep the time of its last renewal
        return model.run(values, directory, current.spent_s, goes_on=goes_on)


def _pause_s(outcome: Outcome) -> float:
    """Return how long to wait before the outcome of a sample is recorded [s].

    A scheduler that ends a job signals all of its processes, the code perhaps before this one. Its
    failed run is then no result of the sample: during this wait the signal arrives here and ends
    the worker. A code that handles the signal may end with any exit code, so the wait follows every
    failure, but is short compared with the run.
    """
    if outcome.status in (Status.OK, Status.TIMEOUT, Status.ERROR):
        return 0.0
    if outcome.exit_code in _STOP_CODES:
        return _PAUSE_S
    return min(_PAUSE_S, _PAUSE_SHARE * max(0.0, outcome.elapsed_s))


def show_gpus(model: CommandModel | PythonModel, slot: int, count: int) -> None:
    """Set the variables of a worker and its programs so that they see GPUs of their own.

    `slot` numbers the workers of a job from 0, and `count` is the GPUs of one sample.
    """
    own = gpus_of_worker(slot, count, os.environ)
    if isinstance(model, CommandModel):
        if count and model.launcher and model.launcher.by_slurm:
            own = {GPUS_OF_STEP: str(count)}
        model.environment.set_variables(own)
    os.environ.update(own)
