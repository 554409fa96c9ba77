"""Archive, tables, figures and report of a study at once, also of one that is not complete."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ensnare.archive.archive import pickle_tree, write_archive
from ensnare.archive.gather import gather
from ensnare.archive.jobs_csv import write_jobs
from ensnare.archive.results import StudyResults, open_study
from ensnare.archive.samples_csv import write_samples
from ensnare.errors import ArchiveError
from ensnare.plan.batches import plan_batches
from ensnare.report.names import figure_files
from ensnare.store.derived import note_derived
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.store.pickles import write_pickle
from ensnare.study.analyses import wanted_tables
from ensnare.study.loading import LoadedStudy


def deliver(study: LoadedStudy, paths: StudyPaths, *, partial: bool) -> dict[str, int]:
    """Write archive, tables, figures and report.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    paths : StudyPaths
        Its files.
    partial : bool
        Of what there is: batch files, and the journals of batches that are not complete.

    Returns
    -------
    dict of str to int
        Number of samples by status.

    Raises
    ------
    ArchiveError
        If samples are missing and `partial` is false.
    """
    from ensnare.report.sections import status_counts

    batches = plan_batches(study)
    missing = [batch for batch in batches if not paths.batch(batch.key).exists()]
    if missing and not partial:
        raise ArchiveError(
            f"{paths.root}: {len(missing)} of {len(batches)} batches are not complete; run "
            "snakemake, or give --partial for what there is"
        )
    arrays = gather(study, batches, paths, partial=partial)
    write_pickle(paths.pickle, pickle_tree(arrays))
    write_samples(paths.table("samples"), arrays, paths)
    write_jobs(paths.table("jobs"), paths)
    write_archive(paths.archive, study, arrays)
    results = open_study(paths.root)
    wanted = wanted_tables(study.config)
    write_tables(results, wanted)
    write_report(results, list(wanted))
    if missing:
        _make_older(paths)
    return status_counts(results)


def write_tables(results: StudyResults, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Make and write the tables of the analyses, as CSV.

    Parameters
    ----------
    results : StudyResults
        The archive.
    tables : mapping of str to mapping
        Options of the analyses by name of the table: `ensnare.study.analyses.wanted_tables`.
    """
    from ensnare.analyses.tables import ANALYSES, write_table

    for name, options in tables.items():
        write_table(ANALYSES[name](results, **options), results.paths.table(name))
    note_derived(results.paths, map(results.paths.table, tables))


def write_report(results: StudyResults, tables: Sequence[str], *, processes: int = 1) -> None:
    """Draw the figures of a study and write its report.

    Parameters
    ----------
    results : StudyResults
        The archive.
    tables : sequence of str
        Names of the tables of its analyses, which are there.
    processes : int
        How many draw at once.
    """
    from ensnare.report.draw import draw_figures
    from ensnare.report.page import render_report
    from ensnare.report.sections import collect_report

    paths = results.paths
    files = {name: paths.table(name) for name in tables}
    draw_figures(results, files, processes=processes)
    note_derived(paths, figure_files(results.study, paths))
    page = render_report(collect_report(results, files, paths.table("samples")))
    write_whole(paths.report, lambda part: part.write_text(page, encoding="utf-8"))


def _make_older(paths: StudyPaths) -> None:
    """Make what was gathered older than what it came from, so that the next run gathers again.

    A batch may have been completed after it was looked at and before the archive was written.
    """
    then = paths.study.stat().st_mtime - 1
    for path in (paths.archive, paths.pickle, paths.table("samples"), paths.table("jobs")):
        os.utime(path, (then, then))
