"""An external code as a model: make the files of a sample, run the command, read the outputs."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ensnare.errors import ConfigError, OutputError
from ensnare.model.directories import refuse_special, stream_tail
from ensnare.model.environment import CommandEnvironment, compile_environment, find_program
from ensnare.model.files import InputFile, compile_files, make_files
from ensnare.model.launcher import Launcher, compile_launcher, decode_signal
from ensnare.model.outputs.files import Parser, RunFiles
from ensnare.model.outputs.parser import compile_parser
from ensnare.model.outputs.text import compile_success
from ensnare.model.process import MACHINE_TROUBLE, Ended, run_step
from ensnare.model.templates import Template, Value, parse_template
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status
from ensnare.study.loading import LoadedStudy
from ensnare.study.outputs import Output

Values = Mapping[str, Value]
_NOT_FOUND = 127  # what a shell returns for a program that it cannot find
# Values that say how a run is made, not what it computes. For the hash of a run they are fixed, so
# that a result is found again after the study moved or has other ranks or threads.
_EXECUTION_VALUES: dict[str, Value] = {"study_dir": ".", "threads": 1, "ranks": 1}


@dataclass(frozen=True)
class CommandModel:
    """An external code, compiled from the study once per batch.

    Everything that samples share is prepared here: templates are parsed, files are hashed, parsers
    are built. `prepare` and `run` then work on one sample in the current directory.
    """

    files: tuple[InputFile, ...]  # in order: later ones overlay earlier ones
    directories: tuple[str, ...]  # that the files need, parents first
    steps: tuple[tuple[Template, ...], ...]  # the words of each step
    resume: tuple[tuple[Template, ...], ...]  # of the steps that continue an interrupted run
    launcher: Launcher | None
    environment: CommandEnvironment
    streams: tuple[str, str]  # files for standard output and error, relative to the sample
    parsers: tuple[Parser, ...]
    # numbers per sample: an array of m counts m times, and m times more if its axis is read too
    width: int
    success: tuple[Callable[[RunFiles], str], ...]  # each returns what is missing, or ""
    limit_s: float | None
    stream_limit: int  # bytes
    base: str  # directory of the study file
    # (word of the study, search path) to path: found once for all samples
    _programs: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def identity(self, values: Values) -> str:
        """Return the hash of what a run computes: its files as rendered, and its command.

        The environment does not count, except for the values of the sample that it passes on.
        Values that say how a run is made (study_dir, threads, ranks) do not count either.
        """
        values = {**values, **_EXECUTION_VALUES}
        texts = [str(len(self.files))]
        for file in self.files:
            texts += (file.target, file.template.render(values) if file.template else file.content)
        for step in self.steps:
            texts += (str(len(step)), *[word.render(values) for word in step])
        for name in self.environment.values_passed_on:
            texts += (name, repr(values[name]))
        # the lengths separate the texts; JSON would take five times as long, for every sample
        whole = "".join([f"{len(text)}:{text}" for text in texts])
        return hashlib.blake2b(whole.encode(errors="surrogatepass"), digest_size=8).hexdigest()

    def prepare(self, values: Values) -> None:
        """Make the files of a sample in the current directory.

        Raises OSError if a file cannot be written, ChangedFileError if a file to copy is not what
        it was when the batch began, ValueError if a value does not fit its field.
        """
        for directory in self.directories:
            os.makedirs(directory, exist_ok=True)
        make_files(self.files, values)

    def commands(self, values: Values, search: str | None, goes_on: bool) -> list[list[str]]:
        """Return the words of each step, with the program as a path, found on the path `search`.

        With `goes_on` these are the steps of `resume`. Raises FileNotFoundError if there is no such
        program.
        """
        steps = self.resume if goes_on else self.steps
        words = [[word.render(values) for word in step] for step in steps]
        found = [[self._program(step[0], search), *step[1:]] for step in words]
        return self.launcher.start(found, values, search, goes_on) if self.launcher else found

    def make_ready(self, cases: Iterable[Values]) -> None:
        """Load modules and the file to source for some cases, once for all workers.

        Raises ConfigError if a module, the file to source or the launcher does not exist.
        """
        for values in cases:
            search = self.environment.search_path(values)
            if self.launcher:
                self.launcher.check(search)

    def run(
        self, values: Values, directory: str, spent_s: float = 0.0, *, goes_on: bool = False
    ) -> Outcome:
        """Run the prepared sample in the current directory, and read its outputs.

        Parameters
        ----------
        directory : str
            The current directory, for messages and parsers.
        spent_s : float
            Time that the sample ran in earlier jobs; the time limit and the result include it [s].
        goes_on : bool
            Run the steps of `resume`, which continue an interrupted run.

        Raises
        ------
        OSError
            If the machine is exhausted (`MACHINE_TROUBLE`); any other failure is an `Outcome`.
        ConfigError
            If the modules or the file to source of its case cannot be loaded.
        ValueError
            If a value cannot be an argument of a program, such as a text with a null byte.
        """
        start = time.perf_counter() - spent_s
        code = NO_EXIT_CODE
        environment = self.environment_of(values)
        try:
            commands = self.commands(values, environment.get("PATH"), goes_on)
        except FileNotFoundError as error:
            return self._not_started(directory, error.filename, error, start)
        for number, argv in enumerate(commands):
            left = None if self.limit_s is None else self.limit_s - (time.perf_counter() - start)
            try:
                append = goes_on or number > 0
                if append:
                    refuse_special(self.streams)
                ended = run_step(argv, environment, self.streams, append, left, self.stream_limit)
            except OSError as error:
                return self._not_started(directory, argv[0], error, start)
            if self.launcher and self.launcher.launched(goes_on)[number]:
                ended = decode_signal(ended)
            code = ended.exit_code
            if ended.stream_too_long or ended.timed_out or code:
                return self._step_failed(ended, number + 1, start)
        return self.read(directory, code, time.perf_counter() - start)

    def environment_of(self, values: Values) -> Mapping[str, str]:
        """Return the environment of the command of a sample."""
        given = self.environment.of(values)
        return self.launcher.environment(given, values) if self.launcher else given

    def parse(self, directory: str) -> list[float]:
        """Return the outputs of a finished run, `width` numbers; raise OutputError if one fails."""
        files = RunFiles(directory)
        numbers: list[float] = []
        for parser in self.parsers:
            found = parser(files)
            if isinstance(found, list):
                numbers += found
            else:
                numbers.append(found)
        return numbers

    def read(self, directory: str, code: int, elapsed_s: float) -> Outcome:
        """Check the success of a run whose steps ended with 0, and read its outputs.

        The outcome is UNSUCCESSFUL or UNPARSABLE, with NaN for all outputs, if either fails.
        """
        files = RunFiles(directory)
        nothing = [float("nan")] * self.width
        missing = next((text for check in self.success if (text := check(files))), "")
        if missing:
            return Outcome(
                Status.UNSUCCESSFUL, code, elapsed_s, nothing, missing + stream_tail(self.streams)
            )
        try:
            return Outcome(Status.OK, code, elapsed_s, self.parse(directory))
        except OutputError as error:
            return Outcome(
                Status.UNPARSABLE, code, elapsed_s, nothing, str(error) + stream_tail(self.streams)
            )

    def _step_failed(self, ended: Ended, step: int, start: float) -> Outcome:
        """Return the outcome of a run whose step failed, timed out or wrote too much."""
        status, code = Status.FAILED, ended.exit_code
        message = f"step {step} ended with exit code {code}"
        if ended.stream_too_long:
            code = -signal.SIGXFSZ  # how the system ends a code whose file becomes too large
            message = (
                f"step {step} wrote more than {self.stream_limit / 1e6:g} MB to its standard "
                "output or error (stream_limit)"
            )
        elif ended.timed_out:
            status = Status.TIMEOUT
            message = f"step {step} passed the time limit of {self.limit_s:g} s"
        return self._without_outputs(status, code, start, message + stream_tail(self.streams))

    def _not_started(self, directory: str, program: str, error: OSError, start: float) -> Outcome:
        """Return the outcome of a run whose program cannot be started.

        Raises the error instead if the machine is exhausted.
        """
        if error.errno in MACHINE_TROUBLE:
            raise error
        message = f"cannot start {program}: {error.strerror}"
        if not os.path.isdir(directory):  # a step may remove its own working directory
            message = f"cannot start {program}: its working directory is gone"
        return self._without_outputs(Status.FAILED, _NOT_FOUND, start, message)

    def _without_outputs(self, status: Status, code: int, start: float, message: str) -> Outcome:
        """Return an outcome with NaN for all outputs."""
        nothing = [float("nan")] * self.width
        return Outcome(status, code, time.perf_counter() - start, nothing, message)

    def _program(self, word: str, search: str | None) -> str:
        """Find the program of a step: relative to the study, to the sample, or on PATH."""
        path = self._programs.get((word, search))
        if path is None:
            path = find_program(word, self.base, search)
            self._programs[word, search] = path
        return path


def compile_model(study: LoadedStudy, threads: int | None = None) -> CommandModel:
    """Compile the command model of a study.

    Parameters
    ----------
    threads : int, optional
        Threads of a sample, for OMP_NUM_THREADS and its like; default: those of most samples.

    Raises
    ------
    ConfigError
        If a template, a regular expression, a module or a file to source is wrong: one line.
    """
    config, model = study.config, study.config.model
    base = str(Path(study.directory).absolute())
    files = compile_files(study)
    return CommandModel(
        files=files,
        directories=_directories(files, (model.stdout, model.stderr)),
        steps=_compile_steps(model.steps, f"{study.source}: model.command"),
        resume=_compile_steps(model.resume, f"{study.source}: model.resume"),
        launcher=compile_launcher(study),
        environment=compile_environment(study, threads or config.resources.threads),
        streams=(model.stdout, model.stderr),
        parsers=tuple(
            _compile_output(o, study, f"{study.source}: model.outputs[{i}]")
            for i, o in enumerate(model.outputs)
        ),
        width=sum(output.width for output in model.outputs),
        success=tuple(_compile_success(study)),
        limit_s=config.timeout,
        stream_limit=config.stream_limit,
        base=base,
    )


def _compile_steps(steps: list[list[str]], where: str) -> tuple[tuple[Template, ...], ...]:
    """Compile the words of steps; `where` begins messages."""
    return tuple(tuple(_compile_text(word, where) for word in step) for step in steps)


def _compile_text(text: str, where: str) -> Template:
    try:
        return parse_template(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _compile_output(output: Output, study: LoadedStudy, where: str) -> Parser:
    try:
        return compile_parser(output, study.config.model.stdout, study.directory, where)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _compile_success(study: LoadedStudy) -> list[Callable[[RunFiles], str]]:
    try:
        return compile_success(study.config.model.success, study.config.model.stdout)
    except ValueError as error:
        raise ConfigError(f"{study.source}: model.success: {error}") from None


def _directories(files: Sequence[InputFile], others: Sequence[str]) -> tuple[str, ...]:
    """Return the subdirectories that the files and the streams need, parents first."""
    names = {os.path.dirname(os.path.normpath(f)) for f in [*(f.target for f in files), *others]}
    return tuple(sorted(names - {""}))
