"""Which samples the user means with `ensnare redo` or `skip`: the failed, a condition, ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.archive.gather import StudyArrays
from ensnare.errors import ConfigError, did_you_mean
from ensnare.store.ids import ID_LENGTH
from ensnare.store.outcome import Status
from ensnare.study.conditions import Condition, parse_condition
from ensnare.study.loading import LoadedStudy

# what a condition can name besides values, outputs, `status` and `id`
_COLUMNS = ("exit_code", "attempts", "elapsed_s", "design_row")
_NO_FAILURES = (Status.OK, Status.SKIPPED, Status.NOT_RUN)


@dataclass(frozen=True)
class Selection:
    """Which samples the user means; at least one field is set."""

    failed: bool = False  # those that failed; not the skipped ones and those that did not run
    where: str = ""  # those for which this condition holds; see `ensnare.study.conditions`
    ids: Sequence[str] = ()  # those with these ids


def select(study: LoadedStudy, arrays: StudyArrays, selection: Selection) -> NDArray[np.int64]:
    """Return the positions of the selected samples, in ascending order.

    `failed` and `where` narrow each other; samples given by `ids` are added. Raises ConfigError if
    the condition is wrong or names something that samples do not have, or an id is unknown.
    """
    chosen = np.full(len(arrays), selection.failed or bool(selection.where))
    if selection.failed:
        chosen &= ~np.isin(arrays.status, _NO_FAILURES)
    if selection.where:
        chosen &= _where(study, arrays, selection.where)
    if selection.ids:
        chosen[_positions(arrays, selection.ids)] = True
    return np.flatnonzero(chosen)


def _positions(arrays: StudyArrays, ids: Sequence[str]) -> list[int]:
    place = {name.decode(): i for i, name in enumerate(arrays.sample_id.tolist())}
    for name in ids:
        if name not in place:
            raise ConfigError(
                f"'{name}' is no sample of the study; expected an id of {ID_LENGTH} characters "
                "as in samples.csv"
            )
    return [place[name] for name in ids]


def _where(study: LoadedStudy, arrays: StudyArrays, text: str) -> NDArray[np.bool_]:
    try:
        condition = parse_condition(text)
        _check_statuses(condition)
        values = _values(study, arrays, condition)
        found = np.broadcast_to(condition.holds(values), (len(arrays),))
    except ValueError as error:
        raise ConfigError(f"--where: {error}") from None
    return np.asarray(found, bool)


def _check_statuses(condition: Condition) -> None:
    labels = [status.label for status in Status]
    for text in sorted(condition.texts.get("status", ())):
        if text not in labels:
            raise ValueError(f"'{text}' is no status{did_you_mean(text, labels)}")


def _values(study: LoadedStudy, arrays: StudyArrays, condition: Condition) -> dict[str, Any]:
    """Return what a condition can use, by name, each of shape (n,).

    Raises ValueError if the condition uses another name.
    """
    config = study.config
    values: dict[str, Any] = {name: getattr(arrays, name).astype(float) for name in _COLUMNS}
    labels = np.array([status.label for status in Status])
    values |= {"status": labels[arrays.status], "id": arrays.sample_id.astype(str)}
    values |= {name: np.full(len(arrays), value) for name, value in config.constants.items()}
    values |= dict(zip(arrays.input_names, arrays.x.T, strict=True))
    values |= dict(zip(arrays.output_names, arrays.y.T, strict=True))
    for factor in arrays.factors:
        levels = arrays.levels(factor)
        values[factor] = levels if levels.dtype.kind == "U" else levels.astype(float)
    for name, expression in config.expressions.items():  # in order: later ones may use earlier ones
        if expression.names <= values.keys():
            values[name] = expression.evaluate_each(values)
    for name in sorted(condition.names):
        if name not in values:
            known = [known for known in values if "[" not in known]
            raise ValueError(f"'{name}' is nothing that a sample has{did_you_mean(name, known)}")
    return values
