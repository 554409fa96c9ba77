"""Whether the programs of a study exist where its samples look for them."""

from __future__ import annotations

import os

from ensnare.errors import ConfigError
from ensnare.model.environment import CommandEnvironment, compile_environment, find_program
from ensnare.model.templates import parse_template
from ensnare.plan.batches import case_table
from ensnare.plan.identity import file_target
from ensnare.plan.samples import known_values
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import TreeFile

# A shell interprets these; without one, the program gets them as arguments.
_SHELL_WORDS = frozenset(("<", ">", ">>", "2>", "2>&1", "|", "&&", "||"))


def check_words(study: LoadedStudy) -> None:
    """Check that no step relies on a shell; raise ConfigError if one has a word such as `<`."""
    model = study.config.model
    for key, steps in (("command", model.steps), ("resume", model.resume)):
        for step in steps:
            found = next((word for word in step[1:] if word in _SHELL_WORDS), None)
            if found:
                line = " ".join(map(str, step))
                raise ConfigError(
                    f"model.{key}: '{found}' would be an argument of {step[0]}, since no shell "
                    f"reads it; write [sh, -c, '{line}']"
                )


def check_programs(study: LoadedStudy) -> None:
    """Check that the programs exist and are executable; raise ConfigError if one is not.

    Not checked are programs whose names depend on the sample, and those that later steps have in
    the working directory, since earlier steps may make them.
    """
    known = known_values(study)
    environment = compile_environment(study, study.config.resources.threads)
    search_paths = _search_paths(study, environment)
    for step in study.config.model.resume:
        program = parse_template(step[0])
        if program.names <= set(known) and not program.render(known).startswith("./"):
            for search in search_paths:
                _check_program(study, program.render(known), search, "model.resume")
    for number, step in enumerate(study.config.model.steps):
        program = parse_template(step[0])
        if not program.names <= set(known):  # it depends on the sample
            continue
        word = program.render(known)
        if not word.startswith("./"):
            for search in search_paths:
                _check_program(study, word, search)
        elif number == 0:  # the program of a later step may be made by the steps before it
            _check_own_program(study, word)


def _search_paths(study: LoadedStudy, environment: CommandEnvironment) -> set[str | None]:
    """Return the search paths of all cases, after loading the modules and files that each needs."""
    found: set[str | None] = set()
    errors: list[ConfigError] = []
    for case in case_table(study):
        try:
            found.add(environment.search_path(known_values(study, case) | case))
        except ConfigError as error:
            errors.append(error)
    # in a scaling study, a point whose modules cannot be loaded is a result, not an error
    if errors and not (found and study.config.scaling):
        raise errors[0]
    return found


def _check_program(
    study: LoadedStudy, word: str, search: str | None, where: str = "model.command"
) -> None:
    """Check a program that all samples share."""
    try:
        path = find_program(word, os.fspath(study.directory.absolute()), search)
    except FileNotFoundError:
        raise ConfigError(
            f"{where}: no program '{word}' on PATH; {_suggested_path(study, word)}"
        ) from None
    if not os.path.isfile(path):
        raise ConfigError(f"{where}: no program {path}")
    if not os.access(path, os.X_OK):
        raise ConfigError(f"{where}: {path} is not executable; run chmod +x on it")


def _check_own_program(study: LoadedStudy, word: str) -> None:
    """Check that `model.files` puts a program into the working directory of the sample."""
    name = os.path.normpath(word)
    for item in study.config.model.files:
        if isinstance(item, TreeFile) or os.path.normpath(file_target(item)) == name:
            return
    raise ConfigError(
        f"model.command: '{word}' is looked for in the working directory of the sample, where "
        f"model.files puts no '{name}'; {_suggested_path(study, name)}"
    )


def _suggested_path(study: LoadedStudy, name: str) -> str:
    """Say how to name a program that was not found."""
    if name and os.path.isfile(study.path(name)):
        return f"for the one beside the study file write '${{study_dir}}/{name}'"
    return (
        "give its path relative to the study file (with a /), or in model.environment a module or "
        "a file to source that sets PATH"
    )
