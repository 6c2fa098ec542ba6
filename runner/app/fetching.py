"""`fetch`: brings files that are paid for to the disk, and submits nothing."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.core.credits import format_credits
from runner.core.job import AT_RUNWAY, JobStatus
from runner.core.outcome import Reason, exit_code_of
from runner.core.policy import Policies
from runner.core.selection import parse_selection
from runner.errors import DiskFull, StoreError
from runner.ports import Listener
from runner.settings import Settings, key_matches
from runner.store.process import this_process
from runner.store.store import JobStore

from .batch import BatchRef
from .control import RunControl
from .home import check_home, check_state_place
from .lease_watch import keep_lease
from .mending import Fate, FetchedJob, Mender
from .preflight import check_key, check_service, check_writable
from .sidecars import check_sidecars
from .toolbox import Workplace, open_tools
from .verifying import flaws_of


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchResult:
    batch: str
    jobs: tuple[FetchedJob, ...]

    def count(self, fate: Fate) -> int:
        return sum(item.fate is fate for item in self.jobs)

    @property
    def reasons(self) -> list[Reason]:
        """Why files are still missing."""
        found = []
        if later := self.count(Fate.LATER):
            message = f"{_jobs(later)} could not be fetched now"
            found.append(Reason(exit_code=5, message=message, hint="run the same command again"))
        if gone := self.count(Fate.GONE):
            worst = sum(item.job.spec.reserve for item in self.jobs if item.fate is Fate.GONE)
            message = (
                f"{_jobs(gone)} cannot be fetched: Runway no longer has the outputs; to make them"
                f" again may cost {format_credits(worst)}"
            )
            found.append(Reason(exit_code=3, message=message))
        if ended := self.count(Fate.ENDED):
            message = f"{_jobs(ended)} ended at Runway without an output"
            found.append(Reason(exit_code=3, message=message, hint="runway-batch status says why"))
        return found

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRequest:
    """What `fetch` was told."""

    ref: BatchRef
    output_dir: Path
    settings: Settings
    #: words of `-s`; empty = every job
    selected: Sequence[str] = ()
    listeners: Sequence[Listener] = ()


async def fetch(
    request: FetchRequest, *, clock: Clock | None = None, rng: random.Random | None = None
) -> FetchResult:
    """Collect what has ended at Runway, and finished jobs whose files are missing or damaged.

    Raises:
        StoreLocked: a run works on the batch, and collects it itself.
        StoreUntrusted: the state file is a copy, or older than what lies on disk.
        AccountError: no key, or not the one that sent the tasks.
        UsageError: no such job, or the tasks are at another base URL.
    """
    clock = clock or SystemClock()
    ref, settings = request.ref, request.settings
    settings.need_key()
    check_state_place(ref.state, settings)
    check_writable(request.output_dir)
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        await check_service(store, ref.name, settings)
        lease = await store.acquire(ref.name, run_id=uuid.uuid4().hex, owner=this_process())
        beating = asyncio.create_task(keep_lease(lease, ref.state, RunControl(), clock=clock))
        exit_code = 1
        try:
            place = Workplace(
                batch=ref.name,
                state=ref.state,
                output_dir=request.output_dir,
                settings=settings,
                policies=Policies(),
                clock=clock,
                rng=rng or random.Random(),
                listeners=request.listeners,
            )
            result = await _fetch_all(store, request, place)
            if beating.done():
                await beating  # raises where the state file is gone
            exit_code = result.exit_code
        finally:
            beating.cancel()
            with suppress(StoreError, DiskFull):  # must not hide why it ended
                await lease.release(exit_code)
        return result


async def _fetch_all(store: JobStore, request: FetchRequest, place: Workplace) -> FetchResult:
    batch = place.batch
    await store.heal(batch)
    await check_home(store, request.ref.state)
    await check_sidecars(store, batch, place.output_dir)
    jobs = parse_selection(request.selected).of([job async for job in store.jobs(batch)])
    flawed = await flaws_of([j for j in jobs if j.status is JobStatus.DONE], place.output_dir)
    waiting = [job for job in jobs if job.status is JobStatus.DOWNLOADING]
    left = [job for job in jobs if job.status in AT_RUNWAY and job.task_id is not None]
    if not flawed and not waiting and not left:
        return FetchResult(batch=batch, jobs=())
    async with open_tools(store, place) as tools:
        if waiting or left:
            await check_key(store, batch, place.settings.need_key(), tools.api)
        mender = Mender(tools, is_ours=await _is_known_key(store, batch, place.settings))
        work = [asyncio.create_task(mender.collect(job)) for job in waiting]
        work += [asyncio.create_task(mender.follow(job)) for job in left]
        work += [asyncio.create_task(mender.mend(item)) for item in flawed]
        try:
            found = await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
    if mender.refused is not None:
        raise mender.refused
    return FetchResult(batch=batch, jobs=tuple(sorted(found, key=lambda item: item.job.position)))


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


async def _is_known_key(store: JobStore, batch: str, settings: Settings) -> bool:
    """Whether the key, and not only one of the same account, sent the batch's tasks."""
    stored = await store.batch(batch)
    mark = stored.key_mark if stored is not None else ""
    return not mark or key_matches(settings.need_key(), mark)
