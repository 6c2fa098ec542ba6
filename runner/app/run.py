"""One run of one batch, from the lease to the exit code."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runner.clock import Clock, ServiceClock, SystemClock
from runner.core.limits import Slots
from runner.core.outcome import Reason, exit_code_of
from runner.core.plan import Plan
from runner.core.spec import router_of
from runner.core.summary import BatchSummary, not_started, work_left
from runner.core.task import Reading
from runner.engine.scheduler import Scheduler
from runner.engine.tools import Tools
from runner.errors import (
    AccountError,
    DiskFull,
    PermanentApiError,
    StoreError,
)
from runner.ports import Listener, Onlooker, TaskApi
from runner.runway.retrying import RetryingApi
from runner.settings import Settings
from runner.store.process import this_process
from runner.store.store import JobStore

from .batch import summary_of
from .command_watch import obey_commands
from .control import RunControl
from .home import check_state, check_state_place
from .lease_watch import keep_lease
from .live import LiveRun
from .planning import plan_project, plan_with
from .preflight import check_key, check_manifest, check_writable
from .project import Project
from .reached import up_to_date
from .run_rules import RunOptions, policies_of, rules_of
from .start_check import refuse_start
from .toolbox import Workplace, open_tools


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
    onlookers: Sequence[Onlooker] = (),
    control: RunControl | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
) -> RunResult:
    """Bring the batch as far as it goes: submit, poll, download, within every cap.

    Raises:
        ManifestError: with every problem of the manifest; nothing was written or sent.
        StoreLocked: another run holds the batch.
        AccountError: no key, or it is refused; nothing was submitted.
        TransientApiError: Runway cannot be reached; nothing was submitted.
        StoreGone: the state file was moved or deleted; the run has stopped.
    """
    its_clock = ServiceClock(clock or SystemClock())
    run = _Run(
        project=project,
        settings=settings,
        options=options or RunOptions(),
        listeners=listeners,
        onlookers=onlookers,
        control=control or RunControl(),
        clock=its_clock,
        rng=rng or random.Random(),
    )
    check_state_place(project.state, settings)
    planned = None if project.state.is_file() else await plan_project(project, run.options.wish)
    check_writable(project.output_dir)
    async with await JobStore.open(project.state, clock=its_clock) as store:
        if planned is None:
            planned = await plan_with(project, store, run.options.wish)
        return await run.under_lease(store, gate, planned)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    project: Project
    settings: Settings
    options: RunOptions
    listeners: Sequence[Listener]
    onlookers: Sequence[Onlooker]
    control: RunControl
    clock: ServiceClock
    rng: random.Random

    async def under_lease(self, store: JobStore, gate: Gate, planned: Plan) -> RunResult:
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
            result = await self._go(store, gate, planned)
            if beating.done():
                await beating  # raises where the state file is gone: nothing can be said of it
            exit_code = result.exit_code
        finally:
            beating.cancel()
            with suppress(StoreError, DiskFull):  # must not hide why the run ended
                await lease.release(exit_code)
        return result

    async def _go(self, store: JobStore, gate: Gate, planned: Plan) -> RunResult:
        batch = self.project.batch
        await check_state(store, self.project)
        newest = await store.newest_event_at()
        if newest is not None:
            self.clock.floor(newest)
        await store.upsert_batch(
            batch,
            manifest=str(self.project.path),
            base_url=self.settings.service,
            output_dir=str(self.project.output_dir),
        )
        for job, event in await store.heal(batch):
            for listener in self.listeners:
                listener(job, event)
        live = LiveRun(self.project, self.settings, store, clock=self.clock, wish=self.options.wish)
        planned = await live.up_to_date(planned)
        refuse_start(planned.refusals)
        run_cap = gate(planned)
        reasons: list[Reason] = []
        if planned.starting or await store.active(batch) or await self._may_settle(store):
            async with self._tools(store) as tools:
                reasons = await self._work(store, tools, live, planned, run_cap)
        else:
            await live.apply(planned, run_cap)
        reasons = await up_to_date(store, batch, reasons)
        summary = await summary_of(store, batch)
        reasons += work_left(summary)
        if not reasons:
            reasons += not_started(summary, blocked=planned.blocked.count)
        return RunResult(summary=summary, reasons=tuple(reasons))

    async def _may_settle(self, store: JobStore) -> bool:
        """Whether jobs in doubt are left that evidence, or a router's history, may settle."""
        doubts = await store.in_doubt(self.project.batch)
        exclusive = self.project.manifest.account.exclusive
        return any(exclusive or router_of(job.spec.body) for job in doubts)

    async def _work(
        self, store: JobStore, tools: Tools, live: LiveRun, planned: Plan, run_cap: int | None
    ) -> list[Reason]:
        """From the first look at the account to the last download."""
        reading = await self._account(tools.api)
        slots = Slots(live.bounds(self.options.jobs))
        slots.learn(reading.organization)
        mark = await check_key(store, self.project.batch, self.settings.need_key(), tools.api)
        tools = replace(tools, account=f"{self.settings.service} {mark}")
        await store.note_reading(self.project.batch, reading)
        await live.apply(planned, run_cap)
        rules = rules_of(self.project, self._options_by_service(), self.clock.now())
        scheduler = Scheduler(tools, slots, rules, self.onlookers)
        live.attach(scheduler)
        self.control.attach(scheduler)
        obeying = asyncio.create_task(
            obey_commands(
                store,
                self.project.batch,
                live.handlers,
                paused=scheduler.set_paused,
                clock=self.clock,
            )
        )
        try:
            reasons = await scheduler.run()
            if obeying.done():
                obeying.result()  # it never ends by itself: whatever ended it is a bug, and is told
            return reasons
        finally:
            obeying.cancel()

    def _options_by_service(self) -> RunOptions:
        """Flags were read by the machine's clock, the run goes by the service's."""
        deadline = self.options.deadline
        if deadline is None:
            return self.options
        return replace(self.options, deadline=self.clock.here(deadline))

    def _tools(self, store: JobStore) -> AbstractAsyncContextManager[Tools]:
        place = Workplace(
            batch=self.project.batch,
            state=self.project.state,
            output_dir=self.project.output_dir,
            settings=self.settings,
            policies=policies_of(self.project, self.options, self.settings),
            clock=self.clock,
            rng=self.rng,
            listeners=self.listeners,
        )
        return open_tools(store, place)

    async def _account(self, api: TaskApi) -> Reading:
        """The account, asked before anything is paid: is the key accepted, what are the limits?"""
        asked_at = self.clock.now()
        try:
            answer = await RetryingApi(api, clock=self.clock, rng=self.rng).get_organization()
        except PermanentApiError as error:
            hint = error.hint or "is the base URL right?"
            raise AccountError(error.message, status=error.status, hint=hint) from error
        return Reading(asked_at=asked_at, answered_at=self.clock.now(), organization=answer)
