"""The wrapped code: prepare the files of a sample, run the command, read the outputs."""

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
_NOT_FOUND = 127  # what a shell returns
# values that say how a run is made, not what it computes
_HOW: dict[str, Value] = {"study_dir": ".", "threads": 1, "ranks": 1}


@dataclass(frozen=True)
class CommandModel:
    """An external code, compiled from the study once per batch.

    Attributes
    ----------
    files : tuple of InputFile
        What to make, in order; later ones overlay earlier ones.
    directories : tuple of str
        Subdirectories that the files need, parents first.
    steps, resume : tuple of tuple of Template
        The words of each step, and of those that go on with a run that was interrupted.
    width : int
        How many numbers the outputs of a sample are; an array of m numbers counts m times, and
        its axis too if that is read.
    """

    files: tuple[InputFile, ...]
    directories: tuple[str, ...]
    steps: tuple[tuple[Template, ...], ...]
    resume: tuple[tuple[Template, ...], ...]
    launcher: Launcher | None
    environment: CommandEnvironment
    streams: tuple[str, str]
    parsers: tuple[Parser, ...]
    width: int
    success: tuple[Callable[[RunFiles], str], ...]
    limit_s: float | None
    most: int
    base: str
    _programs: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def identity(self, values: Values) -> str:
        """Return the hash of what a run computes: its files as rendered, and its command.

        The text of the environment is no part of it, but the values are that it hands over.
        """
        values = {**values, **_HOW}
        texts = [str(len(self.files))]
        for file in self.files:
            texts += (file.target, file.template.render(values) if file.template else file.content)
        for step in self.steps:
            texts += (str(len(step)), *[word.render(values) for word in step])
        for name in self.environment.handed_over:
            texts += (name, repr(values[name]))
        # lengths keep the texts apart; JSON would cost five times as much for every sample
        whole = "".join([f"{len(text)}:{text}" for text in texts])
        return hashlib.blake2b(whole.encode(errors="surrogatepass"), digest_size=8).hexdigest()

    def prepare(self, values: Values) -> None:
        """Make the files of a sample in the current directory.

        Raises
        ------
        OSError, ValueError
            If a file cannot be written, or a value does not fit its field.
        """
        for directory in self.directories:
            os.makedirs(directory, exist_ok=True)
        make_files(self.files, values)

    def commands(self, values: Values, search: str | None, goes_on: bool) -> list[list[str]]:
        """Return the words of each step; the program as a path, found on the path `search`.

        Raises
        ------
        FileNotFoundError
            If there is no such program.
        """
        steps = self.resume if goes_on else self.steps
        words = [[word.render(values) for word in step] for step in steps]
        found = [[self._program(step[0], search), *step[1:]] for step in words]
        return self.launcher.start(found, values, search, goes_on) if self.launcher else found

    def make_ready(self, cases: Iterable[Values]) -> None:
        """Load what cases need of the machine, once for all workers to come.

        Raises
        ------
        ConfigError
            If a module, the file to source or the launcher is not there.
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
        values : mapping
            Values of the sample.
        directory : str
            The current directory, for messages and parsers.
        spent_s : float
            Time that the sample ran before, which counts together with this one [s].
        goes_on : bool
            Run the steps that go on with a run that was interrupted.

        Raises
        ------
        OSError
            If the machine is exhausted; all that is the sample's own affair is an outcome.
        ValueError
            If a value cannot be an argument.
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
                ended = run_step(argv, environment, self.streams, append, left, self.most)
            except OSError as error:
                return self._not_started(directory, argv[0], error, start)
            if self.launcher and self.launcher.launched(goes_on)[number]:
                ended = decode_signal(ended)
            code = ended.exit_code
            if ended.stream_too_long or ended.timed_out or code:
                return self._ended_badly(ended, number + 1, start)
        return self.read(directory, code, time.perf_counter() - start)

    def environment_of(self, values: Values) -> Mapping[str, str]:
        """Return the environment of a sample's command."""
        given = self.environment.of(values)
        return self.launcher.environment(given, values) if self.launcher else given

    def parse(self, directory: str) -> list[float]:
        """Read the outputs of a finished run.

        Raises
        ------
        OutputError
            If one cannot be read.
        """
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
        """Read the outputs of a run that ended well, in the current directory."""
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

    def _ended_badly(self, ended: Ended, step: int, start: float) -> Outcome:
        status, code = Status.FAILED, ended.exit_code
        message = f"step {step} ended with exit code {code}"
        if ended.stream_too_long:
            code = -signal.SIGXFSZ  # how the system ends a code whose file becomes too large
            message = (
                f"step {step} wrote more than {self.most / 1e6:g} MB to its standard output or "
                "error (stream_limit)"
            )
        elif ended.timed_out:
            status = Status.TIMEOUT
            message = f"step {step} passed the time limit of {self.limit_s:g} s"
        return self._bad(status, code, start, message + stream_tail(self.streams))

    def _not_started(self, directory: str, program: str, error: OSError, start: float) -> Outcome:
        if error.errno in MACHINE_TROUBLE:
            raise error
        message = f"cannot start {program}: {error.strerror}"
        if not os.path.isdir(directory):  # a step may remove its own working directory
            message = f"cannot start {program}: its working directory is gone"
        return self._bad(Status.FAILED, _NOT_FOUND, start, message)

    def _bad(self, status: Status, code: int, start: float, message: str) -> Outcome:
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
    study : LoadedStudy
        The study.
    threads : int, optional
        Threads of a sample, which the environment tells the code; default: those of most samples.

    Raises
    ------
    ConfigError
        If a template, a regular expression or an environment file is wrong: one line.
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
        most=config.stream_limit,
        base=base,
    )


def _compile_steps(steps: list[list[str]], where: str) -> tuple[tuple[Template, ...], ...]:
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
    """Return the subdirectories to make before the files."""
    names = {os.path.dirname(os.path.normpath(f)) for f in [*(f.target for f in files), *others]}
    return tuple(sorted(names - {""}))
