"""The command line `ensnare`: its parser, and the commands that take a study file.

Commands on results are in `study`, those of the rules of parareal studies in `parareal`. Every
batch job starts with this module, so each command imports what it needs when it is called.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ensnare.commands.job import job_log
from ensnare.commands.parareal import add_parareal_jobs
from ensnare.commands.study import STUDY_HELP, add_commands
from ensnare.errors import ConfigError, EnsnareError, os_error_line
from ensnare.plan.rounds import as_it_grew, as_it_stands, results_of
from ensnare.store.paths import StudyPaths
from ensnare.store.signals import Terminated, raise_on_signals
from ensnare.study.loading import LoadedStudy, load_study, read_resolved, study_place

_BAD_REQUEST, _SAMPLE_FAILED = 1, 2


class _Parser(argparse.ArgumentParser):
    """A parser that reports a wrong command line like other errors: one line, exit code 1."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        # argparse before Python 3.14 takes -1e-5 for an option
        self._negative_number_matcher = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(_BAD_REQUEST, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the words of the process, and return its exit code.

    The code is 0 if all went well, 1 for a bad request or an error, 2 if the sample of `eval`
    failed, and 128 + n after signal n.
    """
    options = _parse(arguments)
    raise_on_signals()
    try:
        code = int(options.run(options))
        sys.stdout.flush()  # not left to the end of Python, so that errors are handled below
        return code
    except EnsnareError as error:
        print(f"ensnare: {error}", file=sys.stderr)
        return _BAD_REQUEST
    except BrokenPipeError:  # a reader such as `head` has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BAD_REQUEST
    except OSError as error:
        print(f"ensnare: {os_error_line(error)}", file=sys.stderr)
        return _BAD_REQUEST
    except Terminated as ended:
        print(f"ensnare: ended by signal {ended.exit_code - 128}", file=sys.stderr)
        return ended.exit_code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the words of a command line; NAME=VALUE may be anywhere after `eval STUDY`."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    pairs = [word for word in rest if "=" in word and not word.startswith("-")]
    if len(pairs) < len(rest) or (rest and not hasattr(options, "values")):
        parser.error(f"unknown: {' '.join(rest)}")
    if pairs:
        options.values = [*options.values, *pairs]
    return options


def _parser() -> _Parser:
    parser = _Parser(prog="ensnare", description="Studies of simulation codes.")
    parser.add_argument("--version", action="version", version=f"ensnare {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    check = commands.add_parser("check", help="check a study file")
    check.add_argument("study", type=Path, help="study file")
    check.set_defaults(run=_check)

    evaluate = commands.add_parser("eval", help="evaluate one point by hand")
    evaluate.add_argument("study", type=study_place, help=STUDY_HELP)
    evaluate.add_argument("values", nargs="*", metavar="NAME=VALUE", help="values by name")
    evaluate.add_argument("-X", nargs="+", dest="x", metavar="V", help="input values in order")
    evaluate.add_argument("--sample", type=int, metavar="ROW", help="row of the design, from 0")
    evaluate.add_argument("--prepare-only", action="store_true", help="make the files, run nothing")
    evaluate.add_argument(
        "--dump", action="store_true", help="also write InputSample.pklz and OutputSample.pklz"
    )
    evaluate.set_defaults(run=_eval)
    _add_by_hand(commands)
    add_commands(commands)

    adopt = commands.add_parser("adopt", help="declare older results valid for the study as it is")
    adopt.add_argument("study", type=Path, help="study file")
    adopt.set_defaults(run=_adopt)

    batch = commands.add_parser("evaluate-batch", help="evaluate one batch (the rule's command)")
    batch.add_argument("study", type=Path, help="resolved study, study.json")
    batch.add_argument("key", help="the batch")
    batch.add_argument("--log", type=Path, default="/dev/stdout", help="file for lines of progress")
    batch.add_argument("--threads", type=int, default=1, help="cores to use")
    batch.add_argument("--attempt", type=int, default=1, help="which job of this call it is")
    batch.set_defaults(run=_evaluate_batch)
    add_parareal_jobs(commands)
    return parser


def _add_by_hand(commands: Any) -> None:  # noqa: ANN401
    """Add the commands with which users look at samples, or run them, by hand."""
    path = commands.add_parser("path", help="print the kept directory of a sample")
    path.add_argument("study", type=study_place, help=STUDY_HELP)
    path.add_argument(
        "values", nargs="*", metavar="[FACTOR=LEVEL] ROW", help="row of the design, or a sample id"
    )
    path.set_defaults(run=_path)

    prepare = commands.add_parser("prepare", help="write the directory of every sample, run none")
    prepare.add_argument("study", type=study_place, help=STUDY_HELP)
    prepare.add_argument(
        "--directory", type=Path, metavar="D", help="where; default: results/<study>/prepared"
    )
    prepare.set_defaults(run=_prepare)

    collect = commands.add_parser("collect", help="take over what was run in prepared directories")
    collect.add_argument("study", type=study_place, help=STUDY_HELP)
    collect.add_argument("directory", type=Path, metavar="D", help="what prepare made")
    collect.set_defaults(run=_collect)


def _version() -> str:
    from importlib.metadata import version

    return version("ensnare")


def _check(options: argparse.Namespace) -> int:
    from ensnare.model.checks import check_study
    from ensnare.plan.batches import plan_batches
    from ensnare.plan.rounds import grows

    study = load_study(options.study)
    if study.config.parareal:
        from ensnare.parareal.check import check_parareal

        print(f"{options.study}: {check_parareal(study)} cases")
        return 0
    batches = plan_batches(study)
    check_study(study)
    first = " at first" if grows(study) else ""
    jobs = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
    print(f"{options.study}: {sum(map(len, batches))} samples in {jobs}{first}")
    return 0


def _eval(options: argparse.Namespace) -> int:
    from ensnare.commands.eval import evaluate_one, parse_request
    from ensnare.model.checks import check_once

    study = _study(options.study)
    # argparse gives all words after -X to it, also those of the form NAME=VALUE
    pairs = [*options.values, *(word for word in options.x or () if "=" in word)]
    x = None if options.x is None else [word for word in options.x if "=" not in word]
    point = parse_request(study, pairs, x, options.sample)
    check_once(study, Path(".snakemake/ensnare"))
    # what a Python model prints must not mix with the JSON that is the answer
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        result = evaluate_one(study, point, prepare_only=options.prepare_only)
    finally:
        sys.stdout = stdout
    if options.dump:
        _dump(study, point.values, result)
    print(json.dumps(result))
    return 0 if result["status"] in ("ok", "prepared") else _SAMPLE_FAILED


def _dump(study: LoadedStudy, values: dict[str, Any], result: dict[str, Any]) -> None:
    """Write a point to pickles as otwrapy does: arrays of one row, NaN for missing outputs."""
    import numpy as np

    from ensnare.store.pickles import write_pickle

    x = [values[item.name] for item in study.config.random_inputs]
    y: list[float] = []
    for output in study.config.model.outputs:
        found = result["outputs"][output.name]
        y += [float("nan")] * output.size if found is None else np.ravel(found).tolist()
    write_pickle(Path("InputSample.pklz"), np.array([x], float))
    write_pickle(Path("OutputSample.pklz"), np.array([y], float))


def _path(options: argparse.Namespace) -> int:
    from ensnare.commands.path import kept_directory

    study, paths = _study(options.study), _paths(options.study)
    if not paths.study.exists():
        raise ConfigError(f"there are no results in {paths.root}; run snakemake first")
    print(kept_directory(study, paths, options.values))
    return 0


def _prepare(options: argparse.Namespace) -> int:
    from ensnare.commands.prepare import LIST, SCRIPT, prepare_all
    from ensnare.model.checks import check_once

    study, paths = _study(options.study), _paths(options.study)
    check_once(study, Path(".snakemake/ensnare"))
    directory = options.directory or paths.root / "prepared"
    prepared, bad = prepare_all(study, directory, paths)
    more = f"; {bad} samples cannot be prepared" if bad else ""
    print(f"{directory / LIST}: {prepared} samples, each with {SCRIPT}{more}")
    return 0


def _collect(options: argparse.Namespace) -> int:
    from ensnare.commands.prepare import collect

    study, paths = _study(options.study), _paths(options.study)
    found = collect(study, options.directory, paths, lambda line: print(line, file=sys.stderr))
    print(
        f"{options.directory}: {found.taken} samples taken over, {found.known} known before, "
        f"{found.waiting} not run yet, {found.stale} of another version of the study"
    )
    return 0


def _adopt(options: argparse.Namespace) -> int:
    from ensnare.evaluate.adopt import adopt
    from ensnare.model.checks import check_once

    paths = _paths(options.study)
    study = as_it_grew(_study(options.study), paths)
    check_once(study, Path(".snakemake/ensnare"))
    print(f"{paths.root}: {adopt(study, paths)} samples of older versions of the study are adopted")
    return 0


def _paths(path: Path) -> StudyPaths:
    """Return the files of a study, given its study file or its directory of results."""
    return StudyPaths(path) if path.is_dir() else StudyPaths.of(load_study(path).config.study)


def _study(path: Path) -> LoadedStudy:
    """Read a study of samples from its study file or its directory of results.

    Raises ConfigError for a parareal study.
    """
    study = results_of(path)[0] if path.is_dir() else load_study(path)
    study.config.model  # noqa: B018  # raises the error
    return as_it_stands(study, _paths(path))


def _evaluate_batch(options: argparse.Namespace) -> int:
    gc.disable()
    from ensnare.evaluate.batch import evaluate_batch, find_batch
    from ensnare.evaluate.claim import renew_for
    from ensnare.model.process import fork_with_guard

    # as in __main__; collections in forked workers would also copy the memory of these objects
    gc.freeze()
    gc.enable()
    study, batch = find_batch(read_resolved(options.study), options.key)
    paths = StudyPaths(options.study.parent)
    # the parent process renews the claim: this one may be busy loading a model or packing
    # directories for longer than the minute after which others take a claim for abandoned
    claim = paths.owner(batch.key)
    if (code := fork_with_guard(lambda child: renew_for(claim, child))) is not None:
        return code
    with job_log(options.log) as say:
        evaluate_batch(study, batch, paths, options.threads, say, options.attempt)
    return 0
