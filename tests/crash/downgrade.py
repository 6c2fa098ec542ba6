"""Makes of a state file what the release before would have left, so that it is migrated again.

What the older version did not have is dropped; everything else stays, so that the migration can be
judged by whether it brings back what was there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from runner.store.migrations import migrations
from runner.store.version import SCHEMA_VERSION

#: events that the version before did not know
_NEW_EVENTS = ("Renamed", "Refreshed", "Adopted")
#: what it did not write into the events that it knew
_FORGET = "UPDATE events SET data = json_remove(data, '$.consumed', '$.identity', '$.accepted')"
_NEWEST = max(each.name for each in migrations.pending(Database(memory=True)))
#: what the migration computes from the events
_LEDGER = (
    "SELECT job, attempt, endpoint, held, asked, arrived, intended_at, answered_at, settled_at,"
    " state, credits FROM ledger ORDER BY job, attempt"
)
_SPENDING = "SELECT * FROM spending WHERE credits <> 0 ORDER BY service, hour"


def can_be_older(path: Path) -> bool:
    """Whether the version before could have written all that happened."""
    marks = ", ".join("?" * len(_NEW_EVENTS))
    query = f"SELECT COUNT(*) FROM events WHERE kind IN ({marks})"  # noqa: S608 - marks only
    with closing(sqlite3.connect(path)) as db:
        [(count,)] = db.execute(query, _NEW_EVENTS).fetchall()
    return count == 0


def money(path: Path) -> Mapping[str, list[Any]]:
    """What the file says of charges, in the words of the newest version."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return {
            "ledger": db.execute(_LEDGER).fetchall(),
            "spending": db.execute(_SPENDING).fetchall(),
        }


def downgrade(path: Path) -> None:
    """Back to the version before, in one transaction."""
    older = _schema_before()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        _forget(db)
        for kind in ("index", "table"):
            for name in _names(db, kind) - older.keys():
                db.execute(f"DROP {kind} [{name}]")
        for table in _names(db, "table"):
            for column in _columns(db, table) - older[table]:
                db.execute(f"ALTER TABLE [{table}] DROP COLUMN [{column}]")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (_NEWEST,))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
        db.execute("COMMIT")


def _forget(db: sqlite3.Connection) -> None:
    """Events are append-only: the guard stands aside for as long as this takes."""
    name = "events_no_update"
    query = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?"
    [(guard,)] = db.execute(query, (name,)).fetchall()
    db.execute(f"DROP TRIGGER {name}")
    db.execute(_FORGET)
    db.execute(guard)


def _schema_before() -> dict[str, set[str]]:
    """Tables and indices of the version before, the former with their columns."""
    memory = Database(memory=True)
    migrations.apply(memory, stop_before=_NEWEST)
    db = memory.conn
    indices: dict[str, set[str]] = {name: set() for name in _names(db, "index")}
    return indices | {table: _columns(db, table) for table in _names(db, "table")}


def _names(db: sqlite3.Connection, kind: str) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in db.execute(query, (kind,))}


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info([{table}])")}
