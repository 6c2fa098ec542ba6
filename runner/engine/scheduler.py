"""Starts what admission allows, wakes on events and due times, stops politely.

What is on disk is the truth: this object holds only the jobs it works on and a page of ready ones
per lane. It sleeps until something is recorded or something becomes due, and never polls itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from runner.core.commands import Wait
from runner.core.events import Event, GaveUp, Resolved, RetryScheduled, TaskSucceeded
from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.limits import Bounds, Slots
from runner.core.outcome import Reason
from runner.errors import (
    AccountError,
    DiskFull,
    GroupFull,
    NotNow,
    RunnerError,
    StaleJob,
    StoreBusy,
)
from runner.ports import Onlooker

from .account import AccountWatch
from .backlog import PAGE, Backlog
from .doubts import DoubtSettler
from .ending import Ending
from .gatekeeper import Gatekeeper
from .halting import Halter
from .live_jobs import LiveJobs
from .rules import Rules
from .time_limits import TimeLimits
from .tools import Tools
from .voice import Voice
from .waiting import answers_of, sleep_or
from .worker import Worker

#: seconds after which the store is looked at for what short commands have changed
LOOK_AROUND_S = 5.0
#: seconds after which a job that was tried enough is tried again, if the run still goes on
LEFT_FOR_S = 600.0
#: seconds slept at most: a machine that was suspended is not woken by a timer
LONGEST_SLEEP_S = 60.0


class Scheduler:
    """One run of one batch."""

    def __init__(
        self,
        tools: Tools,
        slots: Slots,
        rules: Rules | None = None,
        onlookers: Sequence[Onlooker] = (),
    ) -> None:
        self._tools = tools
        self._slots = slots
        self._rules = rules or Rules()
        self._wake = asyncio.Event()
        self._account = AccountWatch(tools, slots, self._rules, self._wake.set)
        self._keeper = Gatekeeper(tools, slots, self._rules, self._account)
        self._halter = Halter(tools, self._rules.halt, self._stop_submitting)
        self._settler = DoubtSettler(
            tools, self._rules, self._account, self._keeper, self._wake.set
        )
        self._worker = Worker(
            tools,
            seen=self._keeper.note_reading,
            disk_full=self._keeper.no_room_for_outputs,
            terms=self._keeper.terms,
            in_outage=lambda lane: self._keeper.health.in_outage(lane, tools.clock.now()),
        )
        self._backlog = Backlog(tools)
        self._limits = TimeLimits(tools, self._rules)
        self._live = LiveJobs(self._work, tools.clock)
        self._voice = Voice(tools, onlookers)
        self._ending = Ending(tools.clock, tools.policies.drain_s)
        self._left: dict[str, float] = {}  # job that was tried enough: when to look at it again
        self._look_at_s = 0.0
        self._due: datetime | None = None  # when something may move, as of the last turn
        tools.recorder.tell(self._on_event)

    def stop(self, reason: Reason, *, drain_s: float | None = None) -> None:
        """Submit nothing more; let creates and downloads under way end.

        Args:
            reason: why.
            drain_s: seconds in which tasks at Runway may end too; None: they are left there.
        """
        self._ending.stop(reason, drain_s)
        self._wake.set()
        self._live.cancel(self._ending.leaves)

    def leave(self) -> None:
        """Leave at once. Answers of creates already sent get a last moment to arrive."""
        self._ending.leave()
        self._live.cancel()

    def cancel(self, wanted: Mapping[str, bool]) -> None:
        """Cancel tasks of these jobs at the next reading of each.

        Args:
            wanted: job id to whether also a running task is given up, with its credits.
        """
        self._worker.poller.unwanted.update(wanted)
        self.look_again()

    def set_bounds(self, bounds: Bounds) -> None:
        """New upper bounds on tasks at Runway, from now on."""
        self._slots.set_bounds(bounds)
        self.look_again()

    def set_paused(self, paused: bool) -> None:
        """A person has paused the batch, or lets it go on."""
        if paused is not self._keeper.paused:
            self._keeper.paused = paused
            if paused:  # what is being uploaded is not sent any more
                self._live.cancel(lambda job: job.status is JobStatus.PENDING)
            self._wake.set()

    def look_again(self) -> None:
        """Somebody changed limits or jobs in the store."""
        self._keeper.refusals.forget(self._backlog.ready)
        self._backlog.look_again()
        self._look_at_s = 0.0
        self._wake.set()

    async def run(self) -> list[Reason]:
        """Work until nothing can move any more; returns why work is left, if any."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._account.watch()),
                          group.create_task(self._settler.watch())]  # fmt: skip
                try:
                    await self._begin()
                    while await self._turn_on_any_disk(group):
                        await self._sleep()
                    if self._ending.stopping:
                        await self._live.wait(self._ending.until_s)
                    self._live.cancel()
                finally:
                    for part in beside:
                        part.cancel()
        except* RunnerError as errors:
            raise first_of(errors) from None
        finally:
            creates = self._worker.submitter.under_way
            await answers_of(self._tools.clock, creates, self._ending.leaving)
        reasons = [*self._ending.reasons, *self._halter.reasons, *self._budget_reason()]
        return list(dict.fromkeys(reasons))

    async def _begin(self) -> None:
        self._settler.begin_with(await self._tools.store.in_doubt(self._tools.batch))
        await self._keeper.learn_quotas()

    async def _turn_on_any_disk(self, group: asyncio.TaskGroup) -> bool:
        """A turn; where the state file takes nothing, what is under way goes on all the same."""
        try:
            return await self._turn(group)
        except DiskFull as error:
            self._keeper.disk_full(error.message)
        except StoreBusy:
            pass  # locked for longer than a write is waited for
        self._due = self._tools.clock.now() + timedelta(seconds=LOOK_AROUND_S)
        return True

    async def _turn(self, group: asyncio.TaskGroup) -> bool:
        """Start what may start; whether there is anything to wait for."""
        self._wake.clear()
        self._check_limits()
        if self._ending.stopping:
            return False
        await self._look_around(group)
        await self._backlog.skip_doomed()
        for held in await self._halter.act():
            self._voice.tell(held)
            self.look_again()
        if self._ending.not_submitting is not None:
            await self._voice.say([_stopped(self._ending.not_submitting)])
            self._due = self._tools.clock.now() + timedelta(seconds=LOOK_AROUND_S)
            return self._is_busy or self._wake.is_set()
        # one time for all of the turn: what comes due while the store is asked is due afterwards
        now, ready = self._tools.clock.now(), self._backlog.ready
        refusals = self._keeper.refusals
        refusals.open_again(ready, now)
        skip = [*self._live.ids, *refusals.held_back()]
        await self._backlog.refill(skip, now, without=refusals.crowded(PAGE))
        if not self._ending.may_submit:
            return True  # told while the store was asked: the next turn sees to it
        for job in self._keeper.admit(ready, self._live.jobs, now):
            self._live.start(group, job)
        waits = self._keeper.waits(ready, self._live.jobs, now)
        await self._voice.say(waits)
        if self._live.any_moves:
            self._limits.busy()
        self._due = await self._next_time(now)
        if self._is_busy or self._due is not None:
            return self._live.any_moves or not await self._has_waited_enough(now, waits)
        if self._wake.is_set():
            return True  # what was recorded while the store was asked may have changed the answer
        self._backlog.look_for_doomed()
        await self._backlog.skip_doomed()
        return False

    @property
    def _is_busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._live) or self._has_lone_creates

    @property
    def _has_lone_creates(self) -> bool:
        """Whether creates were sent whose jobs were told to wait since."""
        return bool(self._worker.submitter.under_way) and not self._live

    def _check_limits(self) -> None:
        """What ends the run, or its creates, from outside of it."""
        stop = self._limits.due()
        if stop is not None and not self._ending.stopping:
            self.stop(stop.reason, drain_s=stop.drain_s)
        if self._account.refused is not None:
            self._stop_submitting(self._account.refused)

    async def _has_waited_enough(self, now: datetime, waits: Sequence[Wait]) -> bool:
        if self._rules.max_wait_s is None:
            return False
        until = None  # what is under way may change it at any moment
        if not self._live:
            known = self._keeper.next_time(self._backlog.ready, [], now)
            times = [known, await self._backlog.next_due(now)]
            until = min((time for time in times if time is not None), default=None)
        reason = self._limits.waits_too_long(until, waits, is_busy=self._is_busy)
        if reason is not None:
            self._ending.reasons.append(reason)
        return reason is not None

    async def _look_around(self, group: asyncio.TaskGroup) -> None:
        """Now and then: what an earlier run left at Runway, and what short commands changed."""
        if self._account.read.is_set():
            self._account.read.clear()
            await self._keeper.learn_quotas()
        now_s = self._tools.clock.monotonic()
        # the task of a lone create is taken up as soon as it is known
        if now_s < self._look_at_s and not self._has_lone_creates:
            return
        self._look_at_s = now_s + LOOK_AROUND_S
        self.set_paused(await self._tools.store.is_paused(self._tools.batch))
        await self._settler.forget_settled()
        for job in await self._tools.store.active(self._tools.batch):
            if self._left.get(job.id, 0.0) <= now_s and job.status is not JobStatus.SUBMITTING:
                self._live.start(group, job)
        if self._keeper.outputs_full and not self._live:  # each was tried often enough, and left
            self._stop_submitting(_no_room(self._keeper.outputs_full))

    async def _work(self, job: Job) -> None:
        """One job, with what may end it early turned into a reason of the run."""
        try:
            job = await self._worker.run(job)
            if job.status in ACTIVE:
                self._leave_for_now(job)
        except NotNow as error:
            self._keeper.refused(job, error)
            if isinstance(error, GroupFull):
                self._halter.suspect(job)
        except StaleJob:
            self.look_again()  # changed by a short command: the store knows better
        except DiskFull as error:
            self._keeper.disk_full(error.message)
        except AccountError as error:
            self._on_account_error(self._live.get(job.id) or job, error)
        finally:
            self._keeper.ended(self._live.ended(job))
            self._wake.set()

    def _leave_for_now(self, job: Job) -> None:
        """Tried enough: for the next run, or for later in this one if it goes on so long."""
        self._left[job.id] = self._tools.clock.monotonic() + LEFT_FOR_S

    def _on_account_error(self, job: Job, error: AccountError) -> None:
        """Nothing more is submitted; tasks are collected as long as the key may read them."""
        reason = Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)
        if job.status is not JobStatus.PENDING:
            self._leave_for_now(job)
            self.stop(reason)
        else:
            self._stop_submitting(reason)

    def _stop_submitting(self, reason: Reason) -> None:
        """Collect what is at Runway, send nothing more."""
        if self._ending.stop_submitting(reason):
            self._wake.set()

    def _on_event(self, job: Job, event: Event) -> None:
        """Listener: keep what is held in memory in step with what is on disk."""
        before = self._live.get(job.id)
        self._keeper.note(job, event, before=before)
        self._halter.note(job, event)
        self._settler.note(job, event)
        self._live.note(job)
        if self._ending.stopping and self._ending.leaves(job):
            self._live.cancel(lambda live: live.id == job.id)
        self._backlog.note(event)
        if isinstance(event, TaskSucceeded | GaveUp | RetryScheduled):
            self._slots.note_finished(job.lane)
        if isinstance(event, Resolved):
            self._look_at_s = 0.0  # a task that was found again is taken up before a run may end
        self._wake.set()

    async def _next_time(self, now: datetime) -> datetime | None:
        """The earliest time after `now` at which something may move by itself."""
        times = [
            await self._backlog.next_due(now),
            self._keeper.next_time(self._backlog.ready, self._live.jobs, now),
        ]
        waits_for_someone = self._keeper.paused and len(self._backlog.ready)
        is_stuck = bool(self._keeper.outputs_full)
        is_asking = self._keeper.refusals.wants_balance
        if self._is_busy or self._settler.has_work or waits_for_someone or is_stuck or is_asking:
            times.append(now + timedelta(seconds=LOOK_AROUND_S))
        due = min((time for time in times if time is not None), default=None)
        end = self._limits.deadline
        return due if due is None or end is None else min(due, end)

    async def _sleep(self) -> None:
        """Until something is recorded, or the next time comes."""
        delay = LONGEST_SLEEP_S
        if self._due is not None:
            delay = min(delay, (self._due - self._tools.clock.now()).total_seconds())
        await sleep_or(self._tools.clock, delay, self._wake)

    def _budget_reason(self) -> list[Reason]:
        reason = self._keeper.refusals.reason()
        return [] if reason is None else [reason]


def _stopped(why: Reason) -> Wait:
    return Wait(lane="", code="stopped", reason=f"nothing more is sent: {why.message}")


def _no_room(reason: str) -> Reason:
    hint = "make room, then run the same command again; what is paid waits at Runway"
    return Reason(exit_code=DiskFull.exit_code, message=reason, hint=hint)


def first_of(errors: BaseExceptionGroup[RunnerError]) -> RunnerError:
    """The first error of a group, however deep."""
    error = errors.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
