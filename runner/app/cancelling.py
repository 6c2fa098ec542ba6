"""`cancel`: drops what was never sent; of what is at Runway only what has not begun.

With a live run the run does the latter, because it reads the tasks anyway. Without one this process
takes the batch's lease for as long as it needs.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.core.cancelling import CancelPlan, Fate, fate_of, plan_cancel
from runner.core.commands import CommandKind
from runner.core.events import Cancelled
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.policy import Policies
from runner.core.selection import parse_selection
from runner.engine.polling import Poller
from runner.errors import DiskFull, StoreError, TransientApiError
from runner.settings import Settings
from runner.store.process import this_process
from runner.store.store import JobStore

from .asking import LOOK_S, ask, asker
from .batch import BatchRef
from .changing import change_all
from .control import RunControl
from .home import check_home, check_state_place
from .lease_watch import keep_lease
from .preflight import check_key, check_service
from .toolbox import Workplace, open_tools

#: seconds after which a live run that has not got to a task yet is left to it
SETTLE_S = 30.0
#: tasks read at the same time
READS_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelRequest:
    """What `cancel` was told."""

    ref: BatchRef
    settings: Settings
    selected: Sequence[str] = ()
    abandon_running: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelResult:
    """Every job that was meant, as it is now, with what became of it."""

    jobs: Sequence[tuple[Job, Fate]]
    live: bool  # a run goes on with the batch

    def of(self, *fates: Fate) -> list[Job]:
        return [job for job, fate in self.jobs if fate in fates]


async def look_before(request: CancelRequest) -> CancelPlan:
    """What would be done; changes nothing.

    Raises:
        UsageError: a word of the selection means no job.
    """
    async with await _open(request, SystemClock()) as store:
        return plan_cancel(await _meant(store, request))


async def cancel(
    request: CancelRequest, *, clock: Clock | None = None, rng: random.Random | None = None
) -> CancelResult:
    """Do it, and wait until it is known what became of each job.

    Raises:
        AccountError: tasks would have to be read, and there is no key, or another account's.
        StoreLocked: a run of another machine has just taken the batch.
    """
    clock = clock or SystemClock()
    check_state_place(request.ref.state, request.settings)
    async with await _open(request, clock) as store:
        is_live = await store.is_live(request.ref.name)
        jobs = await _meant(store, request)
        before = {job.id: job.status for job in jobs}
        if plan_cancel(jobs).at_runway and not is_live:  # before anything is changed
            await check_service(store, request.ref.name, request.settings)
            request.settings.need_key()
        await _drop(store, jobs, clock)
        asked = await _at_runway(store, request, before)
        if asked and is_live:
            await _ask_run(store, request, asked, clock)
        elif asked:
            await _do_it(store, request, asked, clock, rng or random.Random())
        now = {job.id: job async for job in store.jobs(request.ref.name)}
        return CancelResult(
            jobs=[(now[key], _fate(now[key], before, request)) for key in before],
            live=is_live,
        )


async def _open(request: CancelRequest, clock: Clock) -> JobStore:
    return await JobStore.open(request.ref.state, clock=clock, create=False)


async def _meant(store: JobStore, request: CancelRequest) -> list[Job]:
    jobs = [job async for job in store.jobs(request.ref.name)]
    return parse_selection(request.selected).of(jobs)


def _fate(job: Job, before: Mapping[str, JobStatus], request: CancelRequest) -> Fate:
    return fate_of(job, before=before[job.id], abandon_running=request.abandon_running)


async def _drop(store: JobStore, jobs: Sequence[Job], clock: Clock) -> None:
    """What a run sends in this very moment is not dropped: it is at Runway by the next look."""
    reason = f"dropped by {asker()} before it was sent"
    await change_all(
        store,
        plan_cancel(jobs).unsent,
        lambda _: Cancelled(at=clock.now(), reason=reason, credits=0),
    )


async def _at_runway(
    store: JobStore, request: CancelRequest, before: Mapping[str, JobStatus]
) -> list[Job]:
    """Jobs that somebody has to ask Runway about; what runs only where it is given up."""
    found = [job for job in await store.active(request.ref.name) if job.id in before]
    return [
        job
        for job in found
        if job.status in AT_RUNWAY
        and (request.abandon_running or job.status is not JobStatus.RUNNING)
    ]


async def _ask_run(
    store: JobStore, request: CancelRequest, asked: Sequence[Job], clock: Clock
) -> None:
    """The live run cancels at its next reading of each task."""
    ids = [job.id for job in asked]
    data = {"ids": ids, "abandon_running": request.abandon_running}
    if await ask(store, request.ref.name, CommandKind.CANCEL, data, clock=clock) is None:
        return
    until_s = clock.monotonic() + SETTLE_S
    while ids and clock.monotonic() < until_s:
        jobs = [job for key in ids if (job := await store.job(request.ref.name, key))]
        await _drop(store, jobs, clock)  # one that failed at no cost was queued again
        ids = [job.id for job in jobs if _is_open(job, request)]
        if ids:
            await clock.sleep(LOOK_S)


def _is_open(job: Job, request: CancelRequest) -> bool:
    fate = fate_of(job, before=JobStatus.QUEUED, abandon_running=request.abandon_running)
    return fate is Fate.OPEN


async def _do_it(
    store: JobStore, request: CancelRequest, asked: Sequence[Job], clock: Clock, rng: random.Random
) -> None:
    """Without a run: hold the batch, read each task once, delete those that have not begun."""
    batch, settings = request.ref.name, request.settings
    lease = await store.acquire(batch, run_id=uuid.uuid4().hex, owner=this_process())
    beating = asyncio.create_task(keep_lease(lease, request.ref.state, RunControl(), clock=clock))
    try:
        await store.heal(batch)
        await check_home(store, request.ref.state)
        stored = await store.batch(batch)
        place = Workplace(
            batch=batch, state=request.ref.state, settings=settings,
            output_dir=Path(stored.output_dir if stored else ""),
            policies=Policies(), clock=clock, rng=rng,
        )  # fmt: skip
        async with open_tools(store, place) as tools:
            await check_key(store, batch, settings.need_key(), tools.api)
            poller = Poller(tools, lambda _job, _task: None)
            poller.unwanted.update({job.id: request.abandon_running for job in asked})
            await _read_each(store, poller, [job.id for job in asked], batch)
    finally:
        beating.cancel()
        with suppress(StoreError, DiskFull):  # must not hide why it ended
            await lease.release(0)


async def _read_each(store: JobStore, poller: Poller, ids: Sequence[str], batch: str) -> None:
    """A task that cannot be read is left as it is: nothing is deleted unseen."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def one(job_id: str) -> None:
        job = await store.job(batch, job_id)
        if job is None or job.task_id is None or job.status not in AT_RUNWAY:
            return  # healed into doubt
        async with turns:
            with suppress(TransientApiError):
                await poller.read_once(job)

    reads = [asyncio.create_task(one(job_id)) for job_id in ids]
    try:
        await asyncio.gather(*reads)
    finally:
        for read in reads:
            read.cancel()
