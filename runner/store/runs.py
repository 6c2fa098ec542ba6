"""Runs as the state file remembers them: who started each, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from runner.store.codec import from_micros, optional_time
from runner.store.lease import owner_of
from runner.store.process import is_running, this_process
from runner.store.rows import Row

_RUNS = (
    "SELECT runs.*, batches.name AS batch_name FROM runs JOIN batches"
    " ON batches.batch = runs.batch WHERE ? IS NULL OR batches.name = ? ORDER BY run"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """One process that worked, or works, on a batch."""

    id: str
    batch: str
    user: str
    host: str
    pid: int
    command: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None  # None also where its lease was taken from it
    is_alive: bool  # of another machine only the row tells
    is_here: bool  # on this machine


def runs(db: Connection, batch: str | None) -> list[StoredRun]:
    """All runs of a batch, or of the file, oldest first."""
    return [_run(row) for row in db.execute(_RUNS, (batch, batch))]


def _run(row: Row) -> StoredRun:
    owner, here = owner_of(row), row["host"] == this_process().host
    return StoredRun(
        id=row["id"],
        batch=row["batch_name"],
        user=row["user"],
        host=row["host"],
        pid=row["pid"],
        command=row["command"],
        started_at=from_micros(row["started_at"]),
        ended_at=optional_time(row["ended_at"]),
        exit_code=row["exit_code"],
        is_alive=row["ended_at"] is None and (not here or is_running(owner)),
        is_here=here,
    )
