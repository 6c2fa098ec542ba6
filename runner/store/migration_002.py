"""Version 2: what a charge dates from, readings of the account, groups, commands and waits.

Old rows are filled from the events, which tell when a create was intended and answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from runner.core.groups import Group, GroupKind, groups_of
from runner.core.job import AT_RUNWAY
from runner.core.spec import JobSpec
from runner.store.codec import from_text

_COLUMNS = (
    "jobs ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0",
    "batches ADD COLUMN paused_at INTEGER",
    "runs ADD COLUMN user TEXT NOT NULL DEFAULT ''",
    "runs ADD COLUMN command TEXT NOT NULL DEFAULT ''",
    "ledger ADD COLUMN endpoint TEXT NOT NULL DEFAULT ''",
    "ledger ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
    "ledger ADD COLUMN asked INTEGER",
    "ledger ADD COLUMN arrived INTEGER",
    "ledger ADD COLUMN intended_at INTEGER NOT NULL DEFAULT 0",
    "ledger ADD COLUMN answered_at INTEGER",
    "ledger ADD COLUMN settled_at INTEGER",
    "caps ADD COLUMN source TEXT NOT NULL DEFAULT 'the manifest'",
)
#: one statement each; the later ones read what the earlier ones made
_AT_RUNWAY = ", ".join(f"'{status.value}'" for status in sorted(AT_RUNWAY))
_INDICES = (
    "CREATE INDEX batches_service ON batches (base_url)",
    f"CREATE INDEX jobs_at_runway ON jobs (lane, batch) WHERE status IN ({_AT_RUNWAY})",
    # each holds all that its queries read, so that none of them touches the table
    "CREATE INDEX jobs_task ON jobs (task_id) WHERE task_id IS NOT NULL",
    "CREATE INDEX ledger_intended ON ledger (intended_at, batch, credits)",
    "CREATE INDEX ledger_lane ON ledger (lane, intended_at, answered_at, arrived, batch)",
    "CREATE INDEX ledger_answered ON ledger"
    " (answered_at, batch, lane, arrived, settled_at, intended_at, credits)",
    "CREATE INDEX ledger_settled ON ledger (settled_at)",
    "CREATE INDEX commands_open ON commands (batch, command) WHERE done_at IS NULL",
)
_EVENTS = """
SELECT events.job, events.kind, events.at, events.data, specs.data FROM events
LEFT JOIN specs ON specs.spec = events.spec
WHERE events.kind IN ('Added', 'Edited', 'SubmitStarted', 'TaskAccepted', 'SubmitUnknown',
  'SubmitRefused', 'TaskSucceeded', 'RetryScheduled', 'GaveUp', 'Resolved')
ORDER BY events.batch, events.job, events.version
"""
_FILL = (
    "UPDATE ledger SET endpoint = ?, held = ?, asked = ?, arrived = ?, intended_at = ?,"
    " answered_at = ?, settled_at = ? WHERE job = ? AND attempt = ?"
)
_SPENDING = """
INSERT INTO spending (service, hour, credits)
SELECT batches.base_url, intended_at / 3600000000, SUM(credits)
FROM ledger JOIN batches ON batches.batch = ledger.batch GROUP BY 1, 2
"""
_IN_FLIGHT = f"""
SELECT batches.base_url, batches.name, specs.data FROM jobs
JOIN batches ON batches.batch = jobs.batch JOIN specs ON specs.spec = jobs.spec
WHERE jobs.status IN ({_AT_RUNWAY})
"""  # noqa: S608 - made of constants
# an edit since may have changed what the job is: what counts is what it was
_SUCCEEDED = """
SELECT batches.base_url, batches.name, specs.data FROM events AS success
JOIN batches ON batches.batch = success.batch JOIN specs ON specs.spec = (
  SELECT spec FROM events WHERE events.batch = success.batch AND events.job = success.job
  AND events.version < success.version AND spec IS NOT NULL ORDER BY version DESC LIMIT 1)
WHERE success.kind = 'TaskSucceeded'
"""
_GROUP = (
    "INSERT INTO groups (service, kind, name, label, in_flight, refused, succeeded)"
    " VALUES (?, ?, ?, ?, ?, 0, ?) ON CONFLICT (service, kind, name) DO UPDATE"
    " SET in_flight = in_flight + excluded.in_flight, succeeded = succeeded + excluded.succeeded"
)


def upgrade(db: Database) -> None:
    """Everything of version 2 except its number."""
    for column in _COLUMNS:
        db.execute(f"ALTER TABLE {column}")
    _account(db)
    _talk(db)
    for index in _INDICES:
        db.execute(index)
    db.execute("UPDATE caps SET source = '`--max-credits`' WHERE run IS NOT NULL")
    for attempt in _attempts(db):
        db.execute(_FILL, attempt.values())
    db.execute(_SPENDING)
    _fill_groups(db)


def _account(db: Database) -> None:
    readings = db.table("readings")
    readings.create(
        {"reading": int, "service": str, "asked_at": int, "answered_at": int, "balance": int,
         "most_monthly": int, "models": str},
        pk="reading", not_null={"service", "asked_at", "answered_at", "balance", "models"},
    )  # fmt: skip
    readings.create_index(["service", "asked_at"], "readings_asked")
    counts = ("in_flight", "refused", "succeeded")
    texts = ("service", "kind", "name", "label")
    db.table("groups").create(
        dict.fromkeys(texts, str) | dict.fromkeys(counts, int) | {"credits": int},
        pk=("service", "kind", "name"), not_null={*texts, *counts},
    )  # fmt: skip
    db.table("spending").create(
        {"service": str, "hour": int, "credits": int},
        pk=("service", "hour"), not_null={"service", "hour", "credits"},
    )  # fmt: skip


def _talk(db: Database) -> None:
    """What people ask of a run, and what a run tells people."""
    db.table("commands").create(
        {"command": int, "batch": int, "kind": str, "data": str, "asked_at": int,
         "asked_by": str, "done_at": int, "result": str},
        pk="command", not_null={"batch", "kind", "data", "asked_at", "asked_by"},
        foreign_keys=[("batch", "batches", "batch")],
    )  # fmt: skip
    db.table("waits").create(
        {"batch": int, "lane": str, "code": str, "reason": str, "until": int},
        pk=("batch", "lane", "code"), not_null={"batch", "lane", "code", "reason"},
        foreign_keys=[("batch", "batches", "batch")],
    )  # fmt: skip


@dataclass(slots=True)
class _Attempt:
    """An entry of the ledger as the events tell it."""

    job: int
    number: int
    endpoint: str
    intended_at: int
    held: int
    asked: int | None = None
    arrived: bool | None = None
    answered_at: int | None = None
    settled_at: int | None = None

    def values(self) -> tuple[int | str | None, ...]:
        arrived = None if self.arrived is None else int(self.arrived)
        return (self.endpoint, self.held, self.asked, arrived, self.intended_at,
                self.answered_at, self.settled_at, self.job, self.number)  # fmt: skip

    def tell(self, kind: str, at: int, data: dict[str, Any]) -> None:
        """What happened next."""
        verdict = data.get("verdict", "")
        if kind == "TaskAccepted":
            self.arrived, self.asked = True, data["estimated"]
            self.held = max(self.held, self.asked or 0)
        elif kind == "Resolved":
            # who declares it lost, or pays again, has no proof that it arrived
            self.arrived = {"task": True, "not_arrived": False}.get(verdict)
        elif self.answered_at is None and kind in {"SubmitRefused", "GaveUp"}:
            charged = data.get("credits", 0)
            self.arrived = None if (self.held if charged is None else charged) else False
        if self.answered_at is None:
            self.answered_at = at
        if kind not in {"TaskAccepted", "SubmitUnknown"} and verdict != "task":
            self.settled_at = at


def _attempts(db: Database) -> Iterator[_Attempt]:
    present: int | None = None
    number, endpoint = 0, ""
    attempt: _Attempt | None = None
    for job, kind, at, text, spec in db.execute(_EVENTS).fetchall():
        if job != present:
            present, number = job, 0
        data = json.loads(text)
        if kind in {"Added", "Edited"}:
            endpoint = json.loads(spec)["endpoint"]
        elif kind == "SubmitStarted":
            number += 1
            attempt = _Attempt(job, number, endpoint, at, data["reserve"])
            yield attempt
        elif attempt is not None and attempt.job == job and attempt.settled_at is None:
            attempt.tell(kind, at, data)
            yield attempt


def _fill_groups(db: Database) -> None:
    """What is in flight, and what is known to work; a price is learnt anew, by one job."""
    for service, batch, data in db.execute(_IN_FLIGHT).fetchall():
        for group in groups_of(batch, from_text(JobSpec, data)):
            _count(db, service, group, in_flight=1, succeeded=0)
    for service, batch, data in db.execute(_SUCCEEDED).fetchall():
        for group in groups_of(batch, from_text(JobSpec, data)):
            if group.kind is not GroupKind.PRICE:
                _count(db, service, group, in_flight=0, succeeded=1)


def _count(db: Database, service: str, group: Group, *, in_flight: int, succeeded: int) -> None:
    values = (service, group.kind.value, group.name, group.label, in_flight, succeeded)
    db.execute(_GROUP, values)
