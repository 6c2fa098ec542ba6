"""Reserve, settle, release: what a batch has spent and what it may still have to pay.

The pure model. The store keeps entries and caps as rows and changes them in the transaction of
the state change; tests hold both equal after every event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runner.core.events import (
    Event,
    Imported,
    Resolved,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    Verdict,
)
from runner.core.job import Job, JobStatus
from runner.core.lifecycle import HOLDING, settled_credits


class EntryState(StrEnum):
    """What an attempt's credits are. An entry settled at 0 credits was released."""

    RESERVED = "reserved"  # the worst case, set aside before the create
    IN_DOUBT = "in_doubt"  # set aside; nobody knows whether it was charged
    SETTLED = "settled"  # charged


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerMove:
    """What an event does to the ledger entry of the job's present attempt."""

    attempt: int
    state: EntryState
    credits: int  # the entry's new amount
    #: a reserve must fit under every cap that applies; everything else already happened
    must_fit: bool = False
    #: whether the create arrived, and so counts in the account's daily use; None = nobody knows
    arrived: bool | None = None
    #: what Runway took for it at once, where it said so; None leaves what is known
    asked: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The ledger's entry of one attempt, with who paid for it and when."""

    batch: str
    job: str
    attempt: int
    endpoint: str
    lane: str
    tags: tuple[str, ...]
    state: EntryState
    credits: int  # reserved, in doubt or charged
    asked: int | None  # what Runway took at the create, where it said so
    arrived: bool | None  # None = nobody knows
    intended_at: datetime  # a charge dates from its intent
    answered_at: datetime | None  # of the create; also when it was given up as in doubt
    settled_at: datetime | None
    user: str = ""
    host: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerTotals:
    """Credits of a batch."""

    spent: int = 0
    reserved: int = 0
    in_doubt: int = 0

    @property
    def used(self) -> int:
        """What counts against a cap."""
        return self.spent + self.reserved + self.in_doubt


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """Upper limits in credits for spent + reserved + in doubt; None = no limit."""

    batch: int | None = None
    #: one run's own limit (`--max-credits`); counts only what that run reserves
    run: int | None = None
    models: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)
    #: any 24 hours, and any 30 days, over all batches of the state file
    day: int | None = None
    month: int | None = None
    #: the account's balance that our spending never goes below
    keep_balance: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """A cap as it stands, and what counts against it, in credits."""

    name: str  # batch, run:ID, model:LANE, tag:TAG, day, month, balance
    limit: int
    used: int

    @property
    def available(self) -> int:
        return max(0, self.limit - self.used)


def ledger_move(job: Job, event: Event) -> LedgerMove | None:
    """What the event does to the ledger, seen before `job` changes; None = nothing."""
    credits = settled_credits(job, event)
    if credits is not None:
        is_new = isinstance(event, Imported) and job.status not in HOLDING
        return LedgerMove(
            attempt=job.attempt + is_new,
            state=EntryState.SETTLED,
            credits=credits,
            arrived=_arrived(job, event, credits),
        )
    match event:
        case SubmitStarted():
            return LedgerMove(
                attempt=job.attempt + 1,
                state=EntryState.RESERVED,
                credits=event.reserve,
                must_fit=True,
            )
        case TaskAccepted():
            raised = max(job.hold, event.estimated or 0)
            return LedgerMove(
                attempt=job.attempt,
                state=EntryState.RESERVED,
                credits=raised,
                arrived=True,
                asked=event.estimated,
            )
        case SubmitUnknown():
            return LedgerMove(attempt=job.attempt, state=EntryState.IN_DOUBT, credits=job.hold)
        case Resolved(verdict=Verdict.ADOPTED):
            return LedgerMove(
                attempt=job.attempt, state=EntryState.RESERVED, credits=job.hold, arrived=True
            )
        case _:
            return None


def _arrived(job: Job, event: Event, credits: int) -> bool | None:
    """Whether the create of an attempt that is settled now had reached Runway.

    A person who takes the worst case has no proof, and of a file found on disk nobody knows when
    its task was created.
    """
    if isinstance(event, Imported):
        return None
    if isinstance(event, Resolved):
        return False if event.verdict is Verdict.NOT_ARRIVED else None
    if job.status is JobStatus.SUBMITTING:
        return None if credits else False
    return True


def totals_of(jobs: Iterable[Job]) -> LedgerTotals:
    """The ledger rebuilt from the jobs: the check of what the store keeps."""
    spent = reserved = in_doubt = 0
    for job in jobs:
        spent += job.charged
        if job.status is JobStatus.IN_DOUBT:
            in_doubt += job.hold
        else:
            reserved += job.hold
    return LedgerTotals(spent=spent, reserved=reserved, in_doubt=in_doubt)
