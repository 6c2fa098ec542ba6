"""What may happen to a job: facts in the past tense. Each says when it happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from runner.core.job import OutputFile
from runner.core.spec import JobSpec


class Verdict(StrEnum):
    """What a person, or proof, says of a create whose answer was lost."""

    ADOPTED = "task"  # it became this task
    LOST = "lost"  # charged, and out of reach
    RESUBMIT = "resubmit"  # as lost, but try again and pay again
    NOT_ARRIVED = "not_arrived"  # nothing was created, nothing charged


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """The job entered the batch."""

    at: datetime
    spec: JobSpec
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """The manifest says something else now, and the job had nothing to lose by it."""

    at: datetime
    spec: JobSpec
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Flagged:
    """The manifest moved on while the job keeps what it has."""

    at: datetime
    stale: bool
    orphaned: bool
    accepted: bool = False  # stale, and somebody lets the jobs that need it start all the same


@dataclass(frozen=True, kw_only=True, slots=True)
class Renamed:
    """The manifest has the same content under another id: the job keeps all that it has."""

    at: datetime
    spec: JobSpec
    position: int
    was: str  # the id before


@dataclass(frozen=True, kw_only=True, slots=True)
class Refreshed:
    """Somebody asked for stale content to be made again; the files that are there stay."""

    at: datetime
    spec: JobSpec
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """The content was made before, for another job or an earlier version of this one."""

    at: datetime
    spec: JobSpec
    position: int
    task_id: str
    outputs: tuple[OutputFile, ...]
    consumed: tuple[str, ...]
    source: str  # the job that it was made for, with its batch where that is another


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitStarted:
    """The intent, on disk before the create leaves."""

    at: datetime
    reserve: int  # credits
    #: sha256 of each output of another job that goes into it
    consumed: tuple[str, ...] = ()
    #: digest of all that decides the request: what is sent, what it consumes, where to, whose key
    identity: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskAccepted:
    """Runway answered the create with a task."""

    at: datetime
    task_id: str
    estimated: int | None  # credits, the most it may cost; None where the API does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitUnknown:
    """The create's answer was lost: it may have arrived."""

    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitRefused:
    """Certain that nothing was created, and worth another try later."""

    at: datetime
    not_before: datetime
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """Runway works on the task."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSucceeded:
    """Generated and paid; the slot is free from here on."""

    at: datetime
    credits: int | None  # final charge; None where the API does not say: the hold is taken
    outputs: int | None = None  # how many there are to fetch
    collect_by: datetime | None = None  # when the first of its links dies, where it says so


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """One output is complete under its temporary name; its hash is known before it is moved."""

    at: datetime
    output: OutputFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    """Every output is verified under its final name."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadDelayed:
    """Fetch again later; never generate again."""

    at: datetime
    not_before: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryScheduled:
    """The task failed at no cost: a new attempt, later."""

    at: datetime
    not_before: datetime
    code: str
    reason: str
    credits: int | None
    counted: bool = True  # False: the service was out, which is not the job's fault


@dataclass(frozen=True, kw_only=True, slots=True)
class GaveUp:
    """No further attempt by itself."""

    at: datetime
    code: str
    reason: str
    credits: int | None  # what this attempt cost; None where the API does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class PollSuspended:
    """Polling got no usable answer. The task goes on and is polled again, by the next run too."""

    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A job that this one needs has failed."""

    at: datetime
    parent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Its group failed too often: nothing of it is sent until a person says so."""

    at: datetime
    code: str
    reason: str
    group: str = ""  # which group, as `kind:name`; empty for the whole batch


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelRequested:
    """A person wants the task gone; on disk before the DELETE leaves."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelled:
    """Dropped before it was sent, or deleted at Runway before it had a result."""

    at: datetime
    reason: str
    #: what the attempt cost; None: nobody can say any more, so the hold is booked as spent
    credits: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reopened:
    """Files of a finished job are missing or damaged, and its task still exists."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """Found finished on disk, by a sidecar that the state file knew nothing of."""

    at: datetime
    task_id: str
    outputs: tuple[OutputFile, ...]
    credits: int | None  # what the sidecar says it cost; None: the worst case


@dataclass(frozen=True, kw_only=True, slots=True)
class Requeued:
    """A person asked for another try, or the failed parent is tried again."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """A person settled what became of a create in doubt."""

    at: datetime
    verdict: Verdict
    task_id: str | None = None  # with ADOPTED


Event: TypeAlias = (
    Added | Edited | Flagged | Renamed | Refreshed | Adopted
    | SubmitStarted | TaskAccepted | SubmitUnknown | SubmitRefused
    | Running | TaskSucceeded | Verified | Downloaded | DownloadDelayed | RetryScheduled | GaveUp
    | PollSuspended | Skipped | Held | CancelRequested | Cancelled | Reopened | Imported
    | Requeued | Resolved
)  # fmt: skip
