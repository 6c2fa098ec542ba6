"""The ledger for people: entries with who paid for them, and sums of them by whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from sqlite3 import Connection

from runner.core.ledger import Entry, EntryState
from runner.store.account import OURS
from runner.store.codec import from_micros, optional_time, to_micros
from runner.store.rows import Row

_ENTRY = (
    "SELECT batches.name AS batch, jobs.id AS job, ledger.attempt, ledger.endpoint, ledger.lane,"
    " ledger.tags, ledger.state, ledger.credits, asked, arrived, intended_at, answered_at,"
    " settled_at, runs.user, runs.host, runs.command FROM ledger"
    " JOIN jobs ON jobs.job = ledger.job JOIN batches ON batches.batch = ledger.batch"
    " LEFT JOIN runs ON runs.run = ledger.run"
)
ENTRIES = (
    f"{_ENTRY} WHERE ledger.settled_at IS NULL AND {OURS}"
    f" UNION ALL {_ENTRY} WHERE ledger.settled_at >= :since AND {OURS}"
)
# what came back of an attempt is the difference between what was set aside and what it cost
_SUMS = """
SELECT {name} AS name,
  SUM(CASE WHEN ledger.state = 'settled' THEN credits ELSE 0 END) AS spent,
  SUM(CASE WHEN ledger.state = 'reserved' THEN credits ELSE 0 END) AS reserved,
  SUM(CASE WHEN ledger.state = 'in_doubt' THEN credits ELSE 0 END) AS in_doubt,
  SUM(CASE WHEN ledger.state = 'settled' THEN MAX(0, held - credits) ELSE 0 END) AS released,
  COUNT(*) AS attempts
FROM ledger JOIN batches ON batches.batch = ledger.batch {join}
WHERE :batch IS NULL OR ledger.batch = :batch
GROUP BY {name} ORDER BY {name}
"""


class By(StrEnum):
    """What the sums are made by."""

    BATCH = "batch"
    MODEL = "model"  # or the endpoint where there is none
    TAG = "tag"  # an attempt counts under each of its tags; those without one under ""
    DAY = "day"  # of the intent, in UTC
    JOB = "job"  # `BATCH/JOB` where all batches are asked for
    RUN = "run"  # "" for short commands


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerRow:
    """Sums of entries, in credits."""

    name: str
    spent: int
    reserved: int
    in_doubt: int
    released: int  # set aside, and not charged in the end
    attempts: int


_NAMES = {
    By.BATCH: ("batches.name", ""),
    By.MODEL: ("ledger.lane", ""),
    By.TAG: ("ledger.tags", ""),
    By.DAY: ("date(ledger.intended_at / 1000000, 'unixepoch')", ""),
    By.JOB: (
        "CASE WHEN :batch IS NULL THEN batches.name || '/' ELSE '' END || jobs.id",
        "JOIN jobs ON jobs.job = ledger.job",
    ),
    By.RUN: ("COALESCE(runs.id, '')", "LEFT JOIN runs ON runs.run = ledger.run"),
}


def entries(db: Connection, service: str, since: datetime) -> list[Entry]:
    """Entries of all batches of a service, not settled before `since`, oldest intent first."""
    values = {"service": service, "since": to_micros(since)}
    # sorted here: sorting there makes SQLite walk over the whole ledger in that order instead
    found = [_entry(row) for row in db.execute(ENTRIES, values)]
    return sorted(found, key=lambda entry: entry.intended_at)


def sums(db: Connection, batch: int | None, by: By) -> list[LedgerRow]:
    """What was spent, of one batch or of all."""
    name, join = _NAMES[by]
    rows = db.execute(_SUMS.format(name=name, join=join), {"batch": batch})
    found = [_row(row["name"], row) for row in rows]
    return _by_tag(found) if by is By.TAG else found


def _by_tag(by_tags: Sequence[LedgerRow]) -> list[LedgerRow]:
    found: dict[str, LedgerRow] = {}
    for row in by_tags:
        for tag in dict.fromkeys(json.loads(row.name)) or [""]:
            found[tag] = _sum(tag, row, found.get(tag))
    return [found[tag] for tag in sorted(found)]


def _sum(name: str, one: LedgerRow, other: LedgerRow | None) -> LedgerRow:
    return LedgerRow(
        name=name,
        spent=one.spent + (other.spent if other else 0),
        reserved=one.reserved + (other.reserved if other else 0),
        in_doubt=one.in_doubt + (other.in_doubt if other else 0),
        released=one.released + (other.released if other else 0),
        attempts=one.attempts + (other.attempts if other else 0),
    )


def _row(name: str, row: Row) -> LedgerRow:
    return LedgerRow(
        name=name,
        spent=row["spent"],
        reserved=row["reserved"],
        in_doubt=row["in_doubt"],
        released=row["released"],
        attempts=row["attempts"],
    )


def _entry(row: Row) -> Entry:
    return Entry(
        batch=row["batch"],
        job=row["job"],
        attempt=row["attempt"],
        endpoint=row["endpoint"],
        lane=row["lane"],
        tags=tuple(json.loads(row["tags"])),
        state=EntryState(row["state"]),
        credits=row["credits"],
        asked=row["asked"],
        arrived=None if row["arrived"] is None else bool(row["arrived"]),
        intended_at=from_micros(row["intended_at"]),
        answered_at=optional_time(row["answered_at"]),
        settled_at=optional_time(row["settled_at"]),
        user=row["user"] or "",
        host=row["host"] or "",
        command=row["command"] or "",
    )
