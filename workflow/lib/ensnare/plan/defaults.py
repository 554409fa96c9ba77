"""The levels that `defaults` stood for: the names of samples leave them out.

A sample of a factor at its default is named as if there were no such factor. Were the default
another one later, results of the old level would stand under the name of the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ensnare.errors import ArchiveError, ConfigError, EnsnareError
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy, read_resolved
from ensnare.study.study import Study
from ensnare.study.values import AnyLevel, show


def refuse_other_defaults(study: LoadedStudy, paths: StudyPaths) -> None:
    """Check that defaults are the levels that they were when samples were named.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files, if it has any.

    Raises
    ------
    ConfigError
        If a default stood for another level.
    ArchiveError
        If the file of those levels is damaged.
    """
    used = defaults_in_use(study.config)
    known = _read(paths) if used else {}
    for factor, level in used.items():
        if factor in known and known[factor] != level:
            raise ConfigError(
                f"{study.source}: defaults.{factor}: got {show(level)}; samples in {paths.root} "
                f"have no level in their names because it was {show(known[factor])} then; put "
                f"{show(known[factor])} back, or take '{factor}' out of defaults"
            )


def record_defaults(study: LoadedStudy, paths: StudyPaths) -> None:
    """Keep what the defaults of a study are, for as long as its results.

    Parameters
    ----------
    study : LoadedStudy
        A study that `refuse_other_defaults` let pass.
    paths : StudyPaths
        Its files.
    """
    known = _read(paths)
    whole = {**defaults_in_use(study.config), **known}
    if whole and not (paths.defaults.exists() and whole == known):
        text = json.dumps(whole, indent=1) + "\n"
        write_whole(paths.defaults, lambda part: part.write_text(text))


def defaults_in_use(config: Study) -> dict[str, AnyLevel]:
    """Return the defaults of factors that are among their levels: some sample is named by them."""
    factors = config.factors
    return {f: level for f, level in config.defaults.items() if level in factors.get(f, ())}


def _read(paths: StudyPaths) -> Mapping[str, AnyLevel]:
    try:
        found = json.loads(paths.defaults.read_text())
    except FileNotFoundError:
        return _of_last_run(paths)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ArchiveError(f"{paths.defaults}: not a mapping of factors to levels; mend it")
    return found


def _of_last_run(paths: StudyPaths) -> Mapping[str, AnyLevel]:
    """Return the defaults of results that a version made which did not keep them."""
    try:
        return defaults_in_use(read_resolved(paths.study).config)
    except EnsnareError:  # there are none, or the job makes the file again
        return {}
