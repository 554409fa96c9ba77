"""End a study early when too many samples fail, counted over all of its batches.

Every running batch publishes its counts. The batch whose failure exceeds the limit writes the file
STOP and fails; the other jobs see the file and fail too. Every batch counts anew when it begins and
removes the file if the limit is not exceeded, so a STOP of an earlier run blocks nothing.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

from ensnare.errors import ArchiveError, BatchError
from ensnare.evaluate.batchfile import read_live_journal
from ensnare.evaluate.progress import NO_COUNTS, AllCounts, Counts
from ensnare.plan.batches import Batch, plan_batches
from ensnare.store.outcome import FAILURES, Status, one_line
from ensnare.store.paths import StudyPaths, write_whole
from ensnare.study.loading import LoadedStudy

_EVERY_S = 1.0
_MESSAGES = 3  # of failed samples, shown as examples


class FailureLimit:
    """The limit of failures of a study, checked by the job of one of its batches."""

    def __init__(self, study: LoadedStudy, batch: Batch, paths: StudyPaths) -> None:
        self._paths, self._key = paths, batch.key
        self._name, self._stated = study.config.study, study.config.on_failure.stop_after
        self._limit: int | None = None
        if self._stated is not None:
            batches = plan_batches(study)
            self._limit = study.config.on_failure.limit(sum(map(len, batches)))
            self._others = [other for other in batches if other.key != batch.key]
            self._all_counts = AllCounts(paths)
        self._elsewhere = Counts(0)
        self._counted_failures = self._checked_at = float("-inf")

    def begin(self, own: Counts) -> None:
        """Raise BatchError if the limit is exceeded already; otherwise remove an old STOP file."""
        if self._limit is not None:
            self._count()
            self._check_total(own)
        self._paths.stop.unlink(missing_ok=True)

    def check(self, own: Counts, *, final: bool = False) -> None:
        """Raise BatchError if the limit is exceeded, by this batch or as another one found.

        It may be called often: other batches are looked at once a second, and whenever the limit
        seems to be exceeded or for `final`.
        """
        if self._limit is None:
            return
        now = time.monotonic()
        if own.failed + self._elsewhere.failed > self._limit or final:
            self._count()
            self._check_total(own)
        elif now - self._checked_at >= _EVERY_S:
            self._checked_at = now
            self._check_others()
            # a failure elsewhere is counted by the job that has it
            if own.failed > self._counted_failures:
                self._counted_failures = own.failed
                self._count()
                self._check_total(own)

    def _count(self) -> None:
        """Count the failures of all other batches."""
        self._elsewhere = sum(self._all_counts.read(self._others).values(), Counts(0, NO_COUNTS))

    def _check_total(self, own: Counts) -> None:
        """Write the STOP file and raise BatchError if all failures together exceed the limit."""
        total = own + self._elsewhere
        assert self._limit is not None
        if total.failed > self._limit:
            text = self._summary(total)
            content = json.dumps({"failed": total.failed, "text": text}) + "\n"
            write_whole(self._paths.stop, lambda part: part.write_text(content))
            raise BatchError(text)

    def _check_others(self) -> None:
        """Raise BatchError if another batch of this run found the limit exceeded."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = json.loads(self._paths.stop.read_text())
            assert self._limit is not None
            if found["failed"] > self._limit:
                raise BatchError(str(found["text"]))

    def _summary(self, total: Counts) -> str:
        """Return what failed, why, and what to do next."""
        causes = [f"{total.by_status[s]} {s.label}" for s in FAILURES if total.by_status[s]]
        root = self._paths.root
        lines = [
            f"study {self._name}: {total.failed} of {total.ran} samples that ran failed, and "
            f"on_failure.stop_after is {self._stated}: the study ends here ({', '.join(causes)})"
        ]
        keys = [self._key, *(batch.key for batch in self._others)]
        messages = [
            message
            for _, message in zip(range(_MESSAGES), self._failure_messages(keys), strict=False)
        ]
        return "\n".join(
            [
                *lines,
                *(f"  {message}" for message in messages),
                f"next: ensnare redo {root} --failed, when the cause is mended; or raise "
                f"stop_after; or ensnare gather --partial {root}, for what there is",
            ]
        )

    def _failure_messages(self, keys: list[str]) -> Iterator[str]:
        """Yield the messages of failed samples, batch by batch, with their directories."""
        bad = {int(status) for status in FAILURES}
        for key in keys:
            try:
                finished, _ = read_live_journal(self._paths.journal(key))
            except (ArchiveError, OSError):
                continue
            for row in finished.rows:
                if row["status"] in bad:
                    name = row["sample_id"].decode()
                    place = self._paths.sample(row["origin"].decode(), name)
                    where = f" ({place})" if place.is_dir() else ""
                    text = one_line(finished.messages.get(name, "")) or "no message"
                    yield f"{name}: {Status(row['status']).label}: {text}{where}"
