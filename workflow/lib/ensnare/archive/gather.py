"""Collecting the batch files of a study into the arrays of its archive.

A batch file says how each of its samples ended. What needs all samples is decided here: whether
outputs lie in their ranges, whether array outputs share an axis, which samples a user skipped.
"""

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
from ensnare.store.outcome import NO_EXIT_CODE, Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy
from ensnare.study.outputs import OutputBase
from ensnare.study.sweep import Case

Array = NDArray[np.float64]
Axes = dict[str, Array]
Messages = dict[int, str]  # position of a sample among all to what went wrong
Positions = slice | NDArray[np.int64]  # of the samples of a batch among all of the study
Range = tuple[float | None, float | None] | None
_AXIS_TOLERANCE = 1e-6  # relative to the length of the axis
_TABLE_FIELDS = ("sample_id", "status", "exit_code", "attempts", "elapsed_s", "origin")


@dataclass(frozen=True)
class StudyArrays:
    """All n samples of a study as arrays: case by case, and by design row within a case."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]  # of columns: an array of m numbers has `u[0]`, `u[1]` ...
    factors: tuple[str, ...]
    cases: list[Case]  # each maps factors to levels
    sample_id: NDArray[np.bytes_]  # all arrays have shape (n,) unless a comment says otherwise
    x: Array  # input values, shape (n, d)
    y: Array  # outputs, shape (n, q); NaN unless the status is ok
    case: NDArray[np.int64]  # position in `cases`
    design_row: NDArray[np.int64]
    status: NDArray[np.uint8]  # see `store.outcome.Status`
    exit_code: NDArray[np.int32]
    attempts: NDArray[np.uint16]
    elapsed_s: Array
    origin: NDArray[np.bytes_]  # key of the batch that ran the sample; empty if it was not run
    # of pick-freeze and Morris designs, see `design.table.DesignTable`; otherwise None
    block: NDArray[np.int32] | None = None
    group: NDArray[np.int32] | None = None
    messages: Messages = field(default_factory=dict)
    axes: Axes = field(default_factory=dict)  # of array outputs, shape (m,)
    # how often `ensnare redo` had each sample run again; None if it had none
    redone: NDArray[np.uint16] | None = None
    adopted: list[dict[str, Any]] = field(default_factory=list)  # see `evaluate.adopt.adoptions`
    # of a design that grows by itself, as JSON of `plan.criteria.Measured`
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sample_id)

    def levels(self, factor: str) -> NDArray[Any]:
        """Return the level of a factor of each sample, shape (n,).

        Where the case of a sample does not have the factor, the level is "" for a factor with
        texts among its levels, and NaN for others.
        """
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
    """Collect the batch files of a study; samples without a result are `not_run`.

    With `partial`, also take what the journals of unfinished batches hold. Raises DesignError if
    a batch was evaluated for other rows than the design holds, and ArchiveError if a file is
    damaged.
    """
    cases, rows = case_table(study), design_rows(study)
    total = rows * len(cases)
    design = read_design(paths.design, study)
    table = np.zeros(total, row_type(record_width(study)))
    table["status"], table["exit_code"] = Status.NOT_RUN, NO_EXIT_CODE
    table["elapsed_s"] = np.nan
    table["outputs"] = np.nan
    messages: Messages = {}
    for batch in batches:
        at = _positions(batch, rows)
        table["sample_id"][at] = ids_of(study, batch.segments, design)
        if paths.batch(batch.key).exists():
            _fill_from_batch_file(table, at, messages, paths.batch(batch.key), study)
        elif partial:
            _fill_from_journal(table, at, messages, paths.journal(batch.key), study)
    amendments = read_amendments(paths)
    _mark_skipped(table, messages, amendments)
    y, axes = _outputs_and_axes(study, table, messages)
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
        redone=_times_redone(table["sample_id"], amendments),
        adopted=adoptions(table, paths),
        rounds=measured_rounds(study, paths),
        **{k: np.ascontiguousarray(table[k]) for k in _TABLE_FIELDS},
    )


def _positions(batch: Batch, rows: int) -> Positions:
    """Return where the samples of a batch stand among all samples, for `rows` in each case."""
    parts = [(s.case * rows + s.start, s.case * rows + s.stop) for s in batch.segments]
    # assigning to a slice takes a tenth of the time that positions take
    if all(here[1] == there[0] for here, there in itertools.pairwise(parts)):
        return slice(parts[0][0], parts[-1][1])
    return np.concatenate([np.arange(*part) for part in parts])


def _fill_from_batch_file(
    table: Any,  # noqa: ANN401
    at: Positions,
    messages: Messages,
    path: Path,
    study: LoadedStudy,
) -> None:
    """Copy the rows of one batch file to their positions in the table."""
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
    _add_messages(finished, at, messages)


def _fill_from_journal(
    table: Any,  # noqa: ANN401
    at: Positions,
    messages: Messages,
    path: Path,
    study: LoadedStudy,
) -> None:
    """Copy the samples that the journal of an unfinished batch holds to their positions."""
    found = read_journal(path, record_width(study))
    place = find_ids(found.rows["sample_id"], table["sample_id"][at])
    ours = place >= 0
    finished = Finished(found.rows[ours], found.messages)
    at = _as_numbers(at)[place[ours]]
    names = [o.name for o in study.config.model.outputs]
    table[at] = with_outputs(finished.rows, widths_of(parsers_of(study)), names)
    _add_messages(finished, at, messages)


def _as_numbers(at: Positions) -> NDArray[np.int64]:
    return np.arange(at.start, at.stop) if isinstance(at, slice) else at


def _add_messages(finished: Finished, at: Positions, messages: Messages) -> None:
    """Add the messages of the finished samples that have one, by position."""
    if finished.messages:
        pairs = zip(finished.rows["sample_id"].tolist(), _as_numbers(at).tolist(), strict=True)
        for sample_id, position in pairs:
            if text := finished.messages.get(sample_id.decode()):
                messages[position] = text


def _mark_skipped(table: Any, messages: Messages, amendments: Amendments) -> None:  # noqa: ANN401
    """Give samples without a result that a user has skipped this status, and the reason."""
    if not amendments.skipped:
        return
    for i in np.flatnonzero(table["status"] == Status.NOT_RUN).tolist():
        if reason := amendments.skipped.get(table["sample_id"][i].decode()):
            table["status"][i], messages[i] = Status.SKIPPED, reason


def _times_redone(ids: NDArray[np.bytes_], amendments: Amendments) -> NDArray[np.uint16] | None:
    times = amendments.redone
    if not times:
        return None
    return np.array([times.get(sample_id.decode(), 0) for sample_id in ids.tolist()], np.uint16)


def _outputs_and_axes(
    study: LoadedStudy,
    table: Any,  # noqa: ANN401
    messages: Messages,
) -> tuple[Array, Axes]:
    """Return the outputs, shape (n, q), with NaN unless ok, and the axes of array outputs.

    Samples with an output outside its range, or with another axis than the first sample, get the
    status and the message of that. This is not done where samples run, so that a change of a
    range reruns none.
    """
    status = table["status"]
    parts, start = [], 0
    axes: Axes = {}
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
    outputs = np.concatenate(parts, axis=1)
    outputs[status != Status.OK] = np.nan
    return outputs, axes


def _axis(output: OutputBase, found: Array, status: NDArray[np.uint8], messages: Messages) -> Array:
    """Return the axis of an array output, shape (m,): the stated one, or that of the first sample.

    `found` holds the axis that each sample has read, shape (n, m), or no columns. Samples with
    another axis than the first one that is ok become unparsable.
    """
    if output.axis is not None and output.axis.values is not None:
        return np.array(output.axis.values)
    good = np.flatnonzero(status == Status.OK)
    if not found.shape[1] or not len(good):
        return np.arange(output.size, dtype=float)
    axis: Array = found[good[0]].copy()
    # codes print computed positions, whose last digits may differ from run to run
    near = _AXIS_TOLERANCE * max(float(np.ptp(axis)), float(np.finfo(float).tiny))
    for i in good[(np.abs(found[good] - axis) > near).any(axis=1)]:
        status[i] = Status.UNPARSABLE
        messages[int(i)] = (
            f"output '{output.name}': its axis is not that of the first sample; read it at fixed "
            "places, or leave column, dataset or variable out of the axis"
        )
    return axis


def outside(y: Array, bounds: Range) -> NDArray[np.bool_]:
    """Return which values lie outside the bounds, shaped like `y`; NaN does not."""
    low, high = bounds or (None, None)
    below = y < (-np.inf if low is None else low)
    return below | (y > (np.inf if high is None else high))


def range_message(name: str, value: float, bounds: Range) -> str:
    """Return the message of a sample with an output outside its range."""
    low, high = bounds or (None, None)
    shown = ["-inf" if low is None else f"{low:g}", "inf" if high is None else f"{high:g}"]
    return f"output '{name}' = {value:g}; its range is [{', '.join(shown)}]"
