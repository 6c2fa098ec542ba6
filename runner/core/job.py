"""A job: one generation of ours, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from runner.core.spec import JobSpec


class JobStatus(StrEnum):
    """Where a job stands. Why a pending job waits is a reason, not a status."""

    PENDING = "pending"  # not sent, or to be sent again
    SUBMITTING = "submitting"  # the intent is on disk, the create is under way
    QUEUED = "queued"  # PENDING or THROTTLED at Runway
    RUNNING = "running"
    DOWNLOADING = "downloading"  # generated and paid; files are not all here yet
    DONE = "done"  # every output verified on disk
    FAILED = "failed"  # a person decides whether to try again
    IN_DOUBT = "in_doubt"  # the create may have arrived, and we have no task id
    SKIPPED = "skipped"  # a job it needs has failed
    HELD = "held"  # its group failed too often: a person looks first
    CANCELLED = "cancelled"  # a person does not want it any more


#: holds one of the account's slots
AT_RUNWAY = frozenset({JobStatus.SUBMITTING, JobStatus.QUEUED, JobStatus.RUNNING})
#: a run works on it
ACTIVE = AT_RUNWAY | {JobStatus.DOWNLOADING}


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFile:
    """A verified file of a job."""

    index: int  # position in the task's outputs
    path: str  # below the output folder, with forward slashes
    bytes: int
    sha256: str
    media_type: str
    warning: str = ""  # kept and paid, but not quite what was expected


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a job failed or was put off."""

    code: str  # Runway's failureCode, an HTTP status as `HTTP_400`, or a word of ours
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The present of a job; its past are its events."""

    batch: str
    spec: JobSpec
    status: JobStatus = JobStatus.PENDING
    #: fence: number of events applied so far; a write needs the one it was read with
    version: int = 0
    #: position in the manifest, for order
    position: int = 0
    since: datetime | None = None  # of the present status
    attempt: int = 0  # create calls intended so far; one that was refused counts too
    tries: int = 0  # attempts since a person last asked, refusals not counted: limited by policy
    refusals: int = 0  # creates refused in a row: decides the back-off
    download_tries: int = 0
    task_id: str | None = None
    task_ids: tuple[str, ...] = ()  # of all attempts
    not_before: datetime | None = None
    collect_by: datetime | None = None  # Runway may drop the outputs after this
    outputs: tuple[OutputFile, ...] = ()
    expected: int | None = None  # outputs of the finished task; None while nobody knows
    results: int = 0  # complete sets of outputs so far: names the next one
    hold: int = 0  # credits reserved or in doubt for the present attempt
    charged: int = 0  # credits settled, over all attempts
    error: Failure | None = None
    cancel_requested: bool = False  # a DELETE may be under way: a later 404 means cancelled
    #: sha256 of each output of another job that went into the present attempt
    consumed: tuple[str, ...] = ()
    stale: bool = False  # what the manifest says now would make something else
    accepted: bool = False  # stale, and the jobs that need it may start all the same
    orphaned: bool = False  # no longer in the manifest

    def evolve(self, **changes: Any) -> Job:
        """A copy with some fields changed."""
        return replace(self, **changes)

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def lane(self) -> str:
        return self.spec.lane

    @property
    def feeds(self) -> bool:
        """Whether jobs that need it may start: of a stale one they would make something else."""
        return self.status is JobStatus.DONE and (not self.stale or self.accepted)
