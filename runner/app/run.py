"""One run of one batch, from the lease to the exit code."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner import __version__
from runner.clock import Clock, SystemClock
from runner.core.limits import Slots
from runner.core.outcome import Reason, exit_code_of
from runner.core.plan import Plan, changes, plan
from runner.core.policy import Patience, Policies, PollPolicy, RetryPolicy
from runner.core.summary import BatchSummary, not_started, work_left
from runner.core.task import Organization
from runner.downloads.downloader import HttpDownloader
from runner.engine.recorder import Recorder
from runner.engine.scheduler import Scheduler
from runner.engine.tools import Tools
from runner.errors import (
    AccountError,
    DiskFull,
    PermanentApiError,
    StoreError,
)
from runner.ports import Listener, TaskApi
from runner.runway.client import RunwayClient
from runner.runway.retrying import RetryingApi
from runner.runway.transport import ApiSettings
from runner.runway.uploads import FormUploader
from runner.settings import Settings
from runner.store.process import this_process
from runner.store.store import JobStore

from .batch import summary_of
from .control import RunControl
from .lease_watch import keep_lease
from .preflight import check_key, check_manifest, check_writable
from .project import Project, bounds_of, caps_of

_log = logging.getLogger(__name__)

TOOL = f"runway-batch {__version__}"
#: in the output folder: ids of paid tasks that the state file could not take
RESCUE_FILE = "runway-batch-rescue.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What a run was told beyond its settings."""

    #: -j: upper bounds on tasks at Runway; None as a key = in total
    jobs: Mapping[str | None, int] = field(default_factory=dict)
    #: seconds after a signal in which creates and downloads under way may end
    drain_s: float = Policies().drain_s
    #: take the batch over from a run on another host, which nobody here can see
    take_over: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """How a run ended."""

    summary: BatchSummary
    reasons: tuple[Reason, ...]

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.reasons)


#: given the plan, the run's own cap in credits (None = none), or an error that ends the run
Gate = Callable[[Plan], int | None]


async def run_batch(
    project: Project,
    settings: Settings,
    gate: Gate,
    *,
    options: RunOptions | None = None,
    listeners: Sequence[Listener] = (),
    control: RunControl | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
) -> RunResult:
    """Bring the batch as far as it goes: submit, poll, download, within every cap.

    Raises:
        StoreLocked: another run holds the batch.
        AccountError: no key, or it is refused; nothing was submitted.
        TransientApiError: Runway cannot be reached; nothing was submitted.
        StoreGone: the state file was moved or deleted; the run has stopped.
    """
    clock = clock or SystemClock()
    run = _Run(
        project=project,
        settings=settings,
        options=options or RunOptions(),
        listeners=listeners,
        control=control or RunControl(),
        clock=clock,
        rng=rng or random.Random(),
    )
    check_writable(project.output_dir)
    async with await JobStore.open(project.state, clock=clock) as store:
        return await run.under_lease(store, gate)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    project: Project
    settings: Settings
    options: RunOptions
    listeners: Sequence[Listener]
    control: RunControl
    clock: Clock
    rng: random.Random

    async def under_lease(self, store: JobStore, gate: Gate) -> RunResult:
        """Become the batch's one live run, for as long as it takes."""
        batch = self.project.batch
        known = await store.batch(batch)
        if known is None:
            await store.upsert_batch(batch)
        else:
            check_manifest(batch, Path(known.manifest), self.project.path)
        lease = await store.acquire(
            batch,
            run_id=uuid.uuid4().hex,
            owner=this_process(),
            take_over=self.options.take_over,
        )
        exit_code = 1
        beating = asyncio.create_task(
            keep_lease(lease, self.project.state, self.control, clock=self.clock)
        )
        try:
            result = await self._go(store, gate)
            if beating.done():
                await beating  # raises where the state file is gone: nothing can be said of it
            exit_code = result.exit_code
        finally:
            beating.cancel()
            with suppress(StoreError, DiskFull):  # must not hide why the run ended
                await lease.release(exit_code)
        return result

    def _rescue(self, text: str) -> None:
        """A paid task's id that the state file cannot take: to the log and beside the outputs."""
        _log.critical("not recorded: %s", text)
        with suppress(OSError), (self.project.output_dir / RESCUE_FILE).open("a") as file:
            file.write(f"{self.clock.now():%Y-%m-%d %H:%M:%S} {text}\n")

    async def _go(self, store: JobStore, gate: Gate) -> RunResult:
        batch = self.project.batch
        await store.upsert_batch(
            batch,
            manifest=str(self.project.path),
            base_url=self.settings.service,
            output_dir=str(self.project.output_dir),
        )
        for job, event in await store.heal(batch):
            for listener in self.listeners:
                listener(job, event)
        stored = {job.id: job async for job in store.jobs(batch)}
        planned = plan(self.project.specs, stored)
        run_cap = gate(planned)
        reasons: list[Reason] = []
        if planned.starting or await store.active(batch):
            async with self._tools(store) as tools:
                slots = Slots(bounds_of(self.project, self.options.jobs))
                slots.learn(await self._account(tools.api))
                await check_key(store, batch, self.settings.need_key(), tools.api)
                await self._apply(store, planned, run_cap)
                reasons = await self._schedule(tools, slots)
        else:
            await self._apply(store, planned, run_cap)
        summary = await summary_of(store, batch)
        reasons += work_left(summary)
        if not reasons:
            reasons += not_started([job async for job in store.jobs(batch)])
        return RunResult(summary=summary, reasons=tuple(reasons))

    async def _apply(self, store: JobStore, planned: Plan, run_cap: int | None) -> None:
        """Write the plan and the caps, once the account is known to answer."""
        batch = self.project.batch
        await store.apply_plan(batch, changes(batch, planned, self.clock.now()))
        await store.set_caps(batch, caps_of(self.project, run_cap=run_cap))

    async def _schedule(self, tools: Tools, slots: Slots) -> list[Reason]:
        scheduler = Scheduler(tools, slots)
        self.control.attach(scheduler)
        return await scheduler.run()

    @asynccontextmanager
    async def _tools(self, store: JobStore) -> AsyncIterator[Tools]:
        policies = self._policies()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                RunwayClient(api_settings(self.settings), clock=self.clock)
            )
            cache = store.uploads(self.settings.service)
            uploader = FormUploader(client, cache, clock=self.clock, rng=self.rng)
            downloader = HttpDownloader(user_agent=f"runway-batch/{__version__}")
            yield Tools(
                batch=self.project.batch,
                api=client,
                uploader=await stack.enter_async_context(uploader),
                downloader=await stack.enter_async_context(downloader),
                store=store,
                recorder=Recorder(store, self.listeners, clock=self.clock),
                clock=self.clock,
                rng=self.rng,
                policies=policies,
                patience=Patience(policies.patience_s),
                output_dir=self.project.output_dir,
                tool=TOOL,
                rescue=self._rescue,
            )

    async def _account(self, api: TaskApi) -> Organization:
        """The account, asked before anything is paid: is the key accepted, what are the limits?"""
        try:
            return await RetryingApi(api, clock=self.clock, rng=self.rng).get_organization()
        except PermanentApiError as error:
            hint = error.hint or "is the base URL right?"
            raise AccountError(error.message, status=error.status, hint=hint) from error

    def _policies(self) -> Policies:
        return Policies(
            retry=RetryPolicy(attempts=self.project.manifest.retry.attempts),
            poll=PollPolicy(interval_s=self.settings.poll_interval_s),
            drain_s=self.options.drain_s,
        )


def api_settings(settings: Settings) -> ApiSettings:
    """What the client needs; `AccountError` where there is no key."""
    return ApiSettings(key=settings.need_key(), version=__version__, base_url=settings.base_url)
