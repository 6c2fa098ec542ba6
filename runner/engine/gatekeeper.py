"""Decides what may start now, and can always say why nothing does.

Money, slots, quota and groups are judged by the store, in the transaction of the intent. What it
has refused is remembered here, so that it is not asked again before something has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from runner.core.admission import ReadyQueue, admit
from runner.core.commands import Wait
from runner.core.events import Downloaded, Event, SubmitRefused, TaskAccepted, Verified
from runner.core.health import LaneHealth
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.limits import Pause, Slots, Terms
from runner.core.quota import DailyQuota
from runner.core.task import Task, TaskStatus
from runner.errors import (
    BalanceTooOld,
    BatchPaused,
    CapReached,
    GroupFull,
    NotNow,
    QuotaUsedUp,
    SlotsTaken,
)

from .account import AccountWatch
from .refusals import OTHERS_S, Refusals
from .rules import Rules
from .tools import Tools

_TOO_MANY = 429


class Gatekeeper:
    """All that stands between a ready job and its create, apart from the reserve itself."""

    def __init__(self, tools: Tools, slots: Slots, rules: Rules, account: AccountWatch) -> None:
        self._tools = tools
        self._slots = slots
        self._rules = rules
        self._account = account
        self.health = LaneHealth(tools.policies.health, tools.rng)
        self._quotas: dict[str, DailyQuota] = {}
        self.refusals = Refusals()
        self._disk_until: datetime | None = None
        self._disk_reason = ""
        #: why outputs cannot be stored; a file that can be ends it
        self.outputs_full = ""
        self.paused = False  # by a person
        self._lanes_closed: dict[str, str] = {}

    # what may start

    def terms(self, job: Job) -> Terms:
        """What a create needs besides its reserve, for the transaction of its intent."""
        age = timedelta(seconds=self._tools.policies.balance_age_s)
        return Terms(
            slots=self._slots.capacity(job.lane),
            refusals=self._rules.halt.refusals,
            balance_from=self._tools.clock.now() - age,
        )

    def admit(self, ready: ReadyQueue, live: Sequence[Job], now: datetime) -> list[Job]:
        """Take from the queue what may start now."""
        if self.closed(live, now) is not None:
            return []
        closed = {lane for lane in ready.lanes() if self._lane_closed(lane, now) is not None}
        admitted = admit(
            ready,
            self._slots,
            live,
            now,
            closed=closed,
            allowance=lambda lane: self.health.allowance(lane, now),
            may_start=self.refusals.lets_start,
        )
        for job in admitted:
            self.health.admitted(job)
        return admitted

    def closed(self, live: Iterable[Job], now: datetime) -> Wait | None:
        """Why nothing at all starts."""
        if self.paused:
            return Wait(lane="", code="paused", reason="paused: `runway-batch resume` goes on")
        if self._disk_until is not None and self._disk_until > now:
            return Wait(lane="", code="disk", reason=self._disk_reason)
        if self.outputs_full:
            return Wait(lane="", code="disk", reason=self.outputs_full)
        window = self._rules.window
        if window is not None and not window.is_open(now, self._rules.local):
            opening = window.next_opening(now, self._rules.local)
            return Wait(lane="", code="window", reason="outside of the window", until=opening)
        soon = now + timedelta(seconds=self._tools.policies.near_expiry_s)
        if any(_expires_by(job, soon) for job in live):
            return Wait(lane="", code="download", reason="finished tasks are fetched first")
        return None

    def _lane_closed(self, lane: str, now: datetime) -> Wait | None:
        if lane in self._lanes_closed:
            return Wait(lane=lane, code="evidence", reason=self._lanes_closed[lane])
        pause = self._slots.paused(lane, now)
        if pause is not None:
            return Wait(lane=lane, code="back-off", reason=pause.reason, until=pause.until)
        quota = self._quotas.get(lane)
        if quota is not None and quota.frees_at is not None and quota.frees_at > now:
            counted = "" if quota.most is None else f": {quota.used:,} of {quota.most:,} used"
            reason = f"daily quota{counted}"
            return Wait(lane=lane, code="quota", reason=reason, until=quota.frees_at)
        trouble = self.health.closed(lane, now)
        if trouble is not None:
            until = trouble.until if trouble.until > now else None  # a probe is under way
            return Wait(lane=lane, code="probe", reason=trouble.reason, until=until)
        return None

    # what was refused

    def refused(self, job: Job, error: NotNow) -> None:
        """The store let an intent not pass: remember why."""
        self.health.not_sent(job)
        now = self._tools.clock.now()
        match error:
            case QuotaUsedUp():
                used = self._quotas.get(job.lane)
                self._quotas[job.lane] = DailyQuota(
                    lane=job.lane,
                    most=used.most if used else None,
                    used=used.used if used else 0,
                    by_others=0,
                    frees_at=error.until,
                )
                self._account.want()
            case BatchPaused():
                self.paused = True  # seen here before the run has looked for it
            case SlotsTaken():
                again = now + timedelta(seconds=OTHERS_S)
                self._slots.pause(job.lane, Pause(until=again, reason=error.message))
            case GroupFull():
                self.refusals.group_full(job, error, now)
            case BalanceTooOld():
                self.refusals.no_room(job, error)
                self._account.want()
            case CapReached():
                self.refusals.no_room(job, error)

    def disk_full(self, reason: str) -> None:
        """The state file takes nothing for a while: the next intent finds out whether it does."""
        pause = timedelta(seconds=self._tools.policies.disk_pause_s)
        self._disk_until = self._tools.clock.now() + pause
        self._disk_reason = reason

    def no_room_for_outputs(self, reason: str) -> None:
        """Nothing is sent until one of the files that wait could be stored."""
        self.outputs_full = reason

    def close_lane(self, lane: str, reason: str) -> None:
        """Nothing of the lane starts until it is opened again."""
        self._lanes_closed[lane] = reason

    def open_lane(self, lane: str) -> None:
        self._lanes_closed.pop(lane, None)

    async def learn_quotas(self) -> None:
        """Take over where the daily quotas stand, after a reading of the account."""
        now = self._tools.clock.now()
        self._quotas = dict(await self._tools.store.quotas(self._tools.batch, now=now))
        self.refusals.credits_released()

    def note(self, job: Job, event: Event, *, before: Job | None) -> None:
        """Learn from what happened to a job; `before` where this run works on it."""
        self.health.note(job, event)
        if isinstance(event, Verified | Downloaded):
            self.outputs_full = ""
        if isinstance(event, TaskAccepted):
            self._slots.note_created(job.lane)
            if self._slots.wants_reading(job.lane):
                self._account.want()
        if isinstance(event, SubmitRefused) and event.not_before > event.at:
            self._slots.pause(job.lane, Pause(until=event.not_before, reason=event.reason))
            if event.code == f"HTTP_{_TOO_MANY}":
                self._account.want()
        if before is not None and job.hold + job.charged < before.hold + before.charged:
            self.refusals.credits_released()
        if before is not None and before.status in AT_RUNWAY and job.status not in AT_RUNWAY:
            self.refusals.group_left(event.at)

    def note_reading(self, job: Job, task: Task) -> None:
        """A task was read while it is at Runway."""
        if task.status is TaskStatus.THROTTLED:
            self._slots.note_throttled(job.lane)

    # why, and until when

    def next_time(self, ready: ReadyQueue, live: Sequence[Job], now: datetime) -> datetime | None:
        """The earliest future time at which something that waits here may move."""
        return min((time for time in self._times(ready, live, now) if time > now), default=None)

    def _times(self, ready: ReadyQueue, live: Sequence[Job], now: datetime) -> Iterator[datetime]:
        closed = self.closed(live, now)
        if len(ready) or self.refusals.held_back():
            if closed is not None and closed.until is not None:
                yield closed.until
            if self._disk_until is not None:
                yield self._disk_until
            for lane in ready.lanes():
                wait = self._lane_closed(lane, now)
                if wait is not None and wait.until is not None:
                    yield wait.until
        yield from self.refusals.times()

    def ended(self, job: Job) -> None:
        """A job is no longer worked on: if it was a probe, another one may be."""
        self.health.not_sent(job)

    def waits(self, ready: ReadyQueue, live: Sequence[Job], now: datetime) -> list[Wait]:
        """Why nothing starts, run-wide and lane by lane."""
        closed = self.closed(live, now)
        found = [] if closed is None else [closed]
        lanes = ready.lanes()
        found += [wait for lane in lanes if (wait := self._lane_closed(lane, now)) is not None]
        return [*found, *self.refusals.waits()]


def _expires_by(job: Job, soon: datetime) -> bool:
    if job.status is not JobStatus.DOWNLOADING or job.collect_by is None:
        return False
    return job.collect_by <= soon and not job.download_tries
