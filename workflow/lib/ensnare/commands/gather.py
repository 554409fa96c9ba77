"""Archive, tables, figures and report of a study in one call (`ensnare gather`).

The scripts of the rules `compute_tables` and `write_report` call parts of it.
"""

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
    """Write archive, tables, figures and report; return the number of samples by status.

    With `partial` they are of the samples that have ended: those in batch files, and in the
    journals of batches that are not complete. Otherwise raises ArchiveError if a batch is missing.
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
    """Write the tables of the analyses as CSV files.

    `tables` has the options of the analysis by the name of its table, as `wanted_tables` of
    `ensnare.study.analyses` returns them.
    """
    from ensnare.analyses.tables import ANALYSES, write_table

    for name, options in tables.items():
        write_table(ANALYSES[name](results, **options), results.paths.table(name))
    note_derived(results.paths, map(results.paths.table, tables))


def write_report(results: StudyResults, tables: Sequence[str], *, processes: int = 1) -> None:
    """Draw the figures of a study in so many processes, and write its report.

    `tables` names the tables of the analyses, which must exist.
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
    """Make what was gathered older than `study.json`, so that the next run gathers again.

    Otherwise a batch that is completed after it was read and before the archive was written would
    be older than the archive, and never be gathered.
    """
    then = paths.study.stat().st_mtime - 1
    for path in (paths.archive, paths.pickle, paths.table("samples"), paths.table("jobs")):
        os.utime(path, (then, then))
