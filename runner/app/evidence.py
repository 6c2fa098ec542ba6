"""The evidence on creates in doubt: read the account, compare, and settle what is proven."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.clock import Clock, ServiceClock, SystemClock
from runner.core.events import Resolved, Verdict
from runner.core.evidence import Evidence, evidence_of
from runner.core.job import Job, JobStatus
from runner.core.task import Reading
from runner.errors import ApiError, RunnerError, UsageError
from runner.runway.client import RunwayClient
from runner.runway.retrying import RepeatPolicy, RetryingApi
from runner.settings import Settings, key_matches
from runner.store.reader import StateReader
from runner.store.rows import StoredBatch
from runner.store.store import JobStore

from .batch import BatchRef
from .changing import change_all
from .toolbox import api_settings

#: before the first create in doubt: what was open then, and the reading before it
LOOK_BACK = timedelta(days=3)
#: somebody waits at the terminal
_REPEATS = RepeatPolicy(attempts=3, first_s=0.5, most_s=2.0, most_retry_after_s=10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubts:
    """The jobs in doubt of a batch, and what the account says of each of their lanes."""

    jobs: Sequence[Job]
    evidence: Sequence[Evidence]
    not_read: str = ""  # why the account was not read just now; empty: it was

    def of(self, lane: str) -> Evidence | None:
        return next((found for found in self.evidence if found.lane == lane), None)


class Unproven(RunnerError):
    """The evidence does not show that a create never arrived: a person has to decide."""

    exit_code = 11
    code = "in_doubt"


async def look_into(ref: BatchRef, settings: Settings, *, clock: Clock | None = None) -> Doubts:
    """The jobs in doubt with fresh evidence; the reading is kept for the next look."""
    clock = clock or SystemClock()
    async with await StateReader.read(ref.state) as reader:
        jobs = [job async for job in reader.jobs(ref.name) if job.status is JobStatus.IN_DOUBT]
        if not jobs:
            return Doubts(jobs=(), evidence=())
        stored = await reader.batch(ref.name)
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        not_read = await _read_account(store, stored, settings, clock)
        return Doubts(jobs=jobs, evidence=await _weigh(store, jobs, clock), not_read=not_read)


async def settle_by_evidence(
    ref: BatchRef, job_id: str | None, doubts: Doubts, *, clock: Clock | None = None
) -> list[Job]:
    """Release what has provably not arrived: one job, or every one in doubt.

    Raises:
        UsageError: the job is not in doubt.
        Unproven: nothing is proven; says when to come again.
    """
    wanted = [job for job in doubts.jobs if job_id in {None, job.id}]
    if not wanted and job_id is not None:
        raise UsageError(f"not a job in doubt: {job_id}")
    proven = [job for job in wanted if (found := doubts.of(job.lane)) and found.not_arrived]
    if wanted and not proven:
        raise _unproven(doubts, wanted)
    clock = clock or SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        return await change_all(
            store, proven, lambda _job: Resolved(at=clock.now(), verdict=Verdict.NOT_ARRIVED)
        )


async def _weigh(store: JobStore, jobs: Sequence[Job], clock: Clock) -> list[Evidence]:
    lanes = dict.fromkeys(job.lane for job in jobs)
    first = min((job.since for job in jobs if job.since is not None), default=clock.now())
    entries = await store.entries(jobs[0].batch, since=first - LOOK_BACK)
    readings = await store.readings(jobs[0].batch, since=first - LOOK_BACK)
    return [evidence_of(lane, entries, readings) for lane in lanes]


async def _read_account(
    store: JobStore, stored: StoredBatch | None, settings: Settings, clock: Clock
) -> str:
    """Read and keep; says why not where it could not. Another account's figures are no evidence."""
    if stored is None or stored.base_url != settings.service:
        return "the batch ran at another base URL"
    if settings.key is None:
        return "no API key"
    if stored.key_mark and not key_matches(settings.key, stored.key_mark):
        return "this is not the key that sent the batch's tasks"
    newest, service, began_s = await store.newest_event_at(), ServiceClock(clock), clock.monotonic()
    try:
        async with RunwayClient(api_settings(settings), clock=clock, heard=service.heard) as client:
            api = RetryingApi(client, clock=clock, rng=random.Random(), repeats=_REPEATS)
            found = await api.get_organization()
    except ApiError as error:
        return error.message
    # by the clock of the events: a reading that seems older than the create would prove anything
    answered_at = max(service.now(), newest or service.now())
    asked_at = answered_at - timedelta(seconds=clock.monotonic() - began_s)
    reading = Reading(asked_at=asked_at, answered_at=answered_at, organization=found)
    await store.note_reading(stored.name, reading)
    return ""


def _unproven(doubts: Doubts, jobs: Sequence[Job]) -> Unproven:
    times = [at for job in jobs if (e := doubts.of(job.lane)) and (at := e.again_at)]
    if times:
        again = min(times)
        return Unproven(
            "one reading agrees that nothing arrived, and two at least ten minutes apart prove it",
            hint=f"run the same command again after {again.astimezone():%H:%M:%S}",
        )
    if doubts.not_read:
        return Unproven(
            f"the account could not be read: {doubts.not_read}",
            hint="evidence rests on readings of the account; `runway-batch resolve` shows it",
        )
    return Unproven(
        "the account does not show that nothing arrived",
        hint="`runway-batch resolve` shows the evidence and the ways to decide by yourself",
    )
