"""An event of a run as a line for people, or as an object for scripts. Never a link."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from runner.core.credits import format_credits
from runner.core.events import (
    Adopted,
    Cancelled,
    CancelRequested,
    DownloadDelayed,
    Downloaded,
    Event,
    GaveUp,
    Held,
    Imported,
    PollSuspended,
    Refreshed,
    Renamed,
    Reopened,
    Resolved,
    RetryScheduled,
    Running,
    Skipped,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.job import ACTIVE, Job

#: said even where only trouble is said
TROUBLE = (GaveUp, SubmitUnknown, Skipped, PollSuspended, Held)
#: changes that a person follows; the others are steps between
CHANGES = (
    *TROUBLE, TaskAccepted, Downloaded, RetryScheduled, SubmitRefused, DownloadDelayed, Cancelled,
    Resolved,
)  # fmt: skip

#: fields that are said elsewhere in the line, or belong into the state file only
_APART = frozenset({"at", "spec", "position"})


def event_name(event: Event) -> str:
    """`TaskAccepted` as `task_accepted`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def event_json(job: Job, event: Event) -> Mapping[str, Any]:
    """One line of `run --json`."""
    return {
        "event": event_name(event),
        "at": event.at.isoformat(),
        "job": job.id,
        "status": job.status.value,
        "task_id": job.task_id,
        "hold": job.hold,
        "charged": job.charged,
        "fields": event_fields(event),
    }


def event_fields(event: Event) -> dict[str, Any]:
    """What an event says beyond its time, as JSON."""
    return {
        field.name: _plain(getattr(event, field.name))
        for field in dataclasses.fields(event)
        if field.name not in _APART
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


class EventLines:
    """Lines of events in their order, with what each attempt of a job has cost."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}  # credits of earlier attempts, of jobs under way

    def line(self, job: Job, event: Event, *, dated: bool = False) -> str:
        """As `event_line` has it."""
        if isinstance(event, SubmitStarted):
            self._before[job.id] = job.charged
        text = event_line(job, event, before=self._before.get(job.id), dated=dated)
        if job.status not in ACTIVE:
            self._before.pop(job.id, None)
        return text


def event_line(job: Job, event: Event, *, before: int | None = None, dated: bool = False) -> str:
    """`12:00:03 done hero-t2 (quickstart/hero-t2.png, 8 cr ($0.08))`, in local time.

    Args:
        job: after the event.
        event: what happened.
        before: credits of the attempts before this one; None: nobody knows.
        dated: with the day.
    """
    word, detail = _words(job, event, before)
    day = f"{event.at.astimezone():%Y-%m-%d} " if dated else ""
    return f"{day}{clock_time(event.at)} {word} {job.id}" + (f" ({detail})" if detail else "")


def clock_time(at: datetime) -> str:
    """Hours, minutes and seconds where the person is."""
    return f"{at.astimezone():%H:%M:%S}"


def _until(at: datetime, now: datetime) -> str:
    """With the date where it is not within a day."""
    is_soon = at - now < timedelta(hours=20)
    return clock_time(at) if is_soon else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _cost(job: Job, before: int | None) -> str:
    """`50 cr ($0.50)`, of a later attempt `50 cr ($0.50), 100 cr ($1.00) in all`."""
    in_all = format_credits(job.charged)
    if job.attempt <= 1 or before == 0:
        return in_all
    if before is None:
        return f"{in_all} in all"
    return f"{format_credits(job.charged - before)}, {in_all} in all"


def _words(job: Job, event: Event, before: int | None) -> tuple[str, str]:
    match event:
        case TaskAccepted():
            return "sent", f"{job.lane}, task {event.task_id}, up to {format_credits(job.hold)}"
        case Running():
            return "running", job.lane
        case TaskSucceeded():
            return "generated", format_credits(
                job.charged if event.credits is None else event.credits
            )
        case Downloaded():
            files = ", ".join(output.path for output in job.outputs)
            return "done", f"{files}, {_cost(job, before)}"
        case RetryScheduled() | SubmitRefused():
            until = _until(event.not_before, event.at)
            return "again", f"not before {until}: {event.code}: {event.reason}"
        case DownloadDelayed():
            until = _until(event.not_before, event.at)
            return "download again", f"not before {until}: {event.reason}"
        case GaveUp():
            charged = f", {format_credits(job.charged)} charged" if job.charged else ""
            # Runway's sentences end in a full stop, ours do not
            return "failed", f"{event.code}: {event.reason.rstrip('.')}{charged}"
        case SubmitUnknown():
            return "in doubt", f"{event.reason}; {format_credits(job.hold)} held"
        case Skipped():
            return "skipped", f"`{event.parent}` is not done"
        case PollSuspended():
            return "left at Runway", event.reason
        case Held():
            return "held", f"{event.code}: {event.reason}"
        case CancelRequested():
            return "cancelling", "a person wants it gone"
        case Cancelled():
            return "cancelled", event.reason
        case Reopened():
            return "fetched anew", "files are missing or damaged"
        case Imported():
            return "found on disk", f"task {event.task_id}, {format_credits(job.charged)}"
        case Renamed():
            return "renamed", f"was `{event.was}`"
        case Refreshed():
            return "to be made again", "it was stale"
        case Adopted():
            return "taken over", f"made for `{event.source}`, nothing is paid"
        case SubmitStarted():
            return "sending", f"{format_credits(event.reserve)} set aside"
        case Resolved():
            return "resolved", event.verdict.value.replace("_", " ")
        case _:
            return event_name(event).replace("_", " "), ""
