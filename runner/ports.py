"""What the parts need of each other. An interface belongs to its user; adapters fit by shape."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from runner.core.commands import Wait
from runner.core.events import Event, Held
from runner.core.groups import GroupState
from runner.core.job import Job, JobStatus
from runner.core.ledger import Entry, LedgerMove
from runner.core.limits import Terms
from runner.core.outcome import Reason
from runner.core.quota import DailyQuota
from runner.core.sidecar import Unpacked
from runner.core.spec import AssetRef, Body
from runner.core.task import CreatedTask, Organization, Reading, RouterRequest, Task


class TaskApi(Protocol):
    """Runway, as the engine needs it."""

    async def create_task(self, endpoint: str, body: Body) -> CreatedTask:
        """One create call, never repeated by itself once it may have arrived.

        Raises:
            TransientApiError: nothing was created; worth another try later.
            PermanentApiError: nothing was created; the request is refused.
            AccountError: nothing was created; key refused or no credits.
            SubmitUncertain: it may have been created.
        """
        ...

    async def get_task(self, task_id: str) -> Task:
        """Read a task. `PermanentApiError` with status 404: never existed, deleted or cancelled."""
        ...

    async def cancel_task(self, task_id: str) -> None:
        """DELETE: cancels an unfinished task, removes a finished one with its outputs."""
        ...

    async def get_organization(self) -> Organization:
        """Balance and limits; free."""
        ...

    async def find_router(self, slug: str) -> str | None:
        """The id of the Model Router that bodies name by this slug; None where there is none."""
        ...

    async def get_router_requests(
        self, router_id: str, *, since: datetime
    ) -> Sequence[RouterRequest]:
        """What was sent through a router since then, newest first; free."""
        ...


class Uploader(Protocol):
    """Local inputs to URIs that Runway can read."""

    async def uri_for(self, asset: AssetRef) -> str:
        """A `runway://` URI of the file, uploaded once per content while the URI lives."""
        ...


class UploadCache(Protocol):
    """Which file was uploaded when: survives a restart, holds across processes."""

    async def uploaded(self, sha256: str, *, not_before: datetime) -> str | None: ...

    async def remember_upload(self, sha256: str, uri: str, *, at: datetime) -> None: ...


class FrameReader(Protocol):
    """Stills of videos, as files that can be uploaded."""

    async def frame(self, video: Path, *, sha256: str, which: str) -> AssetRef:
        """The `first` or `last` frame as PNG; the same bytes for the same video.

        Args:
            video: an output of a parent.
            sha256: its content as it was verified.
            which: `first` or `last`.

        Raises:
            PermanentApiError: the video is gone or changed, or has no frame that can be decoded.
            TransientApiError: worth another try later.
            DiskFull: nothing can be written.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A complete download, still under its temporary name."""

    part: Path
    bytes: int
    sha256: str
    media_type: str  # from the bytes' signature, else the server's Content-Type
    ext: str  # without the dot
    warning: str = ""  # complete, but not what was expected: kept and said


class Downloader(Protocol):
    """Links to files."""

    async def fetch(self, url: str, part: Path) -> Fetched:
        """Download to `part`, going on where an earlier try of the same content stopped; fsynced.

        Raises:
            LinkRefused: read the task again for a fresh link.
            DownloadError: worth another try.
            DiskFull: nothing can be written.
        """
        ...

    async def place(self, part: Path, target: Path, sha256: str) -> None:
        """Move atomically to the final name and fsync the folder. Never replaces another file.

        Finding `target` with this content already there is success. Raises `FileExistsError` when
        another content holds the name.
        """
        ...

    async def unpack(self, archive: Path) -> Unpacked:
        """Extract a verified archive into a folder beside it, whole or not at all; fsynced.

        A folder that has all of it already is success. An archive that is not safe, broken or too
        large stays as it is, with a warning.

        Raises:
            DownloadError: worth another try.
            DiskFull: nothing can be written, or there is no room for it.
        """
        ...

    async def sha256_of(self, path: Path) -> str | None:
        """Digest of a file, None where there is none."""
        ...

    async def write_sidecar(self, path: Path, text: str) -> None:
        """Write a sidecar atomically, in place of an older one of the same batch and job only.

        Raises `FileExistsError` when anything else holds the name.
        """
        ...


class Store(Protocol):
    """The state file, as the engine needs it. Every method is one transaction."""

    async def save(
        self, before: Job, after: Job, event: Event, move: LedgerMove | None,
        terms: Terms | None = None,
    ) -> None:  # fmt: skip
        """Job, event and ledger move, all or nothing; on disk when it returns.

        Args:
            before: as it was read.
            after: as it is once the event has happened.
            event: what happened.
            move: what it does to the ledger.
            terms: what an intent (`SubmitStarted`) needs besides its reserve.

        Raises:
            StaleJob: the stored job is no longer `before` (its version differs).
            NotNow: an intent does not fit under a cap, into the slots, quota or its groups.
            StoreLocked: this run no longer holds the batch.
        """
        ...

    async def note_reading(self, batch: str, reading: Reading) -> None:
        """Keep a reading of the account that the batch runs on: quotas and evidence rest on it."""
        ...

    async def quotas(self, batch: str, *, now: datetime) -> Mapping[str, DailyQuota]:
        """The daily quota of every lane that the newest reading lists; empty without one."""
        ...

    async def holds_task(self, task_id: str) -> bool:
        """Whether the present attempt of a job of the state file is this task."""
        ...

    async def has_task(self, task_id: str) -> bool:
        """Whether a job of the state file has, or had, this task."""
        ...

    async def counts(self, batch: str) -> Mapping[JobStatus, int]:
        """Jobs by status; a status that no job has is left out."""
        ...

    async def orphans(self, batch: str) -> Mapping[JobStatus, int]:
        """Of these the jobs that are no longer in the manifest."""
        ...

    async def in_doubt(self, batch: str) -> Sequence[Job]:
        """Jobs in doubt."""
        ...

    async def group_states(self, job: Job) -> Sequence[GroupState]:
        """The groups of a job with their counts over all batches of the account."""
        ...

    async def hold(
        self, batch: str, event: Held, *, lane: str | None = None, group: str | None = None
    ) -> int:
        """Hold the batch's pending jobs, of one lane or one group; returns how many."""
        ...

    async def entries(self, batch: str, *, since: datetime) -> Sequence[Entry]:
        """Ledger entries of the batch's account, all batches, not settled before `since`."""
        ...

    async def readings(self, batch: str, *, since: datetime) -> Sequence[Reading]:
        """Readings of the batch's account asked for at `since` or later, oldest first."""
        ...

    async def is_paused(self, batch: str) -> bool:
        """Whether a person has paused the batch."""
        ...

    async def publish_waits(self, batch: str, waits: Sequence[Wait]) -> None:
        """Say why nothing starts, for `status` and `explain`; replaces what was said before."""
        ...

    async def check_room(self, job: Job, credits: int | None = None) -> None:
        """Whether a reserve would fit now, the job's own if none is named.

        Raises `CapReached` where it would not.
        """
        ...

    async def job(self, batch: str, job_id: str) -> Job | None: ...

    async def active(self, batch: str) -> Sequence[Job]:
        """Jobs that a run works on: submitting, at Runway, or downloading."""
        ...

    async def ready_lanes(self, batch: str) -> Sequence[str]:
        """Lanes with at least one pending job whose needs are all done, due or not."""
        ...

    async def ready(
        self, batch: str, lane: str, *, now: datetime, limit: int, skip: Collection[str] = ()
    ) -> Sequence[Job]:
        """Due pending jobs of a lane whose needs are all done, by priority, then manifest order.

        `skip` are ids that the caller holds already.
        """
        ...

    async def next_due(self, batch: str, *, after: datetime) -> datetime | None:
        """The earliest `not_before` later than `after` of a pending job whose needs are done."""
        ...

    async def doomed(self, batch: str) -> Sequence[tuple[Job, str]]:
        """Pending jobs with a need that failed or was skipped, each with that need's id."""
        ...


class Onlooker(Protocol):
    """Told why a run waits, whenever that changes, and what it has held."""

    def __call__(self, notice: Wait | Reason) -> None: ...


class Listener(Protocol):
    """Told of every event after it is on disk; gets frozen data, cannot change a job."""

    def __call__(self, job: Job, event: Event) -> None: ...
