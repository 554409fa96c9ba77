"""`samples.csv`: one line per sample, for spreadsheets and programs that cannot read HDF5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensnare.archive.gather import StudyArrays
from ensnare.model.keep import kept_directories
from ensnare.store.outcome import Status, one_line
from ensnare.store.paths import StudyPaths, write_whole

_CHUNK = 65536  # rows that are in memory as text at a time
_LABELS = [status.label for status in Status]


def write_samples(path: Path, arrays: StudyArrays, paths: StudyPaths) -> None:
    """Write one line per sample: id, case, values, status, message, and the directory if kept."""
    write_whole(path, lambda part: _write(part, arrays, kept_directories(paths)))


def _write(part: Path, arrays: StudyArrays, kept: Mapping[tuple[str, str], Path]) -> None:
    # array outputs would give lines of thousands of cells, so they are in the archive only
    numbers = [j for j, name in enumerate(arrays.output_names) if not name.endswith("]")]
    header = [
        *("id", *arrays.factors, "design_row", *arrays.input_names),
        *(arrays.output_names[j] for j in numbers),
        *("status", "exit_code", "elapsed_s", "attempts", "redone", "directory", "message"),
    ]
    levels = [[_cell(case.get(f, "")) for case in arrays.cases] for f in arrays.factors]
    with part.open("w", newline="") as file:
        file.write(",".join(header) + "\n")
        for start in range(0, len(arrays.sample_id), _CHUNK):
            at = slice(start, start + _CHUNK)
            columns = _columns(arrays, at, levels, numbers, kept)
            # text is made column by column, since a csv.writer would check every cell for quotes
            file.write("".join(",".join(row) + "\n" for row in zip(*columns, strict=True)))


def _columns(
    arrays: StudyArrays,
    at: slice,
    levels: Sequence[Sequence[str]],
    numbers: Sequence[int],
    kept: Mapping[tuple[str, str], Path],
) -> Iterator[Sequence[str]]:
    """Yield each column of some rows as text; `numbers` are the columns of y that are written."""
    ids = arrays.sample_id[at].astype(str).tolist()
    cases = arrays.case[at].tolist()
    yield ids
    for of_case in levels:
        yield [of_case[case] for case in cases]
    yield _shortest_text(arrays.design_row[at])
    for column in (*arrays.x[at].T, *arrays.y[at][:, numbers].T):
        yield _shortest_text(column)
    yield [_LABELS[status] for status in arrays.status[at].tolist()]
    for column in (arrays.exit_code, arrays.elapsed_s, arrays.attempts):
        yield _shortest_text(column[at])
    yield ["0"] * len(ids) if arrays.redone is None else _shortest_text(arrays.redone[at])
    origins = arrays.origin[at].astype(str).tolist() if kept else []
    none = [""] * len(ids)
    yield [_cell(kept.get(k, "")) for k in zip(origins, ids, strict=True)] if kept else none
    places = range(at.start, at.start + len(ids))
    yield [_cell(one_line(arrays.messages[i])) if i in arrays.messages else "" for i in places]


def _shortest_text(column: np.ndarray) -> list[str]:
    """Return numbers as the shortest texts that read back as the same numbers."""
    return list(map(repr, column.tolist()))


def _cell(value: Any) -> str:  # noqa: ANN401
    """Return a value as a cell of a CSV file, in quotes where needed."""
    text = repr(value) if isinstance(value, float) else str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\r\n') else text
