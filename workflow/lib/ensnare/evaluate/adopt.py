"""Declare results of an earlier version of a study valid for the present version."""

from __future__ import annotations

import datetime
import getpass
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ensnare.errors import ArchiveError
from ensnare.evaluate.batchfile import read_batch, write_rows
from ensnare.evaluate.forecast import PlannedRuns, planned_runs
from ensnare.evaluate.reuse import Match, OlderBatches
from ensnare.plan.batches import plan_batches
from ensnare.plan.identity import digest
from ensnare.store.journal import Finished
from ensnare.store.paths import StudyPaths
from ensnare.store.provenance import host
from ensnare.study.loading import LoadedStudy


def adopt(study: LoadedStudy, paths: StudyPaths) -> int:
    """Declare finished samples valid that ran something else than the study runs now.

    They are written as batches of an older version that seem to have run it; the next run takes
    them from there, and `origin` still names the batch that ran them. Returns their number, and
    raises ArchiveError if there is none.
    """
    older = OlderBatches(study, paths)
    adopted: dict[str, list[Finished]] = {}  # keys: how outputs were read
    origins: set[str] = set()
    for runs in planned_runs(study, plan_batches(study), paths):
        rest = older.find(runs.todo, runs).rest
        found = older.find(rest, runs, whatever_ran=True)
        for match in (*found.taken, *found.reparsed):
            part = _declared(match, runs)
            if len(part.rows):
                adopted.setdefault(json.dumps(match.older.parsers), []).append(part)
                origins |= {origin.decode() for origin in np.unique(part.rows["origin"]).tolist()}
    total = sum(len(part.rows) for parts in adopted.values() for part in parts)
    if not total:
        raise ArchiveError(
            f"{paths.root}: there is nothing to adopt: no finished sample of an older version of "
            "the study has the values, and the outputs, of one that is to be run; "
            "snakemake -n says what would run"
        )
    note = _note(total, sorted(origins))
    for parsers, parts in adopted.items():
        rows = np.concatenate([part.rows for part in parts])
        messages = {i: text for part in parts for i, text in part.messages.items()}
        key = digest([note, parsers])
        write_rows(paths.batch(key), Finished(rows, messages), json.loads(parsers), note)
    return total


def _declared(match: Match, runs: PlannedRuns) -> Finished:
    """Return older samples with the run keys that the study has now."""
    rows = match.rows
    rows["run_key"] = [runs.run_key(i) for i in match.here.tolist()]
    rows = rows[rows["run_key"] != b""]  # without samples whose files cannot be prepared
    return Finished(rows, match.older.finished.messages)


def _note(samples: int, origins: list[str]) -> dict[str, Any]:
    """Return who adopts samples now, and from which batches."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without user names
        user = "unknown"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    who = f"{user}@{host()['host']}"
    return {"when": now, "who": who, "samples": samples, "batches": origins}


def adoptions(table: Any, paths: StudyPaths) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return who adopted samples of a study and when, in order of time.

    `table` holds the samples of the study, of type `journal.row_type`. The keys of an entry are
    `when`, `who`, `samples` (how many are still in use) and `batches` (that ran them).
    """
    found = []
    for path in paths.batches.glob("*.h5"):
        note = _adopted(path)
        if note is None:
            continue
        rows = read_batch(path)[0].rows
        _, here, there = np.intersect1d(table["sample_id"], rows["sample_id"], return_indices=True)
        same = np.ones(len(here), bool)
        for name in ("run_key", "origin"):
            same &= table[name][here] == rows[name][there]
        if same.any():
            found.append(note | {"samples": int(same.sum())})
    return sorted(found, key=lambda note: str(note["when"]))


def _adopted(path: Path) -> dict[str, Any] | None:
    """Return what a batch file says about its adoption; None if it was evaluated."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            text = file.attrs.get("adopted")
    except OSError:
        return None
    return None if text is None else json.loads(text)
