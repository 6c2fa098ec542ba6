"""Files of one job after the other: read its task, make room, collect. Submits nothing.

A finished job is opened again only when its task was read and still has its outputs. So a job whose
task is gone stays done, with what is left of its files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.core.events import Reopened
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.task import Task, TaskStatus
from runner.downloads.aside import move_aside
from runner.engine.collecting import Collector
from runner.engine.polling import Poller
from runner.engine.tools import Tools
from runner.errors import (
    AccountError,
    DiskFull,
    DownloadError,
    PermanentApiError,
    TransientApiError,
)
from runner.runway.retrying import RetryingApi

from .verifying import FileFlaw, Flaw, JobFlaws

_GONE = 404
#: tasks read at the same time
READS_AT_ONCE = 8


class Fate(StrEnum):
    """What became of a job that had files to fetch."""

    FETCHED = "fetched"
    GONE = "gone"  # Runway no longer has the outputs: only making it again brings them back
    LATER = "later"  # could not be fetched now
    ENDED = "ended"  # the task has ended at Runway, and made nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedJob:
    """A job that had files to fetch, as it is now."""

    job: Job
    fate: Fate
    reason: str = ""
    moved: tuple[Path, ...] = ()  # damaged files, under their new names


class Mender:
    """Fetches any number of jobs, one call each."""

    def __init__(self, tools: Tools, *, is_ours: bool) -> None:
        self._tools = tools
        self._is_ours = is_ours  # the key sent the batch's tasks
        self._api = RetryingApi(tools.api, clock=tools.clock, rng=tools.rng)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._collector = Collector(tools, disk_full=lambda _: None)
        self._poller = Poller(tools, lambda _job, _task: None)
        self.refused: AccountError | None = None

    async def follow(self, job: Job) -> FetchedJob:
        """Look once at a task that a run has left at Runway; collect it where it has succeeded."""
        if self.refused is not None:
            return FetchedJob(job=job, fate=Fate.LATER, reason=self.refused.message)
        try:
            async with self._reads:
                job = await self._poller.read_once(job)
        except TransientApiError as error:
            return FetchedJob(job=job, fate=Fate.LATER, reason=error.message)
        except AccountError as error:
            self.refused = error
            return FetchedJob(job=job, fate=Fate.LATER, reason=error.message)
        if job.status is JobStatus.DOWNLOADING:
            return await self.collect(job)
        if job.status in AT_RUNWAY:
            return FetchedJob(job=job, fate=Fate.LATER, reason="still at Runway")
        return FetchedJob(job=job, fate=Fate.ENDED, reason=job.error.message if job.error else "")

    async def collect(self, job: Job, task: Task | None = None) -> FetchedJob:
        """Download what is not here yet; the task is read where it is not given."""
        if self.refused is not None:
            return FetchedJob(job=job, fate=Fate.LATER, reason=self.refused.message)
        try:
            job = await self._collector.collect(job, task)
        except AccountError as error:
            self.refused = error
        reason = job.error.message if job.error else ""
        if job.status is JobStatus.DONE:
            return FetchedJob(job=job, fate=Fate.FETCHED)
        fate = Fate.GONE if job.status is JobStatus.FAILED else Fate.LATER
        return FetchedJob(job=job, fate=fate, reason=reason)

    async def mend(self, item: JobFlaws) -> FetchedJob:
        """Fetch the files of a finished job again, if Runway still has them."""
        job, task = item.job, None
        if any(flaw.flaw is not Flaw.NO_SIDECAR for flaw in item.flaws):
            try:
                task = await self._read(job)
            except TransientApiError as error:
                return FetchedJob(job=job, fate=Fate.LATER, reason=error.message)
            except AccountError as error:
                self.refused = error
                return FetchedJob(job=job, fate=Fate.LATER, reason=error.message)
            if task is None:
                reason = f"Runway no longer has the outputs of task {job.task_id}"
                return FetchedJob(job=job, fate=Fate.GONE, reason=reason)
        try:
            moved = await asyncio.to_thread(_make_room, self._tools.output_dir, item.flaws)
        except (DiskFull, DownloadError) as error:
            return FetchedJob(job=job, fate=Fate.LATER, reason=error.message)
        opened = await self._tools.recorder.record(job, Reopened(at=self._tools.clock.now()))
        fetched = await self.collect(opened, task)
        return FetchedJob(job=fetched.job, fate=fetched.fate, reason=fetched.reason, moved=moved)

    async def _read(self, job: Job) -> Task | None:
        """The task with its outputs; None where they are gone."""
        if job.task_id is None:
            return None
        try:
            async with self._reads:
                task = await self._api.get_task(job.task_id)
        except PermanentApiError as error:
            if error.status != _GONE:
                raise TransientApiError(error.message, status=error.status) from error
            if not self._is_ours:
                raise AccountError(
                    "this key's account does not know the batch's tasks",
                    status=error.status,
                    hint="use the key that sent them; nothing was changed",
                ) from error
            return None
        has_all = len(task.output) >= len(job.outputs)
        return task if task.status is TaskStatus.SUCCEEDED and has_all else None


def _make_room(output_dir: Path, flaws: Sequence[FileFlaw]) -> tuple[Path, ...]:
    """Move damaged files out of the way of whole ones."""
    damaged = [flaw.path for flaw in flaws if flaw.flaw is Flaw.DAMAGED]
    return tuple(move_aside(output_dir / path) for path in damaged)
