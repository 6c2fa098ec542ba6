"""Holding many pending jobs at once, page by page, and pausing a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from runner.core.events import Held
from runner.core.groups import groups_of
from runner.core.job import Job
from runner.core.lifecycle import transition
from runner.store import reading
from runner.store.codec import optional_micros
from runner.store.saving import batch_row, write

#: the first of several who pause it stays the one since when it is
_PAUSE = (
    "UPDATE batches SET paused_at = CASE WHEN :at IS NULL THEN NULL"
    " ELSE COALESCE(paused_at, :at) END WHERE batch = :batch"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Which:
    """The pending jobs that are held; None = of any lane, of any group."""

    lane: str | None
    group: str | None  # kind:name

    def covers(self, job: Job) -> bool:
        if self.lane is not None and job.lane != self.lane:
            return False
        if self.group is None:
            return True
        return any(group.id == self.group for group in groups_of(job.batch, job.spec))


def hold_page(
    db: Connection, batch: str, event: Held, which: Which, after: reading.Cursor, size: int,
    run: int | None,
) -> tuple[Sequence[Job], reading.Cursor | None]:  # fmt: skip
    """Hold those of the next so many pending jobs; what is held, and where the next page starts."""
    jobs, end = reading.pending_page(db, batch, after, size)
    held = [transition(job, event) for job in jobs if which.covers(job)]
    before = {job.id: job for job in jobs}
    for job in held:
        write(db, before[job.id], job, event, None, run)
    return held, end if len(jobs) == size else None


def set_paused(db: Connection, batch: str, at: datetime | None) -> None:
    """Note since when the batch is paused, if it is not already; None lets it go on."""
    values = {"batch": batch_row(db, batch), "at": optional_micros(at)}
    db.execute(_PAUSE, values)


def is_paused(db: Connection, batch: str) -> bool:
    row = db.execute(
        "SELECT paused_at FROM batches WHERE batch = ?", (batch_row(db, batch),)
    ).fetchone()
    return row["paused_at"] is not None
