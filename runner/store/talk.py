"""What people ask of a live run, and what a run tells people: rows that either side looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from runner.core.commands import Command, CommandKind, Wait
from runner.store.codec import from_micros, optional_micros, optional_time, to_micros
from runner.store.rows import Row
from runner.store.saving import batch_row, check_lease

_ASK = (
    "INSERT INTO commands (batch, kind, data, asked_at, asked_by)"
    " VALUES (:batch, :kind, :data, :at, :by) RETURNING command"
)
OPEN = "SELECT * FROM commands WHERE batch = ? AND done_at IS NULL ORDER BY command"
_FINISH = "UPDATE commands SET done_at = ?, result = ? WHERE command = ? AND done_at IS NULL"
_WAITS = 'SELECT lane, code, reason, "until" FROM waits WHERE batch = ? ORDER BY lane, code'
_SAY = (
    'INSERT INTO waits (batch, lane, code, reason, "until") VALUES (?, ?, ?, ?, ?)'
    " ON CONFLICT (batch, lane, code) DO UPDATE SET reason = excluded.reason,"
    ' "until" = excluded."until"'
)


def ask(
    db: Connection, batch: str, kind: CommandKind, data: Mapping[str, Any], by: str, now: datetime
) -> int:
    """Ask the batch's run for something; the number under which the answer is found."""
    values = {"batch": batch_row(db, batch), "kind": kind.value, "data": json.dumps(data),
              "at": to_micros(now), "by": by}  # fmt: skip
    return int(db.execute(_ASK, values).fetchone()["command"])


def next_commands(db: Connection, batch: str) -> list[Command]:
    """What was asked and not answered, oldest first."""
    return [_command(row) for row in db.execute(OPEN, (batch_row(db, batch),))]


def command(db: Connection, number: int) -> Command | None:
    row = db.execute("SELECT * FROM commands WHERE command = ?", (number,)).fetchone()
    return None if row is None else _command(row)


def finish(db: Connection, number: int, result: Mapping[str, Any], now: datetime) -> None:
    """Answer; a second answer changes nothing."""
    db.execute(_FINISH, (to_micros(now), json.dumps(result), number))


def publish_waits(db: Connection, batch: str, run: int | None, waits: Sequence[Wait]) -> None:
    """Replace the reasons why nothing starts; where they are the same nothing is written.

    Raises:
        StoreLocked: `run` no longer holds the batch.
    """
    check_lease(db, batch, run)
    number = batch_row(db, batch)
    wanted = [(w.lane, w.code, w.reason, optional_micros(w.until)) for w in waits]
    if sorted(wanted, key=lambda said: said[:2]) == [
        tuple(r) for r in db.execute(_WAITS, (number,))
    ]:
        return
    clear_waits(db, number)
    db.executemany(_SAY, [(number, *said) for said in wanted])


def waits(db: Connection, batch: str) -> list[Wait]:
    return [
        Wait(lane=row["lane"], code=row["code"], reason=row["reason"],
             until=optional_time(row["until"]))
        for row in db.execute(_WAITS, (batch_row(db, batch),))
    ]  # fmt: skip


def clear_waits(db: Connection, batch: int) -> None:
    """Nobody works on the batch, so nothing waits."""
    db.execute("DELETE FROM waits WHERE batch = ?", (batch,))


def _command(row: Row) -> Command:
    return Command(
        number=row["command"],
        kind=CommandKind(row["kind"]),
        data=json.loads(row["data"]),
        asked_at=from_micros(row["asked_at"]),
        asked_by=row["asked_by"],
        done_at=optional_time(row["done_at"]),
        result=None if row["result"] is None else json.loads(row["result"]),
    )
