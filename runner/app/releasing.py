"""Jobs that rest are queued again, by `retry` and `resume`; `pause` keeps a batch from sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.clock import Clock, SystemClock
from runner.core.events import Requeued
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.selection import parse_selection
from runner.store.store import JobStore

from .batch import BatchRef
from .changing import change_all

#: what `retry` means where nothing is selected: a cancelled job has to be named
_FAILED_OR_HELD = frozenset({JobStatus.FAILED, JobStatus.HELD})
_RETRIABLE = _FAILED_OR_HELD | {JobStatus.CANCELLED}
#: a need in one of these keeps a skipped job from going on
_BLOCKING = frozenset({JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Paused:
    """A batch that sends nothing more."""

    was_paused: bool
    live: bool  # a run goes on collecting
    at_runway: int  # jobs that go on there


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """A batch that may send again."""

    was_paused: bool
    live: bool
    released: Sequence[Job]  # were held


async def retry(
    ref: BatchRef, selected: Sequence[str] = (), *, clock: Clock | None = None
) -> list[Job]:
    """Queue resting jobs again, and what was skipped because of them; returns them.

    Args:
        ref: the batch.
        selected: words of `-s`; empty = every failed and held job.

    Raises:
        UsageError: a word that means no job, or cannot be read.
    """
    selection, clock = parse_selection(selected), clock or SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        jobs = {job.id: job async for job in store.jobs(ref.name)}
        wanted = selection.of(jobs.values())
        kinds = _RETRIABLE if selection else _FAILED_OR_HELD
        resting = [job for job in wanted if job.status in kinds and not job.orphaned]
        again = await change_all(store, resting, lambda _job: Requeued(at=clock.now()))
        jobs |= {job.id: job for job in again}
        while released := [job for job in jobs.values() if _can_go_on(job, jobs)]:
            freed = await change_all(store, released, lambda _job: Requeued(at=clock.now()))
            if not freed:
                break  # a run was faster
            jobs |= {job.id: job for job in freed}
            again += freed
        return again


async def pause(ref: BatchRef, *, clock: Clock | None = None) -> Paused:
    """Send nothing more of the batch, with or without a live run, until it is resumed."""
    async with await JobStore.open(ref.state, clock=clock or SystemClock(), create=False) as store:
        was_paused = await store.is_paused(ref.name)
        await store.set_paused(ref.name, paused=True)
        counts = await store.counts(ref.name)
        return Paused(
            was_paused=was_paused,
            live=await store.is_live(ref.name),
            at_runway=sum(counts.get(status, 0) for status in AT_RUNWAY),
        )


async def resume(ref: BatchRef, *, clock: Clock | None = None) -> Resumed:
    """Let a paused batch go on, and release the jobs that a breaker has held."""
    clock = clock or SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        was_paused = await store.is_paused(ref.name)
        jobs = [job async for job in store.jobs(ref.name)]
        held = [job for job in jobs if job.status is JobStatus.HELD and not job.orphaned]
        released = await change_all(store, held, lambda _job: Requeued(at=clock.now()))
        await store.set_paused(ref.name, paused=False)
        return Resumed(was_paused=was_paused, live=await store.is_live(ref.name), released=released)


def _can_go_on(job: Job, jobs: dict[str, Job]) -> bool:
    """Whether a skipped job's needs are all on their way again."""
    return job.status is JobStatus.SKIPPED and not any(
        need in jobs and jobs[need].status in _BLOCKING for need in job.spec.needs
    )
