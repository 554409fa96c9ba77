"""What was done to samples by hand, by their ids, so that it outlives batches and growth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ensnare.errors import ArchiveError
from ensnare.paths import StudyPaths, write_whole


@dataclass(frozen=True)
class Amendments:
    """Samples that a user had something done to.

    Attributes
    ----------
    skipped : dict of str to str
        Sample id to the reason why it is not to be run.
    redone : dict of str to int
        Sample id to how often it was to be run again.
    """

    skipped: dict[str, str] = field(default_factory=dict)
    redone: dict[str, int] = field(default_factory=dict)


def read_amendments(paths: StudyPaths) -> Amendments:
    """Read what was done to samples by hand; nothing if there is no such file.

    Raises
    ------
    ArchiveError
        If the file is damaged.
    """
    try:
        tree = json.loads(paths.amendments.read_text())
        return Amendments(
            {str(name): str(reason) for name, reason in tree["skipped"].items()},
            {str(name): int(times) for name, times in tree["redone"].items()},
        )
    except FileNotFoundError:
        return Amendments()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArchiveError(
            f"{paths.amendments}: not a list of skipped and redone samples; mend or remove it"
        ) from None


def write_amendments(paths: StudyPaths, amendments: Amendments) -> None:
    """Write what was done to samples by hand."""
    tree = {"skipped": amendments.skipped, "redone": amendments.redone}
    text = json.dumps(tree, indent=0) + "\n"
    write_whole(paths.amendments, lambda part: part.write_text(text))
