"""The default levels of factors, kept in `defaults.json` for as long as there are results.

A sample with a factor at its default has the id that it would have without this factor. If the
default changed later, results of the old level would be found under the id of the new one. So the
first run stores the defaults, and a later run with other defaults is refused.
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
    """Raise ConfigError if a default is not the level that it was when samples got their ids.

    Raises ArchiveError if the file of those levels is damaged.
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
    """Store the defaults of a study that `refuse_other_defaults` accepts, beside those known."""
    known = _read(paths)
    whole = {**defaults_in_use(study.config), **known}
    if whole and not (paths.defaults.exists() and whole == known):
        text = json.dumps(whole, indent=1) + "\n"
        write_whole(paths.defaults, lambda part: part.write_text(text))


def defaults_in_use(config: Study) -> dict[str, AnyLevel]:
    """Return the defaults that are among the levels of their factors, so that samples have them."""
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
    """Return the defaults of results from before `defaults.json`, from their `study.json`."""
    try:
        return defaults_in_use(read_resolved(paths.study).config)
    except EnsnareError:  # there are no results, or the job of the design writes `study.json` again
        return {}
