"""What the parts need of each other. An interface belongs to its user; adapters fit by shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from runner.core.events import Event
from runner.core.job import Job
from runner.core.ledger import LedgerMove
from runner.core.spec import AssetRef, Body
from runner.core.task import CreatedTask, Organization, Task


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


class Uploader(Protocol):
    """Local inputs to URIs that Runway can read."""

    async def uri_for(self, asset: AssetRef) -> str:
        """A `runway://` URI of the file, uploaded once per content while the URI lives."""
        ...


class UploadCache(Protocol):
    """Which file was uploaded when: survives a restart, holds across processes."""

    async def uploaded(self, sha256: str, *, not_before: datetime) -> str | None: ...

    async def remember_upload(self, sha256: str, uri: str, *, at: datetime) -> None: ...


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

    async def save(self, before: Job, after: Job, event: Event, move: LedgerMove | None) -> None:
        """Job, event and ledger move, all or nothing; on disk when it returns.

        Raises:
            StaleJob: the stored job is no longer `before` (its version differs).
            CapReached: the reserve of `move` does not fit under a cap.
            StoreLocked: this run no longer holds the batch.
        """
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


class Listener(Protocol):
    """Told of every event after it is on disk; gets frozen data, cannot change a job."""

    def __call__(self, job: Job, event: Event) -> None: ...
