"""`explain`: everything the state file knows of one job, and the command to run next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.clock import Clock, SystemClock
from runner.core.events import Event
from runner.core.history import Attempt, attempts_of, replay
from runner.core.job import Job
from runner.core.waiting import why_waiting
from runner.errors import UsageError
from runner.store.reader import StateReader
from runner.store.rows import StoredBatch

from .batch import BatchRef, surroundings


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """One job."""

    job: Job
    reason: str  # why it waits; empty where it does not
    batch: StoredBatch | None
    live: bool  # a run works on the batch
    attempts: Sequence[Attempt]
    past: Sequence[tuple[Job, Event]]  # every event with the job right after it
    needs: Sequence[Job] = ()
    needed_by: Sequence[str] = ()  # ids


async def explain(ref: BatchRef, job_id: str, *, clock: Clock | None = None) -> Explanation:
    """Reads only.

    Raises:
        UsageError: no such job.
    """
    now = (clock or SystemClock()).now()
    async with await StateReader.read(ref.state) as reader:
        job = await reader.job(ref.name, job_id)
        if job is None:
            raise UsageError(
                f"no job of this name: {job_id}", hint="`runway-batch status` lists the jobs"
            )
        needs = [found for need in job.spec.needs if (found := await reader.job(ref.name, need))]
        around = await surroundings(reader, ref.name, now)
        past = replay(ref.name, await reader.events(ref.name, job_id))
        return Explanation(
            job=job,
            reason=why_waiting(job, needs, around),
            batch=await reader.batch(ref.name),
            live=around.is_live,
            attempts=attempts_of(past),
            past=past,
            needs=needs,
            needed_by=[j.id async for j in reader.jobs(ref.name) if job_id in j.spec.needs],
        )
