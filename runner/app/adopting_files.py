"""`doctor --adopt`: results that lie on disk enter the state file, and are not paid for again.

For a state file that was lost, copied, or restored from a backup. Whoever asks for it says that no
other copy of the state file is in use.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.clock import Clock
from runner.core.events import Event, GaveUp, Imported, Reopened
from runner.core.job import Job, JobStatus
from runner.core.ledger import ledger_move
from runner.core.lifecycle import TRANSITIONS, transition
from runner.core.sidecar import Sidecar
from runner.downloads.aside import move_aside
from runner.downloads.atomic import sha256_of
from runner.errors import DiskFull, StoreError
from runner.settings import Settings
from runner.store.process import this_process
from runner.store.store import JobStore

from .applying import apply_plan
from .planning import plan_with
from .project import Project
from .sidecars import FoundSidecar, unknown_sidecars


class Finding(StrEnum):
    """What became of a sidecar that the state file did not know."""

    IMPORTED = "imported"
    INCOMPLETE = "imported, files missing"  # paid: `fetch` brings them, as long as the task exists
    #: not imported, and not asked about again
    OTHER_RESULT = "the job has another result"
    OTHER_CONTENT = "the job asks for something else now"
    UNKNOWN_JOB = "no such job"


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedFile:
    """A sidecar, and what became of it."""

    path: Path
    sidecar: Sidecar
    finding: Finding
    job: Job | None = None  # as it is now


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopter:
    """Brings one batch of a state file up to what lies on disk."""

    batch: str
    output_dir: Path
    settings: Settings
    clock: Clock
    project: Project | None  # None: the manifest is out of reach, only stored jobs can match

    async def adopt(self, store: JobStore) -> Sequence[AdoptedFile]:
        """Import all that fits; the rest is set aside.

        Raises:
            StoreLocked: a run works on the batch.
        """
        if await store.batch(self.batch) is None:
            await store.upsert_batch(self.batch)
        lease = await store.acquire(
            self.batch, run_id=uuid.uuid4().hex, owner=this_process(), take_over=True
        )
        try:
            await store.heal(self.batch)
            jobs = await self._planned(store)
            return await self._import_all(store, jobs)
        finally:
            with suppress(StoreError, DiskFull):  # must not hide why it ended
                await lease.release(0)

    async def _planned(self, store: JobStore) -> dict[str, Job]:
        """The jobs as the manifest has them now: a new state file has none before."""
        if self.project is not None:
            known = await store.batch(self.batch)
            await store.upsert_batch(
                self.batch,
                manifest=str(self.project.path),
                base_url=(known.base_url if known else "") or self.settings.service,
                output_dir=str(self.output_dir),
            )
            planned = await plan_with(self.project, store)
            await apply_plan(self.project, store, planned, clock=self.clock)
        return {job.id: job async for job in store.jobs(self.batch)}

    async def _import_all(self, store: JobStore, jobs: dict[str, Job]) -> list[AdoptedFile]:
        found = await unknown_sidecars(store, self.batch, self.output_dir, of_any_age=True)
        # of several results of a job the last one says what all of them cost
        found = sorted(found, key=lambda item: item.sidecar.attempts, reverse=True)
        done = []
        for item in found:
            adopted = await self._import(store, jobs, item)
            if adopted.job is not None:
                jobs[adopted.job.id] = adopted.job
            done.append(adopted)
        imported = {Finding.IMPORTED, Finding.INCOMPLETE}
        aside = [item.sidecar.task_id for item in done if item.finding not in imported]
        await store.care().set_aside(self.batch, aside)
        return done

    async def _import(
        self, store: JobStore, jobs: Mapping[str, Job], item: FoundSidecar
    ) -> AdoptedFile:
        sidecar = item.sidecar
        job, finding = _match(jobs, sidecar)
        if job is None:
            return AdoptedFile(path=item.path, sidecar=sidecar, finding=finding)
        job = await self._superseded(store, job)
        job = await self._record(store, job, _imported(self.clock, job, sidecar))
        flawed = await asyncio.to_thread(_make_whole, self.output_dir, sidecar)
        if flawed:
            finding = Finding.INCOMPLETE
            job = await self._record(store, job, Reopened(at=self.clock.now()))
        return AdoptedFile(path=item.path, sidecar=sidecar, finding=finding, job=job)

    async def _superseded(self, store: JobStore, job: Job) -> Job:
        """An attempt that a later one followed has ended; what it cost is in the later sidecar."""
        if (job.status, Imported) in TRANSITIONS:
            return job
        ended = GaveUp(
            at=self.clock.now(),
            code="SUPERSEDED",
            reason="a later attempt has its result on disk",
            credits=0,
        )
        return await self._record(store, job, ended)

    @staticmethod
    async def _record(store: JobStore, job: Job, event: Event) -> Job:
        after = transition(job, event)
        await store.save(job, after, event, ledger_move(job, event))
        return after


def _match(jobs: Mapping[str, Job], sidecar: Sidecar) -> tuple[Job | None, Finding]:
    """The job that the sidecar's result belongs to, and what becomes of it."""
    named = jobs.get(sidecar.job)
    same = [job for job in jobs.values() if job.spec.key == sidecar.key]
    job = named if named in same else next((job for job in same if _can_take(job, sidecar)), None)
    if job is None:
        return None, Finding.OTHER_CONTENT if named else Finding.UNKNOWN_JOB
    if not _can_take(job, sidecar):
        return None, Finding.OTHER_RESULT
    return job, Finding.IMPORTED


def _can_take(job: Job, sidecar: Sidecar) -> bool:
    """A job under way takes a result only of a later attempt than its own."""
    if job.status is JobStatus.DONE:
        return False
    return (job.status, Imported) in TRANSITIONS or sidecar.attempts > job.attempt


def _imported(clock: Clock, job: Job, sidecar: Sidecar) -> Imported:
    """What is charged already is part of what the sidecar says."""
    credits = sidecar.credits
    return Imported(
        at=clock.now(),
        task_id=sidecar.task_id,
        outputs=sidecar.outputs,
        credits=None if credits is None else max(0, credits - job.charged),
    )


def _make_whole(output_dir: Path, sidecar: Sidecar) -> bool:
    """Whether files are missing; damaged ones make room. Blocks."""
    flawed = False
    for output in sidecar.outputs:
        digest = sha256_of(output_dir / output.path)
        if digest != output.sha256:
            flawed = True
            if digest is not None:
                move_aside(output_dir / output.path)
    return flawed
