"""The cases of a parareal study, and the hashes that name their directories.

Rule files import this module in every job, so it loads neither numpy nor h5py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ensnare.errors import ConfigError
from ensnare.plan.batches import case_table
from ensnare.plan.identity import digest, model_identity, source_digest
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import Model
from ensnare.study.parareal import Integrator, Parareal, Propagator
from ensnare.study.sweep import Case, case_identity, case_label

LAYOUT = 1  # to be raised when the meaning of the files of a case changes: part of every key


@dataclass(frozen=True)
class PararealCase:
    """A case of a parareal study.

    The key is a hash of all that its results depend on, and the name of its directory. The
    tolerance is not part of it, so a study with another tolerance uses the same files.
    """

    key: str
    case: Case  # factor to level

    @property
    def label(self) -> str:
        """The levels of the case as text, for messages."""
        return case_label(self.case) or "the one case"


def parareal_of(study: LoadedStudy) -> Parareal:
    """Return the section `parareal` of a study; raise ConfigError if it has none."""
    if study.config.parareal is None:
        raise ConfigError(f"{study.source}: found no 'parareal'; expected a parareal study")
    return study.config.parareal


def plan_cases(study: LoadedStudy) -> list[PararealCase]:
    """Return the cases of a parareal study, in the order of the study file.

    Raises ConfigError if a file that the study names does not exist, since keys depend on the
    content of these files.
    """
    parareal = parareal_of(study)
    common = digest(
        [
            LAYOUT,
            [list(parareal.interval), parareal.points, list(parareal.state.items())],
            [study.config.constants, study.config.derived],
            _identity(study, parareal, parareal.coarse, "coarse"),
            _identity(study, parareal, parareal.fine, "fine"),
        ],
        size=16,
    )
    return [
        PararealCase(digest([common, case_identity(case, study.config.defaults)]), case)
        for case in case_table(study)
    ]


def solved_digest(study: LoadedStudy) -> str:
    """Return a hash of what a run has to solve: the cases, the tolerance, and `serial`.

    The file `solved-<digest>.json` exists once that has been solved.
    """
    parareal = parareal_of(study)
    keys = [case.key for case in plan_cases(study)]
    return digest([keys, parareal.tolerance, parareal.serial])


def exact_identity(study: LoadedStudy) -> str:
    """Return the hash of the code of the exact solution; an empty text if the study has none.

    Raises ConfigError if its file does not exist.
    """
    exact = parareal_of(study).exact
    if exact is None:
        return ""
    try:
        return source_digest(exact.call, study.directory, "parareal.exact.call")
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None


def with_model(study: LoadedStudy, model: Model) -> LoadedStudy:
    """Return the study with the model of a propagator as its model.

    The functions that check, identify and run the model of a study then serve propagators too.
    """
    return replace(study, config=study.config.model_copy(update={"wrapped": model}))


def _identity(
    study: LoadedStudy, parareal: Parareal, propagator: Propagator, name: str
) -> dict[str, Any]:
    """Return what the results of a propagator depend on, to be hashed."""
    if not isinstance(propagator, Integrator):
        inner = with_model(study, propagator.model)
        return {"model": model_identity(inner), "seed": study.config.seed}
    assert parareal.rhs is not None
    try:
        source = source_digest(parareal.rhs.call, study.directory, "parareal.rhs.call")
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None
    function = parareal.rhs.call.rpartition(":")[2]
    return propagator.model_dump(exclude_none=True) | {"rhs": function, "source": source}
