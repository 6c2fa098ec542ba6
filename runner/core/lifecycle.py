"""The one table of what may happen to a job, and the only function that changes one.

`transition` is pure: it looks up the row for the job's status and the event, and returns the job
as it is afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from runner.core.events import (
    Added,
    Adopted,
    Cancelled,
    CancelRequested,
    DownloadDelayed,
    Downloaded,
    Edited,
    Event,
    Flagged,
    GaveUp,
    Held,
    Imported,
    PollSuspended,
    Refreshed,
    Renamed,
    Reopened,
    Requeued,
    Resolved,
    RetryScheduled,
    Running,
    Skipped,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
    Verified,
)
from runner.core.job import Failure, Job, JobStatus
from runner.errors import IllegalTransition

#: Runway's links die within 24 to 48 hours; nobody says how long it keeps a finished task, so
#: the shorter life is taken for both (dossier, section 13)
OUTPUT_LIFE = timedelta(hours=24)

_S = JobStatus

RESOLVED: Mapping[Verdict, JobStatus] = {
    Verdict.ADOPTED: _S.QUEUED,
    Verdict.LOST: _S.FAILED,
    Verdict.RESUBMIT: _S.PENDING,
    Verdict.NOT_ARRIVED: _S.PENDING,
}

#: (status, event) -> status. `Flagged` keeps any status; `Resolved` goes by RESOLVED.
TRANSITIONS: Mapping[tuple[JobStatus, type[Any]], JobStatus] = {
    (_S.PENDING, Edited): _S.PENDING,
    (_S.PENDING, Renamed): _S.PENDING,
    (_S.PENDING, Adopted): _S.DONE,
    (_S.PENDING, SubmitStarted): _S.SUBMITTING,
    (_S.PENDING, Skipped): _S.SKIPPED,
    (_S.PENDING, GaveUp): _S.FAILED,  # an input that cannot be used: nothing was sent
    (_S.PENDING, SubmitRefused): _S.PENDING,  # an input could not be uploaded yet
    (_S.PENDING, Held): _S.HELD,
    (_S.PENDING, Cancelled): _S.CANCELLED,
    (_S.PENDING, Imported): _S.DONE,
    (_S.SUBMITTING, Renamed): _S.SUBMITTING,
    (_S.SUBMITTING, TaskAccepted): _S.QUEUED,
    (_S.SUBMITTING, SubmitUnknown): _S.IN_DOUBT,
    (_S.SUBMITTING, SubmitRefused): _S.PENDING,
    (_S.SUBMITTING, GaveUp): _S.FAILED,
    (_S.QUEUED, Renamed): _S.QUEUED,
    (_S.QUEUED, Running): _S.RUNNING,
    (_S.QUEUED, TaskSucceeded): _S.DOWNLOADING,
    (_S.QUEUED, RetryScheduled): _S.PENDING,
    (_S.QUEUED, GaveUp): _S.FAILED,
    (_S.QUEUED, PollSuspended): _S.QUEUED,
    (_S.QUEUED, CancelRequested): _S.QUEUED,
    (_S.QUEUED, Cancelled): _S.CANCELLED,
    (_S.RUNNING, Renamed): _S.RUNNING,
    (_S.RUNNING, TaskSucceeded): _S.DOWNLOADING,
    (_S.RUNNING, RetryScheduled): _S.PENDING,
    (_S.RUNNING, GaveUp): _S.FAILED,
    (_S.RUNNING, PollSuspended): _S.RUNNING,
    (_S.RUNNING, CancelRequested): _S.RUNNING,
    (_S.RUNNING, Cancelled): _S.CANCELLED,
    (_S.DOWNLOADING, Renamed): _S.DOWNLOADING,
    (_S.DOWNLOADING, Verified): _S.DOWNLOADING,
    (_S.DOWNLOADING, Downloaded): _S.DONE,
    (_S.DOWNLOADING, DownloadDelayed): _S.DOWNLOADING,
    (_S.DOWNLOADING, GaveUp): _S.FAILED,  # the task is gone before all outputs were here
    (_S.DONE, Reopened): _S.DOWNLOADING,
    (_S.DONE, Renamed): _S.DONE,
    (_S.DONE, Refreshed): _S.PENDING,
    (_S.DONE, Adopted): _S.DONE,
    (_S.FAILED, Edited): _S.PENDING,
    (_S.FAILED, Renamed): _S.FAILED,
    (_S.FAILED, Adopted): _S.DONE,
    (_S.FAILED, Requeued): _S.PENDING,
    (_S.FAILED, Imported): _S.DONE,
    (_S.SKIPPED, Edited): _S.PENDING,
    (_S.SKIPPED, Renamed): _S.PENDING,
    (_S.SKIPPED, Adopted): _S.DONE,
    (_S.SKIPPED, Requeued): _S.PENDING,
    (_S.SKIPPED, Cancelled): _S.CANCELLED,
    (_S.SKIPPED, Imported): _S.DONE,
    (_S.HELD, Edited): _S.PENDING,
    (_S.HELD, Renamed): _S.HELD,
    (_S.HELD, Adopted): _S.DONE,
    (_S.HELD, Requeued): _S.PENDING,
    (_S.HELD, Cancelled): _S.CANCELLED,
    (_S.HELD, Imported): _S.DONE,
    (_S.CANCELLED, Edited): _S.CANCELLED,  # stays so until a person asks for another try
    (_S.CANCELLED, Requeued): _S.PENDING,
    (_S.CANCELLED, Imported): _S.DONE,
    (_S.IN_DOUBT, Resolved): _S.IN_DOUBT,  # the verdict decides: see RESOLVED
    (_S.IN_DOUBT, Imported): _S.DONE,
    (_S.IN_DOUBT, Renamed): _S.IN_DOUBT,
}


def create(batch: str, added: Added) -> Job:
    """The job that an `Added` event makes."""
    return Job(
        batch=batch, spec=added.spec, position=added.position, since=added.at, version=1
    )  # fmt: skip


def next_status(status: JobStatus, event: Event) -> JobStatus:
    """The status after the event.

    Raises:
        IllegalTransition: the table has no such row.
    """
    if isinstance(event, Flagged):
        return status
    try:
        found = TRANSITIONS[status, type(event)]
    except KeyError:
        raise IllegalTransition(f"{type(event).__name__} while {status}") from None
    return RESOLVED[event.verdict] if isinstance(event, Resolved) else found


def transition(job: Job, event: Event) -> Job:
    """The job as it is after the event.

    Raises:
        IllegalTransition: the table has no such row.
    """
    status = next_status(job.status, event)
    changes = _changes(job, event)
    if status is not job.status:
        changes.setdefault("since", event.at)
    return job.evolve(status=status, version=job.version + 1, **changes)


def settled_credits(job: Job, event: Event) -> int | None:
    """What the event charges for the present attempt; None where it settles nothing.

    A charge that the API does not name is the whole hold: never assume that money came back.
    """
    if isinstance(event, _CHARGING) and job.status in HOLDING:
        return job.hold if event.credits is None else event.credits
    if isinstance(event, Imported):
        return job.spec.reserve if event.credits is None else event.credits
    if isinstance(event, SubmitRefused) and job.status in HOLDING:
        return 0
    if isinstance(event, Resolved) and event.verdict is not Verdict.ADOPTED:
        return 0 if event.verdict is Verdict.NOT_ARRIVED else job.hold
    return None


#: statuses whose present attempt has credits set aside
HOLDING = frozenset({_S.SUBMITTING, _S.QUEUED, _S.RUNNING, _S.IN_DOUBT})
#: events that name what the attempt cost
_CHARGING = TaskSucceeded | RetryScheduled | GaveUp | Cancelled | Imported


def _changes(job: Job, event: Event) -> dict[str, Any]:
    """Fields that the event changes, apart from status, version and since."""
    changes = _field_changes(job, event)
    credits = settled_credits(job, event)
    if credits is not None:
        changes |= {"hold": 0, "charged": job.charged + credits}
    return changes


def _field_changes(job: Job, event: Event) -> dict[str, Any]:  # one arm an event: a table in code
    match event:
        case Edited() | Refreshed():
            why = job.error if job.status is _S.CANCELLED else None  # it stays cancelled
            fresh = {"tries": 0, "refusals": 0, "not_before": None, "error": why, "task_id": None}
            return {**_as_in_manifest(event), **fresh}
        case Renamed():
            return _as_in_manifest(event)
        case Adopted():
            return _adopted(job, event)
        case Flagged():
            return {"stale": event.stale, "orphaned": event.orphaned, "accepted": event.accepted}
        case SubmitStarted():
            return {"attempt": job.attempt + 1, "hold": event.reserve, "task_id": None,
                    "not_before": None, "outputs": (), "expected": None, "download_tries": 0,
                    "consumed": event.consumed, "cancel_requested": False}  # fmt: skip
        case TaskAccepted():
            return {**_with_task(job, event.task_id), "hold": max(job.hold, event.estimated or 0)}
        case SubmitUnknown():
            return {"error": Failure(code="IN_DOUBT", message=event.reason)}
        case SubmitRefused():
            return {"refusals": job.refusals + 1, "not_before": event.not_before,
                    "error": Failure(code=event.code, message=event.reason)}  # fmt: skip
        case TaskSucceeded():
            return {"collect_by": event.collect_by or event.at + OUTPUT_LIFE,
                    "expected": event.outputs or None, "error": None}  # fmt: skip
        case Verified():
            kept = tuple(o for o in job.outputs if o.index != event.output.index)
            return {"outputs": tuple(sorted((*kept, event.output), key=lambda o: o.index))}
        case Downloaded():
            return {"results": job.results + 1, "not_before": None, "collect_by": None,
                    "error": None}  # fmt: skip
        case DownloadDelayed():
            return {"download_tries": job.download_tries + 1, "not_before": event.not_before,
                    "error": Failure(code="DOWNLOAD", message=event.reason)}  # fmt: skip
        case RetryScheduled():
            return {"task_id": None, "not_before": event.not_before,
                    "tries": job.tries if event.counted else max(0, job.tries - 1),
                    "error": Failure(code=event.code, message=event.reason)}  # fmt: skip
        case GaveUp():
            return {"not_before": None, "error": Failure(code=event.code, message=event.reason)}
        case PollSuspended():
            return {"error": Failure(code="POLL_SUSPENDED", message=event.reason)}
        case Skipped():
            return {"error": Failure(code="PARENT", message=f"`{event.parent}` is not done")}
        case Held():
            return {"not_before": None, "error": Failure(code=event.code, message=event.reason)}
        case CancelRequested():
            return {"cancel_requested": True}
        case Cancelled():
            return {"not_before": None, "error": Failure(code="CANCELLED", message=event.reason)}
        case Reopened():
            return {"results": max(0, job.results - 1), "download_tries": 0}
        case Imported():
            return _imported(job, event)
        case Requeued():
            return {"tries": 0, "refusals": 0, "not_before": None, "error": None, "task_id": None}
        case Resolved():
            return _resolved(job, event)
        case _:
            return {}


def _as_in_manifest(event: Edited | Refreshed | Renamed | Adopted) -> dict[str, Any]:
    return {"spec": event.spec, "position": event.position, "stale": False, "accepted": False,
            "orphaned": False}  # fmt: skip


def _adopted(job: Job, event: Adopted) -> dict[str, Any]:
    """A result of its own is counted already."""
    known = event.task_id in job.task_ids
    return {**_as_in_manifest(event), "task_id": event.task_id,
            "task_ids": job.task_ids if known else (*job.task_ids, event.task_id),
            "outputs": event.outputs, "expected": len(event.outputs),
            "results": job.results + (not known), "consumed": event.consumed,
            "tries": 0, "refusals": 0, "not_before": None, "collect_by": None,
            "error": None}  # fmt: skip


def _imported(job: Job, event: Imported) -> dict[str, Any]:
    known = event.task_id in job.task_ids
    return {"attempt": job.attempt + (job.status not in HOLDING), "task_id": event.task_id,
            "task_ids": job.task_ids if known else (*job.task_ids, event.task_id),
            "outputs": event.outputs, "expected": len(event.outputs), "results": job.results + 1,
            "consumed": (), "not_before": None, "collect_by": None, "error": None}  # fmt: skip


def _with_task(job: Job, task_id: str) -> dict[str, Any]:
    return {"task_id": task_id, "task_ids": (*job.task_ids, task_id), "tries": job.tries + 1,
            "refusals": 0, "error": None}  # fmt: skip


def _resolved(job: Job, event: Resolved) -> dict[str, Any]:
    if event.verdict is Verdict.ADOPTED:
        assert event.task_id is not None, "an adopted task has an id"  # noqa: S101 - our own bug
        return _with_task(job, event.task_id)
    if event.verdict is Verdict.LOST:
        return {"error": Failure(code="LOST", message="declared lost: charged, no task id")}
    return {"error": None, "not_before": None}
