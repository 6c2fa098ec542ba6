"""Starts what admission allows, wakes on events and due times, stops politely.

What is on disk is the truth: this object holds only the jobs it works on and a page of ready ones
per lane. It sleeps until something is recorded or something becomes due, and never polls itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.core.admission import ReadyQueue, admit
from runner.core.events import (
    Event,
    GaveUp,
    RetryScheduled,
    Skipped,
    SubmitRefused,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.job import ACTIVE, AT_RUNWAY, Job, JobStatus
from runner.core.limits import Pause, Slots
from runner.core.outcome import Reason
from runner.core.task import Task, TaskStatus
from runner.errors import (
    AccountError,
    CapReached,
    DiskFull,
    PermanentApiError,
    RunnerError,
    StaleJob,
    TransientApiError,
)

from .tools import Tools
from .waiting import all_ended, answers_of, sleep_or
from .worker import Worker

#: ready jobs held per lane
PAGE = 1000
#: seconds after which the store is looked at for what short commands have changed
LOOK_AROUND_S = 5.0


@dataclass(slots=True)
class _Live:
    """A job under way."""

    job: Job
    coroutine: asyncio.Task[None]


class Scheduler:
    """One run of one batch."""

    def __init__(self, tools: Tools, slots: Slots) -> None:
        self._tools = tools
        self._slots = slots
        self._worker = Worker(tools, seen=self._on_reading, disk_full=self._on_disk_full)
        self._ready = ReadyQueue()
        self._live: dict[str, _Live] = {}
        self._no_room: dict[str, CapReached] = {}
        self._reasons: list[Reason] = []
        self._wake = asyncio.Event()
        self._leaving = asyncio.Event()
        self._submitting = True
        self._stopping = False
        self._left: set[str] = set()
        self._look_for_doomed = True
        self._read_slots = False
        self._look_at_s = 0.0
        self._disk_until: datetime | None = None
        tools.recorder.tell(self._on_event)

    def stop(self, reason: Reason) -> None:
        """Submit nothing more; let creates and downloads under way end."""
        self._reasons.append(reason)
        self._stopping = True
        self._wake.set()
        for live in self._live.values():
            if self._can_be_left(live.job):
                live.coroutine.cancel()

    def leave(self) -> None:
        """Leave at once. Answers of creates already sent get a last moment to arrive."""
        self._stopping = True
        self._leaving.set()
        for live in self._live.values():
            live.coroutine.cancel()

    async def run(self) -> list[Reason]:
        """Work until nothing can move any more; returns why work is left, if any."""
        try:
            async with asyncio.TaskGroup() as group:
                while await self._turn(group):
                    await self._sleep()
                if self._stopping:
                    group.create_task(self._drain())
        except* RunnerError as errors:
            raise first_of(errors) from None
        finally:
            creates = self._worker.submitter.under_way
            await answers_of(self._tools.clock, creates, self._leaving)
        return [*self._reasons, *self._budget_reason()]

    async def _turn(self, group: asyncio.TaskGroup) -> bool:
        """Start what may start; whether there is anything to wait for."""
        self._wake.clear()
        if self._tools.patience.exhausted and not self._stopping:
            self.stop(_service_lost())
        if self._stopping:
            return False
        await self._look_around(group)
        await self._skip_doomed()
        if not self._submitting:
            return bool(self._live) or self._wake.is_set()
        await self._refill()
        await self._learn_slots()
        now = self._tools.clock.now()
        if not self._disk_is_full(now):
            live = [entry.job for entry in self._live.values()]
            for job in admit(self._ready, self._slots, live, now):
                self._start(group, job)
        due = await self._next_time()
        # what was recorded while the store was asked may have changed the answer
        return bool(self._live) or due is not None or self._wake.is_set()

    async def _look_around(self, group: asyncio.TaskGroup) -> None:
        """Now and then: what an earlier run left at Runway, and what short commands changed."""
        now_s = self._tools.clock.monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_AROUND_S
        self._look_for_doomed = True
        for job in await self._tools.store.active(self._tools.batch):
            if job.id not in self._left and job.status is not JobStatus.SUBMITTING:
                self._start(group, job)

    def _start(self, group: asyncio.TaskGroup, job: Job) -> None:
        if job.id not in self._live:
            self._live[job.id] = _Live(job, group.create_task(self._work(job), name=job.id))

    async def _work(self, job: Job) -> None:
        """One job, with what may end it early turned into a reason of the run."""
        try:
            job = await self._worker.run(job)
            if job.status in ACTIVE:
                self._left.add(job.id)  # for the next run: this one has tried enough
        except CapReached as error:
            self._no_room[job.id] = error
        except StaleJob:
            self._ready.clear()  # changed by a short command: the store knows better
        except DiskFull as error:
            self._on_disk_full(error.message)
        except AccountError as error:
            self._on_account_error(self._live[job.id].job, error)
        finally:
            self._live.pop(job.id, None)
            self._wake.set()

    def _on_account_error(self, job: Job, error: AccountError) -> None:
        """Nothing more is submitted; tasks are collected as long as the key may read them."""
        if job.status is not JobStatus.PENDING:
            self._left.add(job.id)
            self.stop(Reason(exit_code=error.exit_code, message=error.message, hint=error.hint))
        else:
            self._stop_submitting(error)

    def _stop_submitting(self, error: RunnerError) -> None:
        """Collect what is at Runway, send nothing more."""
        if self._submitting:
            self._submitting = False
            self._reasons.append(
                Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)
            )

    async def _refill(self) -> None:
        """Fill the empty lanes of the queue from the store."""
        now = self._tools.clock.now()
        for lane in await self._tools.store.ready_lanes(self._tools.batch):
            if not self._ready.is_empty(lane):
                continue
            held = [*self._live, *self._no_room]
            for job in await self._tools.store.ready(
                self._tools.batch, lane, now=now, limit=PAGE, skip=held
            ):
                self._ready.add(job)

    async def _skip_doomed(self) -> None:
        """Jobs whose needs cannot be met are skipped, and theirs in turn."""
        while self._look_for_doomed:
            self._look_for_doomed = False
            now = self._tools.clock.now()
            for job, parent in await self._tools.store.doomed(self._tools.batch):
                await self._tools.recorder.record(job, Skipped(at=now, parent=parent))

    def _on_event(self, job: Job, event: Event) -> None:
        """Listener: keep what is held in memory in step with what is on disk."""
        live = self._live.get(job.id)
        if live is not None:
            live.job = job
            if self._stopping and self._can_be_left(job):
                live.coroutine.cancel()
        if isinstance(event, TaskAccepted):
            self._slots.note_created(job.lane)
            self._read_slots = self._read_slots or self._slots.wants_reading(job.lane)
        if isinstance(event, SubmitRefused) and event.not_before > event.at:
            self._slots.pause(job.lane, Pause(until=event.not_before, reason=event.reason))
        if job.status not in AT_RUNWAY:
            self._no_room.clear()  # a hold may have shrunk
        if isinstance(event, GaveUp | Skipped):
            self._look_for_doomed = True
        if isinstance(event, TaskSucceeded | GaveUp | RetryScheduled):
            self._slots.note_finished(job.lane)
        self._wake.set()

    async def _learn_slots(self) -> None:
        """Read the account again where a lane was missing from its map."""
        if not self._read_slots:
            return
        self._read_slots = False
        try:
            self._slots.learn(await self._tools.api.get_organization())
        except AccountError as error:
            self._stop_submitting(error)
        except PermanentApiError:
            return  # the lane keeps what it has
        except TransientApiError:
            self._read_slots = True  # until an answer comes

    def _on_reading(self, job: Job, task: Task) -> None:
        if task.status is TaskStatus.THROTTLED:
            self._slots.note_throttled(job.lane)

    def _on_disk_full(self, _reason: str) -> None:
        pause = timedelta(seconds=self._tools.policies.disk_pause_s)
        self._disk_until = self._tools.clock.now() + pause

    def _disk_is_full(self, now: datetime) -> bool:
        return self._disk_until is not None and self._disk_until > now

    async def _next_time(self) -> datetime | None:
        """The earliest future time at which something may move by itself."""
        now = self._tools.clock.now()
        due = await self._tools.store.next_due(self._tools.batch, after=now)
        times = [due, self._slots.next_end_of_pause(now) if len(self._ready) else None]
        if self._disk_is_full(now):
            times.append(self._disk_until)
        if self._live:
            times.append(now + timedelta(seconds=LOOK_AROUND_S))
        return min((time for time in times if time is not None), default=None)

    async def _sleep(self) -> None:
        """Until something is recorded, or the next time comes."""
        until = await self._next_time()
        if until is None:
            await self._wake.wait()
            return
        delay = (until - self._tools.clock.now()).total_seconds()
        await sleep_or(self._tools.clock, delay, self._wake)

    @staticmethod
    def _can_be_left(job: Job) -> bool:
        """Nothing is lost by leaving it: it waits, or Runway works on it."""
        return job.status not in {JobStatus.SUBMITTING, JobStatus.DOWNLOADING}

    async def _drain(self) -> None:
        """After a stop: what is under way may end, for a while."""
        waiting = [live.coroutine for live in self._live.values()]
        await all_ended(self._tools.clock, waiting, self._tools.policies.drain_s)
        for live in self._live.values():
            live.coroutine.cancel()

    def _budget_reason(self) -> list[Reason]:
        if not self._no_room:
            return []
        error = next(iter(self._no_room.values()))
        return [Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)]


def first_of(errors: BaseExceptionGroup[RunnerError]) -> RunnerError:
    """The first error of a group, however deep."""
    error = errors.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error


def _service_lost() -> Reason:
    return Reason(
        exit_code=TransientApiError.exit_code,
        message="Runway does not answer",
        hint="tasks go on there; run the same command again to go on",
    )
