"""A pretend account, and what our own record knows of it: the truth beside what we believe.

Times are seconds since the beginning. The server takes a create's price when it arrives, and counts
it for 24 hours from then; what a task did not cost in the end comes back when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runner.core.events import (
    Added,
    Event,
    GaveUp,
    Resolved,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.job import Job
from runner.core.ledger import Entry, EntryState, LedgerMove, ledger_move
from runner.core.lifecycle import create, transition
from runner.core.task import ModelLimits, Organization, Reading
from runner.testing import START, make_spec

DAY_S = 24 * 3600
BALANCE = 100_000


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One create as it really was."""

    lane: str = "m"
    sent_s: float
    arrives_s: float | None  # None: refused, or lost on the way
    answered_s: float  # or given up
    is_lost: bool = False  # the answer
    price: int = 25
    is_told: bool = True  # the API says what it asked
    ends_s: float | None = None
    cost: int = 25  # in the end
    seen_s: float | None = None  # when we read that it ended
    verdict: tuple[float, Verdict] | None = None  # of a person, about a create in doubt

    def entry_by(self, now_s: float) -> Entry | None:
        """What the ledger has of it by then."""
        job = create("b", Added(at=at(0), spec=make_spec("a", model=self.lane), position=0))
        entry: Entry | None = None
        for event in self._events():
            if event.at <= at(now_s):
                move = ledger_move(job, event)
                job = transition(job, event)
                entry = entry if move is None else applied(entry, move, job, event.at)
        return entry

    def _events(self) -> list[Event]:
        events: list[Event] = [SubmitStarted(at=at(self.sent_s), reserve=self.price)]
        answered = at(self.answered_s)
        if self.is_lost:
            events.append(SubmitUnknown(at=answered, reason="timeout"))
            if self.verdict is not None:
                when_s, verdict = self.verdict
                events.append(Resolved(at=at(when_s), verdict=verdict, task_id="t"))
        elif self.arrives_s is None:
            events.append(GaveUp(at=answered, code="HTTP_400", reason="x", credits=0))
        else:
            asked = self.price if self.is_told else None
            events.append(TaskAccepted(at=answered, task_id="t", estimated=asked))
            if self.seen_s is not None:
                events.append(TaskSucceeded(at=at(self.seen_s), credits=self.cost))
        return events

    def taken_by(self, now_s: float) -> int:
        """Credits that the server has taken by then."""
        if self.arrives_s is None or self.arrives_s > now_s:
            return 0
        return self.cost if self.ends_s is not None and self.ends_s <= now_s else self.price

    def is_counted(self, now_s: float) -> bool:
        return self.arrives_s is not None and now_s - DAY_S < self.arrives_s <= now_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One reading: asked, made by the server, answered."""

    asked_s: float
    made_s: float
    answered_s: float

    def reading(self, sent: Sequence[Sent], most: int | None = None) -> Reading:
        lanes = dict.fromkeys(("m", *(one.lane for one in sent)))
        models = {
            lane: ModelLimits(
                max_concurrent=5,
                max_daily=most,
                daily_used=sum(s.lane == lane and s.is_counted(self.made_s) for s in sent),
            )
            for lane in lanes
        }
        balance = BALANCE - sum(one.taken_by(self.made_s) for one in sent)
        return Reading(
            asked_at=at(self.asked_s),
            answered_at=at(self.answered_s),
            organization=Organization(credit_balance=balance, models=models),
        )


def applied(entry: Entry | None, move: LedgerMove, job: Job, when: datetime) -> Entry:
    """The entry after a move, as the store writes it."""
    settled_at = when if move.state is EntryState.SETTLED else None
    if entry is None:
        return Entry(
            batch=job.batch, job=job.id, attempt=move.attempt, endpoint=job.spec.endpoint,
            lane=job.lane, tags=(), state=move.state, credits=move.credits, asked=move.asked,
            arrived=move.arrived, intended_at=when, answered_at=settled_at, settled_at=settled_at,
        )  # fmt: skip
    return replace(
        entry,
        state=move.state,
        credits=move.credits,
        asked=entry.asked if move.asked is None else move.asked,
        arrived=entry.arrived if move.arrived is None else move.arrived,
        answered_at=entry.answered_at or when,
        settled_at=settled_at,
    )
