"""Why a plan does with a job what it does, for people."""

from __future__ import annotations

from collections.abc import Mapping

from runner.core.deciding import Action, Parents
from runner.core.job import ACTIVE, JobStatus
from runner.core.plan import PlanEntry

_ACTIONS: Mapping[Action, str] = {
    Action.NEW: "not made before",
    Action.REQUEUE: "was skipped, and what it needs is on its way again",
    Action.ADOPT: "made before: that result is taken over",
    Action.HOLD: "being made for a job that nobody asks for any more",
    Action.REFRESH: "stale, and `--refresh stale` was given",
    Action.ORPHAN: "no longer in the manifest",
}
_STATUSES: Mapping[JobStatus, str] = {
    JobStatus.PENDING: "not sent yet",
    JobStatus.DONE: "made as the manifest has it",
    JobStatus.HELD: "`runway-batch resume` releases it",
    JobStatus.IN_DOUBT: "may have been charged: `runway-batch resolve` settles it",
    JobStatus.FAILED: "failed: `runway-batch retry` queues it again",
    JobStatus.SKIPPED: "a job that it needs failed, was skipped or cancelled",
    JobStatus.CANCELLED: "cancelled: `runway-batch retry` queues it again",
}
_PARENTS: Mapping[Parents, str] = {
    Parents.STALE: "waits: a parent is stale",
    Parents.DOOMED: "waits: a job that it needs failed, was skipped or cancelled",
}


def reason_of(entry: PlanEntry) -> str:
    """One sentence without a full stop."""
    parts = [_of_action(entry)]
    if entry.is_pending and entry.parents in _PARENTS:
        parts.append(_PARENTS[entry.parents])
    if entry.starts and entry.is_twin:
        parts.append("makes what another job makes")
    return "; ".join(parts)


def _of_action(entry: PlanEntry) -> str:
    match entry.action:
        case Action.KEEP:
            return _of_kept(entry.status)
        case Action.EDIT:
            return _of_edit(entry)
        case Action.STALE:
            return _of_stale(entry)
        case Action.RENAME:
            before = "another id" if entry.stored is None else f"`{entry.stored.id}`"
            return f"was {before}, with the same content"
    return _ACTIONS[entry.action]


def _of_kept(status: JobStatus) -> str:
    if status in ACTIVE:
        return "under way: collecting it costs nothing"
    return _STATUSES[status]


def _of_edit(entry: PlanEntry) -> str:
    if entry.stored is not None and entry.stored.key == entry.spec.key:
        return "something beside its content has changed"
    return "its content has changed"


def _of_stale(entry: PlanEntry) -> str:
    if entry.stored is not None and entry.stored.key == entry.spec.key:
        return "what it was made from has changed: kept as made"
    if entry.status is JobStatus.DONE:
        return "its content has changed: kept as made"
    if entry.status is JobStatus.IN_DOUBT:
        return "its content has changed, and the old one is in doubt: `runway-batch resolve`"
    return "its content has changed: what is under way is collected as submitted"
