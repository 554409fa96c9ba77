"""Archive, tables, figures and report of a study at once, also of one that is not complete."""

from __future__ import annotations

import os
from pathlib import Path

from ensnare.archive import pickle_tree, write_archive
from ensnare.batches import plan_batches
from ensnare.config import LoadedStudy
from ensnare.config.analyses import wanted_tables
from ensnare.errors import ArchiveError
from ensnare.gather import gather
from ensnare.jobstable import write_jobs
from ensnare.paths import StudyPaths, write_whole
from ensnare.picklefile import write_pickle
from ensnare.results import StudyResults, open_study
from ensnare.samplestable import write_samples


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
    from ensnare.figures import draw_figures
    from ensnare.report import render_report
    from ensnare.report.collect import collect_report, status_counts

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
    tables = _write_tables(results, paths)
    draw_figures(results, tables)
    page = render_report(collect_report(results, tables, paths.table("samples")))
    write_whole(paths.report, lambda part: part.write_text(page, encoding="utf-8"))
    if missing:
        _make_older(paths)
    return status_counts(results)


def _write_tables(results: StudyResults, paths: StudyPaths) -> dict[str, Path]:
    from ensnare.analysis import ANALYSES, write_table

    wanted = wanted_tables(results.study.analyses, results.study.design)
    for name, options in wanted.items():
        write_table(ANALYSES[name](results, **options), paths.table(name))
    return {name: paths.table(name) for name in wanted}


def _make_older(paths: StudyPaths) -> None:
    """Make what was gathered older than what it came from, so that the next run gathers again.

    A batch may have been completed after it was looked at and before the archive was written.
    """
    then = paths.study.stat().st_mtime - 1
    for path in (paths.archive, paths.pickle, paths.table("samples"), paths.table("jobs")):
        os.utime(path, (then, then))
