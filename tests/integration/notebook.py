"""A second opinion on the money: what a person with a notebook would have written down.

Knows nothing of SQL, of the ledger's moves, or of how the store counts: it keeps lines and jobs,
and adds up all of them whenever it is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runner.core.events import (
    Cancelled,
    Edited,
    Event,
    GaveUp,
    Imported,
    Requeued,
    Resolved,
    RetryScheduled,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.groups import Group, GroupState, group_change, groups_of, is_moderation
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.ledger import Caps
from runner.core.limits import Terms
from runner.core.quota import DAY, MARGIN, OwnCreates, daily_quota
from runner.core.task import Reading

MONTH = timedelta(days=30)


@dataclass(slots=True)
class Line:
    """One attempt."""

    credits: int
    lane: str
    at: datetime
    arrived: bool | None = None
    answered: datetime | None = None
    settled: datetime | None = None

    def unread(self, reading: Reading) -> bool:
        """Whether the reading may not know of it."""
        if self.arrived is False:
            return False
        return self.answered is None or self.answered >= reading.asked_at


@dataclass(slots=True)
class Notebook:
    """Everything that was spent, by job and attempt."""

    lines: dict[tuple[str, int], Line] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    prices: dict[str, int] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)

    def rename(self, before: Job, after: Job) -> None:
        """What was spent for a job stays with it."""
        for name, attempt in [key for key in self.lines if key[0] == before.id]:
            self.lines[after.id, attempt] = self.lines.pop((name, attempt))

    def write(self, before: Job, after: Job, event: Event) -> None:
        """One event, after the store took it."""
        self._write_line(before, after, event)
        refused = before.error is not None and is_moderation(before.error.code)
        was_looked_at = before.status is JobStatus.HELD or (
            before.status is JobStatus.FAILED and refused
        )
        if isinstance(event, Requeued | Edited) and was_looked_at:
            for group in groups_of(before.batch, before.spec):
                if not self.succeeded[group.id]:
                    self.refused[group.id] = 0
        for group in groups_of(after.batch, after.spec):
            change = group_change(before, after, event, group.kind)
            self.refused[group.id] += change.refused
            self.succeeded[group.id] += change.succeeded
            if change.credits is not None:
                self.prices[group.id] = max(change.credits, self.prices.get(group.id, 0))

    def _write_line(self, before: Job, after: Job, event: Event) -> None:
        key = (after.id, after.attempt)
        if isinstance(event, SubmitStarted):
            self.lines[key] = Line(event.reserve, after.lane, event.at)
            return
        line = self.lines.get(key)
        if isinstance(event, Imported) and (line is None or line.settled is not None):
            credits = before.spec.reserve if event.credits is None else event.credits
            line = self.lines[key] = Line(credits, after.lane, event.at)
        if line is None or line.settled is not None:
            return
        match event:
            case TaskAccepted():
                line.arrived = True
                line.credits = max(line.credits, event.estimated or 0)
            case SubmitUnknown():
                pass
            case Resolved(verdict=Verdict.ADOPTED):
                line.arrived = True
            case SubmitRefused() | Resolved(verdict=Verdict.NOT_ARRIVED):
                line.arrived, line.credits, line.settled = False, 0, event.at
            case Resolved():
                line.settled = event.at
            case Imported() | TaskSucceeded() | RetryScheduled() | GaveUp() | Cancelled():
                line.credits = line.credits if event.credits is None else event.credits
                line.settled = event.at
                if before.status is JobStatus.SUBMITTING:
                    line.arrived = None if line.credits else False
                elif not isinstance(event, Imported):
                    line.arrived = True
            case _:
                return
        line.answered = line.answered or event.at

    def spent_since(self, start: datetime) -> int:
        return sum(line.credits for line in self.lines.values() if line.at > start)

    def state(self, group: Group, jobs: Iterable[Job]) -> GroupState:
        flying = [job for job in jobs if job.status in AT_RUNWAY]
        return GroupState(
            group=group,
            in_flight=sum(group in groups_of(job.batch, job.spec) for job in flying),
            refused=self.refused[group.id],
            succeeded=self.succeeded[group.id],
            credits=self.prices.get(group.id),
        )

    def refusal(
        self, job: Job, event: SubmitStarted, jobs: Mapping[str, Job], caps: Caps,
        terms: Terms | None,
    ) -> str:  # fmt: skip
        """What speaks first against an intent, after the counted caps; empty where nothing does."""
        for name, cap, length in (("day", caps.day, DAY), ("month", caps.month, MONTH)):
            if cap is not None and self.spent_since(event.at - length) + event.reserve > cap:
                return name
        newest = max(self.readings, key=lambda reading: reading.asked_at, default=None)
        if caps.keep_balance is not None:
            if newest is None:
                return "BalanceTooOld"
            open_s = sum(line.credits for line in self.lines.values() if line.unread(newest))
            left = newest.organization.credit_balance - open_s - caps.keep_balance
            if event.reserve > left:
                return "balance"
        return "" if terms is None else self._refused_by(terms, job, event, jobs, newest)

    def _refused_by(
        self, terms: Terms, job: Job, event: SubmitStarted, jobs: Mapping[str, Job],
        newest: Reading | None,
    ) -> str:  # fmt: skip
        others = [other for other in jobs.values() if other.id != job.id]
        if sum(o.lane == job.lane and o.status in AT_RUNWAY for o in others) >= terms.slots:
            return "SlotsTaken"
        if newest is not None and self._is_used_up(job.lane, newest, event.at):
            return "QuotaUsedUp"
        for group in groups_of(job.batch, job.spec):
            state = self.state(group, others)
            if state.succeeded:
                if event.reserve < (state.credits or 0):
                    return "GroupFull"
            elif state.in_flight >= group.most_in_flight(terms.refusals, self.refused[group.id]):
                return "GroupFull"
        return ""

    def _is_used_up(self, lane: str, reading: Reading, now: datetime) -> bool:
        limits = reading.organization.models.get(lane)
        if limits is None:
            return False
        lines = [x for x in self.lines.values() if x.lane == lane and x.arrived is not False]
        inside = [line for line in lines if line.at > now - DAY - MARGIN]
        left = [
            line for line in lines
            if line not in inside and line.arrived and not line.unread(reading)
            and line.at > reading.answered_at - DAY
        ]  # fmt: skip
        own = OwnCreates(
            since_reading=sum(line.unread(reading) for line in inside),
            left_since=len(left),
            in_window=len(inside),
            oldest=min((line.at for line in inside), default=None),
        )
        return daily_quota(lane, limits, own, now=now).frees_at is not None
