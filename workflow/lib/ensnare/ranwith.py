"""With what the samples of a study were run: the versions and machines of their jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ensnare.paths import StudyPaths


def ran_with(origin: NDArray[np.bytes_], paths: StudyPaths) -> list[dict[str, Any]]:
    """Return with what samples were run, as far as the files of their batches tell.

    Parameters
    ----------
    origin : ndarray of S16, shape (n,)
        The batch that ran each sample; empty for those that were not run.
    paths : StudyPaths
        The files of the study.

    Returns
    -------
    list of dict
        `versions` and `host` of the job that completed a batch (empty if its file is gone), and
        how many `samples` they ran; those that ran most come first.
    """
    if not len(origin):
        return []
    # batch by batch, as the samples stand: sorting a million names costs more than all the rest
    start = np.flatnonzero(np.concatenate([[True], origin[1:] != origin[:-1]]))
    found: dict[str, int] = {}
    for key, count in zip(origin[start], np.diff(start, append=len(origin)), strict=True):
        found[key.decode()] = found.get(key.decode(), 0) + int(count)
    found.pop("", None)
    grouped: dict[str, int] = {}
    for key, count in found.items():
        text = json.dumps(_attributes(paths.batch(key)), sort_keys=True)
        grouped[text] = grouped.get(text, 0) + count
    order = sorted(grouped, key=lambda text: (-grouped[text], text))
    return [json.loads(text) | {"samples": grouped[text]} for text in order]


def _attributes(path: Path) -> dict[str, Any]:
    """Return what a batch file says of the job that completed it."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {name: json.loads(file.attrs[name]) for name in ("versions", "host")}
    except (OSError, KeyError, ValueError):
        return {"versions": {}, "host": {}}
