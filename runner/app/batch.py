"""Short commands on a batch: status, retry, resolve. They write while a run may be live."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.clock import SystemClock
from runner.core.admission import why_waiting
from runner.core.events import Event, Requeued, Resolved, Verdict
from runner.core.job import Job, JobStatus
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.core.summary import BatchSummary, no_room
from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.load import load_manifest
from runner.settings import Settings, state_path
from runner.store.reader import StateReader
from runner.store.rows import StoredBatch
from runner.store.store import JobStore


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRef:
    """A batch of a state file."""

    state: Path
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLine:
    """A job, and why it waits."""

    job: Job
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchStatus:
    summary: BatchSummary
    jobs: Sequence[JobLine]
    batch: StoredBatch | None
    live: bool  # a run works on it


async def find_batch(target: str | None, settings: Settings, *, here: Path) -> BatchRef:
    """The batch that a FILE or a name means; without either the only one of the state file.

    Raises:
        UsageError: no state file, no such batch, or several to choose from.
    """
    path = Path(target) if target else None
    if path is not None and (path.is_file() or path.suffix in {".yaml", ".yml"}):
        state = state_path(path.resolve().parent, settings)
        target = load_manifest(path, load_catalog()).name
    else:
        state = state_path(here, settings)
    if not state.is_file():
        raise UsageError("nothing has run here yet", hint="start with: runway-batch run FILE")
    async with await StateReader.read(state) as reader:
        names = [batch.name for batch in await reader.batches()]
    return BatchRef(state=state, name=_choose(names, target))


def _choose(names: Sequence[str], target: str | None) -> str:
    if target is None and len(names) == 1:
        return names[0]
    if target in names:
        return str(target)
    listed = ", ".join(names) or "none"
    if target is None:
        raise UsageError(
            "which batch?", hint=f"name one of: {listed}; `resolve` takes it as `--batch NAME`"
        )
    raise UsageError(f"no batch of this name: {target}", hint=f"batches here: {listed}")


async def batch_status(ref: BatchRef) -> BatchStatus:
    """Where the batch stands; changes nothing."""
    async with await StateReader.read(ref.state) as reader:
        summary = await summary_of(reader, ref.name)
        jobs = {job.id: job async for job in reader.jobs(ref.name)}
        now = SystemClock().now()
        lines = []
        for job in jobs.values():
            needs = [jobs[need] for need in job.spec.needs if need in jobs]
            reason = why_waiting(job, needs, now, no_room=no_room(job, summary.caps))
            lines.append(JobLine(job=job, reason=reason))
        return BatchStatus(
            summary=summary,
            jobs=lines,
            batch=await reader.batch(ref.name),
            live=await reader.is_live(ref.name),
        )


async def summary_of(reader: StateReader, batch: str) -> BatchSummary:
    """The batch's numbers, from the state file."""
    return BatchSummary(
        batch=batch,
        counts=await reader.counts(batch),
        totals=await reader.totals(batch),
        caps=await reader.caps_in_force(batch),
    )


async def retry(ref: BatchRef, selected: Sequence[str]) -> list[Job]:
    """Queue failed jobs again, and what was skipped because of them; returns them.

    Args:
        ref: the batch.
        selected: ids or globs; empty = every failed job.

    Raises:
        UsageError: a name matches no job.
    """
    clock = SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        jobs = {job.id: job async for job in store.jobs(ref.name)}
        wanted = _select(jobs, selected)
        failed = [job for job in wanted if job.status is JobStatus.FAILED and not job.orphaned]
        again = [await _record(store, job, Requeued(at=clock.now())) for job in failed]
        jobs |= {job.id: job for job in again}
        while released := [job for job in jobs.values() if _can_go_on(job, jobs)]:
            freed = [await _record(store, job, Requeued(at=clock.now())) for job in released]
            jobs |= {job.id: job for job in freed}
            again += freed
        return again


def _select(jobs: dict[str, Job], selected: Sequence[str]) -> list[Job]:
    if not selected:
        return list(jobs.values())
    found: dict[str, Job] = {}
    for pattern in selected:
        matching = [job for job in jobs.values() if fnmatch.fnmatchcase(job.id, pattern)]
        if not matching:
            raise UsageError(f"no job of this name: {pattern}")
        found |= {job.id: job for job in matching}
    return list(found.values())


def _can_go_on(job: Job, jobs: dict[str, Job]) -> bool:
    """Whether a skipped job's needs are all on their way again."""
    blocked = {JobStatus.FAILED, JobStatus.SKIPPED}
    return job.status is JobStatus.SKIPPED and not any(
        need in jobs and jobs[need].status in blocked for need in job.spec.needs
    )


async def resolve(ref: BatchRef, job_id: str, verdict: Verdict, task_id: str | None = None) -> Job:
    """Settle a create in doubt as a person says.

    Raises:
        UsageError: no such job, or it is not in doubt.
        CapReached: `--resubmit` would pay again, and the new reserve does not fit.
    """
    clock = SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        job = await store.job(ref.name, job_id)
        if job is None:
            raise UsageError(f"no job of this name: {job_id}")
        if job.status is not JobStatus.IN_DOUBT:
            raise UsageError(f"`{job_id}` is {job.status}, not in doubt")
        if verdict is Verdict.RESUBMIT:
            await store.check_room(job)
        event = Resolved(at=clock.now(), verdict=verdict, task_id=task_id)
        return await _record(store, job, event)


async def jobs_in_doubt(ref: BatchRef) -> list[Job]:
    """Jobs that wait for `resolve`."""
    async with await StateReader.read(ref.state) as reader:
        return [job async for job in reader.jobs(ref.name) if job.status is JobStatus.IN_DOUBT]


async def _record(store: JobStore, job: Job, event: Event) -> Job:
    after = transition(job, event)
    await store.save(job, after, event, ledger_move(job, event))
    return after
