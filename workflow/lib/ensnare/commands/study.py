"""The commands on the results of a study: `ensnare gather`, `redo`, `skip`, `status`, `clean`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensnare.errors import ConfigError
from ensnare.plan.rounds import results_of
from ensnare.study.loading import study_place

if TYPE_CHECKING:
    from ensnare.archive.gather import StudyArrays
    from ensnare.commands.select import Selection
    from ensnare.store.paths import StudyPaths
    from ensnare.study.loading import LoadedStudy

STUDY_HELP = "study file, directory of results, or name of a study with results here"
_WHERE = "a condition on status, values and outputs: \"status == 'timeout' and F > 320\""


def add_commands(commands: Any) -> None:  # noqa: ANN401
    """Add the commands to the command line."""
    gather = commands.add_parser("gather", help="make archive, tables, figures and report")
    gather.add_argument("study", type=study_place, help=STUDY_HELP)
    gather.add_argument(
        "--partial", action="store_true", help="of what there is, though samples are missing"
    )
    gather.set_defaults(run=_gather)

    redo = commands.add_parser("redo", help="have samples run again by the next run")
    redo.add_argument("study", type=study_place, help=STUDY_HELP)
    redo.add_argument("ids", nargs="*", metavar="SAMPLE_ID", help="samples, as in samples.csv")
    redo.add_argument("--failed", action="store_true", help="those without a result")
    redo.add_argument("--where", default="", metavar="EXPR", help=_WHERE)
    redo.add_argument("--list", action="store_true", help="list them, change nothing")
    redo.set_defaults(run=_redo)

    skip = commands.add_parser("skip", help="never run samples again; redo takes it back")
    skip.add_argument("study", type=study_place, help=STUDY_HELP)
    skip.add_argument("ids", nargs="*", metavar="SAMPLE_ID", help="samples, as in samples.csv")
    skip.add_argument("--where", default="", metavar="EXPR", help=_WHERE)
    skip.add_argument("--reason", metavar="TEXT", help="why; becomes their message")
    skip.add_argument("--list", action="store_true", help="list them, change nothing")
    skip.set_defaults(run=_skip, failed=False)

    status = commands.add_parser("status", help="how far a study is, here or elsewhere")
    status.add_argument("study", type=study_place, help=STUDY_HELP)
    status.add_argument("--watch", action="store_true", help="again and again, until it ends")
    status.set_defaults(run=_status)

    clean = commands.add_parser("clean", help="remove figures and tables of earlier versions")
    clean.add_argument("study", type=study_place, help=STUDY_HELP)
    clean.add_argument("--list", action="store_true", help="list them, change nothing")
    clean.set_defaults(run=_clean)


def _samples_of(path: Path) -> tuple[LoadedStudy, StudyPaths]:
    """Return a study of samples as it was last run, and its files.

    Raises ConfigError for a parareal study.
    """
    study, paths = results_of(path)
    study.config.model  # noqa: B018  # raises the error
    return study, paths


def _gather(options: argparse.Namespace) -> int:
    from ensnare.commands.gather import deliver

    study, paths = _samples_of(options.study)
    counts = deliver(study, paths, partial=options.partial)
    causes = "".join(f", {n} {label}" for label, n in counts.items() if n)
    print(f"{paths.archive}: {sum(counts.values())} samples{causes}; report: {paths.report}")
    return 0


def _redo(options: argparse.Namespace) -> int:
    from ensnare.archive.gather import gather
    from ensnare.commands.select import select
    from ensnare.evaluate.amendments import redo
    from ensnare.plan.batches import plan_batches
    from ensnare.store.outcome import Status

    study, paths = _samples_of(options.study)
    arrays = gather(study, plan_batches(study), paths, partial=True)
    at = select(study, arrays, _selection(options, "--failed, --where or sample ids"))
    at = at[arrays.status[at] != Status.NOT_RUN]
    if options.list:
        _list(arrays, at)
    elif not len(at):
        print("no sample that ended is meant; nothing is to be run again")
    else:
        batches = redo(study, paths, arrays.sample_id[at])
        jobs = "1 batch" if batches == 1 else f"{batches} batches"
        print(f"{len(at)} samples in {jobs} run again; run snakemake")
    return 0


def _skip(options: argparse.Namespace) -> int:
    from ensnare.archive.gather import gather
    from ensnare.commands.select import select
    from ensnare.evaluate.amendments import skip
    from ensnare.plan.batches import plan_batches

    if not (options.reason or "").strip() and not options.list:
        raise ConfigError("skip: no reason; give --reason TEXT, which becomes their message")
    study, paths = _samples_of(options.study)
    arrays = gather(study, plan_batches(study), paths, partial=True)
    at = select(study, arrays, _selection(options, "--where or sample ids"))
    if options.list:
        _list(arrays, at)
    elif not len(at):
        print("no sample is meant; nothing is skipped")
    else:
        skip(study, paths, arrays.sample_id[at], " ".join(options.reason.split()))
        print(f"{len(at)} samples are skipped; run snakemake")
    return 0


def _selection(options: argparse.Namespace, ways: str) -> Selection:
    from ensnare.commands.select import Selection

    if not (options.failed or options.where.strip() or options.ids):
        raise ConfigError(f"no samples are meant; give {ways}")
    return Selection(options.failed, options.where.strip(), options.ids)


def _list(arrays: StudyArrays, at: Any) -> None:  # noqa: ANN401
    """Print a line for each sample: id, case, values, status, message."""
    from ensnare.store.outcome import Status, one_line
    from ensnare.study.sweep import case_label

    for i in at.tolist():
        case = case_label(arrays.cases[arrays.case[i]])
        x = ", ".join(f"{n}={v:.12g}" for n, v in zip(arrays.input_names, arrays.x[i], strict=True))
        words = [arrays.sample_id[i].decode(), Status(arrays.status[i]).label]
        said = one_line(arrays.messages.get(i, ""))
        print("  ".join([*words, ", ".join(filter(None, (case, x))), said]).rstrip())
    print(f"{len(at)} samples", file=sys.stderr)


def _status(options: argparse.Namespace) -> int:
    from ensnare.commands.clean import leftovers_note
    from ensnare.commands.status import show_lines, show_status

    study, paths = results_of(options.study)
    if study.config.parareal:
        from ensnare.parareal.progress import parareal_status

        show_lines(lambda: parareal_status(study, paths), watch=options.watch)
    else:
        show_status(study, paths, watch=options.watch)
    if note := leftovers_note(study, paths):
        print(note)
    return 0


def _clean(options: argparse.Namespace) -> int:
    from ensnare.commands.clean import find_leftovers, remove_leftovers

    study, paths = results_of(options.study)
    found = (find_leftovers if options.list else remove_leftovers)(study, paths)
    for path in found.unused:
        print(path)
    for path in found.changed:
        print(f"{path}: changed after it was written; it stays", file=sys.stderr)
    done = "can be removed" if options.list else "removed"
    print(f"{len(found.unused)} files of earlier versions {done}", file=sys.stderr)
    return 0
