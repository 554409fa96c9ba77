"""A run of a scaling study whose jobs died: a result, and no end of the study."""

from __future__ import annotations

import numpy as np

from ensnare.batches import Batch
from ensnare.batchfile import journal_note, record_width, write_batch
from ensnare.config import LoadedStudy
from ensnare.journal import Journal, members, read_journal, rows_of, without_result
from ensnare.legs import Legs
from ensnare.paths import StudyPaths
from ensnare.samples import read_samples
from ensnare.status import Status

_WHY = "its jobs died one after the other (time, memory, a lost node); jobs.csv says how"


def write_lost(study: LoadedStudy, batch: Batch, paths: StudyPaths) -> None:
    """Write the file of a batch of which no job came to its end: the rest of it was killed.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    batch : Batch
        The batch; its claim is ours.
    paths : StudyPaths
        The study's files; the design file exists.
    """
    samples, outputs = read_samples(study, batch.segments, paths.design), record_width(study)
    known = read_journal(paths.journal(batch.key), outputs).rows["sample_id"]
    lost = samples.ids[~members(samples.ids, known)]
    rows = rows_of(lost, "", batch.key, np.empty((len(lost), outputs)))
    journal = Journal(paths.journal(batch.key), outputs, journal_note(study))
    try:
        names = [name.decode() for name in lost.tolist()]
        journal.append_rows(without_result(rows, Status.KILLED), dict.fromkeys(names, _WHY))
        journal.sync()
    finally:
        journal.close()
    Legs(paths.under_way(batch.key)).clear()
    finished = read_journal(paths.journal(batch.key), outputs)
    write_batch(paths.batch(batch.key), study, samples, finished)
