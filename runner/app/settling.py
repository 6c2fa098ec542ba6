"""What a person says of a create whose answer was lost."""

from __future__ import annotations

from runner.clock import Clock, SystemClock
from runner.core.events import Resolved, Verdict
from runner.core.job import Job, JobStatus
from runner.errors import UsageError
from runner.store.reader import StateReader
from runner.store.store import JobStore

from .batch import BatchRef
from .changing import change


async def resolve(
    ref: BatchRef,
    job_id: str,
    verdict: Verdict,
    task_id: str | None = None,
    *,
    clock: Clock | None = None,
) -> Job:
    """Settle a create in doubt as a person says.

    Raises:
        UsageError: no such job, or it is not in doubt.
        CapReached: `--resubmit` would pay again, and the new reserve does not fit.
    """
    clock = clock or SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        job = await store.job(ref.name, job_id)
        if job is None:
            raise UsageError(f"no job of this name: {job_id}")
        if job.status is not JobStatus.IN_DOUBT:
            raise UsageError(f"`{job_id}` is {job.status}, not in doubt")
        if verdict is Verdict.RESUBMIT:
            await store.check_room(job)  # what is held becomes spent, so it makes no room
        return await change(store, job, Resolved(at=clock.now(), verdict=verdict, task_id=task_id))


async def jobs_in_doubt(ref: BatchRef) -> list[Job]:
    """Jobs that wait for `resolve`."""
    async with await StateReader.read(ref.state) as reader:
        return [job async for job in reader.jobs(ref.name) if job.status is JobStatus.IN_DOUBT]
