"""The exceptions of Ensnare, as a tree.

Exception
├── EnsnareError                  the user can mend it; a command prints its one line, exit code 1
│   ├── ConfigError               the study file is not valid, or names something that is missing
│   ├── DesignError               the design file, the study and the batches do not fit
│   ├── NoFeasiblePointError      no point satisfies the constraints, or none was found
│   ├── ArchiveError              a file of results is missing, damaged or of another layout
│   └── BatchError                a job cannot evaluate its batch; one failed sample raises nothing
│       ├── HandedBackError       the job leaves the rest of the batch to the next job (walltime)
│       │   └── ShortOfMemoryError    as above, to a job with more memory
│       └── GaveUpError           several jobs of the batch in a row finished no sample
├── OutputError                   an output of one sample cannot be read: status `unparsable`
└── OSError
    └── ChangedFileError          a file of the model changed while the batch was running

A job or command that meets any other OSError (a full disk) prints it as `os_error_line` has it.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class EnsnareError(Exception):
    """A mistake that the user can mend; its text is one line: where, got, expected, what to do."""


class ConfigError(EnsnareError):
    """The study file is not valid, or names a file or module that does not exist."""


class DesignError(EnsnareError):
    """The design file was made for another study, or has too few rows, or batches do not fit it."""


class NoFeasiblePointError(EnsnareError):
    """No point satisfies the constraints, or the search for one did not find any."""


class ArchiveError(EnsnareError):
    """A file of results is missing, damaged or of another layout."""


class BatchError(EnsnareError):
    """A job cannot evaluate its batch. Samples that fail are results, and do not raise this."""


class HandedBackError(BatchError):
    """The job leaves the rest of its batch to the next job, because its walltime is used up."""


class ShortOfMemoryError(HandedBackError):
    """The job leaves samples that were killed to the next job, which asks for more memory."""


class GaveUpError(BatchError):
    """Several jobs of a batch in a row ended without adding a finished sample to the journal."""


class ChangedFileError(OSError):
    """A file of the model has changed since the batch began; its errno is ESTALE."""


class OutputError(Exception):
    """An output of one sample cannot be read; the sample gets the status `unparsable`."""


def os_error_line(error: OSError) -> str:
    """Return one line for the user: file, error of the system, and advice if a disk is full."""
    where = f"{error.filename}: " if error.filename else ""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "; make room and run again (what is on record stays)" if is_full else ""
    return f"{where}{error.strerror or error}{advice}"


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or, if no name is close, a list of up to 12 known names."""
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
