"""Groups as rows: their counts change in the transaction of the job, over all batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from sqlite3 import Connection

from runner.core.events import Edited, Event, Renamed, Requeued
from runner.core.groups import (
    Group,
    GroupChange,
    GroupKind,
    GroupState,
    group_change,
    groups_of,
    is_moderation,
)
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.spec import JobSpec
from runner.store.codec import from_text, to_micros

_NOTHING = GroupChange()
_STATE = (
    "SELECT label, in_flight, refused, succeeded, credits FROM groups"
    " WHERE service = ? AND kind = ? AND name = ?"
)
_CHANGE = (
    "INSERT INTO groups (service, kind, name, label, in_flight, refused, succeeded, credits)"
    " VALUES (:service, :kind, :name, :label, :in_flight, :refused, :succeeded, :credits)"
    " ON CONFLICT (service, kind, name) DO UPDATE SET in_flight = in_flight + excluded.in_flight,"
    " refused = refused + excluded.refused, succeeded = succeeded + excluded.succeeded,"
    " credits = COALESCE(MAX(credits, excluded.credits), credits, excluded.credits)"
)
_FORGIVE = (
    "UPDATE groups SET refused = 0"
    " WHERE service = ? AND kind = ? AND name = ? AND succeeded = 0 AND refused <> 0"
)
_AT_RUNWAY = ", ".join(f"'{status.value}'" for status in sorted(AT_RUNWAY))
IN_FLIGHT = f"""
SELECT batches.name AS batch, specs.data FROM batches JOIN jobs ON jobs.batch = batches.batch
JOIN specs ON specs.spec = jobs.spec
WHERE batches.base_url = ? AND jobs.status IN ({_AT_RUNWAY})
"""  # noqa: S608 - made of constants
#: a batch whose run has said nothing for so long has none: it is not waited for
SILENT = timedelta(minutes=10)
ABANDONED = f"""
{IN_FLIGHT} AND jobs.batch <> ? AND NOT EXISTS (
  SELECT 1 FROM runs WHERE runs.batch = jobs.batch AND ended_at IS NULL AND heartbeat_at > ?)
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class _Spec:
    """A specification by its identity: it cannot be hashed, and lives as long as this does."""

    batch: str
    number: int
    spec: JobSpec = field(compare=False)


def apply(db: Connection, service: str, before: Job, after: Job, event: Event) -> None:
    """Count what the event did to the groups of its job."""
    if isinstance(event, Requeued | Edited) and _was_looked_at(before):
        _forgive(db, service, before)
    if isinstance(event, Renamed) and before.status in AT_RUNWAY:
        _move(db, service, before, after)
    changes = {kind: group_change(before, after, event, kind) for kind in GroupKind}
    if all(change == _NOTHING for change in changes.values()):
        return
    for group in _groups_of(after):
        change = changes[group.kind]
        if change != _NOTHING:
            _count(db, service, group, change)


def states(db: Connection, service: str, job: Job) -> Sequence[GroupState]:
    """The groups of a job with their counts."""
    return [_state(db, service, group) for group in _groups_of(job)]


def abandoned(db: Connection, service: str, batch: int, group: Group, at: datetime) -> int:
    """Jobs of a group at Runway that belong to other batches, on which no run works.

    What became of them is only known once somebody runs their batch, which may be never.
    """
    rows = db.execute(ABANDONED, (service, batch, to_micros(at - SILENT)))
    groups = (groups_of(row["batch"], from_text(JobSpec, row["data"])) for row in rows)
    return sum(group.id in {one.id for one in found} for found in groups)


def off(db: Connection, service: str) -> list[str]:
    """Labels of groups whose count in flight is not what the jobs say: none, or there is a bug."""
    return [group.label for group, _ in _differences(db, service)]


def recount(db: Connection, service: str) -> list[str]:
    """Count the jobs in flight again; returns the labels of groups that were wrong."""
    wrong = _differences(db, service)
    for group, more in wrong:
        _count(db, service, group, GroupChange(in_flight=more))
    return [group.label for group, _ in wrong]


def _differences(db: Connection, service: str) -> list[tuple[Group, int]]:
    """Groups whose count in flight is wrong, and what is missing in it."""
    missing: Counter[Group] = Counter()
    for row in db.execute(IN_FLIGHT, (service,)):
        missing.update(groups_of(row["batch"], from_text(JobSpec, row["data"])))
    labels = {group.id: group for group in missing}
    for row in db.execute("SELECT * FROM groups WHERE service = ?", (service,)):
        stored = Group(kind=GroupKind(row["kind"]), name=row["name"], label=row["label"])
        missing[labels.get(stored.id, stored)] -= row["in_flight"]
    return [(group, more) for group, more in missing.items() if more]


def _move(db: Connection, service: str, before: Job, after: Job) -> None:
    """A job in flight has a name now that puts it in other groups: another template, say."""
    left = {group.id: group for group in _groups_of(before)}
    joined = {group.id: group for group in _groups_of(after)}
    for group_id in left.keys() - joined.keys():
        _count(db, service, left[group_id], GroupChange(in_flight=-1))
    for group_id in joined.keys() - left.keys():
        _count(db, service, joined[group_id], GroupChange(in_flight=1))


def _count(db: Connection, service: str, group: Group, change: GroupChange) -> None:
    values = {"service": service, "kind": group.kind.value, "name": group.name,
              "label": group.label, "in_flight": change.in_flight, "refused": change.refused,
              "succeeded": change.succeeded, "credits": change.credits}  # fmt: skip
    db.execute(_CHANGE, values)


def _groups_of(job: Job) -> tuple[Group, ...]:
    return _remembered(_Spec(job.batch, id(job.spec), job.spec))


@lru_cache(maxsize=1024)  # jobs in flight: each is looked at four times or so
def _remembered(known: _Spec) -> tuple[Group, ...]:
    return groups_of(known.batch, known.spec)


def _was_looked_at(job: Job) -> bool:
    """Whether a job goes on that was held, or that failed in a way which holds its groups."""
    if job.status is not JobStatus.FAILED or job.error is None:
        return job.status is JobStatus.HELD
    return is_moderation(job.error.code)


def _forgive(db: Connection, service: str, held: Job) -> None:
    """A person has looked at the job: its groups get as many tries as new ones."""
    for group in groups_of(held.batch, held.spec):
        db.execute(_FORGIVE, (service, group.kind.value, group.name))


def _state(db: Connection, service: str, group: Group) -> GroupState:
    row = db.execute(_STATE, (service, group.kind.value, group.name)).fetchone()
    if row is None:
        return GroupState(group=group)
    return GroupState(
        group=group,
        in_flight=row["in_flight"],
        refused=row["refused"],
        succeeded=row["succeeded"],
        credits=row["credits"],
    )
