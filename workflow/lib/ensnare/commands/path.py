"""The kept working directory of a sample (`ensnare path`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ensnare.errors import ConfigError, did_you_mean
from ensnare.model.keep import kept_directories, unpack_directory
from ensnare.plan.batches import Segment, case_table, design_rows
from ensnare.plan.samples import read_samples
from ensnare.store.ids import ID_LENGTH
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.sweep import case_label

_ID = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")


def kept_directory(study: LoadedStudy, paths: StudyPaths, words: Sequence[str]) -> Path:
    """Return the kept working directory of a sample, unpacked first if it is in a tar file.

    `words` are a row of the design or a sample id, and FACTOR=LEVEL to choose the case. Raises
    ConfigError if they do not name one sample, or no directory of it was kept.
    """
    sample_id = _sample_id(study, paths, words)
    kept = kept_directories(paths)
    found = [(key, path) for (key, name), path in kept.items() if name == sample_id]
    if not found:
        raise ConfigError(
            f"nothing was kept of the sample {sample_id}; see its status in "
            f"{paths.table('samples')}, and keep in the study file"
        )
    # several versions of the model may have run it: take the last
    key, directory = max(found, key=lambda item: _time(item[1]))
    if directory == paths.pack(key) / sample_id:
        unpack_directory(paths.pack(key), sample_id, paths.samples / key)
        return paths.sample(key, sample_id)
    return directory


def _time(directory: Path) -> float:
    # of a packed directory the time of the tar file, which is its parent in the path
    return (directory if directory.exists() else directory.parent).stat().st_mtime


def _sample_id(study: LoadedStudy, paths: StudyPaths, words: Sequence[str]) -> str:
    pairs = [word for word in words if "=" in word]
    others = [word for word in words if "=" not in word]
    if len(others) > 1 or (not others and study.config.design is not None):
        raise ConfigError(f"got {' '.join(words) or 'nothing'}; expected one row of the design")
    word = others[0] if others else "0"
    if _ID.fullmatch(word) and not pairs:
        return word
    if not word.isdecimal():
        raise ConfigError(f"got '{word}'; expected a row of the design, or the id of a sample")
    if int(word) >= (rows := design_rows(study)):
        raise ConfigError(f"got '{word}'; the design has the rows 0 to {rows - 1}")
    case = _case(study, pairs)
    segment = Segment(case, int(word), int(word) + 1)
    return str(read_samples(study, [segment], paths.design).ids[0].decode())


def _case(study: LoadedStudy, pairs: Sequence[str]) -> int:
    """Return the position of the only case with these levels, given as FACTOR=LEVEL."""
    cases = case_table(study)
    wanted = {}
    for pair in pairs:
        factor, _, level = pair.partition("=")
        if factor not in study.config.factors:
            raise ConfigError(
                f"'{factor}' is not a factor{did_you_mean(factor, study.config.factors)}"
            )
        wanted[factor] = level
    fitting = [
        i
        for i, case in enumerate(cases)
        if all(_is_level(case.get(f), v) for f, v in wanted.items())
    ]
    if not fitting:
        raise ConfigError(f"there is no case with {', '.join(pairs)}")
    if len(fitting) > 1:
        factor = next(f for f in cases[fitting[0]] if f not in wanted)
        raise ConfigError(
            f"{len(fitting)} cases are meant, such as {case_label(cases[fitting[0]])}; "
            f"add {factor}={cases[fitting[0]][factor]}"
        )
    return fitting[0]


def _is_level(level: str | float | None, text: str) -> bool:
    if level is None or isinstance(level, str):
        return level == text
    try:
        return float(text) == level
    except ValueError:
        return False
