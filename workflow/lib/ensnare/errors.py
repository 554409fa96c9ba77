"""What can go wrong, as a tree.

EnsnareError                  one clear line for the user; a command ends with it and exit code 1
├── ConfigError               the study file says something that cannot be
├── DesignError               the design cannot be made, or does not fit the batches
├── ArchiveError              a file of results is missing, damaged or of another layout
├── NoFeasiblePointError      constraints leave no point, or none was found
└── BatchError                a batch cannot be evaluated (its samples may fail without this)
    ├── HandedBackError       the job of a batch has no time for the rest of it
    │   └── ShortOfMemoryError    or not the memory
    └── GaveUpError         its jobs die again and again, and achieve nothing

OutputError                   one sample's result cannot be read: becomes the status `unparsable`
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class EnsnareError(Exception):
    """Something the user can mend; its text is one line: where, got, expected, what to do."""


class ConfigError(EnsnareError):
    """The study file says something that cannot be."""


class DesignError(EnsnareError):
    """The design cannot be made, or does not fit the batches."""


class NoFeasiblePointError(EnsnareError):
    """Constraints leave no point, or none was found."""


class ArchiveError(EnsnareError):
    """A file of results is missing, damaged or of another layout."""


class BatchError(EnsnareError):
    """A batch cannot be evaluated."""


class HandedBackError(BatchError):
    """The job of a batch leaves the rest of it to the next one: its time is up."""


class ShortOfMemoryError(HandedBackError):
    """The job of a batch leaves samples that were killed to the next one, which has more memory."""


class GaveUpError(BatchError):
    """The jobs of a batch die one after the other, and none adds a sample to what is on record."""


class ChangedFileError(OSError):
    """A file of the model is not what it was when the batch began (ESTALE)."""


class OutputError(Exception):
    """The result of one sample cannot be read."""


def os_error_line(error: OSError) -> str:
    """Return in one line what the machine refused, where, and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    room = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "; make room and run again (what is on record stays)" if room else ""
    return f"{where}{error.strerror or error}{advice}"


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is known when nothing is close."""
    names = sorted(known)
    # cutoff 0.6 is difflib's own; a transposition in a four-letter word still passes it
    close = difflib.get_close_matches(got, names, n=1, cutoff=0.6) or difflib.get_close_matches(
        got.lower(), [n for n in names if n.lower() == got.lower()], n=1
    )
    if close:
        return f"; did you mean '{close[0]}'?"
    if len(names) <= 12:
        return f"; expected one of {', '.join(names)}" if names else ""
    return ""
