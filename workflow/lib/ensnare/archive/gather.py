"""From batch files to the arrays of the archive."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ArchiveError, DesignError
from ensnare.evaluate.adopt import adoptions
from ensnare.evaluate.amendments import Amendments, read_amendments
from ensnare.evaluate.batchfile import parsers_of, read_batch, record_width, widths_of, with_outputs
from ensnare.plan.batches import Batch, case_table, design_rows
from ensnare.plan.rounds import measured_rounds
from ensnare.plan.samples import ids_of, read_design
from ensnare.store.ids import find_ids
from ensnare.store.journal import Finished, read_journal, row_type
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.outputs import OutputBase
from ensnare.study.sweep import Case


@dataclass(frozen=True)
class StudyArrays:
    """All samples of a study: case by case, and by design row within a case.

    Attributes
    ----------
    input_names, output_names, factors : tuple of str
        Names.
    cases : list of dict
        Factor to level.
    sample_id : ndarray of S20, shape (n,)
        Ids.
    x : ndarray of float, shape (n, d)
        Input values.
    y : ndarray of float, shape (n, q)
        Outputs, NaN unless ok; an array of m numbers takes m columns, `u[0]`, `u[1]` ...
    axes : dict of str to ndarray
        Output to what the numbers of an array stand over, shape (m,).
    case, design_row : ndarray of int, shape (n,)
        Position of the case, and row of the design.
    status, exit_code, attempts, elapsed_s : ndarray, shape (n,)
        How each sample ended.
    block, group : ndarray of int, shape (n,), or None
        Pick-freeze designs; see `design.DesignTable`.
    origin : ndarray of S16, shape (n,)
        The batch that holds the working directory.
    messages : dict
        Position to message.
    redone : ndarray of int, shape (n,), or None
        How often each sample was to be run again; None if none was.
    adopted : list of dict
        Who declared samples of an older version valid; see `adoption.adoptions`.
    rounds : list of dict
        Of a design that grows by itself; see `verdicts.Measured`.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    factors: tuple[str, ...]
    cases: list[Case]
    sample_id: NDArray[np.bytes_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    case: NDArray[np.int64]
    design_row: NDArray[np.int64]
    status: NDArray[np.uint8]
    exit_code: NDArray[np.int32]
    attempts: NDArray[np.uint16]
    elapsed_s: NDArray[np.float64]
    origin: NDArray[np.bytes_]
    block: NDArray[np.int32] | None = None
    group: NDArray[np.int32] | None = None
    messages: dict[int, str] = field(default_factory=dict)
    axes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    redone: NDArray[np.uint16] | None = None
    adopted: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sample_id)

    def levels(self, factor: str) -> NDArray[Any]:
        """Return the level of a factor per sample, shape (n,); "" or NaN where there is none."""
        found = [case.get(factor) for case in self.cases]
        text = any(isinstance(level, str) for level in found)
        absent: Any = "" if text else float("nan")
        per_case = [absent if level is None else level for level in found]
        if not text and all(isinstance(v, int) and abs(v) < 2**63 for v in per_case):
            return np.array(per_case, np.int64)[self.case]
        return np.array(per_case if text else [float(v) for v in per_case])[self.case]


def gather(
    study: LoadedStudy, batches: Sequence[Batch], paths: StudyPaths, *, partial: bool = False
) -> StudyArrays:
    """Collect the batch files of a study.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    batches : sequence of Batch
        Its batches.
    paths : StudyPaths
        Its files.
    partial : bool
        Also take what the journals of unfinished batches hold.

    Returns
    -------
    StudyArrays
        Samples without a result are `not_run`.

    Raises
    ------
    DesignError
        If a batch was evaluated for other rows than the design holds.
    ArchiveError
        If a file is damaged.
    """
    cases, rows = case_table(study), design_rows(study)
    total = rows * len(cases)
    design = read_design(paths.design, study)
    table = np.zeros(total, row_type(record_width(study)))
    table["status"], table["exit_code"] = Status.NOT_RUN, -1
    table["elapsed_s"] = np.nan
    table["outputs"] = np.nan
    messages: dict[int, str] = {}
    for batch in batches:
        at = _places(batch, rows)
        table["sample_id"][at] = ids_of(study, batch.segments, design)
        if paths.batch(batch.key).exists():
            _fill(table, at, messages, paths.batch(batch.key), study)
        elif partial:
            _fill_what_ended(table, at, messages, paths.journal(batch.key), study)
    amendments = read_amendments(paths)
    _skip(table, messages, amendments)
    y, axes = _judged(study, table, messages)
    repeat = len(cases)
    return StudyArrays(
        input_names=design.names,
        output_names=tuple(n for o in study.config.model.outputs for n in o.flat_names),
        factors=tuple(study.config.factors),
        cases=cases,
        x=design.x if repeat == 1 else np.tile(design.x, (repeat, 1)),
        y=y,
        axes=axes,
        case=np.repeat(np.arange(repeat), rows),
        design_row=np.tile(np.arange(rows), repeat),
        block=None if design.block is None else np.tile(design.block, repeat),
        group=None if design.group is None else np.tile(design.group, repeat),
        messages=messages,
        redone=_redone(table["sample_id"], amendments),
        adopted=adoptions(table, paths),
        rounds=measured_rounds(study, paths),
        **{k: np.ascontiguousarray(table[k]) for k in _COPIED},
    )


Places = slice | NDArray[np.int64]
_AXIS_TOLERANCE = 1e-6  # of its length
_COPIED = ("sample_id", "status", "exit_code", "attempts", "elapsed_s", "origin")


def _places(batch: Batch, rows: int) -> Places:
    """Return where the samples of a batch stand among all; a slice takes a tenth of the time."""
    parts = [(s.case * rows + s.start, s.case * rows + s.stop) for s in batch.segments]
    if all(here[1] == there[0] for here, there in itertools.pairwise(parts)):
        return slice(parts[0][0], parts[-1][1])
    return np.concatenate([np.arange(*part) for part in parts])


def _fill(
    table: Any,  # noqa: ANN401
    at: Places,
    messages: dict[int, str],
    path: Path,
    study: LoadedStudy,
) -> None:
    """Put the rows of one batch file in their places."""
    finished, parsers = read_batch(path)
    outputs = [o.name for o in study.config.model.outputs]
    if sorted(parsers) != sorted(outputs):
        raise ArchiveError(
            f"{path}: has the outputs {', '.join(parsers)}; remove it and run snakemake again"
        )
    if not np.array_equal(finished.rows["sample_id"], table["sample_id"][at]):
        raise DesignError(
            f"{path} was evaluated for other rows than the design holds now (another version of "
            "OpenTURNS?); remove it and run snakemake again"
        )
    table[at] = with_outputs(finished.rows, widths_of(parsers), outputs)
    _note(finished, at, messages)


def _fill_what_ended(
    table: Any,  # noqa: ANN401
    at: Places,
    messages: dict[int, str],
    path: Path,
    study: LoadedStudy,
) -> None:
    """Put the samples in their places that the journal of an unfinished batch holds."""
    found = read_journal(path, record_width(study))
    place = find_ids(found.rows["sample_id"], table["sample_id"][at])
    ours = place >= 0
    finished = Finished(found.rows[ours], found.messages)
    at = _numbers(at)[place[ours]]
    names = [o.name for o in study.config.model.outputs]
    table[at] = with_outputs(finished.rows, widths_of(parsers_of(study)), names)
    _note(finished, at, messages)


def _numbers(at: Places) -> NDArray[np.int64]:
    return np.arange(at.start, at.stop) if isinstance(at, slice) else at


def _note(finished: Finished, at: Places, messages: dict[int, str]) -> None:
    """Note the messages of samples that have one by their places."""
    if finished.messages:
        places = zip(finished.rows["sample_id"].tolist(), _numbers(at).tolist(), strict=True)
        for name, place in places:
            if text := finished.messages.get(name.decode()):
                messages[place] = text


def _skip(table: Any, messages: dict[int, str], amendments: Amendments) -> None:  # noqa: ANN401
    """Tell samples that are skipped from those that were not run yet."""
    if not amendments.skipped:
        return
    for i in np.flatnonzero(table["status"] == Status.NOT_RUN).tolist():
        if reason := amendments.skipped.get(table["sample_id"][i].decode()):
            table["status"][i], messages[i] = Status.SKIPPED, reason


def _redone(ids: NDArray[np.bytes_], amendments: Amendments) -> NDArray[np.uint16] | None:
    times = amendments.redone
    if not times:
        return None
    return np.array([times.get(name.decode(), 0) for name in ids.tolist()], np.uint16)


def _judged(
    study: LoadedStudy,
    table: Any,  # noqa: ANN401
    messages: dict[int, str],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Apply ranges and compare axes; return the outputs with NaN unless ok, and the axes.

    Ranges are applied here and not where a sample runs, so that changing one runs nothing.
    """
    status = table["status"]
    parts, axes, start = [], {}, 0
    for output in study.config.model.outputs:
        y = table["outputs"][:, start : start + output.size].copy()
        found = table["outputs"][:, start + output.size : start + output.width]
        start += output.width
        parts.append(y)
        if output.shape:
            axes[output.name] = _axis(output, found, status, messages)
        bad = outside(y, output.range)
        for i in np.flatnonzero((status == Status.OK) & bad.any(axis=1)):
            j = int(np.argmax(bad[i]))
            messages[int(i)] = range_message(output.flat_names[j], float(y[i, j]), output.range)
            status[i] = Status.OUT_OF_RANGE
    whole = np.concatenate(parts, axis=1)
    whole[status != Status.OK] = np.nan
    return whole, axes


def _axis(
    output: OutputBase,
    found: NDArray[np.float64],
    status: NDArray[np.uint8],
    messages: dict[int, str],
) -> NDArray[np.float64]:
    """Return the axis of an array output; samples that have another one are unparsable."""
    if output.axis is not None and output.axis.values is not None:
        return np.array(output.axis.values)
    good = np.flatnonzero(status == Status.OK)
    if not found.shape[1] or not len(good):
        return np.arange(output.size, dtype=float)
    axis: NDArray[np.float64] = found[good[0]].copy()
    # a code prints what it computed: the last digits may differ
    near = _AXIS_TOLERANCE * max(float(np.ptp(axis)), float(np.finfo(float).tiny))
    for i in good[(np.abs(found[good] - axis) > near).any(axis=1)]:
        status[i] = Status.UNPARSABLE
        messages[int(i)] = (
            f"output '{output.name}': its axis is not that of the first sample; read it at fixed "
            "places, or leave column, dataset or variable out of the axis"
        )
    return axis


def outside(
    y: NDArray[np.float64], bounds: tuple[float | None, float | None] | None
) -> NDArray[np.bool_]:
    """Return which values lie outside the bounds, shaped like `y`."""
    low, high = bounds or (None, None)
    below = y < (-np.inf if low is None else low)
    return below | (y > (np.inf if high is None else high))


def range_message(name: str, value: float, bounds: tuple[float | None, float | None] | None) -> str:
    """Return what is wrong with a value outside its range."""
    low, high = bounds or (None, None)
    shown = ["-inf" if low is None else f"{low:g}", "inf" if high is None else f"{high:g}"]
    return f"output '{name}' = {value:g}; its range is [{', '.join(shown)}]"
